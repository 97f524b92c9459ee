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

#include <string.h>

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

/* The input pixel under tap (ky, kx) of the window that makes output pixel `at`; false: padding. */
static inline bool find_tap(const struct view *in, const struct window *win, struct place at,
                            int ky, int kx, struct place *tap)
{
    const int y = at.y * win->sy - win->pad_top + ky * win->dy;
    const int x = at.x * win->sx - win->pad_left + kx * win->dx;
    *tap = (struct place){at.n, y, x};
    return y >= 0 && y < in->h && x >= 0 && x < in->w;
}

/* Of windows along one axis: the tap of window i that falls on n, or -1. */
static inline int tap_on(int n, int i, int pad, int k, int dilation, int stride)
{
    const int at = n + pad - i * stride;
    return at >= 0 && at % dilation == 0 && at / dilation < k ? at / dilation : -1;
}

static inline const real *tap_at(const struct view *in, const struct window *win, struct place at,
                                 int ky, int kx) /* NULL: padding */
{
    struct place tap;
    return find_tap(in, win, at, ky, kx, &tap) ? pixel_at(in, tap) : NULL;
}

/* Channels [first, first + width) of a pixel; in room if they have to be widened. */
static inline const real *numbers_at(const struct view *v, struct place at, int first, int width,
                                     real *room)
{
    const void *pixel = pixel_at(v, at);
#ifdef REF_BF16
    if (v->type == DTYPE_BF16) {
        const uint16_t *x = pixel;
        for (int j = 0; j < width; j++) room[j] = f32_from_bf16(x[first + j]);
        return room;
    }
#endif
    (void)width, (void)room;
    return (const real *)pixel + first;
}

static inline void put_numbers(const struct view *v, struct place at, int first, int width,
                               const real *numbers)
{
    void *pixel = pixel_at(v, at);
#ifdef REF_BF16
    if (v->type == DTYPE_BF16) {
        uint16_t *to = pixel;
        for (int j = 0; j < width; j++) to[first + j] = bf16_from_f32(numbers[j]);
        return;
    }
#endif
    real *to = pixel;
    for (int j = 0; j < width; j++) to[first + j] = numbers[j];
}

static inline int block_width(int first, int end)
{
    return end - first < BLOCK ? end - first : BLOCK;
}

/* acc[j] += x w[j] */
static inline void add_scaled(real *restrict acc, real x, const operand *restrict w, int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] = real_dot(x, w[i], acc[i]);
    for (; j < width; j++) acc[j] = real_dot(x, w[j], acc[j]);
}

/* acc[j] += x[j] w[j] */
static inline void add_products(real *restrict acc, const real *restrict x,
                                const operand *restrict w, int width)
{
    int j = 0;
    for (; j + LANES <= width; j += LANES)
        for (int i = j; i < j + LANES; i++) acc[i] = real_dot(x[i], w[i], acc[i]);
    for (; j < width; j++) acc[j] = real_dot(x[j], w[j], acc[j]);
}

struct block_sums { /* of a block of outputs */
    real acc[BLOCK];
    int width;
    real x; /* a product that waits for its partner, with the weights w; NULL: none does */
    const operand *w;
#ifdef REF_BLOCKS
    int count; /* of the products in `part` */
    real part[2][BLOCK];
#endif
};

#ifdef REF_BLOCKS
/* The other order of brain floats (kernel.h): blocks of sixteen pairs, even and odd products apart.
 */
enum { BLOCK_PRODUCTS = 32 };

static inline void add_number(struct block_sums *s, real x, const operand *w)
{
    add_scaled(s->part[s->count % 2], x, w, s->width);
    if (++s->count < BLOCK_PRODUCTS) return;
    for (int j = 0; j < s->width; j++)
        s->acc[j] = flush(flush(s->acc[j]) + flush(s->part[0][j] + s->part[1][j]));
    memset(s->part, 0, sizeof s->part);
    s->count = 0;
}

static inline void end_sums(struct block_sums *s) /* with products of zeros */
{
    static const operand none[BLOCK];
    while (s->count > 0) add_number(s, 0, none);
}
#else

/* acc[j] += x w[j]. Brain floats go in pairs, the second one first. */
static inline void add_number(struct block_sums *s, real x, const operand *w)
{
#ifdef REF_BF16
    if (!s->w) {
        s->x = x;
        s->w = w;
        return;
    }
    add_scaled(s->acc, x, w, s->width);
    x = s->x;
    w = s->w;
    s->w = NULL;
#endif
    add_scaled(s->acc, x, w, s->width);
}

/* What still waits gets a product of zeros. */
static inline void end_sums(struct block_sums *s)
{
    static const operand none[BLOCK];
    if (s->w) add_number(s, 0, none);
}
#endif

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

/* x[0 .. width), which belong to the channels from first on, as the kernel sees them: x itself,
 * or, when the prologue changes something, its results in room. */
static inline const real *apply_prologue(const struct prologue *p, const real *x, int first,
                                         int width, real *room)
{
    const real *scale = p->scale, *shift = p->shift;
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

/* The same for channels [first, first + width) of a pixel. */
static inline const real *load_block(const struct view *v, const struct prologue *p,
                                     struct place at, int first, int width, real *room)
{
    return apply_prologue(p, numbers_at(v, at, first, width, room), first, width, room);
}

/* The same numbers where they stand in place of weights; in room if they have to be rounded. */
static inline const operand *weights_at(const struct view *v, struct place at, int first, int width,
                                        operand *room)
{
    const void *pixel = pixel_at(v, at);
#ifdef REF_BF16
    if (v->type != DTYPE_BF16) {
        const real *x = pixel;
        for (int j = 0; j < width; j++) room[j] = bf16_from_f32(x[first + j]);
        return room;
    }
#endif
    (void)width, (void)room;
    return (const operand *)pixel + first;
}

/* What a convolution multiplies: brain floats, where that is its precision. */
static inline const real *load_operands(const struct view *in, const struct prologue *p,
                                        struct place at, int first, int width, real *room)
{
    const real *x = numbers_at(in, at, first, width, room);
    x = apply_prologue(p, x, first, width, room);
#ifdef REF_BF16
    for (int j = 0; j < width; j++) room[j] = f32_from_bf16(bf16_from_f32(x[j]));
    x = room;
#endif
    return x;
}

/* v = [v +] numbers, which are used up. */
static inline void give_numbers(const struct view *v, struct place at, int first, int width,
                                real *numbers, bool add)
{
    real room[BLOCK];
    if (add) add_values(numbers, numbers_at(v, at, first, width, room), width);
    put_numbers(v, at, first, width, numbers);
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
    real room[BLOCK];
    if (e->add.data) add_values(acc, numbers_at(&e->add, at, first, width, room), width);
    activate(&e->act, acc, width);
    put_numbers(out, at, first, width, acc);
}

#endif
