/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the two ends of a convolution by Winograd's F(4, 3)? A vector of channels at a time;
 * whatever lies outside of the map is a row of zeros that does not move.
 */
#include "kernel/x86/act.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/x86.h"

enum { INPUTS = WINOGRAD_PRODUCTS };

/* ---- in -------------------------------------------------------------------------------------- */

struct columns {
    const float *from[INPUTS]; /* NULL: outside */
    float *to;                 /* of the first image */
    ptrdiff_t image;
};

INLINE vec load_column(const struct columns *p, int i, int c, int n, const struct activation *act)
{
    return p->from[i] ? activate_vec(act, load_channels(p->from[i], c, n)) : zero();
}

INLINE void put(const struct columns *p, int i, int c, int n, vec v)
{
    store_channels((float *)(void *)((char *)p->to + i * p->image), c, n, v);
}

INLINE void spread_vec(const struct columns *p, int c, int n, const struct activation *act)
{
    const vec four = splat(4), two = splat(2), five = splat(5);
    const vec d0 = load_column(p, 0, c, n, act), d1 = load_column(p, 1, c, n, act);
    const vec d2 = load_column(p, 2, c, n, act), d3 = load_column(p, 3, c, n, act);
    const vec d4 = load_column(p, 4, c, n, act), d5 = load_column(p, 5, c, n, act);
    const vec e = PS(fnmadd)(four, d2, d4), f = PS(fnmadd)(four, d1, d3);
    const vec g = sub(d4, d2), h = sub(d3, d1);
    put(p, 0, c, n, fused(four, d0, PS(fnmadd)(five, d2, d4)));
    put(p, 1, c, n, add(e, f));
    put(p, 2, c, n, sub(e, f));
    put(p, 3, c, n, fused(two, h, g));
    put(p, 4, c, n, PS(fnmadd)(two, h, g));
    put(p, 5, c, n, fused(four, d1, PS(fnmadd)(five, d3, d5)));
}

/* Without an activation, which most inputs have behind them, the loop has no branch but for
 * columns outside. */
INLINE void spread_pixel(const struct columns *p, int n, const struct activation *act)
{
    int c = 0;
    for (; c + VL <= n; c += VL) spread_vec(p, c, c + VL, act);
    if (c < n) spread_vec(p, c, n, act);
}

void X86(winograd_in)(const struct winograd_in_call *call, size_t from, size_t to)
{
    const struct view *in = &call->in, *out = &call->out;
    static const struct activation none;
    struct place at = place_of(out, from);
    for (; from < to; from++, at = next_place(out, at)) {
        const int y = at.y - call->top, left = WINOGRAD_OUTPUTS * at.x - call->left;
        struct columns p = {.to = pixel_at(out, at), .image = out->image};
        for (int i = 0; i < INPUTS && y >= 0 && y < in->h; i++)
            if (left + i >= 0 && left + i < in->w)
                p.from[i] = pixel_at(in, (struct place){0, y, left + i});
        if (call->act.kind == ACT_NONE)
            spread_pixel(&p, out->c, &none);
        else
            spread_pixel(&p, out->c, &call->act);
    }
}

/* ---- out ------------------------------------------------------------------------------------- */

struct quad {
    const float *from; /* of the first image */
    ptrdiff_t image, pixel, add_pixel;
    const float *bias, *add; /* or NULL */
    float *to;
    int columns;
};

INLINE vec load_product(const struct quad *q, int i, int c, int n)
{
    return load_channels((const float *)(const void *)((const char *)q->from + i * q->image), c, n);
}

INLINE const float *column_of(const float *first, ptrdiff_t pixel, int i)
{
    return (const float *)(const void *)((const char *)first + i * pixel);
}

INLINE void give(const struct quad *q, int i, int c, int n, vec y, vec bias,
                 const struct activation *act)
{
    if (i >= q->columns) return;
    y = q->bias ? add(y, bias) : y;
    if (q->add) y = add(y, load_channels(column_of(q->add, q->add_pixel, i), c, n));
    store_channels((float *)column_of(q->to, q->pixel, i), c, n, activate_vec(act, y));
}

INLINE void collect_vec(const struct quad *q, int c, int n, const struct activation *act)
{
    const vec m0 = load_product(q, 0, c, n), m1 = load_product(q, 1, c, n);
    const vec m2 = load_product(q, 2, c, n), m3 = load_product(q, 3, c, n);
    const vec m4 = load_product(q, 4, c, n), m5 = load_product(q, 5, c, n);
    const vec bias = q->bias ? load_channels(q->bias, c, n) : zero();
    const vec s = add(m1, m2), t = sub(m1, m2), u = add(m3, m4), v = sub(m3, m4);
    give(q, 0, c, n, add(add(m0, s), u), bias, act);
    give(q, 1, c, n, fused(splat(2), v, t), bias, act);
    give(q, 2, c, n, fused(splat(4), u, s), bias, act);
    give(q, 3, c, n, add(fused(splat(8), v, t), m5), bias, act);
}

INLINE void collect_pixel(const struct quad *q, int n, const struct activation *act)
{
    int c = 0;
    for (; c + VL <= n; c += VL) collect_vec(q, c, c + VL, act);
    if (c < n) collect_vec(q, c, n, act);
}

void X86(winograd_out)(const struct winograd_out_call *call, size_t from, size_t to)
{
    const struct view *in = &call->in, *out = &call->out, *skip = &call->epilogue.add;
    const struct activation *act = &call->epilogue.act;
    static const struct activation none, relu = {.kind = ACT_RELU};
    struct place at = place_of(in, from);
    for (; from < to; from++, at = next_place(in, at)) {
        const struct place first = {0, at.y, WINOGRAD_OUTPUTS * at.x};
        const int left = out->w - first.x;
        const struct quad q = {.from = pixel_at(in, at),
                               .image = in->image,
                               .pixel = out->pixel,
                               .add_pixel = skip->pixel,
                               .bias = call->epilogue.bias,
                               .add = skip->data ? pixel_at(skip, first) : NULL,
                               .to = pixel_at(out, first),
                               .columns = left < WINOGRAD_OUTPUTS ? left : WINOGRAD_OUTPUTS};
        if (act->kind == ACT_NONE)
            collect_pixel(&q, out->c, &none);
        else if (act->kind == ACT_RELU)
            collect_pixel(&q, out->c, &relu);
        else
            collect_pixel(&q, out->c, act);
    }
}
