/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many multiply-adds can this processor do when it waits for nothing? Twelve sums that do not
 * need each other, all in registers: enough for two units of four cycles latency. The values stay
 * near 1/2, so none is denormal.
 */
#include "kernel/x86/vec.h"
#include "kernel/x86/x86.h"

#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { SUMS = 12 };

size_t X86(peak)(size_t rounds)
{
    const vec half = splat(0.5f), quarter = splat(0.25f);
#define BEGIN(i) vec sum_##i = splat(i);
#define STEP(i) sum_##i = fused(sum_##i, half, quarter);
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
    return rounds * SUMS * VL;
}
