/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How sure is a share of few pictures, and do two models really differ?
 */
#ifndef XC_METRIC_INTERVAL_H
#define XC_METRIC_INTERVAL_H

#include <stdint.h>

#define INTERVAL_Z95 1.959963984540054 /* of a 95 % interval */

/* Wilson's score interval (Wilson 1927) of hits among n; 0..1 when n is 0. */
void wilson_interval(uint64_t hits, uint64_t n, double z, double *low, double *high);

/* McNemar's test (1947) of two models on the same pictures: only_a and only_b were right by one of
 * them alone. Exact (binomial, two-sided) up to MCNEMAR_EXACT such pictures, above the chi-square
 * with continuity correction. Gives p; *statistic as statsmodels has it: the smaller count, or
 * chi-square. */
enum { MCNEMAR_EXACT = 1000 };
double mcnemar_test(uint64_t only_a, uint64_t only_b, double *statistic);
double mcnemar_exact(uint64_t only_a, uint64_t only_b);
double mcnemar_chi2(uint64_t only_a, uint64_t only_b, double *statistic);

#endif
