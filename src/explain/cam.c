/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the methods of a layer compute? Each makes one number a pixel of the layer's map from
 * activations A and gradients G, both (pixels, channels). Sums are in double, in the order of
 * pixels and channels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"
#include "explain/pca.h"

static size_t pixels_of(const xc_explainer *e)
{
    return (size_t)e->map.h * (size_t)e->map.w;
}

static size_t channels_of(const xc_explainer *e)
{
    return (size_t)e->map.c;
}

static float relu(double x)
{
    return x > 0 ? (float)x : 0;
}

/* low[p] = relu(sum_k weight[k] A[p][k]) */
static void weigh(xc_explainer *e, const double *weight)
{
    const size_t c = channels_of(e);
    for (size_t p = 0; p < pixels_of(e); p++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += weight[k] * (double)e->activation[p * c + k];
        e->low[p] = relu(sum);
    }
}

static xc_status weigh_by(xc_explainer *e, void (*weights)(const xc_explainer *, double *),
                          struct error *err)
{
    double *weight = calloc(channels_of(e), sizeof *weight);
    if (!weight) return fail_memory(err, channels_of(e) * sizeof *weight);
    const xc_status status = explain_backward(e, e->x, err);
    if (status == XC_OK) {
        weights(e, weight);
        weigh(e, weight);
    }
    free(weight);
    return status;
}

static void mean_gradients(const xc_explainer *e, double *weight)
{
    const size_t c = channels_of(e), pixels = pixels_of(e);
    for (size_t p = 0; p < pixels; p++)
        for (size_t k = 0; k < c; k++) weight[k] += (double)e->gradient[p * c + k];
    for (size_t k = 0; k < c; k++) weight[k] /= (double)pixels;
}

xc_status cam_gradcam(xc_explainer *e, struct error *err)
{
    return weigh_by(e, mean_gradients, err);
}

/* Pixels count by how much they alone explain of the slope: eq. 19 of the paper for a score that is
 * an exponential of the logit, with the term that pytorch-grad-cam adds below. */
static void plus_plus(const xc_explainer *e, double *weight)
{
    const size_t c = channels_of(e), pixels = pixels_of(e);
    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (size_t p = 0; p < pixels; p++) sum += (double)e->activation[p * c + k];
        for (size_t p = 0; p < pixels; p++) {
            const double g = (double)e->gradient[p * c + k];
            const double below = 2 * g * g + sum * g * g * g + 1e-6;
            if (g > 0) weight[k] += g * g * g / below;
        }
    }
}

xc_status cam_gradcam_pp(xc_explainer *e, struct error *err)
{
    return weigh_by(e, plus_plus, err);
}

/* low[p] = relu(sum_k f(G[p][k]) A[p][k]), f the identity or relu */
static xc_status weigh_pixels(xc_explainer *e, bool positive, struct error *err)
{
    const size_t c = channels_of(e);
    TRY(explain_backward(e, e->x, err));
    for (size_t p = 0; p < pixels_of(e); p++) {
        double sum = 0;
        for (size_t i = p * c; i < (p + 1) * c; i++)
            if (!positive || e->gradient[i] > 0)
                sum += (double)e->gradient[i] * (double)e->activation[i];
        e->low[p] = relu(sum);
    }
    return XC_OK;
}

xc_status cam_hirescam(xc_explainer *e, struct error *err)
{
    return weigh_pixels(e, false, err);
}

xc_status cam_layercam(xc_explainer *e, struct error *err)
{
    return weigh_pixels(e, true, err);
}

/* ---- without gradients ----------------------------------------------------------------------- */

static xc_status read_map(xc_explainer *e, struct error *err)
{
    size_t written;
    if (e->learn) return explain_backward(e, e->x, err);
    memcpy(e->batch, e->x, e->inputs * sizeof *e->x);
    TRY(explain_forward(e, 1, err));
    return session_read(e->session, e->model->graph->node[e->node].name, DTYPE_F32, e->activation,
                        e->maps, &written, err);
}

/* The sign of a component is anybody's: more heat is where the layer is more active. */
static double agreement(const xc_explainer *e, const double *score)
{
    const size_t c = channels_of(e);
    double sum = 0;
    for (size_t p = 0; p < pixels_of(e); p++)
        for (size_t k = 0; k < c; k++) sum += score[p] * (double)e->activation[p * c + k];
    return sum;
}

xc_status cam_eigencam(xc_explainer *e, struct error *err)
{
    const size_t pixels = pixels_of(e);
    TRY(read_map(e, err));
    double *score = calloc(pixels, sizeof *score);
    if (!score) return fail_memory(err, pixels * sizeof *score);
    const struct pca p = {
        .rows = e->activation, .count = pixels, .width = channels_of(e), .components = 1};
    const xc_status status = pca(&p, score, NULL, NULL, err);
    const double sign = status == XC_OK && agreement(e, score) < 0 ? -1 : 1;
    for (size_t i = 0; i < pixels && status == XC_OK; i++) e->low[i] = relu(sign * score[i]);
    free(score);
    return status;
}

struct scored {
    double mean, logit;
    size_t channel;
};

static int by_mean(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->mean != y->mean) return x->mean < y->mean ? 1 : -1;
    return x->channel < y->channel ? -1 : x->channel > y->channel;
}

/* The input times the channel's map, which is enlarged and brought to 0..1. */
static void mask_input(const xc_explainer *e, size_t channel, float *mask, float *to)
{
    const int h = e->input.h, w = e->input.w, c = e->input.c;
    const size_t pixels = (size_t)h * (size_t)w;
    enlarge(e->activation + channel, e->map.h, e->map.w, e->map.c, true, h, w, mask);
    float low = mask[0], high = mask[0];
    for (size_t i = 0; i < pixels; i++) {
        low = mask[i] < low ? mask[i] : low;
        high = mask[i] > high ? mask[i] : high;
    }
    for (size_t i = 0; i < pixels; i++) {
        const float part = (mask[i] - low) / (high - low + 1e-8f);
        for (int k = 0; k < c; k++)
            to[i * (size_t)c + (size_t)k] = e->x[i * (size_t)c + (size_t)k] * part;
    }
}

static xc_status score_channels(xc_explainer *e, struct scored *s, size_t count, struct error *err)
{
    for (size_t at = 0; at < count; at += EXPLAIN_BATCH) {
        const size_t n = count - at < EXPLAIN_BATCH ? count - at : EXPLAIN_BATCH;
        for (size_t i = 0; i < n; i++)
            mask_input(e, s[at + i].channel, e->value, e->batch + i * e->inputs);
        TRY(explain_forward(e, (int)n, err));
        for (size_t i = 0; i < n; i++)
            s[at + i].logit = (double)e->logit[i * (size_t)e->classes + (size_t)e->chosen];
        TRY(explain_tick(e, at + n, count, err));
    }
    return XC_OK;
}

static void softmax_weights(const struct scored *s, size_t count, double *weight)
{
    double most = s[0].logit, sum = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, s[i].logit);
    for (size_t i = 0; i < count; i++) sum += exp(s[i].logit - most);
    for (size_t i = 0; i < count; i++) weight[s[i].channel] = exp(s[i].logit - most) / sum;
}

xc_status cam_scorecam(xc_explainer *e, struct error *err)
{
    const size_t c = channels_of(e);
    TRY(read_map(e, err));
    struct scored *s = calloc(c, sizeof *s);
    double *weight = calloc(c, sizeof *weight);
    xc_status status = s && weight ? XC_OK : fail_memory(err, c * sizeof *s);
    for (size_t k = 0; k < c && status == XC_OK; k++) {
        s[k].channel = k;
        for (size_t p = 0; p < pixels_of(e); p++) s[k].mean += (double)e->activation[p * c + k];
    }
    size_t count = e->o.channels && e->o.channels < c ? e->o.channels : c;
    if (status == XC_OK) {
        if (count < c) qsort(s, c, sizeof *s, by_mean);
        status = score_channels(e, s, count, err);
    }
    if (status == XC_OK) {
        softmax_weights(s, count, weight);
        weigh(e, weight);
    }
    free(s);
    free(weight);
    return status;
}
