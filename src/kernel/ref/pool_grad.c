/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the gradients of pooling? Forward notes which tap was the largest; backward every input
 * pixel looks at the windows that it lies in, in index order, so that overlapping windows need no
 * order among threads.
 */
#include "kernel/ref/block.h"

/* ---- max pooling, forward -------------------------------------------------------------------- */

static void index_block(const struct pool_index_call *call, struct place at, int first, int width,
                        uint8_t *index)
{
    const struct window *win = &call->window;
    real top[BLOCK], room[BLOCK];
    for (int j = 0; j < width; j++) top[j] = -(real)INFINITY, index[j] = 0;
    for (int tap = 0; tap < win->kh * win->kw; tap++) {
        struct place from;
        if (!find_tap(&call->in, win, at, tap / win->kw, tap % win->kw, &from)) continue;
        const real *v = load_block(&call->in, &call->prologue, from, first, width, room);
        for (int j = 0; j < width; j++) {
            const bool keep = (top[j] >= v[j]) | (top[j] != top[j]);
            top[j] = keep ? top[j] : v[j];
            index[j] = keep ? index[j] : (uint8_t)tap;
        }
    }
    put_numbers(&call->out, at, first, width, top);
}

void REF(pool_index)(const struct pool_index_call *call, size_t from, size_t to)
{
    const int c = call->out.c;
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < c; first += BLOCK)
            index_block(call, place_of(&call->out, unit), first, block_width(first, c),
                        call->index + unit * (size_t)c + first);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* First and last of the `count` windows along one axis that can hold n. */
struct span {
    int from, to;
};

static struct span windows_over(int n, int pad, int k, int dilation, int stride, int count)
{
    const int low = n + pad - (k - 1) * dilation;
    struct span s = {low <= 0 ? 0 : (low + stride - 1) / stride, (n + pad) / stride + 1};
    if (s.to > count) s.to = count;
    return s;
}

static int taps_inside(const struct view *in, const struct window *win, int oy, int ox)
{
    int taps = 0;
    struct place from;
    for (int tap = 0; tap < win->kh * win->kw; tap++)
        taps += find_tap(in, win, (struct place){0, oy, ox}, tap / win->kw, tap % win->kw, &from);
    return taps;
}

static void add_chosen(real *acc, const real *d, const uint8_t *index, int tap, int width)
{
    for (int j = 0; j < width; j++) acc[j] += index[j] == tap ? d[j] : 0;
}

static void add_share(real *acc, const real *d, int taps, int width)
{
    for (int j = 0; j < width; j++) acc[j] += d[j] / (real)taps;
}

/* What window `at` gives to the pixel under its tap. */
static void add_window(const struct pool_dx_call *call, struct place at, int tap, int first,
                       int width, real *acc)
{
    const struct window *win = &call->window;
    const struct view *dout = &call->dout;
    real room[BLOCK];
    const real *d = numbers_at(dout, at, first, width, room);
    const size_t pixel =
        ((size_t)at.n * (size_t)dout->h + (size_t)at.y) * (size_t)dout->w + (size_t)at.x;
    if (call->index)
        add_chosen(acc, d, call->index + pixel * (size_t)dout->c + first, tap, width);
    else
        add_share(acc, d,
                  call->count_pad ? win->kh * win->kw : taps_inside(&call->dx, win, at.y, at.x),
                  width);
}

static void pool_dx_block(const struct pool_dx_call *call, struct place at, int first, int width)
{
    const struct window *w = &call->window;
    const struct span ys = windows_over(at.y, w->pad_top, w->kh, w->dy, w->sy, call->dout.h);
    const struct span xs = windows_over(at.x, w->pad_left, w->kw, w->dx, w->sx, call->dout.w);
    real acc[BLOCK] = {0};
    for (int oy = ys.from; oy < ys.to; oy++) {
        const int ky = tap_on(at.y, oy, w->pad_top, w->kh, w->dy, w->sy);
        for (int ox = xs.from; ox < xs.to && ky >= 0; ox++) {
            const int kx = tap_on(at.x, ox, w->pad_left, w->kw, w->dx, w->sx);
            if (kx < 0) continue;
            add_window(call, (struct place){at.n, oy, ox}, ky * w->kw + kx, first, width, acc);
        }
    }
    give_numbers(&call->dx, at, first, width, acc, call->add);
}

static void pool_dx(const struct pool_dx_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->dx.c; first += BLOCK)
            pool_dx_block(call, place_of(&call->dx, unit), first, block_width(first, call->dx.c));
}

void REF(pool_max_dx)(const struct pool_dx_call *call, size_t from, size_t to)
{
    pool_dx(call, from, to);
}

void REF(pool_average_dx)(const struct pool_dx_call *call, size_t from, size_t to)
{
    pool_dx(call, from, to);
}

/* ---- over the whole image -------------------------------------------------------------------- */

void REF(global_average_dx)(const struct global_dx_call *call, size_t from, size_t to)
{
    const real pixels = (real)(call->dx.h * call->dx.w);
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->dx, unit);
        for (int first = 0; first < call->dx.c; first += BLOCK) {
            const struct place one = {at.n, 0, 0};
            const int width = block_width(first, call->dx.c);
            real room[BLOCK], share[BLOCK];
            const real *d = numbers_at(&call->dout, one, first, width, room);
            for (int j = 0; j < width; j++) share[j] = d[j] / pixels;
            give_numbers(&call->dx, at, first, width, share, call->add);
        }
    }
}

static void global_max_channel(const struct global_dx_call *call, int n, int c)
{
    const struct place one = {n, 0, 0};
    real room[3];
    const real top = *numbers_at(&call->out, one, c, 1, &room[0]);
    const real d = *numbers_at(&call->dout, one, c, 1, &room[1]);
    bool found = false;
    for (int p = 0; p < call->in.h * call->in.w; p++) {
        const struct place at = {n, p / call->in.w, p % call->in.w};
        const bool here = !found && *numbers_at(&call->in, at, c, 1, &room[2]) == top;
        real share = here ? d : 0;
        give_numbers(&call->dx, at, c, 1, &share, call->add);
        found |= here;
    }
}

void REF(global_max_dx)(const struct global_dx_call *call, size_t from, size_t to)
{
    const size_t c = (size_t)call->dx.c;
    for (size_t unit = from; unit < to; unit++)
        global_max_channel(call, (int)(unit / c), (int)(unit % c));
}
