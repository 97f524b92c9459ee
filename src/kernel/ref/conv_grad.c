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

static size_t chunk_end(size_t first, size_t end)
{
    return end - first < SUM_CHUNK ? end : first + SUM_CHUNK;
}

/* ---- weights -----------------------------------------------------------------------------------
 */

/* One row of dw, columns [first, first + width) of one group: (tap, k) fixed, o runs. */
static void dw_block(const struct conv_dw_call *call, int tap, int k, int first, int width,
                     real *dw)
{
    const struct window *win = &call->window;
    const int ky = tap / win->kw, kx = tap % win->kw;
    const size_t pixels = pixels_of(&call->dout);
    for (size_t chunk = 0; chunk < pixels; chunk += SUM_CHUNK) {
        real acc[BLOCK] = {0}, room[1];
        for (size_t p = chunk; p < chunk_end(chunk, pixels); p++) {
            const struct place at = place_of(&call->dout, p);
            const real *x = tap_at(&call->in, win, at, ky, kx);
            const real v = x ? *load_block(&call->prologue, x, k, 1, room) : 0;
            add_scaled(acc, v, (const real *)pixel_at(&call->dout, at) + first, width);
        }
        add_values(dw + first, acc, width);
    }
}

void REF(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    const int oc = call->dout.c, columns = oc / call->groups, rows = call->in.c / call->groups;
    for (size_t unit = from; unit < to; unit++) {
        const int tap = (int)(unit / (size_t)rows), k = (int)(unit % (size_t)rows);
        real *dw = (real *)call->dw + unit * (size_t)oc;
        for (int first = 0, width; first < oc; first += width) {
            const int group = first / columns;
            width = block_width(first, (group + 1) * columns);
            dw_block(call, tap, group * rows + k, first, width, dw);
        }
    }
}

static void sum_block(const struct channel_sum_call *call, int first, int width)
{
    const size_t pixels = pixels_of(&call->in);
    for (size_t chunk = 0; chunk < pixels; chunk += SUM_CHUNK) {
        real acc[BLOCK] = {0};
        for (size_t p = chunk; p < chunk_end(chunk, pixels); p++)
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

/* What row (n, oy) of dout adds to dw under one tap. */
static void depthwise_dw(const struct depthwise_grad_call *call, struct place at, int tap,
                         int first, int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK] = {0}, room[BLOCK];
    for (at.x = 0; at.x < call->dout.w; at.x++) {
        const real *x = tap_at(&call->in, win, at, tap / win->kw, tap % win->kw);
        const real *v = x ? load_block(&call->prologue, x, first, width, room) : zeros;
        add_products(acc, v, (const real *)pixel_at(&call->dout, at) + first, width);
    }
    add_values((real *)call->dw + (ptrdiff_t)tap * call->in.c + first, acc, width);
}

void REF(depthwise_grad)(const struct depthwise_grad_call *call, size_t from, size_t to)
{
    const int taps = call->window.kh * call->window.kw;
    const size_t pixels = call->dx.data ? pixels_of(&call->dx) : 0;
    for (int first = (int)from, width; first < (int)to; first += width) {
        width = block_width(first, (int)to);
        for (size_t p = 0; p < pixels; p++)
            depthwise_dx(call, place_of(&call->dx, p), first, width);
        for (int row = 0; call->dw && row < call->dout.n * call->dout.h; row++)
            for (int tap = 0; tap < taps; tap++)
                depthwise_dw(call, (struct place){row / call->dout.h, row % call->dout.h, 0}, tap,
                             first, width);
    }
}
