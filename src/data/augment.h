/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seen how? What training does to a picture, each step a function of (seed, epoch, sample) alone.
 * In this order: geometry (a random part, or padding and a window), flip, colour jitter,
 * RandAugment, all on bytes as Pillow has them; then scaled to floats; then erasing; last, over the
 * whole batch, mixup or cutmix. The distributions are torchvision's, but mixup and cutmix are
 * timm's.
 *
 * Written as
 * "rrc=0.08/1,flip=0.5,jitter=0.4/0.4/0.4,randaug=2/9,erase=0.25,mixup=0.2,cutmix=1,pad=4"; a name
 * alone takes the numbers that are usual. "cutmix=1/20": in the first 20 epochs only, so that the
 * last ones see pictures as they are.
 */
#ifndef XC_DATA_AUGMENT_H
#define XC_DATA_AUGMENT_H

#include "image/region.h"

struct augment {
    bool crop; /* RandomResizedCrop: part of the area, aspect */
    double scale_min, scale_max, ratio_min, ratio_max;
    int pad;         /* pixels on each side, then a random window of the input size; 0 = none */
    bool pad_mirror; /* the border is the picture's mirror image, not black */
    double flip;     /* probability of a horizontal flip */
    double brightness, contrast, saturation, hue; /* largest change; hue <= 0.5 */
    int rand_ops;                                 /* RandAugment: operations a picture */
    double rand_magnitude;                        /* 0..30 */
    double erase;                                 /* probability of RandomErasing (to zero) */
    double mixup, cutmix; /* alpha of the Beta distribution; 0 = off; both: one of them by chance */
    int mixup_epochs, cutmix_epochs; /* so many at the beginning of a run; 0 = all */
};

#define AUGMENT_TEXT 256 /* bytes of a spec that is kept, with its zero */
/* spec: items divided by commas, or "none", or a name of augment_name. */
XC_NODISCARD xc_status augment_parse(const char *spec, struct augment *out, struct error *err);
/* Ready-made ones: NULL past the last. */
const char *augment_name(int i, const char **spec);
bool augment_is_plain(const struct augment *a); /* nothing happens to a picture (mixing aside) */
bool augment_has_mix(const struct augment *a);

/* Which numbers does a picture get? */
struct view_key {
    uint64_t seed;
    uint32_t epoch, sample;
};
enum draw_kind { DRAW_CROP = 1, DRAW_PAD, DRAW_FLIP, DRAW_JITTER, DRAW_RAND, DRAW_ERASE, DRAW_MIX };
/* Number n of this purpose, uniform in [0, 1). */
double augment_draw(const struct view_key *k, enum draw_kind purpose, uint32_t n);
/* Uniform in 0 .. n - 1. */
int augment_draw_int(const struct view_key *k, enum draw_kind purpose, uint32_t n, int range);

/* The part of a w x h picture that RandomResizedCrop takes. */
struct box augment_crop(const struct augment *a, const struct view_key *k, int w, int h);
bool augment_flips(const struct augment *a, const struct view_key *k);
/* Pads (h, w, 3) and takes a window of the same size; in != out. */
void augment_pad(const struct augment *a, const struct view_key *k, const uint8_t *in, int w, int h,
                 uint8_t *out);
/* Jitter and RandAugment on (h, w, 3), in place; scratch: as large. */
void augment_colours(const struct augment *a, const struct view_key *k, uint8_t *rgb, int w, int h,
                     uint8_t *scratch);
/* Zeros a rectangle of (h, w, c) where the key says so. */
void augment_erase(const struct augment *a, const struct view_key *k, float *x, int w, int h,
                   int channels);

/* Mixes sample i of (n, h, w, c) with sample n - 1 - i, in place, and targets (n, classes) and
 * weights (n) with them. key.sample: the first position of the batch. */
void augment_mix(const struct augment *a, const struct view_key *k, float *x, int n, int h, int w,
                 int c, float *targets, float *weights, int classes);

/* The parts of which colours are made, as Pillow computes them on (pixels, 3). */
void colour_brightness(uint8_t *rgb, size_t pixels, float factor);
void colour_contrast(uint8_t *rgb, size_t pixels, float factor);
void colour_saturation(uint8_t *rgb, size_t pixels, float factor);
void colour_hue(uint8_t *rgb, size_t pixels, float turn); /* -0.5..0.5 */
void colour_sharpness(uint8_t *rgb, int w, int h, float factor, uint8_t *scratch);
/* Operation i of torchvision's RandAugment with its magnitude (with sign) as the paper scales it.
 */
enum { RAND_OPERATIONS = 14 };
void rand_apply(int operation, double magnitude, bool negative, uint8_t *rgb, int w, int h,
                uint8_t *scratch);

#endif
