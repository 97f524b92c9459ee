/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does batch norm, and the slope of an activation, go through memory once? Four vectors of
 * channels at a time, pixel after pixel, sums in registers. Operation by operation what ref/norm.c
 * and ref/slope.h do, so the bits are the same.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/train.h"

enum { WIDE = 4 * VL };

struct pixels { /* of a chunk */
    size_t first;
    int count;
};

static struct pixels pixels_of(const struct view *v, size_t chunk)
{
    const size_t all = (size_t)v->n * (size_t)v->h * (size_t)v->w, first = chunk * SUM_CHUNK;
    return (struct pixels){first, all - first < SUM_CHUNK ? (int)(all - first) : SUM_CHUNK};
}

static void find_pixels(const struct view *v, struct pixels p, const float *at[SUM_CHUNK])
{
    for (int i = 0; i < p.count; i++) at[i] = pixel_at(v, place_of(v, p.first + (size_t)i));
}

/* ---- the slope ---------------------------------------------------------------------------------
 */

/* dz of one vector: the slope of act at act(scale x + shift), times dout. */
struct slope {
    struct activation act;
    vec scale, shift;
    bool scaled;
};

INLINE struct slope slope_at(const struct prologue *p, int c, lanes some)
{
    struct slope s = {.act = p->act, .scale = zero(), .shift = zero(), .scaled = p->scale != NULL};
    if (!s.scaled) return s;
    s.scale = load_lanes((const float *)p->scale + c, some);
    s.shift = load_lanes((const float *)p->shift + c, some);
    return s;
}

static vec rare_slope(const struct activation *act, vec y, vec d)
{
    const vec alpha = splat((float)act->alpha), beta = splat((float)act->beta);
    if (act->kind == ACT_ELU) return choose(less(y, zero()), mul(d, add(y, alpha)), d);
    if (act->kind == ACT_SIGMOID) return mul(d, mul(y, sub(splat(1), y)));
    if (act->kind == ACT_TANH) return mul(d, PS(fnmadd)(y, y, splat(1)));
    return choose(less(alpha, y), choose(less(y, beta), d, zero()), zero()); /* clip */
}

INLINE vec through(const struct slope *s, vec x, vec d)
{
    if (s->act.kind == ACT_NONE) return d;
    const vec z = s->scaled ? fused(s->scale, x, s->shift) : x;
    if (s->act.kind == ACT_RELU) return choose(less(zero(), z), d, zero());
    return rare_slope(&s->act, activate_vec(&s->act, z), d);
}

/* ---- sums --------------------------------------------------------------------------------------
 */

static void sums(const float *const *x, int count, int c, lanes some, float *partial, int channels)
{
    const vec shift = load_lanes(x[0] + c, some);
    vec sum = zero(), squares = zero();
    for (int p = 0; p < count; p++) {
        const vec v = sub(load_lanes(x[p] + c, some), shift);
        sum = add(sum, v);
        squares = fused(v, v, squares);
    }
    store_lanes(partial + c, some, shift);
    store_lanes(partial + channels + c, some, sum);
    store_lanes(partial + 2 * channels + c, some, squares);
}

static void sums_wide(const float *const *x, int count, int c, float *partial, int channels)
{
    vec shift[4], sum[4], squares[4];
#define FOUR(X) X(0) X(1) X(2) X(3)
#define START(j)                                                                                   \
    shift[j] = load(x[0] + c + j * VL);                                                            \
    sum[j] = squares[j] = zero();
    FOUR(START)
    for (int p = 0; p < count; p++) {
        const float *at = x[p] + c;
#define SUM(j)                                                                                     \
    const vec v##j = sub(load(at + j * VL), shift[j]);                                             \
    sum[j] = add(sum[j], v##j);                                                                    \
    squares[j] = fused(v##j, v##j, squares[j]);
        FOUR(SUM)
    }
#define PUT(j)                                                                                     \
    store(partial + c + j * VL, shift[j]);                                                         \
    store(partial + channels + c + j * VL, sum[j]);                                                \
    store(partial + 2 * channels + c + j * VL, squares[j]);
    FOUR(PUT)
#undef START
#undef SUM
#undef PUT
}

void X86(norm_sums)(const struct norm_sums_call *call, size_t from, size_t to)
{
    const int channels = call->in.c;
    const float *x[SUM_CHUNK];
    for (size_t chunk = from; chunk < to; chunk++) {
        const struct pixels p = pixels_of(&call->in, chunk);
        float *partial = (float *)call->partial + chunk * 3 * (size_t)channels;
        int c = 0;
        find_pixels(&call->in, p, x);
        for (; c + WIDE <= channels; c += WIDE) sums_wide(x, p.count, c, partial, channels);
        for (; c < channels; c += VL)
            sums(x, p.count, c, first_lanes(channels - c), partial, channels);
    }
}

/* ---- sums of the gradient ----------------------------------------------------------------------
 */

struct dsums {
    const struct norm_dsums_call *call;
    const float *x[SUM_CHUNK], *dout[SUM_CHUNK];
    int count;
    float *partial;
};

INLINE void dsums_vector(const struct dsums *d, int c, lanes some)
{
    const struct slope slope = slope_at(&d->call->prologue, c, some);
    const vec mean = load_lanes((const float *)d->call->mean + c, some);
    const int channels = d->call->in.c;
    vec sum = zero(), product = zero();
    for (int p = 0; p < d->count; p++) {
        const vec x = load_lanes(d->x[p] + c, some);
        const vec dz = through(&slope, x, load_lanes(d->dout[p] + c, some));
        sum = add(sum, dz);
        product = fused(dz, sub(x, mean), product);
    }
    store_lanes(d->partial + c, some, sum);
    store_lanes(d->partial + channels + c, some, product);
}

void X86(norm_dsums)(const struct norm_dsums_call *call, size_t from, size_t to)
{
    const int channels = call->in.c;
    struct dsums d;
    d.call = call;
    for (size_t chunk = from; chunk < to; chunk++) {
        const struct pixels p = pixels_of(&call->in, chunk);
        d.count = p.count;
        d.partial = (float *)call->partial + chunk * 2 * (size_t)channels;
        find_pixels(&call->in, p, d.x);
        find_pixels(&call->dout, p, d.dout);
        for (int c = 0; c < channels; c += VL) dsums_vector(&d, c, first_lanes(channels - c));
    }
}

/* ---- gradients of the input --------------------------------------------------------------------
 */

void X86(norm_dx)(const struct norm_dx_call *call, size_t from, size_t to)
{
    const int channels = call->in.c;
    const float *mean = call->mean, *a = call->a, *b = call->b, *k = call->k;
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->in, unit);
        const float *x = pixel_at(&call->in, at), *dout = pixel_at(&call->dout, at);
        float *dx = pixel_at(&call->dx, at);
        for (int c = 0; c < channels; c += VL) {
            const lanes some = first_lanes(channels - c);
            const struct slope slope = slope_at(&call->prologue, c, some);
            const vec v = load_lanes(x + c, some);
            const vec dz = through(&slope, v, load_lanes(dout + c, some));
            const vec rest = fused(load_lanes(b + c, some), sub(v, load_lanes(mean + c, some)),
                                   load_lanes(k + c, some));
            vec out = fused(load_lanes(a + c, some), dz, rest);
            if (call->add) out = add(load_lanes(dx + c, some), out);
            store_lanes(dx + c, some, out);
        }
    }
}

void X86(map_dx)(const struct map_dx_call *call, size_t from, size_t to)
{
    const int channels = call->in.c;
    const float *factor = call->factor;
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->in, unit);
        const float *x = pixel_at(&call->in, at), *dout = pixel_at(&call->dout, at);
        float *dx = pixel_at(&call->dx, at);
        for (int c = 0; c < channels; c += VL) {
            const lanes some = first_lanes(channels - c);
            const struct slope slope = slope_at(&call->prologue, c, some);
            vec v = through(&slope, load_lanes(x + c, some), load_lanes(dout + c, some));
            if (factor) v = mul(v, load_lanes(factor + c, some));
            if (call->add) v = add(load_lanes(dx + c, some), v);
            store_lanes(dx + c, some, v);
        }
    }
}
