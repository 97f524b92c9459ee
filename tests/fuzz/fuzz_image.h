/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the picture targets do with an input? Decode it, hold it to what image.h promises, and
 * prepare what came out with one of the recipes. The five targets differ in their seeds.
 */
#ifndef XC_TESTS_FUZZ_IMAGE_H
#define XC_TESTS_FUZZ_IMAGE_H

#include <stdlib.h>

#include "image/image.h"

enum { FUZZ_SIDE = 8, FUZZ_RECIPES = 8 };

static inline void fuzz_expect(bool holds)
{
    if (!holds) abort();
}

static inline int fuzz_image(const uint8_t *data, size_t size)
{
    xc_image_limits limits = XC_IMAGE_LIMITS_INIT;
    limits.max_pixels = 1u << 18; /* for speed */
    struct error err = {XC_OK, ""};
    xc_image *image = NULL;
    xc_status status = image_decode(data, size, &limits, &image, &err);
    fuzz_expect((status == XC_OK) == (image != NULL));
    fuzz_expect((status == XC_OK) == (err.text[0] == '\0'));
    if (!image) return 0;
    fuzz_expect(image->info.orientation >= 1 && image->info.orientation <= 8);
    fuzz_expect(image->info.width >= 1 && image->info.width <= limits.max_side);
    fuzz_expect(image->info.height >= 1 && image->info.height <= limits.max_side);
    xc_preprocess p;
    status = preprocess_named(preprocess_name((int)(size % FUZZ_RECIPES)), &p, &err);
    fuzz_expect(status == XC_OK);
    p.apply_exif = true;
    p.drop_alpha = size % 2 == 0;
    float out[FUZZ_SIDE * FUZZ_SIDE * 3];
    int channels = p.colour == XC_COLOUR_GREY ? 1 : 3;
    status = image_prepare(image, &p, FUZZ_SIDE, FUZZ_SIDE, channels, out, &err);
    fuzz_expect(status == XC_OK || status == XC_ERR_LIMIT);
    image_free(image);
    return 0;
}

#endif
