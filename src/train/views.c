/* SPDX-License-Identifier: Apache-2.0 */
/* Views are copies of rows, mirrored pixel by pixel. */
#include "train/views.h"

#include <string.h>

struct views views_of(xc_tta tta, struct shape input)
{
    struct views v = {.crops = 1, .turns = 1, .small = input, .large = input};
    if (tta == XC_TTA_FLIP || tta == XC_TTA_10CROP) v.turns = 2;
    if (tta != XC_TTA_5CROP && tta != XC_TTA_10CROP) return v;
    v.crops = 5;
    v.large.h = (input.h * 8 + 3) / 7;
    v.large.w = (input.w * 8 + 3) / 7;
    return v;
}

int views_count(const struct views *v)
{
    return v->crops * v->turns;
}

static void mirror(const float *from, int w, int c, float *to)
{
    for (int x = 0; x < w; x++, to += c)
        memcpy(to, from + (size_t)(w - 1 - x) * (size_t)c, (size_t)c * sizeof *to);
}

void views_cut(const struct views *v, int i, int n, const float *from, float *to)
{
    const int crop = i / v->turns, over_y = v->large.h - v->small.h,
              over_x = v->large.w - v->small.w;
    const bool centre = crop == 4 || v->crops == 1; /* else corners, as we read */
    const int top = centre ? over_y / 2 : crop / 2 * over_y;
    const int left = centre ? over_x / 2 : crop % 2 * over_x;
    const size_t c = (size_t)v->small.c, row = (size_t)v->small.w * c,
                 line = (size_t)v->large.w * c;
    for (int k = 0; k < n; k++)
        for (int y = 0; y < v->small.h; y++, to += row) {
            const size_t at = (size_t)k * (size_t)v->large.h + (size_t)(top + y);
            const float *p = from + at * line + (size_t)left * c;
            if (i % v->turns)
                mirror(p, v->small.w, v->small.c, to);
            else
                memcpy(to, p, row * sizeof *to);
        }
}
