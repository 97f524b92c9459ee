/* SPDX-License-Identifier: Apache-2.0 */
/* How do pixels become words, pairs of brain floats of neighbouring pixels, for weight gradients?
 * What is applied on load is applied here, so that strides and padding are no matter afterwards. */
#ifndef XC_KERNEL_X86_BF16_WORDS_H
#define XC_KERNEL_X86_BF16_WORDS_H

#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"

/* VL channels of a pixel from c on, those below `end`, as a convolution multiplies them. */
INLINE halves operands(const struct view *v, const struct prologue *p, const void *pixel, int c,
                       int end, vec scale, vec shift)
{
    const uint16_t *x = pixel;
    const bool raw = !p->scale && p->act.kind == ACT_NONE;
    if (raw && v->type == DTYPE_BF16) return load_halves(x + c, end - c);
    vec n = load_typed(v->type, pixel, c, end);
    if (p->scale) n = fused(scale, n, shift);
    if (p->act.kind == ACT_RELU)
        n = max_of(zero(), n);
    else if (p->act.kind != ACT_NONE)
        n = activate_vec(&p->act, n);
    return narrowed(n);
}

INLINE halves no_operands(void)
{
    return narrowed(zero());
}

#ifdef __AVX512F__
enum { WORDS = 2 * VL };

/* Channels c .. c + WORDS of two pixels that are brain floats as they lie; NULL: zeros. */
INLINE void store_words(const uint16_t *one, const uint16_t *other, int count, float *to)
{
    const __m512i even =
        _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                         37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i odd = _mm512_add_epi16(even, _mm512_set1_epi16(VL));
    const __mmask32 k = count >= WORDS ? UINT32_MAX : (UINT32_C(1) << count) - 1;
    const __m512i a = _mm512_maskz_loadu_epi16(one ? k : 0, one);
    const __m512i b = _mm512_maskz_loadu_epi16(other ? k : 0, other);
    store(to, AS_FLOAT(_mm512_permutex2var_epi16(a, even, b)));
    store(to + VL, AS_FLOAT(_mm512_permutex2var_epi16(a, odd, b)));
}

static inline void lay_out_raw(const void *const *pixel, int pairs, int first, int count,
                               float *words, ptrdiff_t row)
{
    for (int i = 0; i < pairs; i++, words += row) {
        const uint16_t *one = pixel[2 * i], *other = pixel[2 * i + 1];
        for (int c = 0; c < count; c += WORDS) {
            const uint16_t *x = one ? one + first + c : NULL, *y = other ? other + first + c : NULL;
            if (x) _mm_prefetch((const char *)(x + WORDS), _MM_HINT_T0);
            if (y) _mm_prefetch((const char *)(y + WORDS), _MM_HINT_T0);
            store_words(x, y, count - c, words + c);
        }
    }
}
#endif

/* Channels first .. first + count of the chunk's pixels, into words, `row` of them to a pair. */
static inline void lay_out(const struct view *v, const struct prologue *p, const void *const *pixel,
                           int pairs, int first, int count, float *words, ptrdiff_t row)
{
    const float *scale = p->scale, *shift = p->shift;
    const int end = first + count;
#ifdef __AVX512F__
    if (v->type == DTYPE_BF16 && !scale && p->act.kind == ACT_NONE) {
        lay_out_raw(pixel, pairs, first, count, words, row);
        return;
    }
#endif
    for (int c = 0; c < count; c += VL) {
        const vec factor = scale ? load_channels(scale, first + c, end) : zero();
        const vec summand = scale ? load_channels(shift, first + c, end) : zero();
        for (int i = 0; i < pairs; i++) {
            const void *const *two = pixel + 2 * i;
            const halves one =
                two[0] ? operands(v, p, two[0], first + c, end, factor, summand) : no_operands();
            const halves other =
                two[1] ? operands(v, p, two[1], first + c, end, factor, summand) : no_operands();
            store(words + i * row + c, pair_words(one, other));
        }
    }
}

#endif
