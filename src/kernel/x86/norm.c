/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do batch norm, sums of a bias and the slope of an activation go through memory once? Four
 * vectors of channels at a time, pixel after pixel; sums, and what belongs to channels, stay in
 * registers. Operation by operation what the plain kernels do, so the bits are the same.
 */
#include "kernel/x86/act.h"
#include "kernel/x86/maps.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/train.h"

/* A strip of channels: vectors 0 .. vectors - 1 from c on; in the last one `some` exist. */
struct strip {
    int c, vectors;
    lanes some;
    part numbers; /* the same, of a map */
};

#define FOUR(X) X(0) X(1) X(2) X(3)

/* Vector j of the strip; the compiler knows `vectors`, and drops what is not there. */
INLINE vec load_at(const void *numbers, const struct strip *s, const int vectors, int j)
{
    const float *p = (const float *)numbers + s->c + j * VL;
    return j + 1 == vectors ? load_lanes(p, s->some) : load(p);
}

INLINE void store_at(void *numbers, const struct strip *s, const int vectors, int j, vec v)
{
    float *p = (float *)numbers + s->c + j * VL;
    if (j + 1 == vectors)
        store_lanes(p, s->some, v);
    else
        store(p, v);
}

INLINE vec load_map(const number *pixel, const struct strip *s, const int vectors, int j)
{
    const number *p = pixel + s->c + j * VL;
    return j + 1 == vectors ? load_part_of(p, s->numbers) : load_numbers(p);
}

INLINE void store_map(number *pixel, const struct strip *s, const int vectors, int j, vec v)
{
    number *p = pixel + s->c + j * VL;
    if (j + 1 == vectors)
        store_part_of(p, s->numbers, v);
    else
        store_numbers(p, v);
}

/* The pixel's next strip, which has its turn when this one is through with the chunk: pixels are
 * too far apart for the processor to see what will come. */
INLINE void fetch_next(const number *pixel, const struct strip *s)
{
    enum { LINE = 64, LINES = 4 * VL * (int)sizeof(number) / LINE };
    const char *next = (const char *)(pixel + s->c + 4 * VL);
    for (int i = 0; i < LINES; i++) _mm_prefetch(next + i * LINE, _MM_HINT_T0);
}

static struct strip strip_at(int c, int channels)
{
    const int left = channels - c, vectors = (left + VL - 1) / VL < 4 ? (left + VL - 1) / VL : 4;
    const int last = left - (vectors - 1) * VL;
    return (struct strip){c, vectors, first_lanes(last), first_part(last)};
}

/* do_it(vectors) with the number of vectors as a constant. */
#define BY_VECTORS(s, do_it)                                                                       \
    switch ((s)->vectors) {                                                                        \
    case 1:                                                                                        \
        do_it(1);                                                                                  \
        break;                                                                                     \
    case 2:                                                                                        \
        do_it(2);                                                                                  \
        break;                                                                                     \
    case 3:                                                                                        \
        do_it(3);                                                                                  \
        break;                                                                                     \
    default:                                                                                       \
        do_it(4);                                                                                  \
    }

/* ---- the slope ------------------------------------------------------------------------------- */

enum slope { SLOPE_ONE, SLOPE_RELU, SLOPE_SCALED_RELU, SLOPE_RARE };

static enum slope slope_of(const struct prologue *p)
{
    if (p->act.kind == ACT_NONE) return SLOPE_ONE;
    if (p->act.kind != ACT_RELU) return SLOPE_RARE;
    return p->scale ? SLOPE_SCALED_RELU : SLOPE_RELU;
}

static vec rare_slope(const struct activation *act, vec z, vec d)
{
    const vec alpha = splat((float)act->alpha), beta = splat((float)act->beta);
    const vec y = activate_vec(act, z);
    if (act->kind == ACT_ELU) return choose(less(y, zero()), mul(d, add(y, alpha)), d);
    if (act->kind == ACT_SIGMOID) return mul(d, mul(y, sub(splat(1), y)));
    if (act->kind == ACT_TANH) return mul(d, PS(fnmadd)(y, y, splat(1)));
    return choose(less(alpha, y), choose(less(y, beta), d, zero()), zero()); /* clip */
}

/* dz of one vector: the slope of act at act(scale x + shift), times dout. */
INLINE vec through(const struct prologue *p, const enum slope how, vec scale, vec shift, vec x,
                   vec d)
{
    if (how == SLOPE_ONE) return d;
    const bool scaled = how == SLOPE_SCALED_RELU || (how == SLOPE_RARE && p->scale);
    const vec z = scaled ? fused(scale, x, shift) : x;
    return how == SLOPE_RARE ? rare_slope(&p->act, z, d) : choose(less(zero(), z), d, zero());
}

#define LOAD_FACTORS(j)                                                                            \
    if (j < vectors && pro->scale) {                                                               \
        scale[j] = load_at(pro->scale, s, vectors, j);                                             \
        shift[j] = load_at(pro->shift, s, vectors, j);                                             \
    } else {                                                                                       \
        scale[j] = shift[j] = zero();                                                              \
    }

#define BY_SLOPE(how, do_it, vectors)                                                              \
    if ((how) == SLOPE_RELU)                                                                       \
        do_it(vectors, SLOPE_RELU);                                                                \
    else if ((how) == SLOPE_SCALED_RELU)                                                           \
        do_it(vectors, SLOPE_SCALED_RELU);                                                         \
    else if ((how) == SLOPE_ONE)                                                                   \
        do_it(vectors, SLOPE_ONE);                                                                 \
    else                                                                                           \
        do_it(vectors, SLOPE_RARE);

/* ---- sums ------------------------------------------------------------------------------------ */

INLINE void sums(void *const *x, int count, const struct strip *s, const int vectors,
                 float *partial, int channels)
{
    vec shift[4], sum[4], squares[4];
#define START(j)                                                                                   \
    shift[j] = j < vectors ? load_map(x[0], s, vectors, j) : zero();                               \
    sum[j] = squares[j] = zero();
    FOUR(START)
    for (int p = 0; p < count; p++) {
        const number *at = x[p];
        fetch_next(at, s);
#define SUM(j)                                                                                     \
    if (j < vectors) {                                                                             \
        const vec v = sub(load_map(at, s, vectors, j), shift[j]);                                  \
        sum[j] = add(sum[j], v);                                                                   \
        squares[j] = fused(v, v, squares[j]);                                                      \
    }
        FOUR(SUM)
    }
#define PUT(j)                                                                                     \
    if (j < vectors) {                                                                             \
        store_at(partial, s, vectors, j, shift[j]);                                                \
        store_at(partial + channels, s, vectors, j, sum[j]);                                       \
        store_at(partial + 2 * channels, s, vectors, j, squares[j]);                               \
    }
    FOUR(PUT)
#undef START
#undef SUM
#undef PUT
}

void MAPS(norm_sums)(const struct norm_sums_call *call, size_t from, size_t to)
{
    if (!is_own(&call->in)) {
        PLAIN(norm_sums)(call, from, to);
        return;
    }
    const int channels = call->in.c;
    const struct chunks chunks = chunks_of(&call->in, call->images);
    void *x[SUM_CHUNK];
    for (size_t chunk = from; chunk < to; chunk++) {
        const struct stretch span = chunk_span(&chunks, chunk);
        const int count = (int)(span.to - span.from);
        float *partial = (float *)call->partial + chunk * 3 * (size_t)channels;
        find_pixels(&call->in, span.from, count, x);
        for (int c = 0; c < channels; c += 4 * VL) {
            const struct strip s = strip_at(c, channels);
#define DO(vectors) sums(x, count, &s, vectors, partial, channels)
            BY_VECTORS(&s, DO)
#undef DO
        }
    }
}

/* ---- sums of a bias -------------------------------------------------------------------------- */

INLINE void bias_sums(void *const *x, int count, const struct strip *s, const int vectors,
                      float *total)
{
    vec sum[4];
#define START(j) sum[j] = zero();
    FOUR(START)
    for (int p = 0; p < count; p++) {
        const number *at = x[p];
        fetch_next(at, s);
#define SUM(j)                                                                                     \
    if (j < vectors) sum[j] = add(sum[j], load_map(at, s, vectors, j));
        FOUR(SUM)
    }
#define PUT(j)                                                                                     \
    if (j < vectors) store_at(total, s, vectors, j, add(load_at(total, s, vectors, j), sum[j]));
    FOUR(PUT)
#undef START
#undef SUM
#undef PUT
}

void MAPS(channel_sum)(const struct channel_sum_call *call, size_t from, size_t to)
{
    if (!is_own(&call->in)) {
        PLAIN(channel_sum)(call, from, to);
        return;
    }
    const struct chunks chunks = chunks_of(&call->in, 0);
    void *x[SUM_CHUNK];
    for (size_t chunk = 0; chunk < chunk_count(&chunks); chunk++) {
        const struct stretch span = chunk_span(&chunks, chunk);
        const int count = (int)(span.to - span.from);
        find_pixels(&call->in, span.from, count, x);
        for (int c = (int)from; c < (int)to; c += 4 * VL) {
            const struct strip s = strip_at(c, (int)to);
#define DO(vectors) bias_sums(x, count, &s, vectors, call->sum)
            BY_VECTORS(&s, DO)
#undef DO
        }
    }
}

/* ---- sums of the gradient -------------------------------------------------------------------- */

struct pixels { /* of a chunk */
    int count;
    void *x[SUM_CHUNK], *dout[SUM_CHUNK], *dx[SUM_CHUNK];
};

INLINE void dsums(const struct norm_dsums_call *call, const struct pixels *px,
                  const struct strip *s, const int vectors, const enum slope how, float *partial)
{
    const struct prologue *pro = &call->prologue;
    vec scale[4], shift[4], mean[4], sum[4], product[4];
    FOUR(LOAD_FACTORS)
#define START(j)                                                                                   \
    mean[j] = j < vectors ? load_at(call->mean, s, vectors, j) : zero();                           \
    sum[j] = product[j] = zero();
    FOUR(START)
    for (int p = 0; p < px->count; p++) {
        const number *x = px->x[p], *dout = px->dout[p];
        fetch_next(x, s);
        fetch_next(dout, s);
#define SUM(j)                                                                                     \
    if (j < vectors) {                                                                             \
        const vec v = load_map(x, s, vectors, j);                                                  \
        const vec dz = through(pro, how, scale[j], shift[j], v, load_map(dout, s, vectors, j));    \
        sum[j] = add(sum[j], dz);                                                                  \
        product[j] = fused(dz, sub(v, mean[j]), product[j]);                                       \
    }
        FOUR(SUM)
    }
#define PUT(j)                                                                                     \
    if (j < vectors) {                                                                             \
        store_at(partial, s, vectors, j, sum[j]);                                                  \
        store_at(partial + call->in.c, s, vectors, j, product[j]);                                 \
    }
    FOUR(PUT)
#undef START
#undef SUM
#undef PUT
}

void MAPS(norm_dsums)(const struct norm_dsums_call *call, size_t from, size_t to)
{
    if (!is_own(&call->in) || !is_own(&call->dout)) {
        PLAIN(norm_dsums)(call, from, to);
        return;
    }
    const int channels = call->in.c;
    const struct chunks chunks = chunks_of(&call->in, call->images);
    const enum slope how = slope_of(&call->prologue);
    struct pixels px;
    for (size_t chunk = from; chunk < to; chunk++) {
        const struct stretch span = chunk_span(&chunks, chunk);
        float *partial = (float *)call->partial + chunk * 2 * (size_t)channels;
        px.count = (int)(span.to - span.from);
        find_pixels(&call->in, span.from, px.count, px.x);
        find_pixels(&call->dout, span.from, px.count, px.dout);
        for (int c = 0; c < channels; c += 4 * VL) {
            const struct strip s = strip_at(c, channels);
#define DO_HOW(vectors, how) dsums(call, &px, &s, vectors, how, partial)
#define DO(vectors) BY_SLOPE(how, DO_HOW, vectors)
            BY_VECTORS(&s, DO)
#undef DO
#undef DO_HOW
        }
    }
}

/* ---- gradients of the input ------------------------------------------------------------------ */

INLINE void norm_dx(const struct norm_dx_call *call, const struct pixels *px, const struct strip *s,
                    const int vectors, const enum slope how)
{
    const struct prologue *pro = &call->prologue;
    vec scale[4], shift[4], mean[4], a[4], b[4], k[4];
    FOUR(LOAD_FACTORS)
#define START(j)                                                                                   \
    mean[j] = j < vectors ? load_at(call->mean, s, vectors, j) : zero();                           \
    a[j] = j < vectors ? load_at(call->a, s, vectors, j) : zero();                                 \
    b[j] = j < vectors ? load_at(call->b, s, vectors, j) : zero();                                 \
    k[j] = j < vectors ? load_at(call->k, s, vectors, j) : zero();
    FOUR(START)
    for (int p = 0; p < px->count; p++) {
        const number *x = px->x[p], *dout = px->dout[p];
        fetch_next(x, s);
        fetch_next(dout, s);
        number *dx = px->dx[p];
#define PUT(j)                                                                                     \
    if (j < vectors) {                                                                             \
        const vec v = load_map(x, s, vectors, j);                                                  \
        const vec dz = through(pro, how, scale[j], shift[j], v, load_map(dout, s, vectors, j));    \
        vec out = fused(a[j], dz, fused(b[j], sub(v, mean[j]), k[j]));                             \
        if (call->add) out = add(load_map(dx, s, vectors, j), out);                                \
        store_map(dx, s, vectors, j, out);                                                         \
    }
        FOUR(PUT)
    }
#undef START
#undef PUT
}

static void find_all(struct pixels *px, const struct view *in, const struct view *dout,
                     const struct view *dx, struct stretch span)
{
    px->count = (int)(span.to - span.from);
    find_pixels(in, span.from, px->count, px->x);
    find_pixels(dout, span.from, px->count, px->dout);
    find_pixels(dx, span.from, px->count, px->dx);
}

static struct stretch next_span(size_t from, size_t to)
{
    return (struct stretch){from, to - from < SUM_CHUNK ? to : from + SUM_CHUNK};
}

/* All pixels from .. to, in spans, four vectors of channels at a time. */
#define ALL_OF(name)                                                                               \
    void MAPS(name)(const struct name##_call *call, size_t from, size_t to)                        \
    {                                                                                              \
        if (!is_own(&call->in) || !is_own(&call->dout) || !is_own(&call->dx)) {                    \
            PLAIN(name)(call, from, to);                                                           \
            return;                                                                                \
        }                                                                                          \
        const enum slope how = slope_of(&call->prologue);                                          \
        struct pixels px;                                                                          \
        for (struct stretch span; from < to; from = span.to) {                                     \
            span = next_span(from, to);                                                            \
            find_all(&px, &call->in, &call->dout, &call->dx, span);                                \
            for (int c = 0; c < call->in.c; c += 4 * VL) {                                         \
                const struct strip s = strip_at(c, call->in.c);                                    \
                BY_VECTORS(&s, DO_##name)                                                          \
            }                                                                                      \
        }                                                                                          \
    }

#define DO_HOW_norm_dx(vectors, how) norm_dx(call, &px, &s, vectors, how)
#define DO_norm_dx(vectors) BY_SLOPE(how, DO_HOW_norm_dx, vectors)
ALL_OF(norm_dx)

INLINE void map_dx(const struct map_dx_call *call, const struct pixels *px, const struct strip *s,
                   const int vectors, const enum slope how)
{
    const struct prologue *pro = &call->prologue;
    vec scale[4], shift[4], factor[4];
    FOUR(LOAD_FACTORS)
#define START(j)                                                                                   \
    factor[j] = call->factor && j < vectors ? load_at(call->factor, s, vectors, j) : zero();
    FOUR(START)
    for (int p = 0; p < px->count; p++) {
        const number *x = px->x[p], *dout = px->dout[p];
        fetch_next(x, s);
        fetch_next(dout, s);
        number *dx = px->dx[p];
#define PUT(j)                                                                                     \
    if (j < vectors) {                                                                             \
        vec v = through(pro, how, scale[j], shift[j], load_map(x, s, vectors, j),                  \
                        load_map(dout, s, vectors, j));                                            \
        if (call->factor) v = mul(v, factor[j]);                                                   \
        if (call->add) v = add(load_map(dx, s, vectors, j), v);                                    \
        store_map(dx, s, vectors, j, v);                                                           \
    }
        FOUR(PUT)
    }
#undef START
#undef PUT
}

#define DO_HOW_map_dx(vectors, how) map_dx(call, &px, &s, vectors, how)
#define DO_map_dx(vectors) BY_SLOPE(how, DO_HOW_map_dx, vectors)
ALL_OF(map_dx)
