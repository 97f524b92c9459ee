/* SPDX-License-Identifier: Apache-2.0 */
/* How are numbers resized that are no bytes? With the filters of resize.c, and nothing rounded. */
#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "image/resize.h"

struct tap { /* pixels first .. first + count make one */
    int first, count;
    float *weight;
};

struct axis {
    int pixels;
    struct tap *tap;
    float *weight; /* of all taps */
};

static void fill_tap(struct tap *t, int pixel, int from, double scale, xc_filter filter)
{
    const double stretch = scale < 1 ? 1 : scale, support = filter_support(filter) * stretch;
    const double centre = (pixel + 0.5) * scale;
    const int first = (int)fmax(0, floor(centre - support + 0.5));
    const int end = (int)fmin(from, floor(centre + support + 0.5));
    double sum = 0;
    *t = (struct tap){first, end - first, t->weight};
    for (int i = first; i < end; i++) sum += filter_weight(filter, (i + 0.5 - centre) / stretch);
    for (int i = first; i < end; i++) {
        const double w = filter_weight(filter, (i + 0.5 - centre) / stretch);
        t->weight[i - first] = (float)(w / sum);
    }
}

static void axis_free(struct axis *a)
{
    free(a->tap);
    free(a->weight);
}

static xc_status axis_new(struct axis *a, int from, int to, xc_filter filter, struct error *err)
{
    const double scale = (double)from / to;
    const double most = ceil(filter_support(filter) * (scale < 1 ? 1 : scale)) * 2 + 1;
    const size_t each = (size_t)most;
    size_t bytes;
    *a = (struct axis){.pixels = to};
    if (!size_mul(each * sizeof *a->weight, (size_t)to, &bytes)) return fail_memory(err, SIZE_MAX);
    a->tap = calloc((size_t)to, sizeof *a->tap);
    a->weight = malloc(bytes);
    if (!a->tap || !a->weight) {
        axis_free(a);
        return fail_memory(err, bytes);
    }
    for (int i = 0; i < to; i++) {
        a->tap[i].weight = a->weight + (size_t)i * each;
        fill_tap(&a->tap[i], i, from, scale, filter);
    }
    return XC_OK;
}

/* to: a row of numbers for each tap. */
static void sum_rows(const struct axis *a, int numbers, const float *from, float *to)
{
    for (const struct tap *t = a->tap; t < a->tap + a->pixels; t++, to += numbers) {
        const float *row = from + (ptrdiff_t)t->first * numbers;
        for (int k = 0; k < numbers; k++) to[k] = t->weight[0] * row[k];
        for (int i = 1; i < t->count; i++) {
            row += numbers;
            for (int k = 0; k < numbers; k++) to[k] += t->weight[i] * row[k];
        }
    }
}

xc_status resize_f32(const float *in, int n, int w, int h, int channels, xc_filter filter,
                     int out_w, int out_h, float *out, struct error *err)
{
    const int row = w * channels, narrow = out_w * channels;
    struct axis columns, rows;
    float *between = malloc((size_t)h * (size_t)narrow * sizeof *between); /* (h, out_w, c) */
    xc_status status = between ? XC_OK : fail_memory(err, (size_t)h * (size_t)narrow * 4);
    if (status == XC_OK) status = axis_new(&columns, w, out_w, filter, err);
    if (status != XC_OK) {
        free(between);
        return status;
    }
    status = axis_new(&rows, h, out_h, filter, err);
    for (int i = 0; i < n && status == XC_OK; i++, out += (ptrdiff_t)out_h * narrow) {
        for (int y = 0; y < h; y++, in += row)
            sum_rows(&columns, channels, in, between + (ptrdiff_t)y * narrow);
        sum_rows(&rows, narrow, between, out);
    }
    if (status == XC_OK) axis_free(&rows);
    axis_free(&columns);
    free(between);
    return status;
}
