/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries of pictures, and how far they may differ. */
#include "data/near.h"

#include <math.h>
#include <stdlib.h>

enum {
    SIDE = 32,
    LOW = 8,          /* frequencies each way */
    MOST_SIGNS = 12,  /* of 64 that may differ: two random pictures differ in 32 */
    MOST_COLOUR = 10, /* mean difference of the small colours, of 255 */
    LEAST_SPREAD = 4  /* of the brightness, below which a picture is flat */
};

/* As red, green, blue of another size. */
static xc_status shrink(const xc_image *image, int side, uint8_t *rgb, struct error *err)
{
    const int channels = (int)image->info.format;
    uint8_t small[SIDE * SIDE * 4];
    TRY(resize_u8(image->base, (int)image->info.width, (int)image->info.height, image->stride,
                  channels, XC_FILTER_BOX, side, side, small, err));
    for (int i = 0; i < side * side; i++)
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = small[i * channels + (channels == 1 ? 0 : c)];
    return XC_OK;
}

/* The lowest frequencies of a discrete cosine transform (II), both ways, unscaled. */
static void frequencies(const float *grey, float *out)
{
    float wave[LOW][SIDE], half[LOW][SIDE];
    for (int k = 0; k < LOW; k++)
        for (int x = 0; x < SIDE; x++)
            wave[k][x] = (float)cos(3.14159265358979323846 * k * (2 * x + 1) / (2.0 * SIDE));
    for (int k = 0; k < LOW; k++)
        for (int y = 0; y < SIDE; y++) {
            half[k][y] = 0;
            for (int x = 0; x < SIDE; x++) half[k][y] += wave[k][x] * grey[y * SIDE + x];
        }
    for (int j = 0; j < LOW; j++)
        for (int k = 0; k < LOW; k++) {
            out[j * LOW + k] = 0;
            for (int y = 0; y < SIDE; y++) out[j * LOW + k] += wave[j][y] * half[k][y];
        }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static uint64_t signs_of(const float *grey)
{
    float wave[LOW * LOW], sorted[LOW * LOW];
    uint64_t signs = 0;
    frequencies(grey, wave);
    wave[0] = 0; /* the mean is no pattern */
    for (int i = 0; i < LOW * LOW; i++) sorted[i] = wave[i];
    qsort(sorted, LOW * LOW, sizeof *sorted, ascending);
    for (int i = 0; i < LOW * LOW; i++) signs |= (uint64_t)(wave[i] > sorted[LOW * LOW / 2]) << i;
    return signs;
}

xc_status look_of(const xc_image *image, struct look *out, struct error *err)
{
    uint8_t rgb[SIDE * SIDE * 3];
    float grey[SIDE * SIDE], sum = 0, spread = 0;
    TRY(shrink(image, LOOK_SIDE, out->colour, err));
    TRY(shrink(image, SIDE, rgb, err));
    for (int i = 0; i < SIDE * SIDE; i++) sum += grey[i] = (float)rgb_luma(rgb + 3 * i);
    for (int i = 0; i < SIDE * SIDE; i++) spread += fabsf(grey[i] - sum / (SIDE * SIDE));
    out->flat = spread < LEAST_SPREAD * SIDE * SIDE;
    out->signs = signs_of(grey);
    return XC_OK;
}

bool look_near(const struct look *a, const struct look *b)
{
    int sum = 0;
    if (__builtin_popcountll(a->signs ^ b->signs) > MOST_SIGNS || a->flat || b->flat) return false;
    for (size_t i = 0; i < sizeof a->colour; i++) sum += abs(a->colour[i] - b->colour[i]);
    return sum <= MOST_COLOUR * (int)sizeof a->colour;
}
