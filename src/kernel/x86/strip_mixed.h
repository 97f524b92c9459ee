/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of strip.h that are a panel and a half wide: 24 columns, as 728 = 22 * 32 + 24 leaves them.
 * Eight columns of two rows share an accumulator, so that 21 multiply-adds do what 28 did; each sum
 * is the same chain as ever. For AVX-512. The including file has included strip.h, and defines
 * VECTORS as 2, MIXED_ADDEND(p, q), eight columns of two rows, MIXED_STORE, and MIXED_STORE_PAIR
 * and _LAST.
 */
#define HALF_1 _mm512_broadcast_f32x8(_mm256_loadu_ps(B_AT(1)))
#define BOTH(v, w) _mm512_mask_blend_ps(0xff00, v, w)
#define MIXED_HALVES(p, q) halves_at(p, q, (__mmask8)mask_1)

/* Columns 16 to 23 of two rows. */
static inline __m512 halves_at(const void *p, const void *q, __mmask8 mask)
{
    const __m256 lower = _mm256_maskz_loadu_ps(mask, (const float *)p + PANEL);
    const __m256 upper = _mm256_maskz_loadu_ps(mask, (const float *)q + PANEL);
    return _mm512_insertf32x8(_mm512_castps256_ps512(lower), upper, 1);
}

#define PAIRS_1(X, LAST) LAST(0)
#define PAIRS_2(X, LAST) X(0, 1)
#define PAIRS_3(X, LAST) PAIRS_2(X, LAST) LAST(2)
#define PAIRS_4(X, LAST) PAIRS_2(X, LAST) X(2, 3)
#define PAIRS_5(X, LAST) PAIRS_4(X, LAST) LAST(4)
#define PAIRS_6(X, LAST) PAIRS_4(X, LAST) X(4, 5)
#define PAIRS_7(X, LAST) PAIRS_6(X, LAST) LAST(6)
#define PAIRS_8(X, LAST) PAIRS_6(X, LAST) X(6, 7)
#define PAIRS_9(X, LAST) PAIRS_8(X, LAST) LAST(8)
#define PAIRS_10(X, LAST) PAIRS_8(X, LAST) X(8, 9)
#define PAIRS_11(X, LAST) PAIRS_10(X, LAST) LAST(10)
#define PAIRS_12(X, LAST) PAIRS_10(X, LAST) X(10, 11)
#define PAIRS_13(X, LAST) PAIRS_12(X, LAST) LAST(12)
#define PAIRS_14(X, LAST) PAIRS_12(X, LAST) X(12, 13)

#define MIXED_DECLARE(r) VECTOR acc##r##_0;
#define MIXED_DECLARE_PAIR(r, q) VECTOR acc##r##_1;
#define MIXED_DECLARE_LAST(r) VECTOR acc##r##_1;
#define MIXED_STEP(r, q)                                                                           \
    {                                                                                              \
        const VECTOR v = SPREAD(A_##r), w = SPREAD(A_##q);                                         \
        acc##r##_0 = FMA(v, b_0, acc##r##_0);                                                      \
        acc##q##_0 = FMA(w, b_0, acc##q##_0);                                                      \
        acc##r##_1 = FMA(BOTH(v, w), b_1, acc##r##_1);                                             \
    }
#define MIXED_STEP_LAST(r)                                                                         \
    {                                                                                              \
        const VECTOR v = SPREAD(A_##r);                                                            \
        acc##r##_0 = FMA(v, b_0, acc##r##_0);                                                      \
        acc##r##_1 = FMA(v, b_1, acc##r##_1);                                                      \
    }
#define MIXED_START(r) acc##r##_0 = bias_0;
#define MIXED_START_PAIR(r, q) acc##r##_1 = bias_1;
#define MIXED_START_LAST(r) acc##r##_1 = bias_1;
#define MIXED_RESUME(r) acc##r##_0 = LOAD_SOME(0, c + r * s->c_row);
#define MIXED_RESUME_PAIR(r, q) acc##r##_1 = MIXED_HALVES(c + r * s->c_row, c + q * s->c_row);
#define MIXED_RESUME_LAST(r) MIXED_RESUME_PAIR(r, r)
#define MIXED_ADD(r) acc##r##_0 = ADD(acc##r##_0, LOAD_ADDEND(0, add + r * s->add_row));
#define MIXED_ADD_PAIR(r, q)                                                                       \
    acc##r##_1 = ADD(acc##r##_1, MIXED_ADDEND(add + r * s->add_row, add + q * s->add_row));
#define MIXED_ADD_LAST(r) MIXED_ADD_PAIR(r, r)
#define MIXED_LOW(r) acc##r##_0 = LOW(low, acc##r##_0);
#define MIXED_LOW_PAIR(r, q) acc##r##_1 = LOW(low, acc##r##_1);
#define MIXED_LOW_LAST(r) MIXED_LOW_PAIR(r, r)
#define MIXED_HIGH(r) acc##r##_0 = HIGH(high, acc##r##_0);
#define MIXED_HIGH_PAIR(r, q) acc##r##_1 = HIGH(high, acc##r##_1);
#define MIXED_HIGH_LAST(r) MIXED_HIGH_PAIR(r, r)

#define MIXED_B_1 HALF_1
#define MIXED_BIAS_1 MIXED_HALVES((const char *)s->bias, (const char *)s->bias)
#define MIXED_STEPS(rows) PAIRS_##rows(MIXED_STEP, MIXED_STEP_LAST)
#define MIXED_GIVE(rows) EACH_PAIR(rows, MIXED_STORE)
#define EACH_PAIR(rows, ONE) ROWS_##rows(ONE) PAIRS_##rows(ONE##_PAIR, ONE##_LAST)

#define STRIP_MIXED(name, rows) STRIP_OF(MIXED, EACH_PAIR, name, rows)
