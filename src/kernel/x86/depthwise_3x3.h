/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tile of a 3x3 depthwise convolution: rows x px output pixels of up to DW_BLOCK channels, one
 * vector of channels after the other. Each input number is loaded once and goes to up to nine
 * accumulators, to each in (ky, kx) order. Meanwhile the numbers that the tile on its right meets
 * first are fetched: no hardware expects a step of one vector through pixels far apart.
 *
 * Only the first and the last column of a tile may be padding, which is why a line has three
 * pointers: they may lead to zeros instead of a pixel. Loops are written out by macros, because not
 * every compiler keeps an array in registers whose index is a loop's variable.
 */
#ifndef XC_KERNEL_X86_DEPTHWISE_3X3_H
#define XC_KERNEL_X86_DEPTHWISE_3X3_H

#include "kernel/x86/depthwise.h"

/* Expanded thousands of times; with a check of every addition that takes the compiler minutes. */
#define EXPAND INLINE __attribute__((no_sanitize("undefined")))

enum on_load { LOAD_RAW, LOAD_RELU, LOAD_SCALED, LOAD_ANY };

struct form { /* always constant */
    int rows, px, stride;
    enum on_load load;
};

/* The sums of a tile, and the weights; all in registers. */
struct sums {
    vec row[MOST_ROWS][MOST_PX];
    vec w[9];
    vec floor;
    lanes k;
};

struct factors {
    vec scale, shift;
};

#define TIMES_8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define TIMES_9(X) TIMES_8(X) X(8)
#define TIMES_10(X) TIMES_9(X) X(9)
#define TIMES_12(X) TIMES_10(X) X(10) X(11)
#ifdef __AVX512F__
#define TIMES_PX TIMES_10 /* MOST_PX */
#define TIMES_COLUMNS TIMES_12
#else
#define TIMES_PX TIMES_8
#define TIMES_COLUMNS TIMES_10
#endif

/* With AVX2 the width is a multiple of VL: masks cost time there. */
EXPAND vec load_some(const char *p, lanes k)
{
    const float *numbers = (const void *)p;
    return VL == 16 ? load_lanes(numbers, k) : load(numbers);
}

EXPAND void store_some(char *p, lanes k, vec v)
{
    float *numbers = (void *)p;
    if (VL == 16)
        store_lanes(numbers, k, v);
    else
        store(numbers, v);
}

EXPAND struct factors load_factors(struct form f, const struct sums *s, struct affine a,
                                   ptrdiff_t offset)
{
    if (f.load != LOAD_SCALED) return (struct factors){zero(), zero()};
    return (struct factors){load_some(a.scale + offset, s->k), load_some(a.shift + offset, s->k)};
}

EXPAND vec load_pixel(struct form f, const struct sums *s, const char *p, struct factors by)
{
    const vec v = load_some(p, s->k);
    if (f.load == LOAD_SCALED) return max_of(s->floor, fused(by.scale, v, by.shift));
    return f.load == LOAD_RELU ? max_of(zero(), v) : v;
}

/* Compilers would rather prepare the address of every pixel before the loop over channels, run out
 * of registers, and keep fetching addresses from memory. What goes through here stays a register
 * that is counted up. */
#define IN_REGISTER(x) __asm__("" : "+r"(x))

/* ---- stride 1: number v of column x meets row ky of the taps --------------------------------- */

EXPAND void add_tap(struct form f, struct sums *s, int r, vec v, int x, int ky, int kx)
{
    const int p = x - kx;
    if (p >= 0 && p < f.px) s->row[r][p] = fused(v, s->w[3 * ky + kx], s->row[r][p]);
}

EXPAND void add_taps(struct form f, struct sums *s, int r, vec v, int x, int ky)
{
    if (r >= f.rows || ky < 0 || ky > 2) return;
    add_tap(f, s, r, v, x, ky, 0);
    add_tap(f, s, r, v, x, ky, 1);
    add_tap(f, s, r, v, x, ky, 2);
}

EXPAND void add_line_1(struct form f, struct sums *s, const struct line *line, ptrdiff_t offset,
                       int y)
{
    const char *rest = line->rest + offset;
    ptrdiff_t pixel = line->pixel, ahead = f.px * line->pixel;
    const bool fresh = y > 1; /* the lines above have been under other tiles */
    const struct factors by = load_factors(f, s, line->of_rest, offset);
    IN_REGISTER(pixel);
    IN_REGISTER(ahead);
#define COLUMN(x)                                                                                  \
    if (x < f.px + 2) {                                                                            \
        const char *from = x == 0          ? line->first + offset                                  \
                           : x == f.px + 1 ? line->last + offset                                   \
                                           : rest;                                                 \
        const vec v = load_pixel(f, s, from,                                                       \
                                 x == 0          ? load_factors(f, s, line->of_first, offset)      \
                                 : x == f.px + 1 ? load_factors(f, s, line->of_last, offset)       \
                                                 : by);                                            \
        if (fresh && x > 0) _mm_prefetch(rest + ahead, _MM_HINT_T0);                               \
        if (x > 0 && x < f.px) {                                                                   \
            rest += pixel;                                                                         \
            IN_REGISTER(rest);                                                                     \
        }                                                                                          \
        add_taps(f, s, 0, v, x, y);                                                                \
        add_taps(f, s, 1, v, x, y - 1);                                                            \
    }
    TIMES_COLUMNS(COLUMN)
#undef COLUMN
}

/* ---- stride 2: tap by tap, the even columns kept for the third ------------------------------- */

EXPAND void add_line_2(struct form f, struct sums *s, const struct line *line, ptrdiff_t offset,
                       int ky)
{
    const char *odd = line->rest + offset;
    ptrdiff_t two = 2 * line->pixel;
    const char *rest = odd + line->pixel;
    vec even[MOST_PX + 1];
    IN_REGISTER(two);
    const struct factors by = load_factors(f, s, line->of_rest, offset);
    even[0] = load_pixel(f, s, line->first + offset, load_factors(f, s, line->of_first, offset));
#define FIRST(p)                                                                                   \
    if (p < f.px) {                                                                                \
        s->row[0][p] = fused(even[p], s->w[3 * ky], s->row[0][p]);                                 \
        even[p + 1] = load_pixel(f, s, p + 1 < f.px ? rest : line->last + offset,                  \
                                 p + 1 < f.px ? by : load_factors(f, s, line->of_last, offset));   \
        rest += two;                                                                               \
        IN_REGISTER(rest);                                                                         \
    }
    TIMES_PX(FIRST)
#undef FIRST
#define SECOND(p)                                                                                  \
    if (p < f.px) {                                                                                \
        s->row[0][p] = fused(load_pixel(f, s, odd, by), s->w[3 * ky + 1], s->row[0][p]);           \
        odd += two;                                                                                \
        IN_REGISTER(odd);                                                                          \
    }
    TIMES_PX(SECOND)
#undef SECOND
#define THIRD(p)                                                                                   \
    if (p < f.px) s->row[0][p] = fused(even[p + 1], s->w[3 * ky + 2], s->row[0][p]);
    TIMES_PX(THIRD)
#undef THIRD
}

/* ---- the tile -------------------------------------------------------------------------------- */

EXPAND void add_line(struct form f, struct sums *s, const struct line *line, ptrdiff_t offset,
                     int y)
{
    if (f.stride == 1)
        add_line_1(f, s, line + y, offset, y);
    else
        add_line_2(f, s, line + y, offset, y);
}

EXPAND void store_row(struct form f, struct sums *s, const struct tile *t, int r, char *out)
{
    ptrdiff_t pixel = t->out_pixel;
    IN_REGISTER(pixel);
    if (t->clamped) {
        const vec low = splat(t->low), high = splat(t->high);
#define CLAMP(p)                                                                                   \
    if (p < f.px) s->row[r][p] = min_of(high, max_of(low, s->row[r][p]));
        TIMES_PX(CLAMP)
#undef CLAMP
    }
#define STORE(p)                                                                                   \
    if (p < f.px) {                                                                                \
        store_some(out, s->k, s->row[r][p]);                                                       \
        out += pixel;                                                                              \
        IN_REGISTER(out);                                                                          \
    }
    TIMES_PX(STORE)
#undef STORE
}

EXPAND void tile_3x3(const struct tile *t, const struct form f)
{
    for (int c = 0; c < t->width; c += VL) {
        const ptrdiff_t offset = c * (ptrdiff_t)sizeof(float);
        struct sums s;
        s.k = first_lanes(t->width - c);
        s.floor = splat(t->floor);
        const char *weight = t->weight + offset;
#define WEIGHT(tap) s.w[tap] = load_some(weight + tap * t->weight_tap, s.k);
        TIMES_9(WEIGHT)
#undef WEIGHT
        const vec start = load_some(t->bias + offset, s.k);
#define START(p)                                                                                   \
    if (p < f.px) s.row[0][p] = s.row[f.rows - 1][p] = start;
        TIMES_PX(START)
#undef START
        add_line(f, &s, t->line, offset, 0);
        add_line(f, &s, t->line, offset, 1);
        add_line(f, &s, t->line, offset, 2);
        if (f.rows == 2) add_line(f, &s, t->line, offset, 3);
        store_row(f, &s, t, 0, t->out + offset);
        if (f.rows == 2) store_row(f, &s, t, 1, t->out + t->out_row + offset);
    }
}

#endif
