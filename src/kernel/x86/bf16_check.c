/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does this processor's vdpbf16ps do what the plain kernels say? Its order and its rounding are
 * written down nowhere, so about a thousand sums of awkward numbers are compared before it is used.
 */
#define REF_BF16
#include "kernel/ref/real.h"
#include "kernel/x86/awkward.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

static bool agrees(const uint16_t *a, const uint16_t *w, const float *start)
{
    float got[VL];
    uint16_t half[VL];
    vec acc = load(start);
    __asm__("vdpbf16ps %2, %1, %0"
            : "+v"(acc)
            : "v"(_mm512_loadu_si512(a)), "v"(_mm512_loadu_si512(w)));
    store(got, acc);
    store_halves(half, VL, narrowed(acc));
    for (int i = 0; i < VL; i++) {
        const float second = real_dot(f32_from_bf16(a[2 * i + 1]), w[2 * i + 1], start[i]);
        const float want = real_dot(f32_from_bf16(a[2 * i]), w[2 * i], second);
        if (!same_float(got[i], want) ||
            !same_float(f32_from_bf16(half[i]), f32_from_bf16(bf16_from_f32(want))))
            return false;
    }
    return true;
}

bool bf16_check_avx512bf16(void)
{
    uint32_t random = 1;
    for (int round = 0; round < 64; round++) {
        uint16_t a[2 * VL], w[2 * VL];
        float start[VL];
        for (int i = 0; i < 2 * VL; i++) {
            a[i] = awkward_half(&random);
            w[i] = awkward_half(&random);
            start[i / 2] = awkward_sum(&random);
        }
        if (!agrees(a, w, start)) return false;
    }
    return true;
}
