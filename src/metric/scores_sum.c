/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that say something of all rows. */
#include <math.h>
#include <stdlib.h>

#include "metric/scores.h"

/* ---- calibration ----------------------------------------------------------------------------- */

double scores_bins(const struct scores *s, struct scores_bin *out)
{
    const uint32_t bins = s->o.bins;
    double apart = 0;
    size_t counted = 0;
    for (uint32_t b = 0; b < bins; b++) out[b] = (struct scores_bin){0};
    for (size_t i = 0; i < s->entries; i++) {
        const double p = scores_confidence(s, &s->entry[i]);
        if (isnan(p)) continue;
        const double at = ceil(p * bins) - 1;
        struct scores_bin *b = &out[at > 0 ? at < bins ? (uint32_t)at : bins - 1 : 0];
        b->count++;
        b->hits += scores_hit(s, &s->entry[i]);
        b->confidence += p;
        counted++;
    }
    for (uint32_t b = 0; b < bins; b++) {
        apart += fabs((double)out[b].hits - out[b].confidence);
        if (out[b].count) out[b].confidence /= (double)out[b].count;
    }
    return counted ? apart / (double)counted : NAN;
}

/* ---- a row after the other, with all of its scores ------------------------------------------- */

typedef void row_fn(const struct scores *s, const struct scores_entry *e, const double *x,
                    void *sum);

static xc_status each_row(const struct scores *s, row_fn *call, void *sum, struct error *err)
{
    const size_t classes = s->o.classes;
    double *x = malloc(classes * SCORES_BLOCK * sizeof *x);
    xc_status status = x ? XC_OK : fail_memory(err, classes * SCORES_BLOCK * sizeof *x);
    for (size_t i = 0; i < s->entries && status == XC_OK; i++) {
        if (i % SCORES_BLOCK == 0) status = spill_block(&s->spill, i / SCORES_BLOCK, x, err);
        if (status == XC_OK) call(s, &s->entry[i], x + i % SCORES_BLOCK * classes, sum);
    }
    free(x);
    return status;
}

static double probability(const struct scores *s, const struct scores_entry *e, double x)
{
    if (s->o.kind != XC_SCORES_LOGITS) return x;
    return s->o.multi_label ? 1 / (1 + exp(-x / s->temperature)) : exp(x / s->temperature - e->lse);
}

static void add_brier(const struct scores *s, const struct scores_entry *e, const double *x,
                      void *sum)
{
    double row = 0;
    for (uint32_t c = 0; c < s->o.classes; c++) {
        const double p = probability(s, e, x[c]), apart = p - (scores_is(s, e, c) ? 1 : 0);
        row += apart * apart;
    }
    *(double *)sum += s->o.multi_label ? row / s->o.classes : row;
}

xc_status scores_sum_up(const struct scores *s, struct scores_sum *out, struct error *err)
{
    const double n = (double)s->entries;
    struct scores_bin *bins = malloc((size_t)s->o.bins * sizeof *bins);
    if (!bins) return fail_memory(err, (size_t)s->o.bins * sizeof *bins);
    *out = (struct scores_sum){.rows = s->entries, .brier = NAN, .map_at_k = NAN, .loss = 0};
    out->ece = scores_bins(s, bins);
    free(bins);
    for (size_t i = 0; i < s->entries; i++) {
        out->top1 += s->entry[i].place < 1;
        out->topk += s->entry[i].place < s->o.top;
        out->loss += s->entry[i].loss;
    }
    out->loss = s->entries ? out->loss / n : NAN;
    if (s->o.kind == XC_SCORES_ANSWERS || !s->entries) return XC_OK;
    out->brier = 0;
    TRY(each_row(s, add_brier, &out->brier, err));
    out->brier /= n;
    out->map_at_k = s->precision / n;
    return XC_OK;
}

/* ---- temperature ----------------------------------------------------------------------------- */

struct slope { /* of the loss, at b = 1 / temperature */
    double b, first, second;
};

static void add_slope(const struct scores *s, const struct scores_entry *e, const double *x,
                      void *sum)
{
    struct slope *slope = sum;
    double weight = 0, mean = 0, square = 0;
    for (uint32_t c = 0; s->o.multi_label && c < s->o.classes; c++) {
        const double p = 1 / (1 + exp(-x[c] * slope->b));
        slope->first += x[c] * (p - (scores_is(s, e, c) ? 1 : 0));
        slope->second += x[c] * x[c] * p * (1 - p);
    }
    if (s->o.multi_label) return;
    for (uint32_t c = 0; c < s->o.classes; c++) { /* distances to the best: no overflow */
        const double d = x[c] - e->most, w = exp(d * slope->b);
        weight += w;
        mean += w * d;
        square += w * d * d;
    }
    mean /= weight;
    slope->first += mean - (x[e->label] - e->most);
    slope->second += square / weight - mean * mean;
}

xc_status scores_fit_temperature(const struct scores *s, double *out, struct error *err)
{
    double low = 1 / 20.0, high = 20, b = 1;
    if (s->o.kind != XC_SCORES_LOGITS)
        return fail(err, XC_ERR_ARGUMENT, "a temperature needs scores before the softmax");
    if (!s->entries) return fail(err, XC_ERR_ARGUMENT, "a temperature needs pictures");
    for (int i = 0; i < 60 && high - low > 1e-12 * b; i++) {
        struct slope slope = {.b = b};
        TRY(each_row(s, add_slope, &slope, err));
        if (slope.first > 0)
            high = b;
        else
            low = b;
        double next = b - slope.first / slope.second;
        if (fabs(next - b) < 1e-10 * b) break;
        if (!(next > low && next < high)) next = (low + high) / 2;
        b = next;
    }
    *out = 1 / b;
    return XC_OK;
}
