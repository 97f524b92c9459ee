/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both gradients of a 3x3 depthwise convolution in one sweep over its rows. Three rows of the input
 * (as the convolution saw them) and three of dout lie in rings, with zeros where padding is; so
 * there is one inner loop, nine taps for dx and nine for dw, and no border in it.
 *
 * A row too wide for the rings, another window or a stride takes the plain kernel.
 */
#include <string.h>

#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/train.h"

enum { RING = 8192, BORDER = 4 }; /* numbers of a row; pixels of zeros, left and right together */

struct sweep {
    const struct depthwise_grad_call *call;
    int n, first; /* image; channel */
    lanes some;
    vec w[9];
    float in[3][RING], dout[3][RING]; /* rows y mod 3; pixel x at (x + BORDER / 2) * VL */
};

static bool is_served(const struct depthwise_grad_call *call)
{
    const struct window *w = &call->window;
    const int widest = call->in.w > call->dout.w ? call->in.w : call->dout.w;
    return w->kh == 3 && w->kw == 3 && w->sy == 1 && w->sx == 1 && w->dy == 1 && w->dx == 1 &&
           w->pad_top >= 0 && w->pad_top <= 2 && w->pad_left >= 0 && w->pad_left <= 2 &&
           (widest + 2 * BORDER) * VL <= RING;
}

/* ---- rings -------------------------------------------------------------------------------------
 */

static float *row_of(float ring[3][RING], int y)
{
    return ring[(y + 3) % 3] + BORDER / 2 * VL;
}

static void load_in(struct sweep *s, int y)
{
    const struct depthwise_grad_call *call = s->call;
    const struct prologue *p = &call->prologue;
    float *to = row_of(s->in, y);
    if (y < 0 || y >= call->in.h) {
        memset(s->in[(y + 3) % 3], 0, sizeof s->in[0]);
        return;
    }
    const float *x = pixel_at(&call->in, (struct place){s->n, y, 0});
    const char *at = (const char *)(x + s->first);
    const vec scale = p->scale ? load_lanes((const float *)p->scale + s->first, s->some) : zero();
    const vec shift = p->scale ? load_lanes((const float *)p->shift + s->first, s->some) : zero();
    for (int i = 0; i < call->in.w; i++, at += call->in.pixel, to += VL) {
        vec v = load_lanes((const float *)(const void *)at, s->some);
        if (p->scale) v = fused(scale, v, shift);
        if (p->act.kind != ACT_NONE) v = activate_vec(&p->act, v);
        store(to, v);
    }
    for (int i = 0; i < BORDER; i++) store(to + i * VL, zero());
}

static void load_dout(struct sweep *s, int y)
{
    const struct view *d = &s->call->dout;
    float *to = row_of(s->dout, y);
    if (y < 0 || y >= d->h) {
        memset(s->dout[(y + 3) % 3], 0, sizeof s->dout[0]);
        return;
    }
    const char *at =
        (const char *)((const float *)pixel_at(d, (struct place){s->n, y, 0}) + s->first);
    for (int i = 0; i < d->w; i++, at += d->pixel, to += VL)
        store(to, load_lanes((const float *)(const void *)at, s->some));
    for (int i = 0; i < BORDER; i++) store(to + i * VL, zero());
}

/* ---- rows --------------------------------------------------------------------------------------
 */

#define TAPS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

/* Row y of dx: pixel x was under tap (ky, kx) of dout (y + top - ky, x + left - kx). */
static void dx_row(struct sweep *s, int y)
{
    const struct depthwise_grad_call *call = s->call;
    const int top = call->window.pad_top, left = call->window.pad_left;
    const float *d[3];
    for (int ky = 0; ky < 3; ky++) d[ky] = row_of(s->dout, y + top - ky) + left * VL;
    char *at = (char *)((float *)pixel_at(&call->dx, (struct place){s->n, y, 0}) + s->first);
    for (int x = 0; x < call->dx.w; x++, at += call->dx.pixel) {
        float *dx = (float *)(void *)at;
        vec sum = zero();
#define TAP(i) sum = fused(load(d[2 - i / 3] + (x - (2 - i % 3)) * VL), s->w[8 - i], sum);
        TAPS(TAP)
#undef TAP
        if (call->add) sum = add(load_lanes(dx, s->some), sum);
        store_lanes(dx, s->some, sum);
    }
}

/* What row y of dout adds to dw. */
static void dw_row(struct sweep *s, int y)
{
    const struct depthwise_grad_call *call = s->call;
    const float *d = row_of(s->dout, y), *in[3];
    vec acc[9];
    for (int ky = 0; ky < 3; ky++)
        in[ky] = row_of(s->in, y - call->window.pad_top + ky) - call->window.pad_left * VL;
#define START(i) acc[i] = zero();
    TAPS(START)
#undef START
    for (int x = 0; x < call->dout.w; x++) {
        const vec v = load(d + x * VL);
#define TAP(i) acc[i] = fused(load(in[i / 3] + (x + i % 3) * VL), v, acc[i]);
        TAPS(TAP)
#undef TAP
    }
#define PUT(i)                                                                                     \
    {                                                                                              \
        float *dw = (float *)call->dw + i * call->in.c + s->first;                                 \
        store_lanes(dw, s->some, add(load_lanes(dw, s->some), acc[i]));                            \
    }
    TAPS(PUT)
#undef PUT
}

/* Row y of dx wants dout up to y + top, row y + top of dout wants in up to y + 2. */
static void sweep_image(struct sweep *s)
{
    const struct depthwise_grad_call *call = s->call;
    const int top = call->window.pad_top,
              last = call->dx.h > call->dout.h - top ? call->in.h : call->dout.h - top;
    for (int y = -top - 2; y < last; y++) {
        load_dout(s, y + top);
        load_in(s, y + 2);
        if (y + top >= 0 && y + top < call->dout.h && call->dw) dw_row(s, y + top);
        if (y >= 0 && y < call->in.h && call->dx.data) dx_row(s, y);
    }
}

void X86(depthwise_grad)(const struct depthwise_grad_call *call, size_t from, size_t to)
{
    if (!is_served(call)) {
        depthwise_grad_f32_fma(call, from, to);
        return;
    }
    struct sweep s;
    s.call = call;
    memset(s.in, 0, sizeof s.in);
    memset(s.dout, 0, sizeof s.dout);
    for (s.n = 0; s.n < call->in.n; s.n++)
        for (s.first = (int)from; s.first < (int)to; s.first += VL) {
            s.some = first_lanes((int)to - s.first);
            for (int i = 0; i < 9; i++)
                s.w[i] = load_lanes((const float *)call->weight + i * call->in.c + s.first, s.some);
            sweep_image(&s);
        }
}
