/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many multiply-adds can plain C do when it waits for nothing? Sums that do not need each
 * other; the values stay near 1/2, so none is denormal.
 */
#include "kernel/ref/real.h"

enum { SUMS = 32 };

size_t REF(peak)(size_t rounds)
{
    real sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = (real)i;
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < SUMS; i++) sum[i] = real_fma(sum[i], (real)0.5, (real)0.25);
    volatile real seen = 0; /* or the compiler leaves the work out */
    for (int i = 0; i < SUMS; i++) seen += sum[i];
    (void)seen;
    return rounds * SUMS;
}
