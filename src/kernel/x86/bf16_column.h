/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do three pixels, one below the other, enter the sums of a depthwise convolution? 32 channels
 * of brain floats at a time, in two vectors of words: in the order of kernel.h, rows 1 and 0, then
 * nothing and row 2. By the instruction for pairs of numbers; or, where there are tile registers,
 * whose processors take longer for that, by multiply-adds that take subnormal numbers for zero.
 */
#ifndef XC_KERNEL_X86_BF16_COLUMN_H
#define XC_KERNEL_X86_BF16_COLUMN_H
#ifdef __AVX512BF16__

#include "kernel/x86/bf16.h"

struct sums { /* of one output */
    vec half[2];
};

#ifdef KERNEL_AMX
struct column { /* even channels, odd channels */
    vec row[3][2];
};

INLINE struct column column_of(__m512i r0, __m512i r1, __m512i r2)
{
    const vec v[3] = {AS_FLOAT(r0), AS_FLOAT(r1), AS_FLOAT(r2)};
    return (struct column){{{first_of(v[0]), second_of(v[0])},
                            {first_of(v[1]), second_of(v[1])},
                            {first_of(v[2]), second_of(v[2])}}};
}

INLINE struct sums multiply_column(const struct column *x, const struct column *w, struct sums s)
{
    for (int i = 0; i < 2; i++) {
        const vec two =
            fused(x->row[0][i], w->row[0][i], fused(x->row[1][i], w->row[1][i], s.half[i]));
        s.half[i] = fused(x->row[2][i], w->row[2][i], add(two, zero()));
    }
    return s;
}

/* near, far: channels in order. */
INLINE struct sums sums_of(vec near, vec far)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return (struct sums){
        {_mm512_permutex2var_ps(near, even, far), _mm512_permutex2var_ps(near, odd, far)}};
}

INLINE __m512i rounded_sums(struct sums s) /* channels in order */
{
    const __m512i in_turn =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(in_turn, (__m512i)_mm512_cvtne2ps_pbh(s.half[1], s.half[0]));
}

/* multiply_column is between these two. */
INLINE unsigned column_begin(void)
{
    return flush_begin();
}

INLINE void column_end(unsigned before)
{
    flush_end(before);
}
#else
struct column { /* pairs of rows 0 and 1, then of row 2 and nothing, interleaved */
    __m512i lower[2], upper[2];
};

INLINE __m512i lower_pairs(__m512i even, __m512i odd)
{
    return _mm512_unpacklo_epi16(even, odd);
}

INLINE __m512i upper_pairs(__m512i even, __m512i odd)
{
    return _mm512_unpackhi_epi16(even, odd);
}

INLINE struct column column_of(__m512i r0, __m512i r1, __m512i r2)
{
    const __m512i none = _mm512_setzero_si512();
    return (struct column){{lower_pairs(r0, r1), lower_pairs(r2, none)},
                           {upper_pairs(r0, r1), upper_pairs(r2, none)}};
}

INLINE vec column_dot(__m512i a, __m512i b, vec acc)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

INLINE struct sums multiply_column(const struct column *x, const struct column *w, struct sums s)
{
    s.half[0] = column_dot(x->lower[0], w->lower[0], s.half[0]);
    s.half[1] = column_dot(x->upper[0], w->upper[0], s.half[1]);
    s.half[0] = column_dot(x->lower[1], w->lower[1], s.half[0]);
    s.half[1] = column_dot(x->upper[1], w->upper[1], s.half[1]);
    return s;
}

INLINE struct sums add_halves(struct sums s, __m512i x)
{
    const __m512i none = _mm512_setzero_si512();
    s.half[0] = add(s.half[0], AS_FLOAT(lower_pairs(none, x)));
    s.half[1] = add(s.half[1], AS_FLOAT(upper_pairs(none, x)));
    return s;
}

/* near, far: channels in order. */
INLINE struct sums sums_of(vec near, vec far)
{
    return (struct sums){{_mm512_shuffle_f32x4(near, far, _MM_SHUFFLE(2, 0, 2, 0)),
                          _mm512_shuffle_f32x4(near, far, _MM_SHUFFLE(3, 1, 3, 1))}};
}

INLINE __m512i rounded_sums(struct sums s) /* channels in order */
{
    const __m512i halves_apart = (__m512i)_mm512_cvtne2ps_pbh(s.half[1], s.half[0]);
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), halves_apart);
}

INLINE unsigned column_begin(void)
{
    return 0;
}

INLINE void column_end(unsigned before)
{
    (void)before;
}
#endif

#endif
#endif
