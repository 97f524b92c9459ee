/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The largest value, or the mean, under a window or over a whole image; under a window, four
 * vectors of channels pass by together. Of brain floats throughout, the largest one is found by its
 * bits.
 */
#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/span.h"
#include "kernel/x86/x86.h"

enum { VECTORS = 4 };
#define EACH_VECTOR(X) X(0) X(1) X(2) X(3)

/* ---- windows --------------------------------------------------------------------------------- */

struct taps { /* of an output pixel */
    struct span y, x;
};

static struct taps taps_of(const struct pool_call *call, struct place at)
{
    const struct window *win = &call->window;
    return (struct taps){
        clip_span(at.y * win->sy - win->pad_top, win->kh, win->dy, call->in.h),
        clip_span(at.x * win->sx - win->pad_left, win->kw, win->dx, call->in.w),
    };
}

/* out = act(v + add) */
INLINE void finish(const struct pool_call *call, struct place at, int c, vec v)
{
    const struct epilogue *e = &call->epilogue;
    const int end = call->out.c;
    if (e->add.data) v = add(v, load_typed(e->add.type, pixel_at(&e->add, at), c, end));
    store_typed(call->out.type, pixel_at(&call->out, at), c, end, activate_vec(&e->act, v));
}

/* `vectors` vectors of channels from c on: enough of them hide the time that one waits. */
INLINE void pool_vectors(const struct pool_call *call, const struct taps *t, struct place at, int c,
                         const int vectors, const bool average, vec divisor)
{
    const struct window *win = &call->window;
    const struct view *in = &call->in;
    vec acc[VECTORS];
#define START(i) acc[i] = average ? zero() : splat(-INFINITY);
    EACH_VECTOR(START)
#undef START
    for (int i = 0; i < t->y.count; i++) {
        const struct place first = {at.n, t->y.at + i * win->dy, t->x.at};
        const char *tap = (const char *)pixel_at(in, first);
        for (int j = 0; j < t->x.count; j++, tap += win->dx * in->pixel) {
#define TAKE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        const vec v = load_typed(in->type, tap, c + i * VL, in->c);                                \
        acc[i] = average ? add(acc[i], v) : larger_of(acc[i], v);                                  \
    }
            EACH_VECTOR(TAKE)
#undef TAKE
        }
    }
#define GIVE(i)                                                                                    \
    if (i < vectors) finish(call, at, c + i * VL, average ? quotient(acc[i], divisor) : acc[i]);
    EACH_VECTOR(GIVE)
#undef GIVE
}

INLINE void pool_pixel(const struct pool_call *call, struct place at, const bool average)
{
    const int end = call->out.c, all = call->window.kh * call->window.kw;
    const struct taps t = taps_of(call, at);
    const vec divisor = splat((float)(call->count_pad ? all : t.y.count * t.x.count));
    int c = 0;
    for (; c + VECTORS * VL <= end; c += VECTORS * VL)
        pool_vectors(call, &t, at, c, VECTORS, average, divisor);
    for (; c < end; c += VL) pool_vectors(call, &t, at, c, 1, average, divisor);
}

#ifdef __AVX512BF16__
/* Brain floats with even and odd numbers, as floats: one half is above, the other below. */
struct floats {
    vec even, odd;
};

INLINE struct floats widened_32(__m512i x)
{
    const __m512i above = _mm512_set1_epi32((int)0xffff0000);
    return (struct floats){AS_FLOAT(_mm512_slli_epi32(x, 16)),
                           AS_FLOAT(_mm512_and_si512(x, above))};
}

INLINE __m512i narrowed_32(struct floats v)
{
    const __m512i apart = (__m512i)_mm512_cvtne2ps_pbh(v.even, v.odd);
    const __m512i turns =
        _mm512_set_epi16(15, 31, 14, 30, 13, 29, 12, 28, 11, 27, 10, 26, 9, 25, 8, 24, 7, 23, 6, 22,
                         5, 21, 4, 20, 3, 19, 2, 18, 1, 17, 0, 16);
    return _mm512_permutexvar_epi16(turns, apart);
}

enum { WORDS = 32 }; /* of a vector */

/* Of 32 channels each. As signed words positive numbers come in their order, as unsigned words
 * negative ones come in the reverse. */
struct extremes {
    __m512i top, most, least; /* signed; unsigned */
};

/* False where there may be NaN, or zeros of both signs, of which the last one counts. */
INLINE bool is_ordered(struct extremes e)
{
    const __m512i zeros = _mm512_setzero_si512(), minus = _mm512_set1_epi16((short)0x8000);
    const __mmask32 nan = _mm512_cmpgt_epi16_mask(e.top, _mm512_set1_epi16(0x7f80)) |
                          _mm512_cmpgt_epu16_mask(e.most, _mm512_set1_epi16((short)0xff80));
    const __mmask32 tie =
        _mm512_mask_cmpge_epu16_mask(_mm512_cmpeq_epi16_mask(e.top, zeros), e.most, minus);
    return (nan | tie) == 0;
}

/* out = act(largest + add) */
INLINE void finish_32(const struct pool_call *call, struct place at, int c, __mmask32 k,
                      struct extremes x)
{
    const struct epilogue *e = &call->epilogue;
    struct floats v =
        widened_32(_mm512_mask_mov_epi16(x.top, _mm512_movepi16_mask(x.top), x.least));
    if (e->add.data) {
        const uint16_t *addend = (const uint16_t *)pixel_at(&e->add, at) + c;
        const struct floats a = widened_32(_mm512_maskz_loadu_epi16(k, addend));
        v = (struct floats){add(v.even, a.even), add(v.odd, a.odd)};
    }
    v = (struct floats){activate_vec(&e->act, v.even), activate_vec(&e->act, v.odd)};
    _mm512_mask_storeu_epi16((uint16_t *)pixel_at(&call->out, at) + c, k, narrowed_32(v));
}

/* `vectors` times 32 channels from c on; k: those of the last 32 that exist. */
INLINE void max_32(const struct pool_call *call, const struct taps *t, struct place at, int c,
                   const int vectors, __mmask32 k)
{
    const struct window *win = &call->window;
    const struct place first = {at.n, t->y.at, t->x.at};
    const char *row = (const char *)pixel_at(&call->in, first) + c * (ptrdiff_t)sizeof(uint16_t);
    const ptrdiff_t down = win->dy * call->in.row, right = win->dx * call->in.pixel;
    struct extremes e[VECTORS];
#define SOME(i) (i + 1 == vectors ? k : UINT32_MAX)
#define START(i)                                                                                   \
    e[i] = (struct extremes){_mm512_set1_epi16((short)0x8000), _mm512_setzero_si512(),             \
                             _mm512_set1_epi16((short)0xff80)}; /* -infinity */
    EACH_VECTOR(START)
#undef START
    for (int i = 0; i < t->y.count; i++, row += down) {
        const char *tap = row;
        for (int j = 0; j < t->x.count; j++, tap += right) {
#define TAKE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        const __m512i x =                                                                          \
            _mm512_maskz_loadu_epi16(SOME(i), (const uint16_t *)(const void *)tap + i * WORDS);    \
        e[i].top = _mm512_max_epi16(e[i].top, x);                                                  \
        e[i].most = _mm512_max_epu16(e[i].most, x);                                                \
        e[i].least = _mm512_min_epu16(e[i].least, x);                                              \
    }
            EACH_VECTOR(TAKE)
#undef TAKE
        }
    }
#define GIVE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        const int from = c + i * WORDS;                                                            \
        if (is_ordered(e[i])) {                                                                    \
            finish_32(call, at, from, SOME(i), e[i]);                                              \
        } else {                                                                                   \
            pool_vectors(call, t, at, from, 1, false, zero());                                     \
            if (from + VL < call->out.c) pool_vectors(call, t, at, from + VL, 1, false, zero());   \
        }                                                                                          \
    }
    EACH_VECTOR(GIVE)
#undef GIVE
#undef SOME
}

static bool is_bf16_throughout(const struct pool_call *call)
{
    const struct view *addend = &call->epilogue.add;
    return call->in.type == DTYPE_BF16 && call->out.type == DTYPE_BF16 &&
           (!addend->data || addend->type == DTYPE_BF16);
}

INLINE void max_pixel_32(const struct pool_call *call, struct place at)
{
    const struct taps t = taps_of(call, at);
    const int end = call->out.c;
    int c = 0;
    for (; c + VECTORS * WORDS <= end; c += VECTORS * WORDS)
        max_32(call, &t, at, c, VECTORS, UINT32_MAX);
    for (; c < end; c += WORDS)
        max_32(call, &t, at, c, 1, end - c < WORDS ? (UINT32_C(1) << (end - c)) - 1 : UINT32_MAX);
}
#endif

void BF16(pool_max)(const struct pool_call *call, size_t from, size_t to)
{
    struct place at = place_of(&call->out, from);
#ifdef __AVX512BF16__
    if (is_bf16_throughout(call)) {
        for (; from < to; from++, at = next_place(&call->out, at)) max_pixel_32(call, at);
        return;
    }
#endif
    for (; from < to; from++, at = next_place(&call->out, at)) pool_pixel(call, at, false);
}

void BF16(pool_average)(const struct pool_call *call, size_t from, size_t to)
{
    struct place at = place_of(&call->out, from);
    for (; from < to; from++, at = next_place(&call->out, at)) pool_pixel(call, at, true);
}

/* ---- whole images ---------------------------------------------------------------------------- */

INLINE vec pixel_vec(const struct view *in, int image, int p, int c, int end)
{
    const struct place at = {image, p / in->w, p % in->w};
    return load_typed(in->type, pixel_at(in, at), c, end);
}

INLINE vec max_vec(const struct view *in, int image, int c, int end)
{
    vec acc = splat(-INFINITY);
    for (int p = 0; p < in->h * in->w; p++) acc = larger_of(acc, pixel_vec(in, image, p, c, end));
    return acc;
}

INLINE vec average_vec(const struct view *in, int image, int c, int end)
{
    const int pixels = in->h * in->w;
    vec acc = zero();
    for (int chunk = 0; chunk < pixels; chunk += REDUCE_CHUNK) {
        const int last = pixels - chunk < REDUCE_CHUNK ? pixels : chunk + REDUCE_CHUNK;
        vec sum = zero();
        for (int p = chunk; p < last; p++) sum = add(sum, pixel_vec(in, image, p, c, end));
        acc = add(acc, sum);
    }
    return quotient(acc, splat((float)pixels));
}

/* Units are image * c + channel: a run of them within each image. */
INLINE void reduce(const struct global_pool_call *call, size_t from, size_t to, const bool average)
{
    const size_t channels = (size_t)call->in.c;
    for (size_t count; from < to; from += count) {
        const int image = (int)(from / channels), first = (int)(from % channels);
        count = to - from < channels - from % channels ? to - from : channels - from % channels;
        const int end = first + (int)count;
        void *out = pixel_at(&call->out, (struct place){image, 0, 0});
        for (int c = first; c < end; c += VL) {
            const vec v =
                average ? average_vec(&call->in, image, c, end) : max_vec(&call->in, image, c, end);
            store_typed(call->out.type, out, c, end, v);
        }
    }
}

void BF16(global_max)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce(call, from, to, false);
}

void BF16(global_average)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce(call, from, to, true);
}
