/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign files in memory: what xception-import would hand back, for tests of the import. */
#ifndef XC_TESTS_MODEL_FOREIGN_BYTES_H
#define XC_TESTS_MODEL_FOREIGN_BYTES_H

#include "base/file.h"
#include "weight/weight.h"

struct foreign_bytes {
    struct weight_tensor tensor[WEIGHT_MAX_TENSORS];
    int tensors;
    struct weight_meta meta[8];
    int metas;
    struct arena arena;
};

/* Appends a tensor of zeros; dims: rank of them. */
struct weight_tensor *foreign_add(struct foreign_bytes *f, const char *name, enum dtype type,
                                  int rank, const size_t *dim);
void foreign_meta(struct foreign_bytes *f, const char *key, const char *value);
/* The numbers of a tensor, to be written. */
void *foreign_data(const struct weight_tensor *t);
struct weight_tensor *foreign_find(struct foreign_bytes *f, const char *name);
/* A safetensors file; the view is released with file_release or by who takes it over. */
struct file_view foreign_view(const struct foreign_bytes *f);
void foreign_free(struct foreign_bytes *f);

#endif
