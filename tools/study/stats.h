/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do a few runs and many pictures say? Intervals over seeds, paired bootstrap over seeds and
 * pictures, average precision, and the one rule by which a claim is held against them. Functions of
 * their arguments: no clock, no state; the same numbers give the same bits.
 */
#ifndef STUDY_STATS_H
#define STUDY_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct interval { /* low and high are NaN where one value says nothing about the spread */
    double mean, low, high;
};

double stats_mean(const double *v, size_t n); /* NaN for none */
/* The point that |Student's t| exceeds in 5 % of cases. */
double stats_t95(size_t degrees);
/* 95 % interval of the mean by Student's t. */
struct interval stats_interval(const double *v, size_t n);

/* Numbers that depend on nothing but (seed, counter): uniform in 0 .. n - 1. */
uint32_t stats_draw(uint64_t seed, uint64_t counter, uint32_t n);

/* Average precision of the first k places: the mean, over min(labels, k), of the precision at each
 * place that holds a label. right[i]: is the answer at place i one of the labels? */
double stats_average_precision(const bool *right, uint32_t places, uint32_t labels, uint32_t k);

struct paired {
    struct interval seeds; /* of the difference, one value a seed: Student's t */
    struct interval both;  /* seeds and pictures drawn again: percentiles of the bootstrap */
    double p;              /* two-sided, of the bootstrap: 1 = nothing there */
    size_t pairs;          /* seeds that both have */
};
/* a[s], b[s]: scores (0..1) of the same pictures under seed s. Seeds are drawn as pairs. */
struct paired stats_paired(const float *const *a, const float *const *b, size_t seeds,
                           size_t pictures, uint32_t rounds, uint64_t seed);
/* The same for numbers of which there is one a seed: no pictures to draw from. */
struct paired stats_paired_values(const double *a, const double *b, size_t seeds);

/* ---- the rule -------------------------------------------------------------------------------- */

enum verdict { VERDICT_NOT_RUN, VERDICT_REPRODUCED, VERDICT_NOT_REPRODUCED, VERDICT_NOISE };
enum claim { CLAIM_MORE, CLAIM_EQUAL }; /* a - b > 0; |a - b| within the margin */

const char *verdict_name(enum verdict v); /* "reproduced", ... */
/*
 * More: reproduced when the intervals over seeds and (where there are pictures) of the bootstrap
 * both lie above 0, not reproduced when both lie below, else noise.
 * Equal: reproduced when both lie within -margin..margin, not reproduced when both lie beyond 0 and
 * the mean beyond the margin, else noise.
 * Without a spread, which one seed has not, everything is noise.
 */
enum verdict verdict_of(const struct paired *d, enum claim claim, double margin);

#endif
