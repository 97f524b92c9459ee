/* SPDX-License-Identifier: Apache-2.0 */
/* How does a coarse map come to the size of the input? Bilinear, from four neighbours. */
#include <math.h>

#include "explain/explain.h"

struct pair {
    int lower, upper;
    double weight; /* of upper */
};

static struct pair pair_of(int out, int out_size, int size, bool corners)
{
    const double scale =
        corners ? (out_size > 1 ? (size - 1.0) / (out_size - 1.0) : 0) : (double)size / out_size;
    double at = corners ? out * scale : (out + 0.5) * scale - 0.5;
    at = fmin(fmax(at, 0), size - 1);
    const int lower = (int)at;
    return (struct pair){lower, lower + 1 < size ? lower + 1 : lower, at - lower};
}

void enlarge(const float *from, int h, int w, int step, bool corners, int out_h, int out_w,
             float *out)
{
    for (int y = 0; y < out_h; y++) {
        const struct pair v = pair_of(y, out_h, h, corners);
        const float *top = from + (size_t)v.lower * (size_t)w * (size_t)step;
        const float *bottom = from + (size_t)v.upper * (size_t)w * (size_t)step;
        for (int x = 0; x < out_w; x++) {
            const struct pair u = pair_of(x, out_w, w, corners);
            const size_t l = (size_t)u.lower * (size_t)step, r = (size_t)u.upper * (size_t)step;
            const double above = (double)top[l] * (1 - u.weight) + (double)top[r] * u.weight;
            const double below = (double)bottom[l] * (1 - u.weight) + (double)bottom[r] * u.weight;
            *out++ = (float)(above * (1 - v.weight) + below * v.weight);
        }
    }
}
