/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to each value by itself: out = act(act(scale in + shift) + add), one vector of
 * channels after the other. Each is read before it is written, so in may be out.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/x86.h"

/* What one pixel, or several that are treated as one, consist of; NULL where there is nothing. */
struct pixel {
    const float *in, *scale, *shift, *addend;
    float *out;
};

INLINE vec load_part(const float *numbers, int c, int n, bool whole)
{
    return whole ? load(numbers + c) : load_lanes(numbers + c, first_lanes(n - c));
}

INLINE void map_vec(const struct map_call *call, const struct pixel *p, int c, int n, bool whole)
{
    vec v = load_part(p->in, c, n, whole);
    if (p->scale) v = fused(load_part(p->scale, c, n, whole), v, load_part(p->shift, c, n, whole));
    v = activate_vec(&call->prologue.act, v);
    if (p->addend) v = add(v, load_part(p->addend, c, n, whole));
    v = activate_vec(&call->epilogue.act, v);
    store_channels(p->out, c, n, v);
}

/* The same where there is nothing to do but to add, and to limit from below: a loop without
 * branches. */
INLINE void add_pixel(const struct pixel *p, int n, vec low)
{
    int c = 0;
    for (; c + VL <= n; c += VL)
        store(p->out + c, max_of(low, add(load(p->in + c), load(p->addend + c))));
    if (c == n) return;
    const lanes k = first_lanes(n - c);
    const vec sum = add(load_lanes(p->in + c, k), load_lanes(p->addend + c, k));
    store_lanes(p->out + c, k, max_of(low, sum));
}

static bool only_adds(const struct map_call *call, const struct pixel *p)
{
    const enum act act = call->epilogue.act.kind;
    return !p->scale && p->addend && call->prologue.act.kind == ACT_NONE &&
           (act == ACT_NONE || act == ACT_RELU);
}

static void map_pixel(const struct map_call *call, const struct pixel *p, int n)
{
    const vec low = splat(call->epilogue.act.kind == ACT_RELU ? 0 : -INFINITY);
    if (only_adds(call, p))
        add_pixel(p, n, low);
    else
        for (int c = 0; c < n; c += VL) map_vec(call, p, c, n, c + VL <= n);
}

static bool dense(const struct view *v)
{
    return v->pixel == v->c * (ptrdiff_t)sizeof(float) && v->row == v->w * v->pixel &&
           v->image == v->h * v->row;
}

/* Pixels that lie without gaps, and have no numbers of their channels, are one long pixel. */
static int joined_pixels(const struct map_call *call, size_t count)
{
    const bool join = !call->prologue.scale && dense(&call->in) && dense(&call->out) &&
                      (!call->epilogue.add.data || dense(&call->epilogue.add));
    const size_t most = join ? (size_t)(INT32_MAX / 2) / (size_t)call->out.c : 1;
    return (int)(count < most ? count : most < 1 ? 1 : most);
}

static const float *further(const float *pixel, ptrdiff_t bytes)
{
    const void *next = pixel ? (const char *)pixel + bytes : NULL;
    return next;
}

/* So many pixels of a row, from p on. */
static void map_row(const struct map_call *call, struct pixel p, size_t pixels)
{
    for (; pixels > 0; pixels--) {
        map_pixel(call, &p, call->out.c);
        p.in = further(p.in, call->in.pixel);
        p.addend = further(p.addend, call->epilogue.add.pixel);
        p.out = (float *)further(p.out, call->out.pixel);
    }
}

void X86(map)(const struct map_call *call, size_t from, size_t to)
{
    struct pixel p = {.scale = call->prologue.scale, .shift = call->prologue.shift};
    for (size_t unit = from, pixels; unit < to; unit += pixels) {
        const struct place at = place_of(&call->out, unit);
        const size_t left = (size_t)(call->out.w - at.x);
        p.in = pixel_at(&call->in, at);
        p.addend = call->epilogue.add.data ? pixel_at(&call->epilogue.add, at) : NULL;
        p.out = pixel_at(&call->out, at);
        pixels = (size_t)joined_pixels(call, to - unit);
        if (pixels > 1) {
            map_pixel(call, &p, (int)pixels * call->out.c);
        } else {
            pixels = left < to - unit ? left : to - unit;
            map_row(call, p, pixels);
        }
    }
}
