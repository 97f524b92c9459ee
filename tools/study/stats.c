/* SPDX-License-Identifier: Apache-2.0 */
/* Means, intervals, bootstrap, and the rule of verdicts. */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one sample ------------------------------------------------------------------------------ */

double stats_mean(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += v[i];
    return n ? sum / (double)n : NAN;
}

/* Of the sample (n - 1); NaN below two. */
static double deviation(const double *v, size_t n)
{
    const double mean = stats_mean(v, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (v[i] - mean) * (v[i] - mean);
    return n > 1 ? sqrt(sum / (double)(n - 1)) : NAN;
}

double stats_t95(size_t degrees)
{
    static const double table[] = {NAN,    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469,
                                   2.3646, 2.3060,  2.2622, 2.2281, 2.2010, 2.1788, 2.1604,
                                   2.1448, 2.1314,  2.1199, 2.1098, 2.1009, 2.0930, 2.0860};
    const double z = 1.959964, n = (double)degrees;
    if (degrees < sizeof table / sizeof *table) return table[degrees];
    return z + (z * z * z + z) / (4 * n) + /* Cornish and Fisher */
           (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * n * n);
}

struct interval stats_interval(const double *v, size_t n)
{
    const double mean = stats_mean(v, n);
    if (n < 2) return (struct interval){mean, NAN, NAN};
    const double half = stats_t95(n - 1) * deviation(v, n) / sqrt((double)n);
    return (struct interval){mean, mean - half, mean + half};
}

uint32_t stats_draw(uint64_t seed, uint64_t counter, uint32_t n)
{
    uint64_t x = (seed + 1) * 0x9e3779b97f4a7c15u + counter * 0xd1b54a32d192ed03u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64's last steps */
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (uint32_t)(((x >> 32) * n) >> 32);
}

double stats_average_precision(const bool *right, uint32_t places, uint32_t labels, uint32_t k)
{
    const uint32_t most = labels < k ? labels : k;
    double sum = 0;
    uint32_t hits = 0;
    for (uint32_t i = 0; i < places && i < k; i++)
        if (right[i]) sum += (double)++hits / (i + 1);
    return most ? sum / most : 0;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The mean difference of one round: seeds drawn as pairs, then pictures. */
struct bootstrap {
    const float *const *a, *const *b;
    size_t seeds, pictures;
    float *mixed; /* difference of each picture, summed over the drawn seeds */
    uint64_t seed;
};

static double one_round(const struct bootstrap *t, uint32_t round)
{
    uint64_t counter = (uint64_t)round << 32;
    double sum = 0;
    memset(t->mixed, 0, t->pictures * sizeof *t->mixed);
    for (size_t k = 0; k < t->seeds; k++) {
        const uint32_t s = stats_draw(t->seed, counter++, (uint32_t)t->seeds);
        for (size_t i = 0; i < t->pictures; i++) t->mixed[i] += t->a[s][i] - t->b[s][i];
    }
    for (size_t i = 0; i < t->pictures; i++)
        sum += (double)t->mixed[stats_draw(t->seed, counter++, (uint32_t)t->pictures)];
    return sum / ((double)t->pictures * (double)t->seeds);
}

static void bootstrap(const struct bootstrap *t, uint32_t rounds, double *round, struct paired *out)
{
    uint32_t below = 0, above = 0;
    for (uint32_t r = 0; r < rounds; r++) {
        round[r] = one_round(t, r);
        below += round[r] <= 0;
        above += round[r] >= 0;
    }
    qsort(round, rounds, sizeof *round, ascending);
    const uint32_t tail = rounds / 40; /* 2.5 % */
    out->both.low = round[tail];
    out->both.high = round[rounds - 1 - tail];
    out->p = fmin(1, 2.0 * (1 + (below < above ? below : above)) / (rounds + 1.0));
}

static double score_of(const float *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)v[i];
    return n ? sum / (double)n : NAN;
}

struct paired stats_paired_values(const double *a, const double *b, size_t seeds)
{
    const struct interval none = {NAN, NAN, NAN};
    double *d = malloc((seeds + 1) * sizeof *d);
    struct paired out = {none, none, NAN, seeds};
    for (size_t s = 0; d && s < seeds; s++) d[s] = a[s] - b[s];
    if (d) out.seeds = stats_interval(d, seeds);
    free(d);
    return out;
}

struct paired stats_paired(const float *const *a, const float *const *b, size_t seeds,
                           size_t pictures, uint32_t rounds, uint64_t seed)
{
    const struct interval none = {NAN, NAN, NAN};
    struct paired out = {none, none, NAN, 0};
    double *mean = malloc((2 * seeds + 1) * sizeof *mean), *round = malloc(rounds * sizeof *round);
    float *mixed = malloc((pictures + 1) * sizeof *mixed);
    if (mean && round && mixed && seeds > 0 && pictures > 0 && rounds > 0) {
        for (size_t s = 0; s < seeds; s++) {
            mean[s] = score_of(a[s], pictures);
            mean[seeds + s] = score_of(b[s], pictures);
        }
        out = stats_paired_values(mean, mean + seeds, seeds);
        out.both.mean = out.seeds.mean;
        bootstrap(&(struct bootstrap){a, b, seeds, pictures, mixed, seed}, rounds, round, &out);
    }
    free(mixed);
    free(round);
    free(mean);
    return out;
}

/* ---- the rule -------------------------------------------------------------------------------- */

const char *verdict_name(enum verdict v)
{
    static const char *const name[] = {"not run", "reproduced", "not reproduced",
                                       "inside the noise"};
    return name[v];
}

/* Does every interval that is there lie between low and high? */
static bool within(const struct paired *d, double low, double high)
{
    const bool pictures = !isnan(d->p);
    return d->seeds.low > low && d->seeds.high < high &&
           (!pictures || (d->both.low > low && d->both.high < high));
}

enum verdict verdict_of(const struct paired *d, enum claim claim, double margin)
{
    if (d->pairs == 0 || isnan(d->seeds.mean)) return VERDICT_NOT_RUN;
    if (isnan(d->seeds.low)) return VERDICT_NOISE;
    const bool above = within(d, 0, INFINITY), below = within(d, -INFINITY, 0);
    if (claim == CLAIM_MORE)
        return above ? VERDICT_REPRODUCED : below ? VERDICT_NOT_REPRODUCED : VERDICT_NOISE;
    if (within(d, -margin, margin)) return VERDICT_REPRODUCED;
    if ((above || below) && fabs(d->seeds.mean) > margin) return VERDICT_NOT_REPRODUCED;
    return VERDICT_NOISE;
}
