/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has been found in the foreign file, and who finds it? Each format adds tensors and metadata
 * in the words of weight/foreign.h; main.c writes them out. Which parameter of ours a tensor is,
 * is not known here.
 */
#ifndef XC_IMPORT_H
#define XC_IMPORT_H

#include "weight/weight.h"

enum { IMPORT_MAX_META = 8 };

struct import {
    struct arena arena; /* names, and numbers that could not stay where they were in the file */
    struct weight_tensor *tensor;
    int tensors;
    struct weight_meta meta[IMPORT_MAX_META];
    int metas;
    size_t bytes, limit; /* of all tensors together */
};

void import_free(struct import *im);

/* A tensor of this name, type and shape; its count and bytes are checked and set. The caller
 * points *out's data at numbers that live as long as the file or the arena. */
XC_NODISCARD xc_status import_tensor(struct import *im, const char *name, enum dtype type, int rank,
                                     const size_t dim[], struct weight_tensor **out,
                                     struct error *err);
bool import_has(const struct import *im, const char *name);
/* Zeroed memory for numbers or a member of an archive; at most the limit. */
XC_NODISCARD xc_status import_room(struct import *im, size_t bytes, void **out, struct error *err);
/* value is copied; NULL adds nothing */
XC_NODISCARD xc_status import_meta(struct import *im, const char *key, const char *value,
                                   struct error *err);

/* The formats. bytes must outlive im: tensors point into them where they can. */
XC_NODISCARD xc_status import_hdf5(struct import *im, const void *bytes, size_t size,
                                   struct error *err);
XC_NODISCARD xc_status import_keras_zip(struct import *im, const void *bytes, size_t size,
                                        struct error *err);
XC_NODISCARD xc_status import_torch_zip(struct import *im, const void *bytes, size_t size,
                                        struct error *err);
XC_NODISCARD xc_status import_torch_old(struct import *im, const void *bytes, size_t size,
                                        struct error *err);
/* The shards of the manifest, one after the other. */
struct faceapi;
XC_NODISCARD xc_status import_faceapi(struct import *im, const struct faceapi *manifest,
                                      const uint8_t *shards, struct error *err);

#endif
