/* SPDX-License-Identifier: Apache-2.0 */
/* Where do the pixels of a chunk lie? Found row by row, so that no pixel costs a division. */
#ifndef XC_KERNEL_X86_PIXELS_H
#define XC_KERNEL_X86_PIXELS_H

#include "kernel/ref/block.h"

static inline struct place next_row(const struct view *v, struct place at)
{
    const bool last = at.y + 1 == v->h;
    return (struct place){at.n + last, last ? 0 : at.y + 1, 0};
}

static inline struct place next_place(const struct view *v, struct place at)
{
    if (at.x + 1 == v->w) return next_row(v, at);
    at.x++;
    return at;
}

static inline float *further(const void *pixel, ptrdiff_t bytes)
{
    union {
        const char *from;
        float *to;
    } at = {.from = (const char *)pixel + bytes};
    return at.to;
}

/* Of `count` pixels from unit `first` on. */
static inline void find_pixels(const struct view *v, size_t first, int count, void **pixel)
{
    struct place at = place_of(v, first);
    for (int p = 0, run; p < count; p += run, at = next_row(v, at)) {
        const float *row = pixel_at(v, at);
        run = v->w - at.x < count - p ? v->w - at.x : count - p;
        for (int i = 0; i < run; i++) pixel[p + i] = further(row, i * v->pixel);
    }
}

#endif
