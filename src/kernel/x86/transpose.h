/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen vectors of sixteen words, turned round in registers: afterwards v[i] has word i of each.
 */
#ifndef XC_KERNEL_X86_TRANSPOSE_H
#define XC_KERNEL_X86_TRANSPOSE_H

#include "kernel/x86/vec.h"

#define SIXTEEN(X)                                                                                 \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

INLINE void transpose(vec v[16])
{
    vec w[16];
#define BY_2(i)                                                                                    \
    w[i] = i % 2 ? _mm512_unpackhi_ps(v[i - 1], v[i]) : _mm512_unpacklo_ps(v[i], v[i + 1]);
    SIXTEEN(BY_2)
#undef BY_2
#define PD(v) _mm512_castps_pd(v)
#define BY_4(i)                                                                                    \
    v[i] = _mm512_castpd_ps(                                                                       \
        i % 2                                                                                      \
            ? _mm512_unpackhi_pd(PD(w[i / 4 * 4 + i % 4 / 2]), PD(w[i / 4 * 4 + i % 4 / 2 + 2]))   \
            : _mm512_unpacklo_pd(PD(w[i / 4 * 4 + i % 4 / 2]), PD(w[i / 4 * 4 + i % 4 / 2 + 2])));
    SIXTEEN(BY_4)
#undef BY_4
#undef PD
    /* v[4 q + r]: of columns 4 q .. 4 q + 3, rows r, 4 + r, 8 + r, 12 + r */
#define BY_8(i)                                                                                    \
    w[i] = _mm512_shuffle_f32x4(v[i / 8 * 8 + i % 4], v[i / 8 * 8 + i % 4 + 4],                    \
                                i % 8 / 4 ? 0xdd : 0x88);
    SIXTEEN(BY_8)
#undef BY_8
    /* w[8 h + 4 o + r]: of columns 8 h .., rows 4 o + r and 8 + 4 o + r */
#define LAST(i) v[i] = _mm512_shuffle_f32x4(w[i % 8], w[i % 8 + 8], i / 8 ? 0xdd : 0x88);
    SIXTEEN(LAST)
#undef LAST
}

#endif
