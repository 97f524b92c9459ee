/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which sums make up a weight gradient, and in which order? Group after group of images, chunk
 * after chunk of pixels, tap after tap: what conv_dw.c and bf16_dw.c share.
 */
#ifndef XC_KERNEL_X86_CONV_DW_H
#define XC_KERNEL_X86_CONV_DW_H

#include "kernel/x86/pixels.h"
#include "kernel/x86/train.h"

struct dw_chunk { /* of pixels of dout */
    const struct conv_dw_call *call;
    struct place first;
    int pixels;
    bool fresh;            /* the sums replace what is in dw */
    void *dout[SUM_CHUNK]; /* by pixel */
};

/* Adds the sums of channels from .. to of every group, under one tap; dw: the tap's first row. */
typedef void dw_tap_fn(void *own, const struct dw_chunk *c, int tap, float *dw, int from, int to);

/* A tile of sums, at last: row r of acc goes to, or is added to, the rows from t->c. */
#define DW_PUT(r)                                                                                  \
    if (r < rows) {                                                                                \
        float *to = t->c + r * t->c_row;                                                           \
        if (!t->fresh) acc[r][0] = add(load_lanes(to, k_low), acc[r][0]);                          \
        store_lanes(to, k_low, acc[r][0]);                                                         \
        if (wide) {                                                                                \
            if (!t->fresh) acc[r][1] = add(load_lanes(to + VL, k_high), acc[r][1]);                \
            store_lanes(to + VL, k_high, acc[r][1]);                                               \
        }                                                                                          \
    }
/* sum_tile (rows, two vectors wide?) of a file, for a number of rows. */
#define DW_TILE(r)                                                                                 \
    static void narrow_##r(const struct tile *t)                                                   \
    {                                                                                              \
        sum_tile(r, false, t);                                                                     \
    }                                                                                              \
    static void wide_##r(const struct tile *t)                                                     \
    {                                                                                              \
        sum_tile(r, true, t);                                                                      \
    }

/* Where the numbers of the chunk's pixels lie under one tap; `padding` where there are none. */
static inline void dw_inputs(const struct dw_chunk *c, int tap, const void *padding,
                             const void **to)
{
    const struct view *in = &c->call->in, *dout = &c->call->dout;
    const struct window *win = &c->call->window;
    const int ky = tap / win->kw, kx = tap % win->kw;
    struct place at = c->first;
    for (int p = 0, run; p < c->pixels; p += run, at = next_row(dout, at)) {
        const int y = at.y * win->sy - win->pad_top + ky * win->dy;
        int x = at.x * win->sx - win->pad_left + kx * win->dx;
        const bool inside = y >= 0 && y < in->h;
        const void *row = pixel_at(in, (struct place){at.n, inside ? y : 0, 0});
        run = dout->w - at.x < c->pixels - p ? dout->w - at.x : c->pixels - p;
        for (int i = 0; i < run; i++, x += win->sx)
            to[p + i] = inside && x >= 0 && x < in->w ? further(row, x * in->pixel) : padding;
    }
}

/* Rows from .. to of one group's dw, each a channel under a tap. */
static inline void dw_taps(const struct dw_chunk *c, float *dw, size_t from, size_t to,
                           dw_tap_fn *sum, void *own)
{
    const size_t channels = (size_t)(c->call->in.c / c->call->groups);
    for (size_t end; from < to; from = end) {
        const size_t tap = from / channels, first = tap * channels;
        end = to < first + channels ? to : first + channels;
        sum(own, c, (int)tap, dw + first * (size_t)c->call->dout.c, (int)(from - first),
            (int)(end - first));
    }
}

/* All units from .. to of the call. */
static inline void dw_sum(const struct conv_dw_call *call, size_t from, size_t to, dw_tap_fn *sum,
                          void *own)
{
    const struct chunks chunks = chunks_of(&call->dout, call->images);
    const size_t taps = (size_t)call->window.kh * (size_t)call->window.kw;
    const size_t rows = taps * (size_t)(call->in.c / call->groups);
    struct dw_chunk c = {.call = call};
    for (size_t end; from < to; from = end) {
        const size_t group = from / rows, first = group * rows;
        const struct stretch span = group_span(&chunks, group);
        float *dw = (float *)call->dw + first * (size_t)call->dout.c;
        end = to < first + rows ? to : first + rows;
        for (size_t p = span.from; p < span.to; p += SUM_CHUNK) {
            c.pixels = span.to - p < SUM_CHUNK ? (int)(span.to - p) : SUM_CHUNK;
            c.first = place_of(&call->dout, p);
            c.fresh = call->images && p == span.from;
            find_pixels(&call->dout, p, c.pixels, c.dout);
            dw_taps(&c, dw, from - first, end - first, sum, own);
        }
    }
}

#endif
