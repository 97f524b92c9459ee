/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of a matrix product of brain floats: those of float32 with a pair of numbers where one was.
 * A word of A is two neighbours in a row, a word of B two numbers of a column, and a multiply-add
 * takes both products, the second one first.
 *
 * Without the instruction a pair is widened into two vectors, which need registers: lower tiles.
 */
#include "kernel/x86/bf16.h"
#include "kernel/x86/bf16_tiles.h"

#ifdef __AVX512F__
#define VECTOR __m512
#define MASKS(mask) const __mmask16 mask_0 = (__mmask16)(mask), mask_1 = (__mmask16)((mask) >> 16);
#define LOAD_SOME(j, p)                                                                            \
    _mm512_maskz_loadu_ps(mask_##j, (const float *)(const void *)(p) + (j)*PANEL)
#define LOAD_ADDEND(j, p) load_rounded(mask_##j, (const uint16_t *)(const void *)(p) + (j)*PANEL)
#define STORE_SOME(j, p, v) store((float *)(void *)(p) + (j)*PANEL, v) /* sums */
#define B_AT(j) (b + (j)*s->panel)

INLINE __m512 load_rounded(__mmask16 mask, const uint16_t *p)
{
    return widened(_mm256_maskz_loadu_epi16(mask, p));
}

/* Two vectors, rounded. */
INLINE void give_pair(void *p, __m512 v0, __m512 v1)
{
#ifdef __AVX512BF16__
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh(v1, v0));
#else
    store_halves(p, VL, narrowed(v0));
    store_halves((uint16_t *)p + VL, VL, narrowed(v1));
#endif
}

INLINE void give_some(void *p, __mmask16 mask, __m512 v)
{
    _mm256_mask_storeu_epi16(p, mask, narrowed(v));
}

#ifdef __AVX512BF16__
INLINE __m512 rounded_halves_at(const void *p, const void *q, __mmask8 mask)
{
    const __m128i lower = _mm_maskz_loadu_epi16(mask, (const uint16_t *)p + PANEL);
    const __m128i upper = _mm_maskz_loadu_epi16(mask, (const uint16_t *)q + PANEL);
    return widened(_mm256_inserti128_si256(_mm256_castsi128_si256(lower), upper, 1));
}

INLINE void give_half(void *p, __mmask8 mask, __m256i v, const int upper)
{
    const __m128i half = upper ? _mm256_extracti128_si256(v, 1) : _mm256_castsi256_si128(v);
    _mm_mask_storeu_epi16((uint16_t *)p + PANEL, mask, half);
}
#endif

#define STRIP_PAIR(r) give_pair(c + r * s->c_row, acc##r##_0, acc##r##_1);
#define STRIP_SOME(r)                                                                              \
    give_some(c + r * s->c_row, mask_0, acc##r##_0);                                               \
    if (VECTORS > 1) give_some(c + r * s->c_row + PANEL * sizeof(uint16_t), mask_1, acc##r##_1);
#define STRIP_GIVE(rows)                                                                           \
    if (!s->rounded) {                                                                             \
        ROWS_##rows(STRIP_STORE)                                                                   \
    } else if (VECTORS > 1 && mask_1 == 0xffff) {                                                  \
        ROWS_##rows(STRIP_PAIR)                                                                    \
    } else {                                                                                       \
        ROWS_##rows(STRIP_SOME)                                                                    \
    }
#else
#define VECTOR __m256
#define MASKS(mask) const __m256i lanes_0 = lanes_of(mask), lanes_1 = lanes_of((mask) >> VL);
#define LOAD_SOME(j, p) _mm256_maskload_ps((const float *)(const void *)(p) + (j)*VL, lanes_##j)
#define LOAD_ADDEND LOAD_SOME
#define STORE_SOME(j, p, v) store((float *)(void *)(p) + (j)*VL, v)
#define B_AT(j) (b + (j)*VL)
#endif

/* A pair, which may lie at any even address. */
INLINE float word_at(const void *p)
{
    float word;
    memcpy(&word, p, sizeof word);
    return word;
}

#define LOAD(p) load(p)
#define SPREAD(p) splat(word_at(p))
#define FMA(a, b, c) pair_dot(a, b, c)
#define ADD(a, b) PS(add)(a, b)
#define LOW(a, b) max_of(a, b)
#define HIGH(a, b) min_of(a, b)
#define FETCH(p) _mm_prefetch(p, _MM_HINT_T0)
#ifdef __AVX512F__
#define FETCH_NEXT(p, second)                                                                      \
    _mm_prefetch(p, _MM_HINT_T1);                                                                  \
    if (VECTORS > 1) _mm_prefetch((p) + (second), _MM_HINT_T1);
#else
#define FETCH_NEXT(p, second) (void)(p), (void)(second);
#endif

#define FETCH_ONE_BY_ONE false

#include "kernel/x86/strip.h"

#define VECTORS 2
STRIP(pairs_wide_1, 1)
STRIP(pairs_wide_2, 2)
STRIP(pairs_wide_3, 3)
STRIP(pairs_wide_4, 4)
#ifdef __AVX512F__
STRIP(pairs_wide_5, 5)
STRIP(pairs_wide_6, 6)
STRIP(pairs_wide_7, 7)
STRIP(pairs_wide_8, 8)
STRIP(pairs_wide_9, 9)
STRIP(pairs_wide_10, 10)
STRIP(pairs_wide_11, 11)
STRIP(pairs_wide_12, 12)
#endif
#ifdef __AVX512BF16__
STRIP(pairs_wide_13, 13)
STRIP(pairs_wide_14, 14)
#endif
#undef VECTORS

#ifdef __AVX512F__
#define VECTORS 1
STRIP(pairs_narrow_1, 1)
STRIP(pairs_narrow_2, 2)
STRIP(pairs_narrow_3, 3)
STRIP(pairs_narrow_4, 4)
STRIP(pairs_narrow_5, 5)
STRIP(pairs_narrow_6, 6)
STRIP(pairs_narrow_7, 7)
STRIP(pairs_narrow_8, 8)
STRIP(pairs_narrow_9, 9)
STRIP(pairs_narrow_10, 10)
STRIP(pairs_narrow_11, 11)
STRIP(pairs_narrow_12, 12)
#endif
#ifdef __AVX512BF16__
STRIP(pairs_narrow_13, 13)
STRIP(pairs_narrow_14, 14)
#endif

#ifdef __AVX512BF16__
#define MIXED_ADDEND(p, q) rounded_halves_at(p, q, (__mmask8)mask_1)
#define MIXED_STORE(r) give_some(c + r * s->c_row, mask_0, acc##r##_0);
#define MIXED_STORE_LAST(r) give_half(c + r * s->c_row, (__mmask8)mask_1, narrowed(acc##r##_1), 0);
#define MIXED_STORE_PAIR(r, q)                                                                     \
    MIXED_STORE_LAST(r)                                                                            \
    give_half(c + q * s->c_row, (__mmask8)mask_1, narrowed(acc##r##_1), 1);

#undef VECTORS
#define VECTORS 2
#include "kernel/x86/strip_mixed.h"

STRIP_MIXED(pairs_mixed_1, 1)
STRIP_MIXED(pairs_mixed_2, 2)
STRIP_MIXED(pairs_mixed_3, 3)
STRIP_MIXED(pairs_mixed_4, 4)
STRIP_MIXED(pairs_mixed_5, 5)
STRIP_MIXED(pairs_mixed_6, 6)
STRIP_MIXED(pairs_mixed_7, 7)
STRIP_MIXED(pairs_mixed_8, 8)
STRIP_MIXED(pairs_mixed_9, 9)
STRIP_MIXED(pairs_mixed_10, 10)
STRIP_MIXED(pairs_mixed_11, 11)
STRIP_MIXED(pairs_mixed_12, 12)
STRIP_MIXED(pairs_mixed_13, 13)
STRIP_MIXED(pairs_mixed_14, 14)
#endif

static strip_fn *const wide[] = {
    pairs_wide_1,  pairs_wide_2,  pairs_wide_3,  pairs_wide_4,
#ifdef __AVX512F__
    pairs_wide_5,  pairs_wide_6,  pairs_wide_7,  pairs_wide_8,
    pairs_wide_9,  pairs_wide_10, pairs_wide_11, pairs_wide_12,
#endif
#ifdef __AVX512BF16__
    pairs_wide_13, pairs_wide_14,
#endif
};
#ifdef __AVX512F__
static strip_fn *const narrow[] = {
    pairs_narrow_1,  pairs_narrow_2,  pairs_narrow_3,  pairs_narrow_4,
    pairs_narrow_5,  pairs_narrow_6,  pairs_narrow_7,  pairs_narrow_8,
    pairs_narrow_9,  pairs_narrow_10, pairs_narrow_11, pairs_narrow_12,
#ifdef __AVX512BF16__
    pairs_narrow_13, pairs_narrow_14,
#endif
};
#endif

#ifdef __AVX512BF16__
static strip_fn *const mixed[] = {pairs_mixed_1,  pairs_mixed_2,  pairs_mixed_3,  pairs_mixed_4,
                                  pairs_mixed_5,  pairs_mixed_6,  pairs_mixed_7,  pairs_mixed_8,
                                  pairs_mixed_9,  pairs_mixed_10, pairs_mixed_11, pairs_mixed_12,
                                  pairs_mixed_13, pairs_mixed_14};
#else
#define mixed NULL
#endif

_Static_assert(sizeof wide / sizeof *wide == BF16_ROWS, "a strip for each height");
#ifdef __AVX512F__
const struct gemm BF16(tiles) = {BF16_ROWS, false, narrow, wide, mixed, 0, NULL, 0, NULL};
#else /* two vectors are one panel */
const struct gemm BF16(tiles) = {.rows = BF16_ROWS, .narrow = wide};
#endif
