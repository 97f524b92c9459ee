/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which format is this file, how are its bytes read or refused? Safetensors is read here, strictly;
 * everything foreign is turned into safetensors bytes by the child process xception-import.
 * Which of our parameters a tensor is, is not decided here (src/foreign).
 */
#ifndef XC_WEIGHT_WEIGHT_H
#define XC_WEIGHT_WEIGHT_H

#include "base/arena.h"
#include "base/file.h"
#include "tensor/tensor.h"

#define WEIGHT_MAX_RANK 8
#define WEIGHT_MAX_TENSORS 4096
#define WEIGHT_MAX_HEADER (64u << 20) /* labels and settings of 100,000 classes, twice */

struct weight_tensor {
    const char *name;
    enum dtype type;
    int rank;
    size_t dim[WEIGHT_MAX_RANK];
    size_t count;         /* elements */
    size_t offset, bytes; /* inside the data part */
    const uint8_t *data;  /* may be unaligned: files of others are */
};

struct weight_meta { /* __metadata__: a string to string map */
    const char *key, *value;
};

/* Tensors in order of their data offset. Everything points into the arena or into the bytes, which
 * must outlive it. */
struct weight_file {
    struct arena arena;
    struct weight_tensor *tensor;
    int tensors;
    struct weight_meta *meta;
    int metas;
};

/* Strict: header <= WEIGHT_MAX_HEADER and starting with '{', <= WEIGHT_MAX_TENSORS, rank <= 8,
 * known types, no duplicate names, contiguous from 0, no hole, no overlap, no trailing byte.
 * Numbers are not looked at. On failure *out holds nothing. */
XC_NODISCARD xc_status safetensors_read(const void *bytes, size_t count, struct weight_file *out,
                                        struct error *err);
void weight_file_free(struct weight_file *file);
const struct weight_tensor *weight_find(const struct weight_file *file, const char *name);
const char *weight_meta_find(const struct weight_file *file, const char *key); /* NULL: none */

/* Writes header then data, in the order given; header padded with spaces so that data starts on a
 * 64-byte boundary; metadata keys sorted. Same input, same bytes. tensor[i].data is what is
 * written; offset is ignored. sink gets the pieces in order. */
typedef xc_status weight_sink(void *user, const void *data, size_t size, struct error *err);
XC_NODISCARD xc_status safetensors_write(const struct weight_tensor *tensor, int tensors,
                                         const struct weight_meta *meta, int metas,
                                         weight_sink *sink, void *user, struct error *err);

enum weight_format {
    WEIGHT_UNKNOWN,
    WEIGHT_SAFETENSORS,
    WEIGHT_HDF5,      /* .h5 .hdf5 .weights.h5 */
    WEIGHT_KERAS_ZIP, /* .keras */
    WEIGHT_TORCH_ZIP, /* .pth since 1.6 */
    WEIGHT_TORCH_OLD, /* .pth before */
    WEIGHT_FACEAPI    /* manifest */
};
/* By the first bytes (and, for a zip, its member names); size may be the first 4 KiB only, then a
 * zip is WEIGHT_TORCH_ZIP or WEIGHT_KERAS_ZIP by its first member. */
enum weight_format weight_probe(const void *bytes, size_t size);
const char *weight_format_name(enum weight_format format); /* "Keras HDF5", ... */

/* Runs the helper on path and gives its safetensors bytes (release with file_release). The child
 * has limits on memory, CPU time and output, no network, and can only write to its pipe; whatever
 * it does, the worst here is a refusal. Contract of the bytes: see foreign.h. */
struct foreign_limits {
    uint64_t memory; /* bytes of address space */
    uint32_t seconds;
    uint64_t output; /* bytes */
};
XC_NODISCARD xc_status foreign_read(const char *helper, const char *path,
                                    const struct foreign_limits *limits, struct file_view *out,
                                    struct error *err);

#endif
