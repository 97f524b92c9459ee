/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the gradients of a convolution? With out = sum of in weight over the taps,
 *
 *     dw[ky][kx][k][o] += sum over the pixels of dout of in[under tap ky, kx][k] dout[o]
 *     dx[y][x][k]       = sum over the taps, and o, of dout[where tap falls][o]
 * weight[ky][kx][k][o]
 *
 * so the one is a matrix product over pixels, and the other a convolution with the weights turned
 * round.
 */
#include "kernel/ref/block.h"

static const real zeros[BLOCK]; /* what a tap on no pixel reads */

static size_t pixels_of(const struct view *v)
{
    return (size_t)v->n * (size_t)v->h * (size_t)v->w;
}

/* ---- weights -----------------------------------------------------------------------------------
 */

/* The sums of a group: they replace those of dw when there are several groups. */
static void put_sums(real *dw, const real *acc, int width, bool replace)
{
    if (replace)
        for (int j = 0; j < width; j++) dw[j] = acc[j];
    else
        add_values(dw, acc, width);
}

/* One row of dw, columns [first, first + width) of one group: (tap, k) fixed, o runs. */
static void dw_block(const struct conv_dw_call *call, struct stretch group, int tap, int k,
                     int first, int width, real *dw)
{
    const struct window *win = &call->window;
    const int ky = tap / win->kw, kx = tap % win->kw;
    for (size_t chunk = group.from; chunk < group.to; chunk += SUM_CHUNK) {
        const size_t end = group.to - chunk < SUM_CHUNK ? group.to : chunk + SUM_CHUNK;
        real acc[BLOCK] = {0}, room[1];
        for (size_t p = chunk; p < end; p++) {
            const struct place at = place_of(&call->dout, p);
            const real *x = tap_at(&call->in, win, at, ky, kx);
            const real v = x ? *load_block(&call->prologue, x, k, 1, room) : 0;
            add_scaled(acc, v, (const real *)pixel_at(&call->dout, at) + first, width);
        }
        put_sums(dw + first, acc, width, call->images && chunk == group.from);
    }
}

void REF(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    const struct chunks chunks = chunks_of(&call->dout, call->images);
    const int oc = call->dout.c, columns = oc / call->groups, k_count = call->in.c / call->groups;
    const size_t rows = (size_t)(call->window.kh * call->window.kw * k_count);
    for (size_t unit = from; unit < to; unit++) {
        const size_t row = unit % rows;
        const int tap = (int)row / k_count, k = (int)row % k_count;
        real *dw = (real *)call->dw + unit * (size_t)oc;
        for (int first = 0, width; first < oc; first += width) {
            const int group = first / columns;
            width = block_width(first, (group + 1) * columns);
            dw_block(call, group_span(&chunks, unit / rows), tap, group * k_count + k, first, width,
                     dw);
        }
    }
}

void REF(sum_parts)(const struct sum_parts_call *call, size_t from, size_t to)
{
    for (size_t at = from, width; at < to; at += width) {
        width = to - at < BLOCK ? to - at : BLOCK;
        const real *part = (const real *)call->part + at;
        real acc[BLOCK];
        for (size_t j = 0; j < width; j++) acc[j] = part[j];
        for (size_t i = 1; i < call->parts; i++)
            add_values(acc, part + i * call->numbers, (int)width);
        add_values((real *)call->sum + at, acc, (int)width);
    }
}

static void sum_block(const struct channel_sum_call *call, int first, int width)
{
    const size_t pixels = pixels_of(&call->in);
    for (size_t chunk = 0; chunk < pixels; chunk += SUM_CHUNK) {
        const size_t end = pixels - chunk < SUM_CHUNK ? pixels : chunk + SUM_CHUNK;
        real acc[BLOCK] = {0};
        for (size_t p = chunk; p < end; p++)
            add_values(acc, (const real *)pixel_at(&call->in, place_of(&call->in, p)) + first,
                       width);
        add_values((real *)call->sum + first, acc, width);
    }
}

void REF(channel_sum)(const struct channel_sum_call *call, size_t from, size_t to)
{
    for (int first = (int)from, width; first < (int)to; first += width) {
        width = block_width(first, (int)to);
        sum_block(call, first, width);
    }
}

/* ---- input -------------------------------------------------------------------------------------
 */

/* Where output `i` of a window that starts at i * stride - pad would have to be for its tap to fall
 * on n; false: there is none. */
static bool window_of(int n, int pad, int tap, int stride, int end, int *i)
{
    const int at = n + pad - tap;
    *i = at / stride;
    return at >= 0 && at % stride == 0 && *i < end;
}

/* The pixel of dout that was computed with pixel `at` of dx under tap (ky, kx), or NULL. */
static const real *dout_at(const struct view *dout, const struct window *win, struct place at,
                           int ky, int kx)
{
    struct place from = {.n = at.n};
    if (!window_of(at.y, win->pad_top, ky * win->dy, win->sy, dout->h, &from.y) ||
        !window_of(at.x, win->pad_left, kx * win->dx, win->sx, dout->w, &from.x))
        return NULL;
    return pixel_at(dout, from);
}

static void put_block(real *dx, const real *acc, int width, bool add)
{
    if (add)
        add_values(dx, acc, width);
    else
        for (int j = 0; j < width; j++) dx[j] = acc[j];
}

static void dx_block(const struct conv_dx_call *call, struct place at, int group, int first,
                     int width)
{
    const struct window *win = &call->window;
    const int o_count = call->dout.c / call->groups, taps = win->kh * win->kw;
    const real *w = (const real *)call->weight + first; /* (taps from the last, o, c) */
    real acc[BLOCK] = {0};
    for (int tap = taps - 1; tap >= 0; tap--) {
        const real *d = dout_at(&call->dout, win, at, tap / win->kw, tap % win->kw);
        for (int o = 0; o < o_count; o++, w += call->dx.c)
            add_scaled(acc, d ? d[group * o_count + o] : 0, w, width);
    }
    put_block((real *)pixel_at(&call->dx, at) + first, acc, width, call->add);
}

void REF(conv_dx)(const struct conv_dx_call *call, size_t from, size_t to)
{
    const int columns = call->dx.c / call->groups;
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0, width; first < call->dx.c; first += width) {
            const int group = first / columns;
            width = block_width(first, (group + 1) * columns);
            dx_block(call, place_of(&call->dx, unit), group, first, width);
        }
}

/* ---- depthwise ---------------------------------------------------------------------------------
 */

static void depthwise_dx(const struct depthwise_grad_call *call, struct place at, int first,
                         int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK] = {0};
    for (int tap = win->kh * win->kw - 1; tap >= 0; tap--) {
        const real *d = dout_at(&call->dout, win, at, tap / win->kw, tap % win->kw);
        const real *w = (const real *)call->weight + (ptrdiff_t)tap * call->in.c + first;
        add_products(acc, d ? d + first : zeros, w, width);
    }
    put_block((real *)pixel_at(&call->dx, at) + first, acc, width, call->add);
}

/* What `rows` rows of dout from (n, y) on add to dw under one tap. */
static void depthwise_dw(const struct depthwise_grad_call *call, struct place at, int rows, int tap,
                         int first, int width, real *acc)
{
    const struct window *win = &call->window;
    real room[BLOCK];
    for (const int end = at.y + rows; at.y < end; at.y++)
        for (at.x = 0; at.x < call->dout.w; at.x++) {
            const real *x = tap_at(&call->in, win, at, tap / win->kw, tap % win->kw);
            const real *v = x ? load_block(&call->prologue, x, first, width, room) : zeros;
            add_products(acc, v, (const real *)pixel_at(&call->dout, at) + first, width);
        }
}

struct images {
    int from, to;
};

static void depthwise_sums(const struct depthwise_grad_call *call, struct images images, int first,
                           int width, real *dw)
{
    const int h = call->dout.h, step = depthwise_chunk_rows(call->dout.w);
    for (int tap = 0; tap < call->window.kh * call->window.kw; tap++, dw += call->in.c)
        for (int n = images.from; n < images.to; n++)
            for (int y = 0; y < h; y += step) {
                real acc[BLOCK] = {0};
                const int rows = h - y < step ? h - y : step;
                depthwise_dw(call, (struct place){n, y, 0}, rows, tap, first, width, acc);
                put_sums(dw + first, acc, width, call->images && n == images.from && y == 0);
            }
}

void REF(depthwise_grad)(const struct depthwise_grad_call *call, size_t from, size_t to)
{
    const int c = call->in.c, n = call->in.n, images = call->images ? call->images : n;
    const size_t image = (size_t)call->dx.h * (size_t)call->dx.w;
    for (size_t unit = from, width; unit < to; unit += width) {
        const int group = (int)(unit / (size_t)c), first = (int)(unit % (size_t)c);
        struct images range = {group * images, group * images + images};
        if (range.to > n) range.to = n;
        width = (size_t)block_width(first, c);
        if (width > to - unit) width = to - unit;
        if (call->dx.data)
            for (size_t p = (size_t)range.from * image; p < (size_t)range.to * image; p++)
                depthwise_dx(call, place_of(&call->dx, p), first, (int)width);
        if (call->dw)
            depthwise_sums(call, range, first, (int)width,
                           (real *)call->dw +
                               (ptrdiff_t)group * call->window.kh * call->window.kw * c);
    }
}
