/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The largest value and the mean, under a window and over a whole image.
 */
#include <math.h>

#include "kernel/trial.h"

static void draw_pool(struct trial *t, struct dice *d)
{
    struct pool_call *call = &t->pool;
    const int n = dice_int(d, 1, 3), h = dice_int(d, 1, 9), w = dice_int(d, 1, 9);
    const int c = dice_channels(d);
    int oh, ow;
    *call = (struct pool_call){.type = t->type, .count_pad = dice_int(d, 0, 1)};
    call->window = dice_window(d, h, w, &oh, &ow);
    trial_input(t, d, &call->in, (struct shape){n, h, w, c}, dice_type(t, d));
    trial_output(t, d, &call->out, (struct shape){n, oh, ow, c}, dice_type(t, d));
    call->epilogue = dice_epilogue(t, d, &call->out, false, dice_type(t, d));
    t->units = (size_t)n * (size_t)oh * (size_t)ow;
}

static double larger(double a, double b) /* fmax would lose NaN */
{
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
}

struct taps {
    double sum, magnitude, top;
    int count;
};

static struct taps taps_of(const struct trial *t, int n, int y, int x, int c)
{
    const struct window *win = &t->pool.window;
    struct taps taps = {.top = -INFINITY};
    for (int i = 0; i < win->kh * win->kw; i++) {
        const int iy = y * win->sy + i / win->kw * win->dy - win->pad_top;
        const int ix = x * win->sx + i % win->kw * win->dx - win->pad_left;
        if (iy < 0 || iy >= t->pool.in.h || ix < 0 || ix >= t->pool.in.w) continue;
        const double value = number_at(&t->pool.in, n, iy, ix, c);
        taps.sum += value;
        taps.magnitude += fabs(value);
        taps.top = larger(taps.top, value);
        taps.count++;
    }
    return taps;
}

static struct want want_pool_max(const struct trial *t, int n, int y, int x, int c)
{
    const struct want v = {taps_of(t, n, y, x, c).top, 0};
    return want_epilogue(t, &t->pool.epilogue, v, n, y, x, c);
}

static struct want want_pool_average(const struct trial *t, int n, int y, int x, int c)
{
    const struct taps taps = taps_of(t, n, y, x, c);
    const int count = t->pool.count_pad ? t->pool.window.kh * t->pool.window.kw : taps.count;
    const struct want v = want_sum(t, taps.sum / count, taps.magnitude / count, taps.count);
    return want_epilogue(t, &t->pool.epilogue, v, n, y, x, c);
}

static void draw_global(struct trial *t, struct dice *d)
{
    struct global_pool_call *call = &t->global;
    const int n = dice_int(d, 1, 3), h = dice_int(d, 1, 30), w = dice_int(d, 1, 30);
    const int c = dice_channels(d);
    *call = (struct global_pool_call){.type = t->type};
    trial_input(t, d, &call->in, (struct shape){n, h, w, c}, dice_type(t, d));
    trial_output(t, d, &call->out, (struct shape){n, 1, 1, c}, dice_type(t, d));
    t->units = (size_t)n * (size_t)c;
}

static struct want want_global_max(const struct trial *t, int n, int y, int x, int c)
{
    double top = -INFINITY;
    (void)y, (void)x;
    for (int p = 0; p < t->global.in.h * t->global.in.w; p++)
        top = larger(top, number_at(&t->global.in, n, p / t->global.in.w, p % t->global.in.w, c));
    return (struct want){top, 0};
}

static struct want want_global_average(const struct trial *t, int n, int y, int x, int c)
{
    const int pixels = t->global.in.h * t->global.in.w;
    double sum = 0, magnitude = 0;
    (void)y, (void)x;
    for (int p = 0; p < pixels; p++) {
        const double v = number_at(&t->global.in, n, p / t->global.in.w, p % t->global.in.w, c);
        sum += v;
        magnitude += fabs(v);
    }
    return want_sum(t, sum / pixels, magnitude / pixels, pixels);
}

static void run_pool_max(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->pool_max(&t->pool, from, to);
}

static void run_pool_average(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->pool_average(&t->pool, from, to);
}

static void run_global_max(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->global_max(&t->global, from, to);
}

static void run_global_average(const struct kernels *k, const struct trial *t, size_t from,
                               size_t to)
{
    k->global_average(&t->global, from, to);
}

const struct family pool_max_family = {"pool_max", draw_pool, run_pool_max, want_pool_max};
const struct family pool_average_family = {"pool_average", draw_pool, run_pool_average,
                                           want_pool_average};
const struct family global_max_family = {"global_max", draw_global, run_global_max,
                                         want_global_max};
const struct family global_average_family = {"global_average", draw_global, run_global_average,
                                             want_global_average};
