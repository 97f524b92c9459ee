/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tile of a 3x3 depthwise convolution: rows x px output pixels of up to BLOCK channels. Each
 * input number is loaded once and goes to up to nine accumulators, to each in (ky, kx) order.
 *
 * Only the first and the last column of a tile may be padding, which is why a line has three
 * pointers: they may lead to zeros instead of a pixel. Loops are written out by macros, because not
 * every compiler keeps an array in registers whose index is a loop's variable.
 */
#ifndef XC_KERNEL_X86_DEPTHWISE_3X3_H
#define XC_KERNEL_X86_DEPTHWISE_3X3_H

#include "kernel/x86/depthwise.h"

struct form { /* always constant */
    int rows, px, stride;
    bool relu;
};

#define TIMES_9(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TIMES_10(X) TIMES_9(X) X(9)
#define TIMES_21(X) TIMES_10(X) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20)

/* With AVX2 the width is a multiple of VL: masks cost time there. */
INLINE vec load_some(const char *p, lanes k)
{
    const float *numbers = (const void *)p;
    return VL == 16 ? load_lanes(numbers, k) : load(numbers);
}

INLINE void store_some(char *p, lanes k, vec v)
{
    float *numbers = (void *)p;
    if (VL == 16)
        store_lanes(numbers, k, v);
    else
        store(numbers, v);
}

/* Number v of column x meets tap kx of the output pixels of one row. */
INLINE void add_tap(struct form f, vec acc[MOST_PX], vec v, const vec w[3], int x, int kx)
{
    const int p = (x - kx) / f.stride;
    if (x >= kx && p * f.stride == x - kx && p < f.px) acc[p] = fused(v, w[kx], acc[p]);
}

INLINE void add_taps(struct form f, vec acc[MOST_PX], vec v, const vec w[9], int x, int ky)
{
    if (ky < 0 || ky > 2) return;
    add_tap(f, acc, v, w + 3 * ky, x, 0);
    add_tap(f, acc, v, w + 3 * ky, x, 1);
    add_tap(f, acc, v, w + 3 * ky, x, 2);
}

INLINE void add_column(struct form f, vec acc[MOST_ROWS][MOST_PX], const struct line *line,
                       ptrdiff_t offset, lanes k, const vec w[9], int y, int x)
{
    const int last = (f.px - 1) * f.stride + 2;
    if (x > last) return;
    const char *from = line->rest + (x - 1) * line->pixel;
    if (x == 0) from = line->first;
    if (x == last) from = line->last;
    vec v = load_some(from + offset, k);
    if (f.relu) v = max_of(zero(), v);
    add_taps(f, acc[0], v, w, x, y);
    if (f.rows > 1) add_taps(f, acc[1], v, w, x, y - f.stride);
}

INLINE void add_line(struct form f, vec acc[MOST_ROWS][MOST_PX], const struct line *line,
                     ptrdiff_t offset, lanes k, const vec w[9], int y)
{
    if (y > (f.rows - 1) * f.stride + 2) return;
#define COLUMN(x) add_column(f, acc, line + y, offset, k, w, y, x);
    TIMES_21(COLUMN)
#undef COLUMN
}

INLINE void tile_3x3(const struct tile *t, const struct form f)
{
    for (int c = 0; c < t->width; c += VL) {
        const lanes k = first_lanes(t->width - c);
        const ptrdiff_t offset = c * (ptrdiff_t)sizeof(float);
        const vec start = load_some(t->bias + offset, k);
        vec w[9], acc[MOST_ROWS][MOST_PX];
#define WEIGHT(tap) w[tap] = load_some(t->weight + tap * t->weight_tap + offset, k);
        TIMES_9(WEIGHT)
#undef WEIGHT
#define START(p) acc[0][p] = acc[1][p] = start;
        TIMES_10(START)
#undef START
        add_line(f, acc, t->line, offset, k, w, 0);
        add_line(f, acc, t->line, offset, k, w, 1);
        add_line(f, acc, t->line, offset, k, w, 2);
        add_line(f, acc, t->line, offset, k, w, 3);
        char *out = t->out + offset;
#define STORE(p)                                                                                   \
    if (p < f.px) store_some(out + p * t->out_pixel, k, acc[0][p]);                                \
    if (p < f.px && f.rows > 1) store_some(out + t->out_row + p * t->out_pixel, k, acc[1][p]);
        TIMES_10(STORE)
#undef STORE
    }
}

#endif
