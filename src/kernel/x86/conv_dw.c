/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a weight gradient summed up fast? It is the product A^T dout over the pixels of a chunk:
 * tiles of 14 rows times two vectors (AVX2: 6), each number of A spread over a vector of dout.
 *
 * Both operands are copied for a chunk, tile by tile: then padding, strides and what is applied on
 * load are no matter of the inner loop, and no two rows share a set of the cache. A chunk's copy of
 * A serves all columns, and a panel of dout all rows.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/train.h"

enum {
    TILE = VL == 16 ? 14 : 6, /* rows */
    STEP = 16,                /* numbers from one pixel's to the next in a copied tile of A */
    COLUMNS = 2 * VL,
    TILES = 16 /* copied at once */
};

struct strip { /* rows of dw that are copied together: up to TILE rows of one tap and group */
    int tap, k, rows;
};

struct chunk { /* of pixels of dout */
    const struct conv_dw_call *call;
    struct place at[SUM_CHUNK];
    int pixels, group;
    struct strip strip[TILES];
    int strips;
    float a[TILES][SUM_CHUNK * STEP];
    float d[SUM_CHUNK * COLUMNS]; /* of one panel */
};

/* ---- copying -----------------------------------------------------------------------------------
 */

/* Numbers k .. k + rows of one pixel, as the kernel sees them. */
INLINE vec load_rows(const struct prologue *p, const float *x, int k, int from, lanes some)
{
    vec v = load_lanes(x + k + from, some);
    if (p->scale)
        v = fused(load_lanes((const float *)p->scale + k + from, some), v,
                  load_lanes((const float *)p->shift + k + from, some));
    return p->act.kind == ACT_NONE ? v : activate_vec(&p->act, v);
}

static void copy_strip(struct chunk *c, int i)
{
    const struct conv_dw_call *call = c->call;
    const struct window *win = &call->window;
    const struct strip *s = &c->strip[i];
    const int first = c->group * (call->in.c / call->groups) + s->k;
    float *to = c->a[i];
    for (int p = 0; p < c->pixels; p++, to += STEP) {
        const float *x = tap_at(&call->in, win, c->at[p], s->tap / win->kw, s->tap % win->kw);
        for (int from = 0; from < s->rows; from += VL) {
            const lanes some = first_lanes(s->rows - from);
            store(to + from, x ? load_rows(&call->prologue, x, first, from, some) : zero());
        }
    }
}

static void copy_panel(struct chunk *c, int first, int width)
{
    float *to = c->d;
    const lanes low = first_lanes(width), high = first_lanes(width > VL ? width - VL : 0);
    for (int p = 0; p < c->pixels; p++, to += COLUMNS) {
        const float *d = (const float *)pixel_at(&c->call->dout, c->at[p]) + first;
        store(to, load_lanes(d, low));
        store(to + VL, width > VL ? load_lanes(d + VL, high) : zero());
    }
}

/* ---- tiles -------------------------------------------------------------------------------------
 */

#define TIMES_14(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)

/* c[r][j] += sum over p of a[p][r] d[p][j] */
INLINE void tile(int rows, const float *a, const float *d, int pixels, float *c, ptrdiff_t c_row,
                 int width)
{
    vec acc[14][2];
#define START(r) acc[r][0] = acc[r][1] = zero();
    TIMES_14(START)
#undef START
    for (int p = 0; p < pixels; p++, a += STEP, d += COLUMNS) {
        const vec low = load(d), high = load(d + VL);
#define MULTIPLY(r)                                                                                \
    if (r < rows) {                                                                                \
        const vec x = splat(a[r]);                                                                 \
        acc[r][0] = fused(x, low, acc[r][0]);                                                      \
        acc[r][1] = fused(x, high, acc[r][1]);                                                     \
    }
        TIMES_14(MULTIPLY)
#undef MULTIPLY
    }
    const lanes low = first_lanes(width), high = first_lanes(width > VL ? width - VL : 0);
#define PUT(r)                                                                                     \
    if (r < rows) {                                                                                \
        float *to = c + r * c_row;                                                                 \
        store_lanes(to, low, add(load_lanes(to, low), acc[r][0]));                                 \
        if (width > VL) store_lanes(to + VL, high, add(load_lanes(to + VL, high), acc[r][1]));     \
    }
    TIMES_14(PUT)
#undef PUT
}

typedef void tile_fn(const float *a, const float *d, int pixels, float *c, ptrdiff_t c_row,
                     int width);

#define TILE_OF(r)                                                                                 \
    static void tile_##r(const float *a, const float *d, int pixels, float *c, ptrdiff_t c_row,    \
                         int width)                                                                \
    {                                                                                              \
        tile(r, a, d, pixels, c, c_row, width);                                                    \
    }
TILE_OF(1)
TILE_OF(2)
TILE_OF(3)
TILE_OF(4)
TILE_OF(5)
TILE_OF(6)
#ifdef __AVX512F__
TILE_OF(7)
TILE_OF(8)
TILE_OF(9)
TILE_OF(10)
TILE_OF(11)
TILE_OF(12)
TILE_OF(13)
TILE_OF(14)
#endif

static tile_fn *const tiles[] = {
    tile_1, tile_2, tile_3, tile_4,  tile_5,  tile_6,
#ifdef __AVX512F__
    tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14,
#endif
};

/* ---- a chunk -----------------------------------------------------------------------------------
 */

static void multiply(struct chunk *c)
{
    const struct conv_dw_call *call = c->call;
    const int oc = call->dout.c, columns = oc / call->groups, k_count = call->in.c / call->groups;
    for (int i = 0; i < c->strips; i++) copy_strip(c, i);
    for (int column = 0; column < columns; column += COLUMNS) {
        const int first = c->group * columns + column;
        const int width = columns - column < COLUMNS ? columns - column : COLUMNS;
        copy_panel(c, first, width);
        for (int i = 0; i < c->strips; i++) {
            const struct strip *s = &c->strip[i];
            const ptrdiff_t row = (ptrdiff_t)s->tap * k_count + s->k;
            tiles[s->rows - 1](c->a[i], c->d, c->pixels, (float *)call->dw + row * oc + first, oc,
                               width);
        }
    }
}

/* As few tiles as possible within a tap, as equal as possible: how high the next one is. */
static int height(int rows)
{
    const int count = (rows + TILE - 1) / TILE;
    return (rows + count - 1) / count;
}

/* Strips of rows from .. to; returns the first row that did not find room. */
static size_t cut(struct chunk *c, size_t from, size_t to)
{
    const size_t k_count = (size_t)(c->call->in.c / c->call->groups);
    for (c->strips = 0; from < to && c->strips < TILES;) {
        const size_t k = from % k_count, room = k_count - k;
        const int rows = height((int)(room < to - from ? room : to - from));
        c->strip[c->strips++] = (struct strip){(int)(from / k_count), (int)k, rows};
        from += (size_t)rows;
    }
    return from;
}

static void sum_chunk(struct chunk *c, size_t from, size_t to)
{
    while (from < to) {
        from = cut(c, from, to);
        for (c->group = 0; c->group < c->call->groups; c->group++) multiply(c);
    }
}

void X86(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    const struct view *d = &call->dout;
    const size_t pixels = (size_t)d->n * (size_t)d->h * (size_t)d->w;
    struct chunk c;
    c.call = call;
    for (size_t first = 0; first < pixels; first += SUM_CHUNK) {
        c.pixels = pixels - first < SUM_CHUNK ? (int)(pixels - first) : SUM_CHUNK;
        for (int p = 0; p < c.pixels; p++) c.at[p] = place_of(d, first + (size_t)p);
        sum_chunk(&c, from, to);
    }
}
