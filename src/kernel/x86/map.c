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

void X86(map)(const struct map_call *call, size_t from, size_t to)
{
    struct pixel p = {.scale = call->prologue.scale, .shift = call->prologue.shift};
    for (size_t unit = from; unit < to;) {
        const int pixels = joined_pixels(call, to - unit), n = pixels * call->out.c;
        const struct place at = place_of(&call->out, unit);
        p.in = pixel_at(&call->in, at);
        p.addend = call->epilogue.add.data ? pixel_at(&call->epilogue.add, at) : NULL;
        p.out = pixel_at(&call->out, at);
        int c = 0;
        for (; c + VL <= n; c += VL) map_vec(call, &p, c, n, true);
        if (c < n) map_vec(call, &p, c, n, false);
        unit += (size_t)pixels;
    }
}
