/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a picture resized exactly as Pillow does it? Every pixel of the result is a weighted mean
 * of the pixels under a filter, in two passes, along the rows and along the columns, each rounded
 * to 8 bits. Enlarging, the filter has its own width; shrinking, it is stretched by the scale.
 *
 * Weights are computed in double and rounded to 22 fraction bits, so the sums are exact integers.
 * NEAREST is not a filter: it adds the step up in double from pixel to pixel, and the rounding of
 * that sum decides which pixel is taken. Channels are independent: colours under alpha are not
 * weighted by it, because alpha is gone before a picture gets here.
 */
#include "image/resize.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { FRACTION_BITS = 32 - 8 - 2, HALF = 1 << (FRACTION_BITS - 1) };

static const double pi = 3.14159265358979323846;

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* The two constants are float in Pillow, which shows in the last bit now and then. */
static double hamming(double x)
{
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= pi;
    return sin(x) / x * (0.54f + 0.46f * cos(x));
}

/* Keys' cubic convolution with a = -0.5. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0) return 1.0;
    x *= pi;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
    double (*weight)(double x);
    double support; /* the filter is zero beyond */
} filters[] = {
    [XC_FILTER_BOX] = {box, 0.5},         [XC_FILTER_BILINEAR] = {bilinear, 1.0},
    [XC_FILTER_HAMMING] = {hamming, 1.0}, [XC_FILTER_BICUBIC] = {bicubic, 2.0},
    [XC_FILTER_LANCZOS] = {lanczos, 3.0},
};

double filter_weight(xc_filter filter, double x)
{
    return filters[filter].weight(x);
}

double filter_support(xc_filter filter)
{
    return filters[filter].support;
}

/* Which input pixels make output pixel i of the window, and with which weights. */
struct tap {
    int first, count;
    int32_t *weight; /* (count) in `weights` */
};

struct axis {
    struct tap *taps;
    int32_t *weights;
};

static void axis_free(struct axis *axis)
{
    free(axis->taps);
    free(axis->weights);
}

size_t filter_most(xc_filter filter, int in_size, int out_size)
{
    const double scale = (double)in_size / out_size;
    return (size_t)(ceil(filters[filter].support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1);
}

int filter_taps(xc_filter filter, int in_size, int out_size, int out, int *first, double *weight)
{
    double scale = (double)in_size / out_size, stretch = scale < 1.0 ? 1.0 : scale;
    double support = filters[filter].support * stretch;
    double centre = (out + 0.5) * scale, step = 1.0 / stretch, sum = 0.0;
    int from = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
    if (from < 0) from = 0;
    if (end > in_size) end = in_size;
    for (int i = from; i < end; i++) {
        weight[i - from] = filters[filter].weight((i - centre + 0.5) * step);
        sum += weight[i - from];
    }
    for (int i = 0; i < end - from && sum != 0.0; i++) weight[i] /= sum;
    *first = from;
    return end - from;
}

/* The taps of one output pixel; real: room for their weights before rounding. */
static void tap_fill(struct tap *tap, int out, int in_size, int out_size, xc_filter filter,
                     double *real)
{
    tap->count = filter_taps(filter, in_size, out_size, out, &tap->first, real);
    for (int i = 0; i < tap->count; i++) {
        double w = real[i] * (1 << FRACTION_BITS);
        tap->weight[i] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
    }
}

/* Taps for output pixels from .. from + n - 1 of out_size. axis->taps is NULL after a failure. */
static xc_status axis_new(int in_size, int out_size, int from, int n, xc_filter filter,
                          struct axis *axis, struct error *err)
{
    size_t per_tap = filter_most(filter, in_size, out_size), bytes;
    *axis = (struct axis){0};
    if (!size_mul(per_tap, sizeof(double), &bytes) || !size_mul(bytes, (size_t)n, &bytes))
        return fail_memory(err, SIZE_MAX);
    axis->taps = calloc((size_t)n, sizeof *axis->taps);
    axis->weights = malloc(bytes / 2);
    double *real = malloc(per_tap * sizeof *real);
    xc_status status = XC_OK;
    if (axis->taps && axis->weights && real) {
        for (int i = 0; i < n; i++) {
            axis->taps[i].weight = axis->weights + (size_t)i * per_tap;
            tap_fill(&axis->taps[i], from + i, in_size, out_size, filter, real);
        }
    } else {
        status = fail_memory(err, bytes);
    }
    free(real);
    return status;
}

static uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* in: (w, channels); out: (n, channels) */
static void filter_row(const uint8_t *in, const struct tap *taps, int n, int channels, uint8_t *out)
{
    for (int x = 0; x < n; x++) {
        const uint8_t *from = in + (size_t)taps[x].first * (size_t)channels;
        for (int c = 0; c < channels; c++) {
            const uint8_t *p = from + c;
            int32_t sum = HALF;
            for (int i = 0; i < taps[x].count; i++, p += channels) sum += *p * taps[x].weight[i];
            *out++ = to_byte(sum);
        }
    }
}

/* Adds row y of the input to every output row that it is part of; *from: the first that it can be.
 */
static void add_row(const uint8_t *row, int y, size_t length, const struct axis *down, int n,
                    int *from, int32_t *sums)
{
    while (*from < n && down->taps[*from].first + down->taps[*from].count <= y) ++*from;
    for (int i = *from; i < n && down->taps[i].first <= y; i++) {
        int32_t weight = down->taps[i].weight[y - down->taps[i].first];
        int32_t *sum = sums + (size_t)i * length;
        for (size_t x = 0; x < length; x++) sum[x] += row[x] * weight;
    }
}

/* What both passes work on. length: bytes of a row between them. */
struct passes {
    const struct rows *in;
    struct axis across, down;
    struct window window;
    bool down_first;
    size_t length;
    uint8_t *scratch, *line; /* a row of `in`, a row between the passes */
    int32_t *sums;           /* (window.h, length) */
};

/* Rows stream through: each is resized in width, unless that comes second, and added to the sums.
 * Integer sums do not depend on their order, so this is the column pass. */
static void run_passes(struct passes *p, uint8_t *out)
{
    const struct tap *down = p->down.taps, *last = &down[p->window.h - 1];
    size_t count = p->length * (size_t)p->window.h;
    int from = 0, n = p->window.w, channels = p->in->channels;
    for (size_t i = 0; i < count; i++) p->sums[i] = HALF;
    for (int y = down[0].first; y < last->first + last->count; y++) {
        const uint8_t *row = p->in->get(p->in, y, p->scratch);
        if (!p->down_first) filter_row(row, p->across.taps, n, channels, p->line);
        add_row(p->down_first ? row : p->line, y, p->length, &p->down, p->window.h, &from, p->sums);
    }
    for (int y = 0; y < p->window.h; y++, out += (size_t)n * (size_t)channels) {
        const int32_t *sum = p->sums + (size_t)y * p->length;
        for (size_t x = 0; x < p->length; x++) p->line[x] = to_byte(sum[x]);
        if (p->down_first)
            filter_row(p->line, p->across.taps, n, channels, out);
        else
            memcpy(out, p->line, p->length);
    }
}

/* Pillow goes across first, but since version 13 down first where the height shrinks by more than
 * twice what the width does. The rounding between the passes makes the order show. */
static bool goes_down_first(const struct rows *in, int out_w, int out_h)
{
    return out_h < in->h && in->h - out_h > 2 * ((int64_t)in->w - out_w);
}

static xc_status resize_filtered(const struct rows *in, xc_filter filter, int out_w, int out_h,
                                 struct window window, uint8_t *scratch, uint8_t *out,
                                 struct error *err)
{
    struct passes p = {.in = in, .window = window, .scratch = scratch};
    size_t bytes = SIZE_MAX;
    p.down_first = goes_down_first(in, out_w, out_h);
    p.length = (size_t)(p.down_first ? in->w : window.w) * (size_t)in->channels;
    xc_status status = axis_new(in->w, out_w, window.x, window.w, filter, &p.across, err);
    if (status == XC_OK) status = axis_new(in->h, out_h, window.y, window.h, filter, &p.down, err);
    if (status != XC_OK) goto done;
    p.line = malloc(p.length);
    if (size_mul(p.length, (size_t)window.h, &bytes) && size_mul(bytes, sizeof *p.sums, &bytes))
        p.sums = malloc(bytes);
    if (p.line && p.sums)
        run_passes(&p, out);
    else
        status = fail_memory(err, bytes);
done:
    free(p.sums);
    free(p.line);
    axis_free(&p.down);
    axis_free(&p.across);
    return status;
}

/* The input pixels that output pixels from .. from + n - 1 of out_size take. */
static void nearest_fill(int in_size, int out_size, int from, int n, int *index)
{
    double step = (double)in_size / out_size, at = step * 0.5;
    for (int i = 0; i < from + n; i++, at += step) {
        int pixel = (int)at;
        if (i >= from) index[i - from] = pixel < in_size ? pixel : in_size - 1;
    }
}

/* out[x] = from[column[x]] */
static void take_pixels(const uint8_t *from, const int *column, int n, int channels, uint8_t *out)
{
    const size_t pixel = (size_t)channels;
    if (channels == 3) /* a size that is known is copied at once */
        for (int x = 0; x < n; x++, out += 3) memcpy(out, from + (size_t)column[x] * 3, 3);
    else
        for (int x = 0; x < n; x++, out += pixel)
            memcpy(out, from + (size_t)column[x] * pixel, pixel);
}

static xc_status resize_nearest(const struct rows *in, int out_w, int out_h, struct window window,
                                uint8_t *scratch, uint8_t *out, struct error *err)
{
    size_t n = (size_t)window.w + (size_t)window.h;
    int *column = calloc(n, sizeof *column);
    if (!column) return fail_memory(err, n * sizeof *column);
    int *row = column + window.w;
    nearest_fill(in->w, out_w, window.x, window.w, column);
    nearest_fill(in->h, out_h, window.y, window.h, row);
    for (int y = 0; y < window.h; y++) {
        const uint8_t *from = in->get(in, row[y], scratch);
        take_pixels(from, column, window.w, in->channels, out);
        out += (size_t)window.w * (size_t)in->channels;
    }
    free(column);
    return XC_OK;
}

xc_status resize_window(const struct rows *in, xc_filter filter, int out_w, int out_h,
                        struct window window, uint8_t *out, struct error *err)
{
    uint8_t *scratch = calloc((size_t)in->w, (size_t)in->channels);
    if (!scratch) return fail_memory(err, (size_t)in->w);
    xc_status status = filter == XC_FILTER_NEAREST
                           ? resize_nearest(in, out_w, out_h, window, scratch, out, err)
                           : resize_filtered(in, filter, out_w, out_h, window, scratch, out, err);
    free(scratch);
    return status;
}

static const uint8_t *plain_row(const struct rows *rows, int y, uint8_t *scratch)
{
    (void)scratch;
    const struct plain_rows *plain = (const struct plain_rows *)rows;
    return plain->base + y * plain->stride;
}

struct plain_rows plain_rows_of(const uint8_t *base, int w, int h, ptrdiff_t stride, int channels)
{
    return (struct plain_rows){{w, h, channels, plain_row}, base, stride};
}

xc_status resize_u8(const uint8_t *in, int w, int h, ptrdiff_t stride, int channels,
                    xc_filter filter, int out_w, int out_h, uint8_t *out, struct error *err)
{
    if (w < 1 || h < 1 || out_w < 1 || out_h < 1)
        return fail(err, XC_ERR_ARGUMENT, "resize: %dx%d to %dx%d has no pixels", w, h, out_w,
                    out_h);
    if (filter < XC_FILTER_NEAREST || filter > XC_FILTER_LANCZOS)
        return fail(err, XC_ERR_ARGUMENT, "resize: filter %d is none of Pillow's", (int)filter);
    struct plain_rows rows = plain_rows_of(in, w, h, stride, channels);
    return resize_window(&rows.rows, filter, out_w, out_h, (struct window){0, 0, out_w, out_h}, out,
                         err);
}
