/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are two pictures made one? Mixup adds them (Zhang et al. 2017), cutmix puts a rectangle of
 * one into the other (Yun et al. 2019), as timm does over a whole batch: one lambda, each picture
 * with its mirror place in the batch.
 */
#include "data/augment.h"

#include <math.h>
#include <stddef.h>

#include "base/rng.h"

/* Gamma(shape, 1) by Marsaglia and Tsang (2000); below 1 through shape + 1. */
static double gamma_draw(const struct view_key *k, uint32_t stream, double shape)
{
    double boost = 1.0;
    if (shape < 1.0) {
        boost = pow(1.0 - augment_draw(k, DRAW_MIX, stream << 12), 1.0 / shape);
        shape += 1.0;
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (uint32_t i = 1; i < 2048; i++) {
        double x = rng_normal(k->seed, RNG_AUGMENT, k->epoch, k->sample,
                              (uint32_t)DRAW_MIX << 24 | 1u << 20 | stream << 12 | i);
        double v = 1.0 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = 1.0 - augment_draw(k, DRAW_MIX, stream << 12 | i);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return boost * d * v;
    }
    return boost * d;
}

/* Beta(alpha, alpha); where both gammas are too small for a double it is next to 0 or 1. */
static double lambda_draw(const struct view_key *k, double alpha)
{
    double a = gamma_draw(k, 1, alpha), b = gamma_draw(k, 2, alpha);
    if (a + b > 0) return a / (a + b);
    return augment_draw(k, DRAW_MIX, 5) < 0.5 ? 0 : 1;
}

struct rect {
    int x0, x1, y0, y1;
};

static int clamp(int v, int most)
{
    return v < 0 ? 0 : v > most ? most : v;
}

/* timm's rand_bbox: 1 - lambda of the area around a centre anywhere, cut off at the border. */
static struct rect rect_draw(const struct view_key *k, double lambda, int w, int h)
{
    double side = sqrt(1.0 - lambda);
    int cw = (int)(w * side), ch = (int)(h * side);
    int cx = augment_draw_int(k, DRAW_MIX, 3, w), cy = augment_draw_int(k, DRAW_MIX, 4, h);
    return (struct rect){clamp(cx - cw / 2, w), clamp(cx + cw / 2, w), clamp(cy - ch / 2, h),
                         clamp(cy + ch / 2, h)};
}

/* Both ways at once: a = la + (1-l)b, b = lb + (1-l)a. */
static void blend_pair(float *a, float *b, size_t n, float lambda)
{
    float other = 1.0f - lambda;
    for (size_t i = 0; i < n; i++) {
        float x = a[i], y = b[i];
        a[i] = lambda * x + other * y;
        b[i] = lambda * y + other * x;
    }
}

static void swap_rect(float *a, float *b, struct rect r, int w, int c)
{
    for (int y = r.y0; y < r.y1; y++) {
        size_t from = ((size_t)y * (size_t)w + (size_t)r.x0) * (size_t)c;
        size_t n = (size_t)(r.x1 - r.x0) * (size_t)c;
        for (size_t i = from; i < from + n; i++) {
            float kept = a[i];
            a[i] = b[i];
            b[i] = kept;
        }
    }
}

static double in_epoch(double alpha, int epochs, uint32_t epoch)
{
    return epochs == 0 || epoch < (uint32_t)epochs ? alpha : 0;
}

/* Targets of a pair, of weights that may differ: what both teach together stays. */
static void blend_targets(float *a, float *b, int classes, float lambda, float *wa, float *wb)
{
    const float other = 1.0f - lambda, of_a = *wa, of_b = *wb;
    if (of_a == of_b) {
        blend_pair(a, b, (size_t)classes, lambda);
        return;
    }
    *wa = lambda * of_a + other * of_b;
    *wb = lambda * of_b + other * of_a;
    for (int i = 0; i < classes; i++) {
        const float x = a[i], y = b[i];
        a[i] = *wa > 0 ? (lambda * of_a * x + other * of_b * y) / *wa : 0;
        b[i] = *wb > 0 ? (lambda * of_b * y + other * of_a * x) / *wb : 0;
    }
}

void augment_mix(const struct augment *a, const struct view_key *k, float *x, int n, int h, int w,
                 int c, float *targets, float *weights, int classes)
{
    const double mixup = in_epoch(a->mixup, a->mixup_epochs, k->epoch);
    const double cutmix = in_epoch(a->cutmix, a->cutmix_epochs, k->epoch);
    if (mixup <= 0 && cutmix <= 0) return;
    bool both = mixup > 0 && cutmix > 0;
    bool cut = both ? augment_draw(k, DRAW_MIX, 0) < 0.5 : cutmix > 0;
    double lambda = lambda_draw(k, cut ? cutmix : mixup);
    size_t size = (size_t)h * (size_t)w * (size_t)c;
    struct rect r = {0};
    if (cut) {
        r = rect_draw(k, lambda, w, h);
        lambda = 1.0 - (double)(r.x1 - r.x0) * (r.y1 - r.y0) / ((double)w * h);
    }
    for (int i = 0; i < n / 2; i++) {
        int j = n - 1 - i;
        float *first = x + (size_t)i * size, *second = x + (size_t)j * size;
        if (cut)
            swap_rect(first, second, r, w, c);
        else
            blend_pair(first, second, size, (float)lambda);
        blend_targets(targets + (size_t)i * (size_t)classes, targets + (size_t)j * (size_t)classes,
                      classes, (float)lambda, &weights[i], &weights[j]);
    }
}
