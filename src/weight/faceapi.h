/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a face-api (tfjs) weights manifest describe? A JSON list of groups; the shards of a
 * group, one after the other, hold its tensors packed without padding. Which files the shards are
 * is only named here; nothing is opened.
 */
#ifndef XC_WEIGHT_FACEAPI_H
#define XC_WEIGHT_FACEAPI_H

#include "weight/weight.h"

enum { FACEAPI_MAX_PATHS = 256 };

struct faceapi_tensor {
    const char *name;
    int rank;
    size_t dim[WEIGHT_MAX_RANK];
    size_t count;
    size_t offset, bytes; /* inside all shards of all groups, one after the other */
    bool quantised;       /* uint8: value = q * scale + min; else float32 */
    double scale, min;
};

struct faceapi_group {
    size_t paths; /* how many of the paths are its */
    size_t bytes; /* what its shards hold together */
};

struct faceapi {
    struct arena arena;
    struct faceapi_tensor *tensor;
    const char **path; /* plain file names: no folder, not "." or ".." */
    struct faceapi_group *group;
    size_t tensors, paths, groups;
    size_t bytes; /* of all groups */
};

/* On failure *out holds nothing. */
XC_NODISCARD xc_status faceapi_read(const void *text, size_t size, struct faceapi *out,
                                    struct error *err);
void faceapi_free(struct faceapi *manifest);
/* shards: all bytes of all groups; out: t->count floats. Computed as tfjs does: one double
 * multiplication, one double addition, one rounding to float. */
void faceapi_decode(const struct faceapi_tensor *t, const uint8_t *shards, float *out);

#endif
