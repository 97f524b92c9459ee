/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is common to the plain kernels? Where a pixel lies, which input pixel a tap falls on, and
 * how a block of up to BLOCK channels is loaded, accumulated and stored.
 *
 * An accumulator belongs to one output, so a loop over a block may run in vectors without changing
 * a bit; it goes in steps of LANES because gcc vectorises at -O2 only loops of constant length.
 */
#ifndef XC_KERNEL_REF_BLOCK_H
#define XC_KERNEL_REF_BLOCK_H

#include "kernel/ref/math.h"

enum { LANES = 8, BLOCK = 64 };

struct place { /* a pixel: image n, row y, column x */
    int n, y, x;
};

static inline struct place place_of(const struct view *v, size_t unit)
{
    const size_t h = (size_t)v->h, w = (size_t)v->w;
    return (struct place){(int)(unit / w / h), (int)(unit / w % h), (int)(unit % w)};
}

static inline real *pixel_at(const struct view *v, struct place at) /* (c) */
{
    void *pixel = (char *)v->data + at.n * v->image + at.y * v->row + at.x * v->pixel;
    return pixel;
}

/* The input pixel under tap (ky, kx) of the window that makes output pixel `at`; NULL: padding. */
static inline const real *tap_at(const struct view *in, const struct window *win, struct place at,
                                 int ky, int kx)
{
    const int y = at.y * win->sy - win->pad_top + ky * win->dy;
    const int x = at.x * win->sx - win->pad_left + kx * win->dx;
    if (y < 0 || y >= in->h || x < 0 || x >= in->w) return NULL;
    return pixel_at(in, (struct place){at.n, y, x});
}

static inline int block_width(int first, int end)
{
    return end - first < BLOCK ? end - first : BLOCK;
}

/* acc[j] += x w[j] */
static inline void add_scaled(real *restrict acc, real x, const real *restrict w, int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] = real_fma(x, w[i], acc[i]);
    for (; j < width; j++) acc[j] = real_fma(x, w[j], acc[j]);
}

/* acc[j] += x[j] w[j] */
static inline void add_products(real *restrict acc, const real *restrict x, const real *restrict w,
                                int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] = real_fma(x[i], w[i], acc[i]);
    for (; j < width; j++) acc[j] = real_fma(x[j], w[j], acc[j]);
}

/* acc[j] += x[j] */
static inline void add_values(real *restrict acc, const real *restrict x, int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] += x[i];
    for (; j < width; j++) acc[j] += x[j];
}

static inline void divide_values(real *v, real divisor, int width)
{
    for (int j = 0; j < width; j++) v[j] /= divisor;
}

/* The larger of two, NaN if either is. */
static inline real larger(real a, real b)
{
    const bool keep = (a > b) | (a != a);
    return keep ? a : b;
}

static inline void keep_larger(real *restrict acc, const real *restrict x, int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] = larger(acc[i], x[i]);
    for (; j < width; j++) acc[j] = larger(acc[j], x[j]);
}

static inline real clip(real x, real low, real high) /* NaN stays */
{
    x = low > x ? low : x;
    return high < x ? high : x;
}

static inline void activate(const struct activation *act, real *v, int width)
{
    const real alpha = (real)act->alpha, beta = (real)act->beta;
    switch (act->kind) {
    case ACT_NONE:
        break;
    case ACT_RELU:
        for (int j = 0; j < width; j++) v[j] = 0 > v[j] ? 0 : v[j];
        break;
    case ACT_ELU:
        for (int j = 0; j < width; j++) v[j] = v[j] < 0 ? alpha * real_exp_minus_1(v[j]) : v[j];
        break;
    case ACT_SIGMOID:
        for (int j = 0; j < width; j++) v[j] = real_sigmoid(v[j]);
        break;
    case ACT_CLIP:
        for (int j = 0; j < width; j++) v[j] = clip(v[j], alpha, beta);
        break;
    case ACT_TANH:
        for (int j = 0; j < width; j++) v[j] = real_tanh(v[j]);
        break;
    }
}

/* Channels [first, first + width) of a pixel as the kernel sees them: x + first itself, or, when
 * the prologue changes something, its results in room. */
static inline const real *load_block(const struct prologue *p, const real *x, int first, int width,
                                     real *room)
{
    const real *scale = p->scale, *shift = p->shift;
    x += first;
    if (!scale && p->act.kind == ACT_NONE) return x;
    if (scale) {
        for (int j = 0; j < width; j++)
            room[j] = real_fma(scale[first + j], x[j], shift[first + j]);
    } else {
        for (int j = 0; j < width; j++) room[j] = x[j];
    }
    activate(&p->act, room, width);
    return room;
}

static inline void start_block(real *acc, const real *bias, int first, int width)
{
    if (bias) {
        for (int j = 0; j < width; j++) acc[j] = bias[first + j];
    } else { /* a choice inside the loop becomes masked loads from address 0: slow */
        for (int j = 0; j < width; j++) acc[j] = 0;
    }
}

/* out = act(acc + add) */
static inline void store_block(const struct epilogue *e, const struct view *out, struct place at,
                               int first, int width, real *acc)
{
    if (e->add.data) add_values(acc, pixel_at(&e->add, at) + first, width);
    activate(&e->act, acc, width);
    real *to = pixel_at(out, at) + first;
    for (int j = 0; j < width; j++) to[j] = acc[j];
}

#endif
