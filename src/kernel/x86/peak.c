/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many multiply-adds can this processor do when it waits for nothing? Sums that do not need
 * each other, all in registers: twelve are enough for two units of four cycles latency, products of
 * pairs of brain floats take longer. Values stay near 1/2, so none is denormal; the pairs are
 * zeros.
 */
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

#define SUMS_12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#ifdef __AVX512BF16__
#define PEAK BF16(peak)
#define STEP(i) __asm__("vdpbf16ps %1, %1, %0" : "+v"(sum_##i) : "v"(pair));
#define EACH_SUM(X)                                                                                \
    SUMS_12(X) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
enum { SUMS = 24, PRODUCTS = 2 };
#else
#define PEAK X86(peak)
#define STEP(i) sum_##i = fused(sum_##i, half, quarter);
#define EACH_SUM SUMS_12
enum { SUMS = 12, PRODUCTS = 1 };
#endif

size_t PEAK(size_t rounds)
{
    const vec half = splat(0.5f), quarter = splat(0.25f), pair = zero();
    (void)half, (void)quarter, (void)pair; /* either those or this */
#define BEGIN(i) vec sum_##i = splat(i);
#define TOTAL(i) total = add(total, sum_##i);
    EACH_SUM(BEGIN)
    for (size_t r = 0; r < rounds; r++) {
        EACH_SUM(STEP)
    }
    vec total = zero();
    EACH_SUM(TOTAL)
    float lane[VL];
    store(lane, total);
    volatile float seen = lane[0]; /* or the compiler leaves the work out */
    (void)seen;
    return rounds * SUMS * PRODUCTS * VL;
}
