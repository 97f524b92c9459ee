/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers on which an instruction's rounding, order and small numbers show: for the checks that ask
 * a processor what it does. */
#ifndef XC_KERNEL_X86_AWKWARD_H
#define XC_KERNEL_X86_AWKWARD_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Zeros, subnormal, least, ordinary (with ties), largest, infinite, no number. */
static const uint16_t awkward_halves[] = {
    0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x8080, 0x0081, 0x3f7f, 0x3f80, 0xbf80, 0x3f81, 0xbfc3,
    0x4049, 0xc2a7, 0x5f12, 0xdf12, 0x2081, 0xa07f, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0};
static const float awkward_sums[] = {0,
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

static inline uint32_t awkward_next(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223; /* Numerical Recipes */
    return *random >> 8;
}

static inline uint16_t awkward_half(uint32_t *random)
{
    return awkward_halves[awkward_next(random) % (sizeof awkward_halves / sizeof *awkward_halves)];
}

static inline float awkward_sum(uint32_t *random)
{
    return awkward_sums[awkward_next(random) % (sizeof awkward_sums / sizeof *awkward_sums)];
}

/* NaN is like NaN. */
static inline bool same_float(float a, float b)
{
    return (a != a && b != b) || memcmp(&a, &b, sizeof a) == 0;
}

#endif
