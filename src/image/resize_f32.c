/* SPDX-License-Identifier: Apache-2.0 */
/* How are numbers resized that are no bytes? As in resize.c, but nothing is rounded. */
#include <limits.h>
#include <stdlib.h>

#include "base/checked.h"
#include "image/resize.h"

struct tap { /* pixels first .. first + count make one */
    int first, count;
    double *weight;
};

struct axis {
    int pixels;
    struct tap *tap;
    double *weight; /* of all taps */
};

static void axis_free(struct axis *a)
{
    free(a->tap);
    free(a->weight);
}

static xc_status axis_new(struct axis *a, int from, int to, struct error *err)
{
    const size_t most = filter_most(XC_FILTER_BILINEAR, from, to);
    size_t bytes;
    *a = (struct axis){.pixels = to};
    if (!size_mul(most * sizeof *a->weight, (size_t)to, &bytes)) return fail_memory(err, SIZE_MAX);
    a->tap = calloc((size_t)to, sizeof *a->tap);
    a->weight = malloc(bytes);
    if (!a->tap || !a->weight) {
        axis_free(a);
        return fail_memory(err, bytes);
    }
    for (int i = 0; i < to; i++) {
        struct tap *t = &a->tap[i];
        t->weight = a->weight + (size_t)i * most;
        t->count = filter_taps(XC_FILTER_BILINEAR, from, to, i, &t->first, t->weight);
    }
    return XC_OK;
}

/* to: a row of numbers for each tap. */
static void sum_rows(const struct axis *a, int numbers, const float *from, float *to)
{
    for (const struct tap *t = a->tap; t < a->tap + a->pixels; t++, to += numbers) {
        const float *row = from + (ptrdiff_t)t->first * numbers;
        for (int k = 0; k < numbers; k++) to[k] = (float)t->weight[0] * row[k];
        for (int i = 1; i < t->count; i++) {
            const float weight = (float)t->weight[i];
            row += numbers;
            for (int k = 0; k < numbers; k++) to[k] += weight * row[k];
        }
    }
}

xc_status resize_bilinear_f32(const float *in, int n, int w, int h, int channels, int out_w,
                              int out_h, float *out, struct error *err)
{
    size_t narrow, bytes;
    if (!size_mul((size_t)out_w, (size_t)channels, &narrow) || narrow > INT_MAX ||
        !size_mul(narrow * sizeof(float), (size_t)h, &bytes))
        return fail_memory(err, SIZE_MAX);
    const ptrdiff_t row = (ptrdiff_t)w * channels, out_row = (ptrdiff_t)narrow;
    struct axis columns, rows;
    float *between = malloc(bytes); /* (h, out_w, c) */
    xc_status status = between ? XC_OK : fail_memory(err, bytes);
    if (status == XC_OK) status = axis_new(&columns, w, out_w, err);
    if (status != XC_OK) {
        free(between);
        return status;
    }
    status = axis_new(&rows, h, out_h, err);
    for (int i = 0; i < n && status == XC_OK; i++, out += out_h * out_row) {
        for (int y = 0; y < h; y++, in += row)
            sum_rows(&columns, channels, in, between + y * out_row);
        sum_rows(&rows, (int)narrow, between, out);
    }
    if (status == XC_OK) axis_free(&rows);
    axis_free(&columns);
    free(between);
    return status;
}
