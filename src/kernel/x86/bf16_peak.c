/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many multiply-adds of brain floats can this processor do when it waits for nothing? Pairs in
 * 24 sums that do not need each other, all in registers: the instruction takes longer than a
 * multiply-add does. The products are zeros.
 */
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

#ifdef __AVX512BF16__
#define SUMS_8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define SUMS_16(X) SUMS_8(X) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_SUM(X) SUMS_16(X) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
enum { SUMS = 24 };

size_t BF16(peak)(size_t rounds)
{
    const vec pair = zero();
#define BEGIN(i) vec sum_##i = splat(i);
#define STEP(i) __asm__("vdpbf16ps %1, %1, %0" : "+v"(sum_##i) : "v"(pair));
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
    return rounds * SUMS * VL * 2;
}
#endif
