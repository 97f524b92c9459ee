/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the numbers under a window laid side by side? In the order of k: kernel row, kernel
 * column, channel. Where pixels follow each other without gaps, a kernel row is one piece;
 * otherwise each tap is one.
 */
#include <string.h>

#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/gemm.h"

struct piece { /* numbers [at, at + count) of a row of the input that begins at x */
    const float *x;
    ptrdiff_t at;
    int count;
};

/* The part of a piece that lies outside of [0, end) is padding. */
static void copy_clipped(struct piece p, ptrdiff_t end, float *to)
{
    int before = p.at < 0 ? (int)(-p.at < p.count ? -p.at : p.count) : 0;
    int inside = (int)(end - p.at < p.count ? end - p.at : p.count) - before;
    if (inside < 0) inside = 0;
    memset(to, 0, (size_t)before * sizeof *to);
    if (inside) memcpy(to + before, p.x + p.at + before, (size_t)inside * sizeof *to);
    memset(to + before + inside, 0, (size_t)(p.count - before - inside) * sizeof *to);
}

static const float *row_at(const struct view *in, int n, int y)
{
    if (y < 0 || y >= in->h) return NULL;
    return pixel_at(in, (struct place){n, y, 0});
}

/* Pixels without gaps, dilation, groups or prologue. */
static void gather_rows(const struct gather *g, struct place at, float *to)
{
    const struct view *in = &g->call->in;
    const struct window *win = &g->call->window;
    const size_t length = (size_t)win->kw * (size_t)in->c;
    const ptrdiff_t left = (ptrdiff_t)(at.x * win->sx - win->pad_left) * in->c;
    const ptrdiff_t end = (ptrdiff_t)in->w * in->c;
    for (int done = 0, count; done < g->depth; done += count) {
        const size_t k = g->k + (size_t)done, first = k % length;
        const int y = at.y * win->sy - win->pad_top + (int)(k / length) * win->dy;
        const float *x = row_at(in, at.n, y);
        count =
            length - first < (size_t)(g->depth - done) ? (int)(length - first) : g->depth - done;
        copy_clipped((struct piece){x, left + (ptrdiff_t)first, count}, x ? end : left, to + done);
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

void gemm_gather(const struct gather *g, size_t unit, int rows)
{
    const struct conv_call *call = g->call;
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    const bool dense = call->in.pixel == call->in.c * (ptrdiff_t)sizeof(float);
    const bool by_rows = raw && dense && call->groups == 1 && call->window.dx == 1;
    for (int i = 0; i < rows; i++) {
        const struct place at = place_of(&call->out, unit + (size_t)i);
        float *to = g->to + (ptrdiff_t)i * g->step;
        if (by_rows)
            gather_rows(g, at, to);
        else
            gather_taps(g, at, to);
    }
}
