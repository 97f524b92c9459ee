/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the numbers under a window laid side by side? In the order of k: kernel row, kernel
 * column, channel. Where pixels follow each other without gaps, a kernel row is one piece;
 * otherwise each tap is one.
 */
#include <string.h>

#include "kernel/x86/act.h"
#include "kernel/x86/gemm.h"
#include "kernel/x86/pixels.h"

struct piece { /* numbers [first, first + count) under a kernel row */
    int ky, first, count;
};

static void copy(float *to, const float *from, int count)
{
    int i = 0;
    for (; i + 4 * VL <= count; i += 4 * VL) {
        const vec v0 = load(from + i), v1 = load(from + i + VL);
        const vec v2 = load(from + i + 2 * VL), v3 = load(from + i + 3 * VL);
        store(to + i, v0);
        store(to + i + VL, v1);
        store(to + i + 2 * VL, v2);
        store(to + i + 3 * VL, v3);
    }
    for (; i < count; i += VL) store_channels(to, i, count, load_channels(from, i, count));
}

/* Numbers [at, at + count) of a row of the input; outside of [0, end) is padding. */
static void copy_clipped(const float *x, ptrdiff_t at, int count, ptrdiff_t end, float *to)
{
    int before = at < 0 ? (int)(-at < count ? -at : count) : 0;
    int inside = (int)(end - at < count ? end - at : count) - before;
    if (inside < 0) inside = 0;
    memset(to, 0, (size_t)before * sizeof *to);
    if (inside) copy(to + before, x + at + before, inside);
    memset(to + before + inside, 0, (size_t)(count - before - inside) * sizeof *to);
}

static const float *row_at(const struct view *in, int n, int y)
{
    if (y < 0 || y >= in->h) return NULL;
    return pixel_at(in, (struct place){n, y, 0});
}

/* Of the windows of `rows` output pixels from `at` on. */
static void gather_piece(const struct gather *g, struct place at, int rows, struct piece p,
                         float *to)
{
    const struct view *in = &g->call->in, *out = &g->call->out;
    const struct window *win = &g->call->window;
    const ptrdiff_t end = (ptrdiff_t)in->w * in->c, next = (ptrdiff_t)win->sx * in->c;
    for (int count; rows > 0; rows -= count, at = next_row(out, at)) {
        const float *x = row_at(in, at.n, at.y * win->sy - win->pad_top + p.ky * win->dy);
        ptrdiff_t from = (ptrdiff_t)(at.x * win->sx - win->pad_left) * in->c + p.first;
        count = out->w - at.x < rows ? out->w - at.x : rows;
        for (int i = 0; i < count; i++, from += next, to += g->step)
            if (x && from >= 0 && from + p.count <= end)
                copy(to, x + from, p.count);
            else
                copy_clipped(x, from, p.count, x ? end : from, to);
    }
}

/* Pixels without gaps, dilation, groups or prologue. */
static void gather_rows(const struct gather *g, size_t unit, int rows)
{
    const struct place at = place_of(&g->call->out, unit);
    const int length = g->call->window.kw * g->call->in.c;
    struct piece p = {.ky = (int)(g->k / (size_t)length), .first = (int)(g->k % (size_t)length)};
    for (int done = 0; done < g->depth; done += p.count, p.ky++, p.first = 0) {
        p.count = length - p.first < g->depth - done ? length - p.first : g->depth - done;
        gather_piece(g, at, rows, p, g->to + done);
    }
}

/* Channels first .. first + count of a pixel, as the convolution sees them. */
static void take(const struct prologue *p, const float *x, int first, int count, float *to)
{
    const float *scale = p->scale, *shift = p->shift;
    for (int k = 0; k < count; k += VL) {
        vec v = load_channels(x + first, k, count);
        if (scale)
            v = fused(load_channels(scale + first, k, count), v,
                      load_channels(shift + first, k, count));
        v = p->act.kind == ACT_RELU ? max_of(zero(), v) : activate_vec(&p->act, v);
        store_channels(to, k, count, v);
    }
}

static void gather_taps(const struct gather *g, struct place at, float *to)
{
    const struct conv_call *call = g->call;
    const int channels = call->in.c / call->groups;
    int tap = (int)(g->k / (size_t)channels), c = (int)(g->k % (size_t)channels);
    for (int done = 0, count; done < g->depth; done += count, tap++, c = 0) {
        const float *x =
            tap_at(&call->in, &call->window, at, tap / call->window.kw, tap % call->window.kw);
        count = channels - c < g->depth - done ? channels - c : g->depth - done;
        if (x)
            take(&call->prologue, x, g->group * channels + c, count, to + done);
        else
            memset(to + done, 0, (size_t)count * sizeof *to);
    }
}

static bool is_raw(const struct conv_call *call)
{
    return !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
}

void gemm_gather(const struct gather *g, size_t unit, int rows)
{
    const struct conv_call *call = g->call;
    const bool dense = call->in.pixel == call->in.c * (ptrdiff_t)sizeof(float);
    const bool by_rows = is_raw(call) && dense && call->groups == 1 && call->window.dx == 1;
    if (by_rows)
        gather_rows(g, unit, rows);
    else
        for (int i = 0; i < rows; i++)
            gather_taps(g, place_of(&call->out, unit + (size_t)i), g->to + (ptrdiff_t)i * g->step);
}

static int between(int low, int x, int high)
{
    return x < low ? low : x > high ? high : x;
}

void gemm_gather_row(const struct gather *g, struct place first, int width)
{
    const struct view *in = &g->call->in;
    const int c = in->c / g->call->groups, channel = g->group * c;
    const float *pixel = row_at(in, first.n, first.y);
    const int before = pixel ? between(0, -first.x, width) : width;
    const int inside = pixel ? between(0, in->w - first.x - before, width - before) : 0;
    float *to = g->to;
    memset(to, 0, (size_t)before * (size_t)c * sizeof *to);
    to += before * c;
    if (inside) pixel = further(pixel, (first.x + before) * in->pixel);
    for (int x = 0; x < inside; x++, pixel = further(pixel, in->pixel), to += c)
        if (is_raw(g->call))
            copy(to, pixel + channel, c);
        else
            take(&g->call->prologue, pixel, channel, c, to);
    memset(to, 0, (size_t)(width - before - inside) * (size_t)c * sizeof *to);
}
