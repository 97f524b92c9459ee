/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which operations does RandAugment choose from? torchvision's fourteen with its magnitudes (31
 * steps, 0..30); geometry takes the nearest pixel and fills with black. (Cubuk et al. 2019.)
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Output pixel centre to input: x' = m0 x + m1 y + m2. */
struct affine {
    double m[6];
};

static void warp(const struct affine *t, uint8_t *rgb, int w, int h, uint8_t *scratch)
{
    size_t row = (size_t)w * 3;
    memcpy(scratch, rgb, row * (size_t)h);
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++, rgb += 3) {
            double cx = x + 0.5, cy = y + 0.5;
            double sx = floor(t->m[0] * cx + t->m[1] * cy + t->m[2]);
            double sy = floor(t->m[3] * cx + t->m[4] * cy + t->m[5]);
            bool inside = sx >= 0 && sx < w && sy >= 0 && sy < h;
            if (inside)
                memcpy(rgb, scratch + (size_t)sy * row + (size_t)sx * 3, 3);
            else
                memset(rgb, 0, 3);
        }
    }
}

static struct affine rotation(double degrees, int w, int h)
{
    double a = degrees * pi / 180.0, c = cos(a), s = sin(a), x = w * 0.5, y = h * 0.5;
    return (struct affine){{c, -s, x - c * x + s * y, s, c, y - s * x - c * y}};
}

static void posterize(uint8_t *rgb, size_t n, int bits)
{
    uint8_t mask = (uint8_t) ~((1u << (8 - bits)) - 1);
    for (size_t i = 0; i < n; i++) rgb[i] &= mask;
}

static void solarize(uint8_t *rgb, size_t n, double threshold)
{
    for (size_t i = 0; i < n; i++)
        if (rgb[i] >= threshold) rgb[i] = (uint8_t)(255 - rgb[i]);
}

static void histogram(const uint8_t *rgb, size_t pixels, int channel, uint32_t count[256])
{
    memset(count, 0, 256 * sizeof *count);
    for (size_t i = 0; i < pixels; i++) count[rgb[3 * i + (size_t)channel]]++;
}

static void look_up(uint8_t *rgb, size_t pixels, int channel, const uint8_t table[256])
{
    for (size_t i = 0; i < pixels; i++) {
        uint8_t *p = &rgb[3 * i + (size_t)channel];
        *p = table[*p];
    }
}

/* ImageOps.autocontrast: the darkest value becomes 0, the lightest 255. */
static void autocontrast(uint8_t *rgb, size_t pixels)
{
    for (int c = 0; c < 3; c++) {
        uint32_t count[256];
        uint8_t table[256];
        int low = 0, high = 255;
        histogram(rgb, pixels, c, count);
        while (low < 255 && count[low] == 0) low++;
        while (high > 0 && count[high] == 0) high--;
        if (high <= low) continue;
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (int i = 0; i < 256; i++) {
            int v = (int)(i * scale + offset);
            table[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
        look_up(rgb, pixels, c, table);
    }
}

/* ImageOps.equalize: as many pixels at every value as can be. */
static void equalize(uint8_t *rgb, size_t pixels)
{
    for (int c = 0; c < 3; c++) {
        uint32_t count[256], used = 0, last = 0;
        uint8_t table[256];
        histogram(rgb, pixels, c, count);
        for (int i = 0; i < 256; i++) {
            used += count[i] != 0;
            last = count[i] ? count[i] : last;
        }
        uint32_t step = ((uint32_t)pixels - last) / 255;
        if (used <= 1 || step == 0) continue;
        uint32_t n = step / 2;
        for (int i = 0; i < 256; n += count[i], i++)
            table[i] = (uint8_t)(n / step > 255 ? 255 : n / step);
        look_up(rgb, pixels, c, table);
    }
}

/* In the order of torchvision's table. */
enum operation {
    IDENTITY,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y,
    ROTATE,
    BRIGHTNESS,
    SATURATION,
    CONTRAST,
    SHARPNESS,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE
};

static void rand_warp(enum operation o, double part, uint8_t *rgb, int w, int h, uint8_t *scratch)
{
    struct affine t = {{1, 0, 0, 0, 1, 0}};
    if (o == SHEAR_X) t.m[1] = 0.3 * part;
    if (o == SHEAR_Y) t.m[3] = 0.3 * part;
    if (o == TRANSLATE_X) t.m[2] = -(double)(int)(150.0 / 331.0 * w * part);
    if (o == TRANSLATE_Y) t.m[5] = -(double)(int)(150.0 / 331.0 * h * part);
    if (o == ROTATE) t = rotation(30.0 * part, w, h);
    warp(&t, rgb, w, h, scratch);
}

void rand_apply(int operation, double magnitude, bool negative, uint8_t *rgb, int w, int h,
                uint8_t *scratch)
{
    enum operation o = (enum operation)operation;
    size_t pixels = (size_t)w * (size_t)h;
    double level = magnitude / 30.0, part = negative ? -level : level;
    float factor = (float)(1.0 + 0.9 * part);
    if (o >= SHEAR_X && o <= ROTATE) rand_warp(o, part, rgb, w, h, scratch);
    if (o == BRIGHTNESS) colour_brightness(rgb, pixels, factor);
    if (o == SATURATION) colour_saturation(rgb, pixels, factor);
    if (o == CONTRAST) colour_contrast(rgb, pixels, factor);
    if (o == SHARPNESS) colour_sharpness(rgb, w, h, factor, scratch);
    if (o == POSTERIZE) posterize(rgb, 3 * pixels, 8 - (int)rint(magnitude / (30.0 / 4.0)));
    if (o == SOLARIZE) solarize(rgb, 3 * pixels, 255.0 * (1.0 - level));
    if (o == AUTOCONTRAST) autocontrast(rgb, pixels);
    if (o == EQUALIZE) equalize(rgb, pixels);
}
