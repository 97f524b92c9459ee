/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the gradients of a convolution? With out = sum of in weight over the taps,
 *
 *     dw[ky][kx][k][o] += sum over the pixels of dout of in[under tap ky, kx][k] dout[o]
 *     dx[y][x][k] = sum over the taps, and o, of dout[where it falls][o] weight[ky][kx][k][o]
 *
 * so the one is a matrix product over pixels, and the other a convolution with the weights turned
 * round.
 */
#include "kernel/ref/block.h"

static const real zeros[BLOCK]; /* what a tap on no pixel reads */
static const operand zero_weights[BLOCK];
static const struct prologue as_it_is = {0};

static size_t pixels_of(const struct view *v)
{
    return (size_t)v->n * (size_t)v->h * (size_t)v->w;
}

/* ---- weights --------------------------------------------------------------------------------- */

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
        struct block_sums s = {.width = width};
        const bool replace = call->images && chunk == group.from;
        operand waits[2][BLOCK];
#ifdef REF_BLOCKS /* one sum through all chunks */
        if (!replace) put_sums(s.acc, dw + first, width, true);
#endif
        for (size_t p = chunk; p < end; p++) {
            const struct place at = place_of(&call->dout, p);
            struct place from;
            real room[1];
            const bool inside = find_tap(&call->in, win, at, ky, kx, &from);
            const real x =
                inside ? *load_operands(&call->in, &call->prologue, from, k, 1, room) : 0;
            add_number(&s, x, weights_at(&call->dout, at, first, width, waits[p % 2]));
        }
        end_sums(&s);
#ifdef REF_BLOCKS
        put_sums(dw + first, s.acc, width, true);
#else
        put_sums(dw + first, s.acc, width, replace);
#endif
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
        real acc[BLOCK] = {0}, room[BLOCK];
        for (size_t p = chunk; p < end; p++)
            add_values(acc, numbers_at(&call->in, place_of(&call->in, p), first, width, room),
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

/* ---- input ----------------------------------------------------------------------------------- */

/* Where output `i` of a window that starts at i * stride - pad would have to be for its tap to fall
 * on n; false: there is none. */
static bool window_of(int n, int pad, int tap, int stride, int end, int *i)
{
    const int at = n + pad - tap;
    *i = at / stride;
    return at >= 0 && at % stride == 0 && *i < end;
}

/* The pixel of dout that was computed with pixel `at` of dx under tap (ky, kx); false: none. */
static bool find_dout(const struct view *dout, const struct window *win, struct place at, int ky,
                      int kx, struct place *from)
{
    from->n = at.n;
    return window_of(at.y, win->pad_top, ky * win->dy, win->sy, dout->h, &from->y) &&
           window_of(at.x, win->pad_left, kx * win->dx, win->sx, dout->w, &from->x);
}

/* ---- depthwise ------------------------------------------------------------------------------- */

/* acc[j] += dout[j] w[j] of one tap; before the first kernel row both are zeros. */
static void add_dout(const struct depthwise_grad_call *call, struct place at, int ky, int kx,
                     int first, int width, real *acc)
{
    const struct window *win = &call->window;
    const operand *w = call->weight;
    real room[BLOCK];
    struct place from;
    w += (ptrdiff_t)(ky * win->kw + kx) * call->in.c + first;
    if (ky < 0)
        add_products(acc, zeros, zero_weights, width);
    else if (find_dout(&call->dout, win, at, ky, kx, &from))
        add_products(acc, load_operands(&call->dout, &as_it_is, from, first, width, room), w,
                     width);
    else
        add_products(acc, zeros, w, width);
}

static void depthwise_dx(const struct depthwise_grad_call *call, struct place at, int first,
                         int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK] = {0};
#ifdef REF_BF16
    for (int kx = win->kw - 1; kx >= 0; kx--)
        for (int ky = win->kh - 1; ky >= 0; ky -= 2) {
            add_dout(call, at, ky - 1, kx, first, width, acc);
            add_dout(call, at, ky, kx, first, width, acc);
        }
#else
    for (int ky = win->kh - 1; ky >= 0; ky--)
        for (int kx = win->kw - 1; kx >= 0; kx--) add_dout(call, at, ky, kx, first, width, acc);
#endif
    give_numbers(&call->dx, at, first, width, acc, call->add);
}

/* acc[j] += in[j] dout[j] under one tap; behind the last pixel of a row dout is 0. */
static void add_in(const struct depthwise_grad_call *call, struct place at, int tap, int first,
                   int width, real *acc)
{
    const struct window *win = &call->window;
    const real *x = zeros;
    const operand *d = zero_weights;
    real room[BLOCK];
    operand rounded[BLOCK];
    struct place from;
    if (find_tap(&call->in, win, at, tap / win->kw, tap % win->kw, &from))
        x = load_operands(&call->in, &call->prologue, from, first, width, room);
    if (at.x < call->dout.w) d = weights_at(&call->dout, at, first, width, rounded);
    add_products(acc, x, d, width);
}

/* What `rows` rows of dout from (n, y) on add to dw under one tap. */
static void depthwise_dw(const struct depthwise_grad_call *call, struct place at, int rows, int tap,
                         int first, int width, real *acc)
{
    for (const int end = at.y + rows; at.y < end; at.y++)
#ifdef REF_BF16
        for (at.x = 0; at.x < call->dout.w; at.x += 2) {
            const struct place next = {at.n, at.y, at.x + 1};
            add_in(call, next, tap, first, width, acc);
            add_in(call, at, tap, first, width, acc);
        }
#else
        for (at.x = 0; at.x < call->dout.w; at.x++) add_in(call, at, tap, first, width, acc);
#endif
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
