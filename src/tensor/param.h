/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers are learned, under which name, at which offset of the flat block? One table a
 * graph; weights, gradients and optimizer moments are flat float blocks with the same offsets.
 * Layouts are Keras': convolution (kh, kw, in/groups, out), depthwise (kh, kw, c, 1), dense (in,
 * out).
 */
#ifndef XC_TENSOR_PARAM_H
#define XC_TENSOR_PARAM_H

#include "base/arena.h"
#include "tensor/tensor.h"

enum param_role {
    PARAM_KERNEL,
    PARAM_DEPTHWISE,
    PARAM_BIAS,
    PARAM_GAMMA,
    PARAM_BETA,
    PARAM_MEAN,    /* moving mean: not trained */
    PARAM_VARIANCE /* moving variance: not trained */
};

struct param {
    const char *name; /* "block4_sepconv1/pointwise_kernel" */
    enum param_role role;
    int rank;
    int dim[4];
    size_t count, offset; /* in elements */
};

struct param_table {
    struct param *at;
    int count, room;
    size_t total; /* elements of the flat block */
};

/* Appends; *index is its number. Names and the table live in the arena. */
XC_NODISCARD xc_status param_add(struct param_table *t, struct arena *a, const char *name,
                                 enum param_role role, int rank, const int dim[], int *index,
                                 struct error *err);
int param_find(const struct param_table *t, const char *name); /* -1 when there is none */
bool param_trainable(const struct param *p);
/* "kernel", "depthwise_kernel", ...: the part of a name after the slash, for a role */
const char *param_role_name(enum param_role role);

#endif
