/* SPDX-License-Identifier: Apache-2.0 */
/* Along which directions do rows of numbers differ most? */
#ifndef XC_EXPLAIN_PCA_H
#define XC_EXPLAIN_PCA_H

#include "base/status.h"

struct pca {
    const float *rows; /* (count, width) */
    size_t count, width;
    int components; /* at most count, width and 16 */
};
/* score: (count, components); axis (components, width) and variance (components; over count - 1)
 * may be NULL. The largest weight of each axis is positive. */
XC_NODISCARD xc_status pca(const struct pca *p, double *score, double *axis, double *variance,
                           struct error *err);

/* The k largest eigenvalues, largest first, of a symmetric matrix without negative ones, and their
 * vectors (k, n) of length 1. apply: y = A x. */
typedef void eigen_fn(void *ctx, const double *x, double *y);
XC_NODISCARD xc_status eigen_largest(eigen_fn *apply, void *ctx, size_t n, int k, double *value,
                                     double *vector, struct error *err);

#endif
