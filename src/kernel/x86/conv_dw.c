/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a weight gradient summed up fast? It is the product A^T dout over the pixels of a chunk:
 * tiles of 14 rows times two vectors (AVX2: 6), each number of A spread over a vector of dout.
 *
 * Rows of A are read where the input lies, pixel by pixel through a list of addresses: then strides
 * and padding are no matter of the inner loop. What is applied on load is applied once a chunk, to
 * a copy. A panel of dout is copied when many tiles use it, so that no two of its rows share a set
 * of the cache, and when its width is not one of whole vectors.
 */
#include "kernel/x86/conv_dw.h"

#include "kernel/x86/act.h"

enum {
    TILE = VL == 16 ? 14 : 6, /* rows */
    COLUMNS = 2 * VL,
    COPIED = 256,    /* channels of A that are copied at once */
    MOST_RAW = 4096, /* channels of an input that is read where it lies */
    MOST_DIRECT = 3, /* tiles that may read a panel of dout where it lies */
    ROOM = 16        /* behind a copied row, so that it is an odd number of lines long */
};

struct sums { /* of a chunk, under one tap */
    const struct dw_chunk *chunk;
    int group;
    float *dw; /* the first row */
    const void *a[SUM_CHUNK];
    bool flat; /* dout's pixels are equally far apart */
    float copy[SUM_CHUNK * (COPIED + ROOM)], panel[SUM_CHUNK * COLUMNS];
};

static const float zeros[MOST_RAW]; /* a pixel of padding */

/* ---- tiles ----------------------------------------------------------------------------------- */

#define TIMES_14(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)

struct tile {             /* of dw */
    const void *const *a; /* by pixel */
    int k, pixels;        /* the first of its channels in a */
    const float *d;
    ptrdiff_t d_pixel; /* numbers */
    float *c;
    ptrdiff_t c_row;
    lanes low, high;
    bool fresh, wide; /* wide: there is a high vector */
};

/* c[r][j] [+]= sum over p of a[p][k + r] d[p][j] */
INLINE void sum_tile(const int rows, const bool wide, const struct tile *t)
{
    vec acc[14][2];
    const float *d = t->d;
    const ptrdiff_t k = t->k, d_pixel = t->d_pixel;
    const lanes k_low = t->low, k_high = t->high;
#define START(r) acc[r][0] = acc[r][1] = zero();
    TIMES_14(START)
#undef START
#define FETCH(r)                                                                                   \
    if (r < rows) {                                                                                \
        _mm_prefetch((const char *)(t->c + r * t->c_row), _MM_HINT_T0);                            \
        if (wide && VL == 16) _mm_prefetch((const char *)(t->c + r * t->c_row + VL), _MM_HINT_T0); \
    }
    TIMES_14(FETCH)
#undef FETCH
    for (const void *const *at = t->a, *const *end = at + t->pixels; at < end; at++, d += d_pixel) {
        const float *a = (const float *)*at + k;
        _mm_prefetch((const char *)(a + 2 * rows - 1), _MM_HINT_T0); /* for the next tile */
        const vec low = load(d), high = wide ? load(d + VL) : low;
#define MULTIPLY(r)                                                                                \
    if (r < rows) {                                                                                \
        const vec x = splat(a[r]);                                                                 \
        acc[r][0] = fused(x, low, acc[r][0]);                                                      \
        if (wide) acc[r][1] = fused(x, high, acc[r][1]);                                           \
    }
        TIMES_14(MULTIPLY)
#undef MULTIPLY
    }
    TIMES_14(DW_PUT)
}

typedef void tile_fn(const struct tile *t);
DW_TILE(1)
DW_TILE(2)
DW_TILE(3)
DW_TILE(4)
DW_TILE(5)
DW_TILE(6)
#ifdef __AVX512F__
DW_TILE(7)
DW_TILE(8)
DW_TILE(9)
DW_TILE(10)
DW_TILE(11)
DW_TILE(12)
DW_TILE(13)
DW_TILE(14)
#define BOTH(X)                                                                                    \
    X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14)
#else
#define BOTH(X) X(1), X(2), X(3), X(4), X(5), X(6)
#endif
#define NARROW(r) narrow_##r
#define WIDE(r) wide_##r
static tile_fn *const tiles[2][TILE] = {{BOTH(NARROW)}, {BOTH(WIDE)}};

/* ---- a chunk --------------------------------------------------------------------------------- */

/* Rows from .. to of dw (channels of the group), of one tap; their numbers begin at a[p][at]. */
struct rows {
    int from, to, at;
};

static const float *dout_at(const struct dw_chunk *c, int p)
{
    return c->dout[p];
}

static const float *panel_of(struct sums *s, int first, int width, bool copied, ptrdiff_t *step)
{
    const struct dw_chunk *c = s->chunk;
    if (!copied) {
        *step = c->call->dout.pixel / (ptrdiff_t)sizeof(float);
        return dout_at(c, 0) + first;
    }
    const lanes low = first_lanes(width), high = first_lanes(width > VL ? width - VL : 0);
    float *to = s->panel;
    for (int p = 0; p < c->pixels; p++, to += COLUMNS) {
        store(to, load_lanes(dout_at(c, p) + first, low));
        if (width > VL) store(to + VL, load_lanes(dout_at(c, p) + first + VL, high));
    }
    *step = COLUMNS;
    return s->panel;
}

/* Pixels from .. to of the panel that comes next. */
static void fetch_panel(const struct dw_chunk *c, int first, int from, int to)
{
    for (int p = from; p < to; p++) {
        _mm_prefetch((const char *)(dout_at(c, p) + first), _MM_HINT_T0);
        _mm_prefetch((const char *)(dout_at(c, p) + first + COLUMNS / 2), _MM_HINT_T0);
    }
}

static void multiply(struct sums *s, struct rows r)
{
    const struct dw_chunk *c = s->chunk;
    const struct conv_dw_call *call = c->call;
    const int oc = call->dout.c, columns = oc / call->groups;
    const int count = (r.to - r.from + TILE - 1) / TILE;
    struct tile t = {.a = s->a, .pixels = c->pixels, .c_row = oc, .fresh = c->fresh};
    for (int column = 0; column < columns; column += COLUMNS) {
        const int first = s->group * columns + column;
        const int width = columns - column < COLUMNS ? columns - column : COLUMNS;
        t.d = panel_of(s, first, width, count > MOST_DIRECT || !s->flat || width % VL != 0,
                       &t.d_pixel);
        t.wide = width > VL;
        t.low = first_lanes(width);
        t.high = first_lanes(width > VL ? width - VL : 0);
        for (int i = 0; i < count; i++) {
            const int from = (r.to - r.from) * i / count, to = (r.to - r.from) * (i + 1) / count;
            if (column + COLUMNS < columns)
                fetch_panel(c, first + COLUMNS, c->pixels * i / count, c->pixels * (i + 1) / count);
            t.k = r.at + from;
            t.c = s->dw + (ptrdiff_t)(r.from + from) * oc + first;
            tiles[t.wide][to - from - 1](&t);
        }
    }
}

/* Channels first .. first + count of the chunk's pixels, as the kernel sees them. */
static void copy_rows(struct sums *s, int first, int count)
{
    const struct prologue *pro = &s->chunk->call->prologue;
    const int pixels = s->chunk->pixels;
    const float *scale = pro->scale, *shift = pro->shift;
    for (int k = 0; k < count; k += VL) {
        const lanes some = first_lanes(count - k);
        const vec factor = scale ? load_lanes(scale + first + k, some) : zero();
        const vec summand = scale ? load_lanes(shift + first + k, some) : zero();
        float *to = s->copy + k;
        for (int p = 0; p < pixels; p++, to += COPIED + ROOM) {
            vec v = zero();
            if (s->a[p] != zeros) {
                v = load_lanes((const float *)s->a[p] + first + k, some);
                if (scale) v = fused(factor, v, summand);
                if (pro->act.kind == ACT_RELU)
                    v = max_of(zero(), v);
                else if (pro->act.kind != ACT_NONE)
                    v = activate_vec(&pro->act, v);
            }
            store(to, v);
        }
    }
    for (int p = 0; p < pixels; p++) s->a[p] = s->copy + p * (COPIED + ROOM);
}

/* ---- all chunks ------------------------------------------------------------------------------ */

static void sum_tap(void *own, const struct dw_chunk *c, int tap, float *dw, int from, int to)
{
    struct sums *s = own;
    const struct conv_dw_call *call = c->call;
    const int channels = call->in.c / call->groups;
    const bool raw =
        !call->prologue.scale && call->prologue.act.kind == ACT_NONE && call->in.c <= MOST_RAW;
    s->chunk = c;
    s->dw = dw;
    if (raw) dw_inputs(c, tap, zeros, s->a);
    for (s->group = 0; s->group < call->groups; s->group++)
        for (int k = from, end; k < to; k = end) {
            const int first = s->group * channels + k;
            end = raw || to - k <= COPIED ? to : k + COPIED;
            if (!raw) {
                dw_inputs(c, tap, zeros, s->a);
                copy_rows(s, first, end - k);
            }
            multiply(s, (struct rows){k, end, raw ? first : 0});
        }
}

void X86(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    const struct view *d = &call->dout;
    struct sums s;
    s.flat = d->row == d->w * d->pixel && (d->n == 1 || d->image == d->h * d->row);
    dw_sum(call, from, to, sum_tap, &s);
}
