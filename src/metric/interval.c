/* SPDX-License-Identifier: Apache-2.0 */
/* Wilson's interval and McNemar's test. */
#include "metric/interval.h"

#include <math.h>

void wilson_interval(uint64_t hits, uint64_t n, double z, double *low, double *high)
{
    *low = 0;
    *high = 1;
    if (n == 0) return;
    const double p = (double)hits / (double)n, zz = z * z / (double)n;
    const double middle = (p + zz / 2) / (1 + zz);
    const double half = z * sqrt(p * (1 - p) / (double)n + zz / (4 * (double)n)) / (1 + zz);
    if (hits > 0) *low = fmax(0, middle - half);
    if (hits < n) *high = fmin(1, middle + half);
}

double mcnemar_exact(uint64_t only_a, uint64_t only_b)
{
    const uint64_t few = only_a < only_b ? only_a : only_b, n = only_a + only_b;
    double term = exp(-(double)n * log(2.0)), sum = term; /* C(n, 0) / 2^n */
    if (only_a == only_b) return 1;
    for (uint64_t k = 1; k <= few; k++) {
        term *= (double)(n - k + 1) / (double)k;
        sum += term;
    }
    return fmin(1, 2 * sum);
}

double mcnemar_chi2(uint64_t only_a, uint64_t only_b, double *statistic)
{
    const double n = (double)only_a + (double)only_b;
    const double apart = fabs((double)only_a - (double)only_b) - 1;
    *statistic = n > 0 ? apart * apart / n : 0;
    return n > 0 ? erfc(sqrt(*statistic / 2)) : 1;
}

double mcnemar_test(uint64_t only_a, uint64_t only_b, double *statistic)
{
    if (only_a + only_b > MCNEMAR_EXACT) return mcnemar_chi2(only_a, only_b, statistic);
    *statistic = (double)(only_a < only_b ? only_a : only_b);
    return mcnemar_exact(only_a, only_b);
}
