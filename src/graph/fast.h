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

/* sum += scale times the `columns` numbers of `from` that begin with number `at`. */
static inline void fast_add(double *restrict sum, double scale, const struct fast_weights *w,
                            size_t at, size_t columns)
{
    const double *wide = (const double *)w->from + at;
    const float *narrow = (const float *)w->from + at;
    if (w->type == DTYPE_F64)
        for (size_t j = 0; j < columns; j++) sum[j] += scale * wide[j];
    else
        for (size_t j = 0; j < columns; j++) sum[j] += scale * (double)narrow[j];
}

static inline void fast_put(const struct fast_weights *w, size_t at, const double *sum,
                            size_t columns)
{
    double *wide = (double *)w->to + at;
    float *narrow = (float *)w->to + at;
    if (w->type == DTYPE_F64)
        for (size_t j = 0; j < columns; j++) wide[j] = sum[j];
    else
        for (size_t j = 0; j < columns; j++) narrow[j] = (float)sum[j];
}

#endif
