/* SPDX-License-Identifier: Apache-2.0 */
/* What do the methods of the input compute? One number a pixel of what the network reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"

static size_t pixels_of(const xc_explainer *e)
{
    return (size_t)e->input.h * (size_t)e->input.w;
}

/* ---- gradients ------------------------------------------------------------------------------- */

typedef void sample_fn(const xc_explainer *e, uint32_t s, float *x);

/* Mean gradient over o.steps samples of the input, into sum. */
static xc_status mean_gradient(xc_explainer *e, sample_fn *sample, double *sum, struct error *err)
{
    for (uint32_t s = 0; s < e->o.steps; s++) {
        sample(e, s, e->batch);
        TRY(explain_backward(e, e->batch, err));
        for (size_t i = 0; i < e->inputs; i++) sum[i] += (double)e->gradient[i];
        TRY(explain_tick(e, s + 1, e->o.steps, err));
    }
    for (size_t i = 0; i < e->inputs; i++) sum[i] /= (double)e->o.steps;
    return XC_OK;
}

/* Between baseline and input, in the middle of step s. */
static void on_the_way(const xc_explainer *e, uint32_t s, float *x)
{
    const double part = (s + 0.5) / e->o.steps, base = (double)e->o.baseline;
    for (size_t i = 0; i < e->inputs; i++) x[i] = (float)(base + part * ((double)e->x[i] - base));
}

static void with_noise(const xc_explainer *e, uint32_t s, float *x)
{
    float low = e->x[0], high = e->x[0];
    for (size_t i = 0; i < e->inputs; i++) {
        low = e->x[i] < low ? e->x[i] : low;
        high = e->x[i] > high ? e->x[i] : high;
    }
    const double deviation = e->o.noise * ((double)high - (double)low);
    for (size_t i = 0; i < e->inputs; i++)
        x[i] = (float)((double)e->x[i] + deviation * smoothgrad_noise(e->o.seed, s, (uint32_t)i));
}

/* low[p] = sum over channels of f(mean gradient) */
static xc_status by_gradient(xc_explainer *e, sample_fn *sample,
                             double (*f)(const xc_explainer *, size_t, double), struct error *err)
{
    const size_t c = (size_t)e->input.c;
    double *mean = calloc(e->inputs, sizeof *mean);
    if (!mean) return fail_memory(err, e->inputs * sizeof *mean);
    const xc_status status = mean_gradient(e, sample, mean, err);
    for (size_t p = 0; p < pixels_of(e) && status == XC_OK; p++) {
        double sum = 0;
        for (size_t i = p * c; i < (p + 1) * c; i++) sum += f(e, i, mean[i]);
        e->low[p] = (float)sum;
    }
    free(mean);
    return status;
}

static double times_way(const xc_explainer *e, size_t i, double gradient)
{
    return ((double)e->x[i] - (double)e->o.baseline) * gradient;
}

static double magnitude(const xc_explainer *e, size_t i, double gradient)
{
    (void)e, (void)i;
    return fabs(gradient);
}

xc_status input_integrated(xc_explainer *e, struct error *err)
{
    return by_gradient(e, on_the_way, times_way, err);
}

xc_status input_smoothgrad(xc_explainer *e, struct error *err)
{
    return by_gradient(e, with_noise, magnitude, err);
}

/* ---- occlusion ------------------------------------------------------------------------------- */

struct span {
    int from, to;
};

/* Window i along a side: the last ones are cut off at its end. */
static struct span window_at(const xc_explainer *e, int i, int side)
{
    const int from = i * (int)e->o.stride, to = from + (int)e->o.window;
    return (struct span){from, to < side ? to : side};
}

static int windows_along(const xc_explainer *e, int side)
{
    const int rest = side - (int)e->o.window, stride = (int)e->o.stride;
    return rest > 0 ? (rest + stride - 1) / stride + 1 : 1;
}

static void cover(const xc_explainer *e, struct span y, struct span x, float *to)
{
    const int w = e->input.w, c = e->input.c;
    memcpy(to, e->x, e->inputs * sizeof *to);
    for (int row = y.from; row < y.to; row++)
        for (int i = x.from * c; i < x.to * c; i++)
            to[(size_t)row * (size_t)w * (size_t)c + (size_t)i] = e->o.baseline;
}

/* The logit without a picture hidden is in whole. */
static xc_status hide_windows(xc_explainer *e, double whole, double *sum, uint32_t *times,
                              struct error *err)
{
    const int h = e->input.h, w = e->input.w;
    const int across = windows_along(e, w), all = across * windows_along(e, h);
    for (int at = 0; at < all; at += EXPLAIN_BATCH) {
        const int n = all - at < EXPLAIN_BATCH ? all - at : EXPLAIN_BATCH;
        for (int i = 0; i < n; i++)
            cover(e, window_at(e, (at + i) / across, h), window_at(e, (at + i) % across, w),
                  e->batch + (size_t)i * e->inputs);
        TRY(explain_forward(e, n, err));
        for (int i = 0; i < n; i++) {
            const struct span y = window_at(e, (at + i) / across, h);
            const struct span x = window_at(e, (at + i) % across, w);
            const double fall = whole - (double)e->logit[i * e->classes + e->chosen];
            for (int row = y.from; row < y.to; row++)
                for (int p = row * w + x.from; p < row * w + x.to; p++) sum[p] += fall, times[p]++;
        }
        TRY(explain_tick(e, (uint64_t)(at + n), (uint64_t)all, err));
    }
    return XC_OK;
}

xc_status input_occlusion(xc_explainer *e, struct error *err)
{
    const size_t pixels = pixels_of(e);
    const double whole = (double)e->logit[e->chosen];
    double *sum = calloc(pixels, sizeof *sum);
    uint32_t *times = calloc(pixels, sizeof *times);
    xc_status status = sum && times ? hide_windows(e, whole, sum, times, err)
                                    : fail_memory(err, pixels * sizeof *sum);
    for (size_t p = 0; p < pixels && status == XC_OK; p++)
        e->low[p] = times[p] ? (float)(sum[p] / times[p]) : 0;
    free(sum);
    free(times);
    return status;
}

/* ---- nothing --------------------------------------------------------------------------------- */

xc_status input_centre(xc_explainer *e, struct error *err)
{
    (void)err;
    const int h = e->input.h, w = e->input.w;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const double v = (y + 0.5) / h - 0.5, u = (x + 0.5) / w - 0.5;
            e->low[y * w + x] = (float)exp(-8 * (u * u + v * v)); /* deviation: a quarter side */
        }
    return XC_OK;
}
