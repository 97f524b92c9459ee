/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does this processor's vdpbf16ps do what the plain kernels say? Its order and its rounding are
 * written down nowhere, so about a thousand sums of awkward numbers are compared before it is used.
 */
#define REF_BF16
#include "kernel/ref/real.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

/* Zeros, subnormal, least, ordinary (with ties), largest, infinite, no number. */
static const uint16_t awkward[] = {0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x8080, 0x0081, 0x3f7f,
                                   0x3f80, 0xbf80, 0x3f81, 0xbfc3, 0x4049, 0xc2a7, 0x5f12, 0xdf12,
                                   0x2081, 0xa07f, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0};
static const float sums[] = {0,
                             -0.0f,
                             1,
                             -1,
                             0x1.fffffep-127f,
                             -0x1p-126f,
                             0x1.000002p-126f,
                             1e-45f,
                             0x1.00ffp0f,
                             -0x1.800002p1f,
                             3e38f,
                             -3e38f,
                             INFINITY,
                             0x1p-60f};
enum { NUMBERS = sizeof awkward / sizeof *awkward, SUMS = sizeof sums / sizeof *sums };

static bool same(float a, float b)
{
    return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

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
        if (!same(got[i], want) ||
            !same(f32_from_bf16(half[i]), f32_from_bf16(bf16_from_f32(want))))
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
            random = random * 1664525 + 1013904223; /* Numerical Recipes */
            a[i] = awkward[(random >> 8) % NUMBERS];
            w[i] = awkward[(random >> 16) % NUMBERS];
            start[i / 2] = sums[(random >> 24) % SUMS];
        }
        if (!agrees(a, w, start)) return false;
    }
    return true;
}
