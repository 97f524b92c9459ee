/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a vector here? Sixteen floats with AVX-512, eight with AVX2: one source is compiled for
 * both, and X86(name) tells the objects apart. `lanes` says which numbers of a vector exist, so
 * that nothing behind the last channel of a pixel is read or written.
 *
 * The order of operands in max_of and min_of matters: the second one is the answer when either is
 * NaN or both are zero.
 */
#ifndef XC_KERNEL_X86_VEC_H
#define XC_KERNEL_X86_VEC_H

#include <immintrin.h>

#include "kernel/kernel.h"

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__
#define X86(name) name##_avx512
#define PS(name) _mm512_##name##_ps
#define EPI32(name) _mm512_##name##_epi32
#define AS_FLOAT(v) _mm512_castsi512_ps(v)
enum { VL = 16 };
typedef __m512 vec;
typedef __m512i ints;
typedef __mmask16 lanes, choice;

INLINE lanes first_lanes(int n)
{
    return (lanes)(n >= VL ? 0xffff : (1 << n) - 1);
}

INLINE vec load_lanes(const float *p, lanes k) /* the others: 0 */
{
    return _mm512_maskz_loadu_ps(k, p);
}

INLINE void store_lanes(float *p, lanes k, vec v)
{
    _mm512_mask_storeu_ps(p, k, v);
}

INLINE choice less(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

INLINE choice is_nan(vec v)
{
    return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
}

INLINE choice either_is_nan(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}

INLINE choice either(choice a, choice b)
{
    return a | b;
}

INLINE bool any(choice c)
{
    return c != 0;
}

INLINE vec choose(choice c, vec yes, vec no)
{
    return _mm512_mask_blend_ps(c, no, yes);
}
#else
#define X86(name) name##_avx2
#define PS(name) _mm256_##name##_ps
#define EPI32(name) _mm256_##name##_epi32
#define AS_FLOAT(v) _mm256_castsi256_ps(v)
enum { VL = 8 };
typedef __m256 vec, choice;
typedef __m256i ints, lanes;

INLINE lanes first_lanes(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Lane i when bit i is set. */
INLINE lanes lanes_of(uint32_t mask)
{
    const lanes bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)mask), bits), bits);
}

INLINE vec load_lanes(const float *p, lanes k)
{
    return _mm256_maskload_ps(p, k);
}

INLINE void store_lanes(float *p, lanes k, vec v)
{
    _mm256_maskstore_ps(p, k, v);
}

INLINE choice less(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

INLINE choice is_nan(vec v)
{
    return _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
}

INLINE choice either_is_nan(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
}

INLINE choice either(choice a, choice b)
{
    return _mm256_or_ps(a, b);
}

INLINE bool any(choice c)
{
    return _mm256_movemask_ps(c) != 0;
}

INLINE vec choose(choice c, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, c);
}
#endif

INLINE vec load(const float *p)
{
    return PS(loadu)(p);
}

INLINE void store(float *p, vec v)
{
    PS(storeu)(p, v);
}

INLINE vec zero(void)
{
    return PS(setzero)();
}

INLINE vec splat(float x)
{
    return PS(set1)(x);
}

INLINE vec add(vec a, vec b)
{
    return PS(add)(a, b);
}

INLINE vec sub(vec a, vec b)
{
    return PS(sub)(a, b);
}

INLINE vec mul(vec a, vec b)
{
    return PS(mul)(a, b);
}

INLINE vec quotient(vec a, vec b)
{
    return PS(div)(a, b);
}

INLINE vec fused(vec a, vec b, vec c) /* a b + c */
{
    return PS(fmadd)(a, b, c);
}

INLINE vec max_of(vec a, vec b) /* a > b ? a : b */
{
    return PS(max)(a, b);
}

INLINE vec min_of(vec a, vec b) /* a < b ? a : b */
{
    return PS(min)(a, b);
}

/* The larger of two, NaN if either is. */
INLINE vec larger_of(vec a, vec b)
{
    return choose(is_nan(a), a, max_of(a, b));
}

/* Channels [c, c + VL) of a pixel, as far as they are below `end`. */
INLINE vec load_channels(const float *pixel, int c, int end)
{
    return c + VL <= end ? load(pixel + c) : load_lanes(pixel + c, first_lanes(end - c));
}

INLINE void store_channels(float *pixel, int c, int end, vec v)
{
    if (c + VL <= end)
        store(pixel + c, v);
    else
        store_lanes(pixel + c, first_lanes(end - c), v);
}

#endif
