/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Along which directions do rows differ most? With X the rows less their mean: of X X^T or of
 * X^T X, whichever is smaller, the largest eigenvalues; neither is ever made.
 */
#include "explain/pca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

struct centred {
    const struct pca *p;
    double *mean;    /* (width) */
    double *between; /* (count) or (width): what stands in the middle of the product */
};

/* y = X x */
static void to_rows(const struct centred *c, const double *x, double *y)
{
    const size_t w = c->p->width;
    double shift = 0;
    for (size_t j = 0; j < w; j++) shift += c->mean[j] * x[j];
    for (size_t i = 0; i < c->p->count; i++) {
        const float *row = c->p->rows + i * w;
        double sum = 0;
        for (size_t j = 0; j < w; j++) sum += (double)row[j] * x[j];
        y[i] = sum - shift;
    }
}

/* y = X^T x */
static void to_columns(const struct centred *c, const double *x, double *y)
{
    const size_t w = c->p->width;
    double all = 0;
    memset(y, 0, w * sizeof *y);
    for (size_t i = 0; i < c->p->count; i++) {
        const float *row = c->p->rows + i * w;
        for (size_t j = 0; j < w; j++) y[j] += (double)row[j] * x[i];
        all += x[i];
    }
    for (size_t j = 0; j < w; j++) y[j] -= c->mean[j] * all;
}

static void over_rows(void *ctx, const double *x, double *y) /* X^T X */
{
    const struct centred *c = ctx;
    to_rows(c, x, c->between);
    to_columns(c, c->between, y);
}

static void over_columns(void *ctx, const double *x, double *y) /* X X^T */
{
    const struct centred *c = ctx;
    to_columns(c, x, c->between);
    to_rows(c, c->between, y);
}

static void set_mean(struct centred *c)
{
    const size_t w = c->p->width;
    for (size_t i = 0; i < c->p->count; i++)
        for (size_t j = 0; j < w; j++) c->mean[j] += (double)c->p->rows[i * w + j];
    for (size_t j = 0; j < w; j++) c->mean[j] /= (double)c->p->count;
}

/* Length 1, the largest weight positive; of a direction without variance, zeros. */
static void settle(double *axis, size_t w, bool scale)
{
    size_t largest = 0;
    double length = 0;
    for (size_t j = 0; j < w; j++) {
        if (fabs(axis[j]) > fabs(axis[largest])) largest = j;
        length += axis[j] * axis[j];
    }
    length = scale ? sqrt(length) : 1;
    const double times = (axis[largest] < 0 ? -1 : 1) / (length > 0 ? length : 1);
    for (size_t j = 0; j < w; j++) axis[j] *= times;
}

/* Of fewer rows than numbers an axis without variance is made of rounding errors. */
static bool is_nothing(const double *value, int i)
{
    return !(value[i] > 1e-12 * value[0]);
}

static void finish(const struct centred *c, const double *value, const double *vector, double *axis,
                   double *row, double *score)
{
    const struct pca *p = c->p;
    const bool tall = p->count >= p->width;
    const int k = p->components;
    for (int i = 0; i < k; i++) {
        double *a = axis + (size_t)i * p->width;
        if (!tall && is_nothing(value, i))
            memset(a, 0, p->width * sizeof *a);
        else if (tall)
            memcpy(a, vector + (size_t)i * p->width, p->width * sizeof *a);
        else
            to_columns(c, vector + (size_t)i * p->count, a);
        settle(a, p->width, !tall);
        to_rows(c, a, row);
        for (size_t r = 0; r < p->count; r++) score[r * (size_t)k + (size_t)i] = row[r];
    }
}

xc_status pca(const struct pca *p, double *score, double *axis, double *variance, struct error *err)
{
    enum { MOST = 16 };
    const bool tall = p->count >= p->width;
    const size_t n = tall ? p->width : p->count, most = tall ? p->count : p->width;
    const size_t k = (size_t)p->components;
    if (p->components < 1 || k > MOST || k > n)
        return fail(err, XC_ERR_ARGUMENT,
                    "%d components of %zu rows of %zu numbers, expected 1 to %zu", p->components,
                    p->count, p->width, n < MOST ? n : MOST);
    double value[MOST];
    size_t numbers = 0;
    if (!size_mul(k + 2, most, &numbers)) return fail_memory(err, SIZE_MAX);
    struct centred c = {.p = p};
    c.mean = calloc(p->width, sizeof *c.mean);
    c.between = calloc(most, sizeof *c.between);
    double *vector = calloc(numbers, sizeof *vector), *axes = calloc(numbers, sizeof *axes);
    xc_status status =
        c.mean && c.between && vector && axes ? XC_OK : fail_memory(err, numbers * sizeof *vector);
    if (status == XC_OK) {
        set_mean(&c);
        status = eigen_largest(tall ? over_rows : over_columns, &c, n, p->components, value, vector,
                               err);
    }
    if (status == XC_OK) {
        finish(&c, value, vector, axes, c.between, score);
        if (axis) memcpy(axis, axes, k * p->width * sizeof *axis);
        for (size_t i = 0; i < k && variance; i++)
            variance[i] = value[i] / (double)(p->count > 1 ? p->count - 1 : 1);
    }
    free(c.mean);
    free(c.between);
    free(vector);
    free(axes);
    return status;
}
