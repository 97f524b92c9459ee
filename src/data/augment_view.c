/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of the picture, which way round, with what cut out? The places that torchvision's
 * RandomResizedCrop, RandomCrop and RandomErasing would choose, from our random numbers.
 */
#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

double augment_draw(const struct view_key *k, enum draw_kind purpose, uint32_t n)
{
    return (double)rng_uniform(k->seed, RNG_AUGMENT, k->epoch, k->sample,
                               (uint32_t)purpose << 24 | n);
}

int augment_draw_int(const struct view_key *k, enum draw_kind purpose, uint32_t n, int range)
{
    return (int)(augment_draw(k, purpose, n) * range);
}

static double between(double from, double to, double u)
{
    return from + (to - from) * u;
}

/* The largest centred part whose aspect is allowed. */
static struct box central(const struct augment *a, int w, int h)
{
    double ratio = (double)w / h;
    struct box b = {0, 0, w, h};
    if (ratio < a->ratio_min) b.h = (int)rint(w / a->ratio_min);
    if (ratio > a->ratio_max) b.w = (int)rint(h * a->ratio_max);
    b.x = (w - b.w) / 2;
    b.y = (h - b.h) / 2;
    return b;
}

struct box augment_crop(const struct augment *a, const struct view_key *k, int w, int h)
{
    double low = log(a->ratio_min), high = log(a->ratio_max);
    for (uint32_t i = 0; i < 10; i++) {
        double area = (double)w * h;
        area *= between(a->scale_min, a->scale_max, augment_draw(k, DRAW_CROP, 4 * i));
        double ratio = exp(between(low, high, augment_draw(k, DRAW_CROP, 4 * i + 1)));
        double bw = rint(sqrt(area * ratio)), bh = rint(sqrt(area / ratio));
        if (bw < 1 || bw > w || bh < 1 || bh > h) continue;
        return (struct box){augment_draw_int(k, DRAW_CROP, 4 * i + 2, w - (int)bw + 1),
                            augment_draw_int(k, DRAW_CROP, 4 * i + 3, h - (int)bh + 1), (int)bw,
                            (int)bh};
    }
    return central(a, w, h);
}

bool augment_flips(const struct augment *a, const struct view_key *k)
{
    return a->flip > 0 && augment_draw(k, DRAW_FLIP, 0) < a->flip;
}

/* Index `i` of a line of n that is continued by its mirror image (the edge counts once). */
static int mirrored(int i, int n)
{
    if (n == 1) return 0;
    int period = 2 * (n - 1);
    i %= period;
    i = i < 0 ? i + period : i;
    return i < n ? i : period - i;
}

void augment_pad(const struct augment *a, const struct view_key *k, const uint8_t *in, int w, int h,
                 uint8_t *out)
{
    int left = augment_draw_int(k, DRAW_PAD, 0, 2 * a->pad + 1) - a->pad;
    int top = augment_draw_int(k, DRAW_PAD, 1, 2 * a->pad + 1) - a->pad;
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++, out += 3) {
            int sx = x + left, sy = y + top;
            bool inside = sx >= 0 && sx < w && sy >= 0 && sy < h;
            if (a->pad_mirror && !inside) {
                sx = mirrored(sx, w);
                sy = mirrored(sy, h);
            }
            if (inside || a->pad_mirror)
                memcpy(out, in + ((size_t)sy * (size_t)w + (size_t)sx) * 3, 3);
            else
                memset(out, 0, 3);
        }
    }
}

void augment_erase(const struct augment *a, const struct view_key *k, float *x, int w, int h,
                   int channels)
{
    if (a->erase <= 0 || augment_draw(k, DRAW_ERASE, 0) >= a->erase) return;
    for (uint32_t i = 0; i < 10; i++) {
        double area = (double)w * h * between(0.02, 0.33, augment_draw(k, DRAW_ERASE, 4 * i + 1));
        double ratio = exp(between(log(0.3), log(3.3), augment_draw(k, DRAW_ERASE, 4 * i + 2)));
        double bh = rint(sqrt(area * ratio)), bw = rint(sqrt(area / ratio));
        if (!(bh >= 1 && bw >= 1 && bh < h && bw < w)) continue;
        int top = augment_draw_int(k, DRAW_ERASE, 4 * i + 3, h - (int)bh + 1);
        int left = augment_draw_int(k, DRAW_ERASE, 4 * i + 4, w - (int)bw + 1);
        size_t row = (size_t)w * (size_t)channels, n = (size_t)bw * (size_t)channels;
        float *at = x + (size_t)top * row + (size_t)left * (size_t)channels;
        for (int y = 0; y < (int)bh; y++, at += row) memset(at, 0, n * sizeof *at);
        return;
    }
}
