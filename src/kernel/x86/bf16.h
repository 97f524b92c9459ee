/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do brain floats enter and leave vectors? Kernels of this precision compute in float32: a
 * brain float is widened as it is loaded and rounded as it is stored, by an instruction where there
 * is one. The files are compiled for each instruction set; BF16(name) tells the objects apart.
 */
#ifndef XC_KERNEL_X86_BF16_H
#define XC_KERNEL_X86_BF16_H

#include <string.h>

#include "kernel/x86/vec.h"

#if defined(KERNEL_AMX)
#define BF16(name) name##_bf16_amx
#elif defined(__AVX512BF16__)
#define BF16(name) name##_bf16_avx512bf16
#elif defined(__AVX512F__)
#define BF16(name) name##_bf16_avx512
#else
#define BF16(name) name##_bf16_avx2
#endif

/* VL brain floats. */
#ifdef __AVX512F__
typedef __m256i halves;

INLINE halves load_halves(const uint16_t *p, int n)
{
    return n >= VL ? _mm256_loadu_si256((const void *)p)
                   : _mm256_maskz_loadu_epi16(first_lanes(n), p);
}

INLINE void store_halves(uint16_t *p, int n, halves h)
{
    if (n >= VL)
        _mm256_storeu_si256((void *)p, h);
    else
        _mm256_mask_storeu_epi16(p, first_lanes(n), h);
}

INLINE vec widened(halves h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE halves lower_halves(ints v)
{
    return _mm512_cvtepi32_epi16(v);
}

INLINE ints bits_of(vec v)
{
    return _mm512_castps_si512(v);
}
#else
typedef __m128i halves;

INLINE halves load_halves(const uint16_t *p, int n)
{
    uint16_t some[VL] = {0};
    if (n >= VL) return _mm_loadu_si128((const void *)p);
    for (int i = 0; i < n; i++) some[i] = p[i];
    return _mm_loadu_si128((const void *)some);
}

INLINE void store_halves(uint16_t *p, int n, halves h)
{
    uint16_t some[VL];
    if (n >= VL) {
        _mm_storeu_si128((void *)p, h);
        return;
    }
    _mm_storeu_si128((void *)some, h);
    for (int i = 0; i < n; i++) p[i] = some[i];
}

INLINE vec widened(halves h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

INLINE halves lower_halves(ints v) /* of numbers below 1 << 16 */
{
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

INLINE ints bits_of(vec v)
{
    return _mm256_castps_si256(v);
}
#endif

/* As integers: floats so small may count as zero (dot_begin). */
INLINE choice less_ints(ints a, ints b)
{
#ifdef __AVX512F__
    return _mm512_cmplt_epi32_mask(a, b);
#else
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a));
#endif
}

/* bf16_from_f32 */
INLINE halves narrowed(vec v)
{
#ifdef __AVX512BF16__
    return (halves)_mm512_cvtneps_pbh(v);
#else
    const ints upper = EPI32(srli)(bits_of(v), 16), one = EPI32(set1)(1);
    const ints odd = EPI32(sub)(upper, EPI32(slli)(EPI32(srli)(upper, 1), 1));
    const ints half = EPI32(sub)(EPI32(slli)(one, 15), one);
    const ints nearest = EPI32(srli)(EPI32(add)(EPI32(add)(bits_of(v), half), odd), 16);
    const ints sign = EPI32(slli)(EPI32(srli)(upper, 15), 15);
    const ints magnitude = EPI32(sub)(upper, sign);
    const choice nan = is_nan(v), tiny = less_ints(magnitude, EPI32(set1)(0x80));
    vec r = choose(tiny, AS_FLOAT(sign), AS_FLOAT(nearest));
    const vec quiet = PS(or)(AS_FLOAT(upper), AS_FLOAT(EPI32(set1)(0x40)));
    return lower_halves(bits_of(choose(nan, quiet, r)));
#endif
}

/* Channels [c, c + VL) of a pixel or an array of either type, as far as they are below `end`. */
INLINE vec load_typed(enum dtype type, const void *pixel, int c, int end)
{
    const uint16_t *p = pixel;
    if (type == DTYPE_BF16) return widened(load_halves(p + c, end - c));
    return load_channels(pixel, c, end);
}

INLINE void store_typed(enum dtype type, void *pixel, int c, int end, vec v)
{
    uint16_t *p = pixel;
    if (type == DTYPE_BF16)
        store_halves(p + c, end - c, narrowed(v));
    else
        store_channels(pixel, c, end, v);
}

/* ---- pairs -------------------------------------------------------------------------------------
 * A word is two brain floats, the first one lowest.
 */

INLINE vec pair_words(halves first, halves second)
{
#ifdef __AVX512F__
    return AS_FLOAT(_mm512_or_si512(_mm512_cvtepu16_epi32(first),
                                    _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16)));
#else
    return AS_FLOAT(_mm256_or_si256(_mm256_cvtepu16_epi32(first),
                                    _mm256_slli_epi32(_mm256_cvtepu16_epi32(second), 16)));
#endif
}

INLINE vec first_of(vec words)
{
    return AS_FLOAT(EPI32(slli)(bits_of(words), 16));
}

INLINE vec second_of(vec words)
{
#ifdef __AVX512F__
    return AS_FLOAT(_mm512_maskz_mov_epi16(0xaaaaaaaa, bits_of(words)));
#else
    return AS_FLOAT(_mm256_blend_epi16(bits_of(words), _mm256_setzero_si256(), 0x55));
#endif
}

/* acc + both products, the second one first. Compilers spill the accumulators of the intrinsic. */
INLINE vec pair_dot(vec a, vec b, vec acc)
{
#ifdef __AVX512BF16__
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
#else
    return fused(first_of(a), first_of(b), fused(second_of(a), second_of(b), acc));
#endif
}

/* Between these two, multiply-adds take subnormal numbers for zero and give none. */
INLINE unsigned flush_begin(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* flush to zero, denormals are zeros */
    return before;
}

INLINE void flush_end(unsigned before)
{
    _mm_setcsr(before);
}

/* The same around dot products, where those are made of multiply-adds. */
INLINE unsigned dot_begin(void)
{
#ifdef __AVX512BF16__
    return 0; /* the instruction does so whatever the control register says */
#else
    return flush_begin();
#endif
}

INLINE void dot_end(unsigned before)
{
#ifdef __AVX512BF16__
    (void)before;
#else
    flush_end(before);
#endif
}

/* What computes v stays on this side of dot_begin or dot_end. */
INLINE vec pinned(vec v)
{
#ifndef __AVX512BF16__
    __asm__ volatile("" : "+x"(v));
#endif
    return v;
}

#endif
