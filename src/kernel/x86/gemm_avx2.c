/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles of up to 6 rows times 16 columns: 12 accumulators, two vectors of B and one number of A in
 * 15 of the 16 registers, and 12 multiply-adds go with 8 loads. Where at most 8 columns are left
 * (728 channels, or 8), 12 rows: as many sums, one vector of B, 13 loads.
 */
#include "kernel/x86/gemm.h"
#include "kernel/x86/vec.h"
#include "kernel/x86/x86.h"

/* A masked store is slow on many processors; whole vectors are the rule. */
INLINE void store_some(float *p, lanes k, bool all, vec v)
{
    if (all)
        _mm256_storeu_ps(p, v);
    else
        store_lanes(p, k, v);
}

#define VECTOR __m256
#define MASKS(mask)                                                                                \
    const lanes lanes_0 = lanes_of(mask), lanes_1 = lanes_of((mask) >> VL);                        \
    const uint32_t full = VECTORS > 1 ? 0xffff : 0xff;                                             \
    const bool all = ((mask)&full) == full;
#define LOAD(p) _mm256_loadu_ps(p)
#define LOAD_SOME(j, p) load_lanes((const float *)(const void *)(p) + (j)*VL, lanes_##j)
#define LOAD_ADDEND LOAD_SOME
#define STORE_SOME(j, p, v) store_some((float *)(void *)(p) + (j)*VL, lanes_##j, all, v)
#define SPREAD(p) _mm256_broadcast_ss((const float *)(const void *)(p))
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ADD(a, b) _mm256_add_ps(a, b)
#define LOW(a, b) _mm256_max_ps(a, b) /* a > b ? a : b */
#define HIGH(a, b) _mm256_min_ps(a, b)
#define FETCH(p) _mm_prefetch(p, _MM_HINT_T0)
#define FETCH_NEXT(p, second) _mm_prefetch(p, _MM_HINT_T1), (void)(second);
#define B_AT(j) (b + (j)*VL)

#define FETCH_ONE_BY_ONE false

#include "kernel/x86/strip.h"

#define VECTORS 2
STRIP(narrow_1, 1)
STRIP(narrow_2, 2)
STRIP(narrow_3, 3)
STRIP(narrow_4, 4)
STRIP(narrow_5, 5)
STRIP(narrow_6, 6)

#define STORE(p, v) _mm256_storeu_ps((float *)(void *)(p), v)
#include "kernel/x86/strip_series.h"

SERIES(series_1, 1)
SERIES(series_2, 2)
SERIES(series_3, 3)
SERIES(series_4, 4)
SERIES(series_5, 5)
SERIES(series_6, 6)

#undef VECTORS
#define VECTORS 1
STRIP(half_1, 1)
STRIP(half_2, 2)
STRIP(half_3, 3)
STRIP(half_4, 4)
STRIP(half_5, 5)
STRIP(half_6, 6)
STRIP(half_7, 7)
STRIP(half_8, 8)
STRIP(half_9, 9)
STRIP(half_10, 10)
STRIP(half_11, 11)
STRIP(half_12, 12)

static strip_fn *const half[] = {half_1, half_2, half_3, half_4,  half_5,  half_6,
                                 half_7, half_8, half_9, half_10, half_11, half_12};
static strip_fn *const narrow[] = {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6};
static series_strip_fn *const series[] = {series_1, series_2, series_3,
                                          series_4, series_5, series_6};
static const struct gemm gemm = {.rows = 6,
                                 .one_by_one = FETCH_ONE_BY_ONE,
                                 .narrow = narrow,
                                 .half_rows = 12,
                                 .half = half,
                                 .series_columns = PANEL,
                                 .series = series};

void conv_avx2(const struct conv_call *call, size_t from, size_t to)
{
    gemm_conv(&gemm, call, from, to);
}

void series_avx2(const struct series_call *call, size_t from, size_t to)
{
    gemm_series(&gemm, call, from, to);
}

void dense_avx2(const struct dense_call *call, size_t from, size_t to)
{
    gemm_dense(&gemm, call, from, to);
}
