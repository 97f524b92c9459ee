/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of products: convolutions and dense layers, each as the formula of its textbook.
 */
#include <math.h>
#include <stdlib.h>

#include "kernel/trial.h"

/* The rest of a call whose window is drawn. */
static void draw_views(struct trial *t, struct dice *d, struct view in, int oh, int ow, int oc)
{
    struct conv_call *call = &t->conv;
    const struct window *win = &call->window;
    trial_input(t, d, &call->in, (struct shape){in.n, in.h, in.w, in.c}, dice_type(t, d));
    trial_output(t, d, &call->out, (struct shape){in.n, oh, ow, oc}, dice_type(t, d));
    const size_t taps = (size_t)(win->kh * win->kw);
    call->weight = trial_numbers(t, d, t->type, taps * (size_t)(in.c / call->groups) * (size_t)oc);
    call->prologue = dice_prologue(t, d, in.c);
    call->epilogue = dice_epilogue(t, d, &call->out, true, dice_type(t, d));
    t->units = (size_t)in.n * (size_t)oh * (size_t)ow;
}

static void draw_conv(struct trial *t, struct dice *d, int groups, int c, int oc, bool one_tap)
{
    struct conv_call *call = &t->conv;
    const int most = one_tap && dice_int(d, 0, 1) ? 20 : 7; /* several blocks of rows */
    const int n = dice_int(d, 1, 3), h = dice_int(d, 1, most), w = dice_int(d, 1, most);
    int oh, ow;
    *call = (struct conv_call){.type = t->type, .groups = groups, .packing = PACK_PLAIN};
    call->window = dice_window(d, h, w, &oh, &ow);
    if (one_tap) {
        call->window = (struct window){1, 1, dice_int(d, 1, 3), dice_int(d, 1, 3), 1, 1, 0, 0};
        oh = (h - 1) / call->window.sy + 1;
        ow = (w - 1) / call->window.sx + 1;
    } else if (groups < c && dice_int(d, 0, 2) == 0) { /* windows that see padding alone */
        call->window.pad_top += dice_int(d, 0, 2);
        call->window.pad_left += dice_int(d, 0, 2);
        oh += dice_int(d, 0, 2);
        ow += dice_int(d, 0, 2);
    }
    draw_views(t, d, (struct view){.n = n, .h = h, .w = w, .c = c}, oh, ow, oc);
}

static void draw_dense_or_grouped(struct trial *t, struct dice *d)
{
    const int groups = dice_int(d, 0, 1) ? 1 : dice_int(d, 2, 5);
    const int c = groups == 1 ? dice_channels(d) : groups * dice_int(d, 1, 9);
    draw_conv(t, d, groups, c, groups == 1 ? dice_channels(d) : groups * dice_int(d, 1, 9), false);
}

/* Groups of as many channels as fill panels, on rows that fill tiles: several bands of them. */
static void draw_grouped(struct trial *t, struct dice *d)
{
    struct conv_call *call = &t->conv;
    const int groups = dice_int(d, 2, 3), c = dice_int(d, 1, 70), oc = dice_int(d, 1, 40);
    const int n = dice_int(d, 1, 2), h = dice_int(d, 3, 9), w = dice_int(d, 3, 24);
    const int pad = dice_int(d, 0, 1), stride = dice_int(d, 1, 2);
    *call = (struct conv_call){.type = t->type, .groups = groups, .packing = PACK_PLAIN};
    call->window = (struct window){3, 3, stride, stride, 1, 1, pad, pad};
    draw_views(t, d, (struct view){.n = n, .h = h, .w = w, .c = groups * c},
               (h + 2 * pad - 3) / stride + 1, (w + 2 * pad - 3) / stride + 1, groups * oc);
    if (dice_int(d, 0, 1)) call->prologue = (struct prologue){0};
}

/* So many numbers a sum that a pair of panels is read in parts; at times as many columns, too. */
static void draw_deep(struct trial *t, struct dice *d)
{
    struct conv_call *call = &t->conv;
    const int h = 2, w = dice_int(d, 8, 11), c = dice_int(d, 290, 310);
    *call = (struct conv_call){.type = t->type, .groups = 1, .packing = PACK_PLAIN};
    call->window = (struct window){3, 3, 1, 1, 1, 1, 1, 1};
    draw_views(t, d, (struct view){.n = 1, .h = h, .w = w, .c = c}, h, w,
               dice_int(d, 0, 7) ? dice_int(d, 1, 20) : dice_int(d, 257, 290));
}

static void draw_depthwise(struct trial *t, struct dice *d)
{
    const int c = dice_channels(d);
    draw_conv(t, d, c, c, c, false);
}

/* The window that networks use, on rows longer than a tile; half of the calls without what only
 * other networks need. */
static void draw_depthwise_3x3(struct trial *t, struct dice *d)
{
    struct conv_call *call = &t->conv;
    const int c = dice_channels(d), n = dice_int(d, 1, 2), pad = dice_int(d, 0, 1);
    const int h = dice_int(d, 3 - 2 * pad, 6), w = dice_int(d, 3 - 2 * pad, 32);
    const int stride = dice_int(d, 1, 2), behind = dice_int(d, 0, pad);
    *call = (struct conv_call){.type = t->type, .groups = c, .packing = PACK_PLAIN};
    call->window = (struct window){3, 3, stride, stride, 1, 1, pad, pad};
    draw_views(t, d, (struct view){.n = n, .h = h, .w = w, .c = c},
               (h + pad + behind < 3 ? 0 : h + pad + behind - 3) / stride + 1,
               (w + pad + behind < 3 ? 0 : w + pad + behind - 3) / stride + 1, c);
    if (dice_int(d, 0, 1))
        call->prologue = (struct prologue){.act = {dice_int(d, 0, 1) ? ACT_RELU : ACT_NONE, 0, 0}};
    if (dice_int(d, 0, 1)) call->epilogue.add.data = NULL;
}

static void draw_pointwise(struct trial *t, struct dice *d)
{
    /* deep enough for panels to be fetched, at times */
    const int most = t->type == DTYPE_BF16 ? 800 : 300;
    const int c = dice_int(d, 0, 3) ? dice_channels(d) : dice_int(d, 190, most);
    draw_conv(t, d, 1, c, dice_channels(d), true);
}

static struct want want_conv(const struct trial *t, int n, int y, int x, int o)
{
    const struct conv_call *call = &t->conv;
    const struct window *win = &call->window;
    const int kc = call->in.c / call->groups, first = o / (call->out.c / call->groups) * kc;
    double sum = call->epilogue.bias ? number_of(t->exact, call->epilogue.bias, o) : 0;
    double magnitude = fabs(sum), slack = 0;
    int terms = 1;
    for (int i = 0; i < win->kh * win->kw * kc; i++) {
        const int ky = i / kc / win->kw, kx = i / kc % win->kw, k = first + i % kc;
        const int iy = y * win->sy + ky * win->dy - win->pad_top;
        const int ix = x * win->sx + kx * win->dx - win->pad_left;
        if (iy < 0 || iy >= call->in.h || ix < 0 || ix >= call->in.w) continue;
        const double value = number_at(&call->in, n, iy, ix, k);
        const struct want v = want_operand(t, &call->prologue, value, k);
        const double w = number_of(t->type, call->weight, (ptrdiff_t)i * call->out.c + o);
        sum += v.value * w;
        magnitude += fabs(v.value * w);
        slack += v.bound * fabs(w);
        terms++;
    }
    struct want v = want_sum(t, sum, magnitude, terms);
    v.bound += slack;
    return want_epilogue(t, &call->epilogue, v, n, y, x, o);
}

static struct view image_of(const struct view *v, int n)
{
    struct view one = *v;
    one.data = (char *)v->data + n * v->image;
    one.n = 1;
    return one;
}

/* Inputs, outputs and addends are the images of one view each. */
static void draw_series(struct trial *t, struct dice *d)
{
    struct series_call *call = &t->series;
    const int w = dice_int(d, 1, 34), oc = SERIES_COLUMNS * dice_int(d, 1, 3);
    const int c = dice_int(d, 0, 3) ? dice_channels(d) : dice_int(d, 190, 300);
    struct view in, out, add[2];
    *call = (struct series_call){.count = dice_int(d, 1, SERIES_MOST)};
    trial_input(t, d, &in, (struct shape){call->count, 1, w, c}, t->exact);
    trial_output(t, d, &out, (struct shape){call->count, 1, w, oc}, t->exact);
    for (int j = 0; j < 2; j++)
        trial_input(t, d, &add[j], (struct shape){call->count, 1, w, oc}, t->exact);
    for (int i = 0; i < call->count; i++) {
        const int addends = dice_int(d, 0, 2);
        call->in[i] = image_of(&in, i);
        call->out[i] = image_of(&out, i);
        for (int j = 0; j < addends; j++) call->add[i][j] = image_of(&add[j], i);
        call->act[i] = dice_activation(d);
    }
    if (dice_int(d, 0, 1)) call->bias = trial_numbers(t, d, t->exact, (size_t)oc);
    call->weight = trial_numbers(t, d, t->exact, (size_t)(call->count * c) * (size_t)oc);
    t->units = (size_t)w;
}

static struct want want_series(const struct trial *t, int n, int y, int x, int o)
{
    const struct series_call *call = &t->series;
    const int c = call->in[0].c;
    double sum = call->bias ? number_of(t->exact, call->bias, o) : 0, magnitude = fabs(sum);
    for (int i = 0; i < (n + 1) * c; i++) {
        const double w = number_of(t->exact, call->weight, (ptrdiff_t)i * call->out[0].c + o);
        const double value = number_at(&call->in[i / c], 0, y, x, i % c) * w;
        sum += value;
        magnitude += fabs(value);
    }
    for (int j = 0; j < 2 && call->add[n][j].data; j++) {
        sum += number_at(&call->add[n][j], 0, y, x, o);
        magnitude += fabs(number_at(&call->add[n][j], 0, y, x, o));
    }
    return want_activation(t, call->act[n], want_sum(t, sum, magnitude, (n + 1) * c + 3));
}

/* (kh, kw, c): the group's one channel is not a dimension of its own. */
static struct want want_depthwise(const struct trial *t, int n, int y, int x, int c)
{
    const struct conv_call *call = &t->conv;
    const struct window *win = &call->window;
    double sum = call->epilogue.bias ? number_of(t->exact, call->epilogue.bias, c) : 0;
    double magnitude = fabs(sum), slack = 0;
    for (int tap = 0; tap < win->kh * win->kw; tap++) {
        const int iy = y * win->sy + tap / win->kw * win->dy - win->pad_top;
        const int ix = x * win->sx + tap % win->kw * win->dx - win->pad_left;
        if (iy < 0 || iy >= call->in.h || ix < 0 || ix >= call->in.w) continue;
        const double value = number_at(&call->in, n, iy, ix, c);
        const struct want v = want_operand(t, &call->prologue, value, c);
        const double w = number_of(t->type, call->weight, (ptrdiff_t)tap * call->in.c + c);
        sum += v.value * w;
        magnitude += fabs(v.value * w);
        slack += v.bound * fabs(w);
    }
    struct want v = want_sum(t, sum, magnitude, win->kh * win->kw + 1);
    v.bound += slack;
    return want_epilogue(t, &call->epilogue, v, n, y, x, c);
}

static void draw_dense(struct trial *t, struct dice *d)
{
    struct dense_call *call = &t->dense;
    const int n = dice_int(d, 1, 5), c = dice_channels(d) * dice_int(d, 1, 4);
    const int oc = dice_channels(d);
    *call = (struct dense_call){.type = t->type, .packing = PACK_PLAIN};
    trial_input(t, d, &call->in, (struct shape){n, 1, 1, c}, t->exact);
    trial_output(t, d, &call->out, (struct shape){n, 1, 1, oc}, t->exact);
    call->weight = trial_numbers(t, d, t->exact, (size_t)c * (size_t)oc);
    call->epilogue = dice_epilogue(t, d, &call->out, true, t->exact);
    t->units = (size_t)n * (size_t)oc;
}

static struct want want_dense(const struct trial *t, int n, int y, int x, int o)
{
    const struct dense_call *call = &t->dense;
    double sum = call->epilogue.bias ? number_of(t->exact, call->epilogue.bias, o) : 0;
    double magnitude = fabs(sum);
    for (int k = 0; k < call->in.c; k++) {
        const double w = number_of(t->exact, call->weight, (ptrdiff_t)k * call->out.c + o);
        sum += number_at(&call->in, n, 0, 0, k) * w;
        magnitude += fabs(number_at(&call->in, n, 0, 0, k) * w);
    }
    const struct want v = want_sum(t, sum, magnitude, call->in.c + 1);
    return want_epilogue(t, &call->epilogue, v, n, y, x, o);
}

static void run_packed(conv_fn *kernel, enum packing packing, const struct trial *t, size_t from,
                       size_t to)
{
    struct conv_call call = t->conv;
    const size_t groups = (size_t)call.groups, c = (size_t)call.in.c, oc = (size_t)call.out.c;
    const size_t taps = (size_t)(call.window.kh * call.window.kw);
    const struct matrix m = {taps * (c / groups), oc / groups, groups};
    struct guarded weight = packed_copy(t->type, packing, &m, call.weight);
    call.weight = weight.first;
    call.packing = packing;
    kernel(&call, from, to);
    guarded_free(&weight);
}

static void run_conv(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    run_packed(k->conv, k->conv_packing, t, from, to);
}

static void run_depthwise(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->depthwise(&t->conv, from, to);
}

static void run_pointwise(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    run_packed(k->pointwise, k->pointwise_packing, t, from, to);
}

static void run_dense(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    struct dense_call call = t->dense;
    const struct matrix m = {(size_t)call.in.c, (size_t)call.out.c, 1};
    struct guarded weight = packed_copy(t->exact, k->dense_packing, &m, call.weight);
    call.weight = weight.first;
    call.packing = k->dense_packing;
    k->dense(&call, from, to);
    guarded_free(&weight);
}

static void run_series(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    struct series_call call = t->series;
    const struct matrix m = {(size_t)(call.count * call.in[0].c), (size_t)call.out[0].c, 1};
    const enum packing packing = t->type == DTYPE_BF16 ? k->dense_packing : k->pointwise_packing;
    struct guarded weight = packed_copy(t->exact, packing, &m, call.weight);
    call.weight = weight.first;
    k->series(&call, from, to);
    guarded_free(&weight);
}

const struct family conv_family = {"conv", draw_dense_or_grouped, run_conv, want_conv};
const struct family deep_family = {"deep", draw_deep, run_conv, want_conv};
const struct family grouped_family = {"grouped", draw_grouped, run_conv, want_conv};
const struct family depthwise_family = {"depthwise", draw_depthwise, run_depthwise, want_depthwise};
const struct family depthwise_3x3_family = {"depthwise_3x3", draw_depthwise_3x3, run_depthwise,
                                            want_depthwise};
const struct family pointwise_family = {"pointwise", draw_pointwise, run_pointwise, want_conv};
const struct family dense_family = {"dense", draw_dense, run_dense, want_dense};
const struct family series_family = {"series", draw_series, run_series, want_series};
