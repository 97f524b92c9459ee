/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which algorithms are there beside the direct one (XC_ALGO_FAST), and what do their weights have
 * in common? They are sums of those of the direct algorithm, added up in double and rounded once.
 */
#ifndef XC_GRAPH_FAST_H
#define XC_GRAPH_FAST_H

#include "kernel/kernel.h"

enum fast {
    FAST_NONE,
    FAST_STRASSEN, /* strassen.h: large pointwise convolutions */
    FAST_WINOGRAD  /* winograd.h: windows of three columns */
};

/* Numbers of type F32 or F64, from those of the direct algorithm to packed matrices of the other's
 * products; `to` is zeroed. */
struct fast_weights {
    enum fast fast;
    struct matrix matrix; /* of the direct algorithm */
    size_t channels;      /* of the input */
    enum packing packing;
    enum dtype type;
    const void *from;
    void *to;
};

/* sum += factor times the `columns` numbers of `from` that begin with number `at`. */
static inline void fast_add(double *restrict sum, int factor, const struct fast_weights *w,
                            size_t at, size_t columns)
{
    if (w->type == DTYPE_F64) {
        const double *from = (const double *)w->from + at;
        for (size_t j = 0; j < columns; j++) sum[j] += factor * from[j];
    } else {
        const float *from = (const float *)w->from + at;
        for (size_t j = 0; j < columns; j++) sum[j] += factor * (double)from[j];
    }
}

static inline void fast_put(const struct fast_weights *w, size_t at, const double *sum,
                            size_t columns)
{
    if (w->type == DTYPE_F64) {
        double *to = (double *)w->to + at;
        for (size_t j = 0; j < columns; j++) to[j] = sum[j];
    } else {
        float *to = (float *)w->to + at;
        for (size_t j = 0; j < columns; j++) to[j] = (float)sum[j];
    }
}

#endif
