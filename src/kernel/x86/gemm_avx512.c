/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of up to 14 rows times 32 columns: 28 accumulators, two vectors of B and one number of A
 * fill 31 of the 32 registers, and 28 multiply-adds go with 16 loads.
 */
#include <immintrin.h>

#include "kernel/x86/gemm.h"
#include "kernel/x86/x86.h"

/* The columns of a row: rows of the plan's own begin on a line. */
static inline void fetch(const char *p, int lines)
{
    _mm_prefetch(p, _MM_HINT_T0);
    if (lines > 1) _mm_prefetch(p + 64, _MM_HINT_T0);
}

/* Not vextractf32x8, which gcc would join with the masked store behind it: to memory that one
 * writes no more than the mask says, but touches all. */
static inline __m256 upper_half(__m512 v)
{
    return _mm512_castps512_ps256(_mm512_shuffle_f32x4(v, v, 0x4e));
}

static inline void give_half(void *p, __mmask8 mask, __m256 v)
{
    _mm256_mask_storeu_ps((float *)p + PANEL, mask, v);
}

#define VECTOR __m512
#define MASKS(mask) const __mmask16 mask_0 = (__mmask16)(mask), mask_1 = (__mmask16)((mask) >> 16);
#define LOAD(p) _mm512_loadu_ps(p)
#define LOAD_SOME(j, p)                                                                            \
    _mm512_maskz_loadu_ps(mask_##j, (const float *)(const void *)(p) + (j)*PANEL)
#define LOAD_ADDEND LOAD_SOME
#define STORE_SOME(j, p, v) _mm512_mask_storeu_ps((float *)(void *)(p) + (j)*PANEL, mask_##j, v)
#define SPREAD(p) _mm512_set1_ps(*(const float *)(const void *)(p))
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define ADD(a, b) _mm512_add_ps(a, b)
#define LOW(a, b) _mm512_max_ps(a, b) /* a > b ? a : b */
#define HIGH(a, b) _mm512_min_ps(a, b)
#define FETCH(p) fetch(p, VECTORS)
#define FETCH_NEXT(p, second)                                                                      \
    _mm_prefetch(p, _MM_HINT_T1);                                                                  \
    if (VECTORS > 1) _mm_prefetch((p) + (second), _MM_HINT_T1);
#define B_AT(j) (b + (j)*s->panel)

#define FETCH_ONE_BY_ONE true

#include "kernel/x86/strip.h"

#define VECTORS 2
STRIP(wide_1, 1)
STRIP(wide_2, 2)
STRIP(wide_3, 3)
STRIP(wide_4, 4)
STRIP(wide_5, 5)
STRIP(wide_6, 6)
STRIP(wide_7, 7)
STRIP(wide_8, 8)
STRIP(wide_9, 9)
STRIP(wide_10, 10)
STRIP(wide_11, 11)
STRIP(wide_12, 12)
STRIP(wide_13, 13)
STRIP(wide_14, 14)

#define STORE(p, v) _mm512_storeu_ps(p, v)
#include "kernel/x86/strip_series.h"

SERIES(series_1, 1)
SERIES(series_2, 2)
SERIES(series_3, 3)
SERIES(series_4, 4)
SERIES(series_5, 5)
SERIES(series_6, 6)
SERIES(series_7, 7)
SERIES(series_8, 8)
SERIES(series_9, 9)
SERIES(series_10, 10)
SERIES(series_11, 11)
SERIES(series_12, 12)
SERIES(series_13, 13)
SERIES(series_14, 14)
#undef VECTORS

#define VECTORS 1
STRIP(narrow_1, 1)
STRIP(narrow_2, 2)
STRIP(narrow_3, 3)
STRIP(narrow_4, 4)
STRIP(narrow_5, 5)
STRIP(narrow_6, 6)
STRIP(narrow_7, 7)
STRIP(narrow_8, 8)
STRIP(narrow_9, 9)
STRIP(narrow_10, 10)
STRIP(narrow_11, 11)
STRIP(narrow_12, 12)
STRIP(narrow_13, 13)
STRIP(narrow_14, 14)

#define MIXED_ADDEND MIXED_HALVES
#define MIXED_STORE(r) STORE_SOME(0, c + r * s->c_row, acc##r##_0);
#define MIXED_STORE_LAST(r)                                                                        \
    give_half(c + r * s->c_row, (__mmask8)mask_1, _mm512_castps512_ps256(acc##r##_1));
#define MIXED_STORE_PAIR(r, q)                                                                     \
    MIXED_STORE_LAST(r)                                                                            \
    give_half(c + q * s->c_row, (__mmask8)mask_1, upper_half(acc##r##_1));

#undef VECTORS
#define VECTORS 2
#include "kernel/x86/strip_mixed.h"

STRIP_MIXED(mixed_1, 1)
STRIP_MIXED(mixed_2, 2)
STRIP_MIXED(mixed_3, 3)
STRIP_MIXED(mixed_4, 4)
STRIP_MIXED(mixed_5, 5)
STRIP_MIXED(mixed_6, 6)
STRIP_MIXED(mixed_7, 7)
STRIP_MIXED(mixed_8, 8)
STRIP_MIXED(mixed_9, 9)
STRIP_MIXED(mixed_10, 10)
STRIP_MIXED(mixed_11, 11)
STRIP_MIXED(mixed_12, 12)
STRIP_MIXED(mixed_13, 13)
STRIP_MIXED(mixed_14, 14)

static strip_fn *const wide[] = {wide_1, wide_2, wide_3,  wide_4,  wide_5,  wide_6,  wide_7,
                                 wide_8, wide_9, wide_10, wide_11, wide_12, wide_13, wide_14};
static strip_fn *const narrow[] = {narrow_1,  narrow_2,  narrow_3,  narrow_4, narrow_5,
                                   narrow_6,  narrow_7,  narrow_8,  narrow_9, narrow_10,
                                   narrow_11, narrow_12, narrow_13, narrow_14};
static strip_fn *const mixed[] = {mixed_1,  mixed_2,  mixed_3,  mixed_4, mixed_5,
                                  mixed_6,  mixed_7,  mixed_8,  mixed_9, mixed_10,
                                  mixed_11, mixed_12, mixed_13, mixed_14};
static series_strip_fn *const series[] = {series_1,  series_2,  series_3,  series_4, series_5,
                                          series_6,  series_7,  series_8,  series_9, series_10,
                                          series_11, series_12, series_13, series_14};
static const struct gemm gemm = {.rows = 14,
                                 .one_by_one = FETCH_ONE_BY_ONE,
                                 .narrow = narrow,
                                 .wide = wide,
                                 .mixed = mixed,
                                 .series_columns = 2 * PANEL,
                                 .series = series};

void conv_avx512(const struct conv_call *call, size_t from, size_t to)
{
    gemm_conv(&gemm, call, from, to);
}

void series_avx512(const struct series_call *call, size_t from, size_t to)
{
    gemm_series(&gemm, call, from, to);
}

void dense_avx512(const struct dense_call *call, size_t from, size_t to)
{
    gemm_dense(&gemm, call, from, to);
}
