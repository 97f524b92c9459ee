/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do colours change? Pillow's arithmetic, byte for byte: an enhancement is a blend between the
 * picture and what it would be with none of the quality (black, grey, smooth), cut off, not
 * rounded.
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

/* Image.blend */
static uint8_t blend(uint8_t none, uint8_t full, float factor)
{
    float value = (float)none + factor * (float)((int)full - (int)none);
    return (uint8_t)(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value);
}

void colour_brightness(uint8_t *rgb, size_t pixels, float factor)
{
    for (size_t i = 0; i < 3 * pixels; i++) rgb[i] = blend(0, rgb[i], factor);
}

void colour_contrast(uint8_t *rgb, size_t pixels, float factor)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < pixels; i++) sum += rgb_luma(rgb + 3 * i);
    uint8_t mean = (uint8_t)((double)sum / (double)pixels + 0.5);
    for (size_t i = 0; i < 3 * pixels; i++) rgb[i] = blend(mean, rgb[i], factor);
}

void colour_saturation(uint8_t *rgb, size_t pixels, float factor)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        uint8_t grey = rgb_luma(rgb);
        for (int c = 0; c < 3; c++) rgb[c] = blend(grey, rgb[c], factor);
    }
}

/* ImageFilter.SMOOTH: 1 1 1, 1 5 1, 1 1 1 over 13; the border stays. */
static void smooth(const uint8_t *in, int w, int h, uint8_t *out)
{
    size_t row = (size_t)w * 3;
    memcpy(out, in, row * (size_t)h);
    for (int y = 1; y < h - 1; y++) {
        for (size_t x = 3; x + 3 < row; x++) {
            const uint8_t *p = in + (size_t)y * row + x;
            int sum = 4 * p[0];
            for (int d = -1; d <= 1; d++) {
                const uint8_t *q = p + d * (ptrdiff_t)row;
                sum += q[-3] + q[0] + q[3];
            }
            out[(size_t)y * row + x] = (uint8_t)((float)sum / 13.0f + 0.5f);
        }
    }
}

void colour_sharpness(uint8_t *rgb, int w, int h, float factor, uint8_t *scratch)
{
    size_t n = (size_t)w * (size_t)h * 3;
    smooth(rgb, w, h, scratch);
    for (size_t i = 0; i < n; i++) rgb[i] = blend(scratch[i], rgb[i], factor);
}

/* Pillow's convert("HSV") */
static void to_hsv(const uint8_t *rgb, uint8_t *hsv)
{
    int r = rgb[0], g = rgb[1], b = rgb[2];
    int most = r > g ? r : g, least = r < g ? r : g;
    most = b > most ? b : most;
    least = b < least ? b : least;
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)most;
    if (most == least) return;
    float range = (float)(most - least), s = range / (float)most, h;
    float rc = (float)(most - r) / range, gc = (float)(most - g) / range;
    float bc = (float)(most - b) / range;
    if (r == most)
        h = bc - gc;
    else if (g == most)
        h = (float)(2.0 + (double)rc - (double)bc);
    else
        h = (float)(4.0 + (double)gc - (double)rc);
    h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
    hsv[0] = (uint8_t)((double)h * 255.0);
    hsv[1] = (uint8_t)((double)s * 255.0);
}

static void from_hsv(const uint8_t *hsv, uint8_t *rgb)
{
    uint8_t v = hsv[2];
    rgb[0] = rgb[1] = rgb[2] = v;
    if (hsv[1] == 0) return;
    float sector = floorf((float)hsv[0] * 6.0f / 255.0f);
    float f = (float)hsv[0] * 6.0f / 255.0f - sector, s = (float)hsv[1] / 255.0f;
    uint8_t p = (uint8_t)round((double)v * (1.0 - (double)s));
    uint8_t q = (uint8_t)round((double)v * (1.0 - (double)(s * f)));
    uint8_t t = (uint8_t)round((double)v * (1.0 - (double)s * (1.0 - (double)f)));
    const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t},
                                   {p, q, v}, {t, p, v}, {v, p, q}};
    memcpy(rgb, sectors[(int)sector % 6], 3);
}

void colour_hue(uint8_t *rgb, size_t pixels, float turn)
{
    uint8_t shift = (uint8_t)(int)(turn * 255.0f); /* modulo 256, as torchvision's */
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        uint8_t hsv[3];
        to_hsv(rgb, hsv);
        hsv[0] = (uint8_t)(hsv[0] + shift);
        from_hsv(hsv, rgb);
    }
}

/* Uniform in [1 - most, 1 + most], not below 0. */
static float factor_of(const struct view_key *k, uint32_t n, double most)
{
    double low = most > 1 ? 0.0 : 1.0 - most;
    return (float)(low + (1.0 + most - low) * augment_draw(k, DRAW_JITTER, n));
}

static void jitter_one(const struct augment *a, const struct view_key *k, int which, uint8_t *rgb,
                       size_t pixels)
{
    if (which == 0 && a->brightness > 0)
        colour_brightness(rgb, pixels, factor_of(k, 0, a->brightness));
    if (which == 1 && a->contrast > 0) colour_contrast(rgb, pixels, factor_of(k, 1, a->contrast));
    if (which == 2 && a->saturation > 0)
        colour_saturation(rgb, pixels, factor_of(k, 2, a->saturation));
    if (which == 3 && a->hue > 0)
        colour_hue(rgb, pixels, (float)(a->hue * (2.0 * augment_draw(k, DRAW_JITTER, 3) - 1.0)));
}

/* ColorJitter: the four in random order. */
static void jitter(const struct augment *a, const struct view_key *k, uint8_t *rgb, size_t pixels)
{
    int order[4] = {0, 1, 2, 3};
    for (int i = 3; i > 0; i--) {
        int j = augment_draw_int(k, DRAW_JITTER, 4 + (uint32_t)i, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (int i = 0; i < 4; i++) jitter_one(a, k, order[i], rgb, pixels);
}

void augment_colours(const struct augment *a, const struct view_key *k, uint8_t *rgb, int w, int h,
                     uint8_t *scratch)
{
    jitter(a, k, rgb, (size_t)w * (size_t)h);
    for (int i = 0; i < a->rand_ops; i++) {
        int operation = augment_draw_int(k, DRAW_RAND, 2 * (uint32_t)i, RAND_OPERATIONS);
        bool negative = augment_draw(k, DRAW_RAND, 2 * (uint32_t)i + 1) < 0.5;
        rand_apply(operation, a->rand_magnitude, negative, rgb, w, h, scratch);
    }
}
