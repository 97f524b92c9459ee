/* SPDX-License-Identifier: Apache-2.0 */
/* What is the logarithm of the sum that a softmax divides by? Exponents are of what is below the
 * largest number, so that none overflows. */
#ifndef XC_BASE_SOFTMAX_H
#define XC_BASE_SOFTMAX_H

#include <math.h>
#include <stddef.h>

/* log(sum(exp(x / temperature))); most: the largest of x. */
static inline double log_sum_exp(const double *x, size_t n, double most, double temperature)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((x[i] - most) / temperature);
    return log(sum) + most / temperature;
}

#endif
