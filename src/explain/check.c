/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the heat where the class is? Pixels go in the order of their heat: out of the picture
 * (deletion), or into one that is too blurred to be anything (insertion). The probability of the
 * class is looked at after equal parts. Pixels of equal heat go in an order that has nothing to do
 * with their place.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "explain/explain.h"

struct ranked {
    float heat;
    uint32_t lot, pixel;
};

static int hottest_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->heat != y->heat) return x->heat < y->heat ? 1 : -1;
    if (x->lot != y->lot) return x->lot < y->lot ? -1 : 1;
    return x->pixel < y->pixel ? -1 : x->pixel > y->pixel;
}

static void rank(const float *value, uint32_t pixels, struct ranked *r)
{
    for (uint32_t i = 0; i < pixels; i++) {
        uint32_t word[4];
        rng_words(0, RNG_EXPLAIN, 0, 2, i, word);
        r[i] = (struct ranked){value[i], word[0], i};
    }
    qsort(r, pixels, sizeof *r, hottest_first);
}

/* ---- blurring -------------------------------------------------------------------------------- */

/* Along one direction: `count` numbers `step` apart, border repeated. */
static void blur_line(const float *from, float *to, int count, size_t step, const double *weight,
                      int radius)
{
    for (int i = 0; i < count; i++) {
        double sum = 0;
        for (int j = -radius; j <= radius; j++) {
            const int at = i + j < 0 ? 0 : i + j >= count ? count - 1 : i + j;
            sum += weight[j + radius] * (double)from[(size_t)at * step];
        }
        to[(size_t)i * step] = (float)sum;
    }
}

/* A Gaussian whose deviation is a twentieth of the larger side. scratch: as large as the input. */
static xc_status blur(const xc_explainer *e, float *scratch, float *to, struct error *err)
{
    const int h = e->input.h, w = e->input.w, c = e->input.c;
    const double deviation = (h > w ? h : w) / 20.0;
    const int radius = (int)ceil(3 * deviation);
    const size_t row = (size_t)w * (size_t)c;
    double *weight = calloc(2 * (size_t)radius + 1, sizeof *weight), sum = 0;
    if (!weight) return fail_memory(err, (size_t)radius * sizeof *weight);
    for (int j = -radius; j <= radius; j++)
        sum += weight[j + radius] = exp(-j * j / (2 * deviation * deviation));
    for (int j = 0; j <= 2 * radius; j++) weight[j] /= sum;
    for (int y = 0; y < h; y++)
        for (int k = 0; k < c; k++) {
            const size_t at = (size_t)y * row + (size_t)k;
            blur_line(e->x + at, scratch + at, w, (size_t)c, weight, radius);
        }
    for (size_t at = 0; at < row; at++) blur_line(scratch + at, to + at, h, row, weight, radius);
    free(weight);
    return XC_OK;
}

/* ---- curves ---------------------------------------------------------------------------------- */

/* Of the chosen class for the inputs of e->batch, as the session says them: with the model's
 * temperature, each for itself where it has sigmoids. Over their logits. */
static xc_status probabilities(xc_explainer *e, uint32_t n, struct error *err)
{
    size_t written;
    TRY(explain_forward(e, (int)n, err));
    return session_read(e->session, "probs", DTYPE_F32, e->logit,
                        (size_t)e->classes * EXPLAIN_BATCH, &written, err);
}

/* The hottest `count` pixels from `source` (NULL: the baseline). */
static void replace(const xc_explainer *e, const struct ranked *r, size_t count,
                    const float *source, float *to)
{
    const size_t c = (size_t)e->input.c;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < c; k++) {
            const size_t at = r[i].pixel * c + k;
            to[at] = source ? source[at] : e->o.baseline;
        }
}

/* curve: (steps + 1) probabilities, or NULL. *area by trapezoids. */
static xc_status run_curve(xc_explainer *e, const struct ranked *r, const float *start,
                           const float *source, uint32_t steps, float *curve, double *area,
                           struct error *err)
{
    const size_t pixels = (size_t)e->input.h * (size_t)e->input.w;
    *area = 0;
    for (uint32_t at = 0; at <= steps; at += EXPLAIN_BATCH) {
        const uint32_t n = steps + 1 - at < EXPLAIN_BATCH ? steps + 1 - at : EXPLAIN_BATCH;
        for (uint32_t i = 0; i < n; i++) {
            float *to = e->batch + i * e->inputs;
            memcpy(to, start, e->inputs * sizeof *to);
            replace(e, r, pixels * (at + i) / steps, source, to);
        }
        TRY(probabilities(e, n, err));
        for (uint32_t i = 0; i < n; i++) {
            const double p = (double)e->logit[i * (uint32_t)e->classes + (uint32_t)e->chosen];
            const bool end = at + i == 0 || at + i == steps;
            *area += (end ? 0.5 : 1) * p / steps;
            if (curve) curve[at + i] = (float)p;
        }
    }
    return XC_OK;
}

xc_status explain_check(xc_explainer *e, const float *value, uint32_t steps, float *deleted,
                        float *inserted, xc_faithfulness *out, struct error *err)
{
    const size_t pixels = (size_t)e->input.h * (size_t)e->input.w;
    struct ranked *r = calloc(pixels, sizeof *r);
    float *blurred = calloc(2 * e->inputs, sizeof *blurred);
    xc_status status = r && blurred ? blur(e, blurred + e->inputs, blurred, err)
                                    : fail_memory(err, 2 * e->inputs * sizeof *blurred);
    if (status == XC_OK) {
        rank(value, (uint32_t)pixels, r);
        status = run_curve(e, r, e->x, NULL, steps, deleted, &out->deletion, err);
    }
    if (status == XC_OK)
        status = run_curve(e, r, blurred, e->x, steps, inserted, &out->insertion, err);
    free(r);
    free(blurred);
    return status;
}
