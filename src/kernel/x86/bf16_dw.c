/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a weight gradient of brain floats summed up? As in conv_dw.c, but a word is a pair of
 * pixels: (2j, 2j + 1) of a channel of the input, of a column of dout. Both are laid out in such
 * words once, what is applied on load included, so that strides, padding and rounding are no matter
 * of the inner loop.
 */
#include "kernel/x86/bf16_words.h"
#include "kernel/x86/conv_dw.h"

enum {
#ifdef __AVX512BF16__
    TILE = 14, /* rows */
#else          /* a word is widened into two vectors */
    TILE = VL == 16 ? 8 : 3,
#endif
    COLUMNS = 2 * VL,
    PAIRS = SUM_CHUNK / 2,
    SLAB = 252 / TILE * TILE, /* channels of the input whose words lie near each other */
    A_ROW = 256 + 16,         /* an odd number of lines */
    SLABS = 4                 /* that are laid out at once */
};

struct sums { /* of a chunk, under one tap */
    const struct dw_chunk *chunk;
    int pairs, group;
    float *dw;                                           /* the first row */
    const void *in[SUM_CHUNK + 1], *dout[SUM_CHUNK + 1]; /* NULL: padding, and no pixel */
    float a[SLABS][PAIRS * A_ROW], d[PAIRS * COLUMNS];   /* words */
};

/* ---- tiles ----------------------------------------------------------------------------------- */

#define TIMES_14(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)

struct tile { /* of dw */
    const float *a, *d;
    int pairs;
    float *c;
    ptrdiff_t c_row;
    lanes low, high;
    bool fresh, wide; /* wide: there is a high vector */
};

/* c[r][j] [+]= sum over the pairs of a[p][r] d[p][j] */
INLINE void sum_tile(const int rows, const bool wide, const struct tile *t)
{
    vec acc[14][2];
    const float *a = t->a, *d = t->d;
    const lanes k_low = t->low, k_high = t->high;
    const unsigned before = dot_begin();
#define START(r)                                                                                   \
    acc[r][0] = r < rows ? pinned(zero()) : zero();                                                \
    acc[r][1] = r < rows && wide ? pinned(zero()) : zero();
    TIMES_14(START)
#undef START
#define FETCH(r)                                                                                   \
    if (r < rows) {                                                                                \
        _mm_prefetch((const char *)(t->c + r * t->c_row), _MM_HINT_T0);                            \
        if (wide) _mm_prefetch((const char *)(t->c + r * t->c_row + VL), _MM_HINT_T0);             \
    }
    TIMES_14(FETCH)
#undef FETCH
    for (const float *end = a + t->pairs * A_ROW; a < end; a += A_ROW, d += COLUMNS) {
        _mm_prefetch((const char *)(a + 2 * rows - 1), _MM_HINT_T0); /* for the next tile */
        const vec low = load(d), high = wide ? load(d + VL) : low;
#define MULTIPLY(r)                                                                                \
    if (r < rows) {                                                                                \
        const vec x = splat(a[r]);                                                                 \
        acc[r][0] = pair_dot(x, low, acc[r][0]);                                                   \
        if (wide) acc[r][1] = pair_dot(x, high, acc[r][1]);                                        \
    }
        TIMES_14(MULTIPLY)
#undef MULTIPLY
    }
#define PIN(r)                                                                                     \
    if (r < rows) {                                                                                \
        acc[r][0] = pinned(acc[r][0]);                                                             \
        if (wide) acc[r][1] = pinned(acc[r][1]);                                                   \
    }
    TIMES_14(PIN)
    dot_end(before);
    TIMES_14(PIN)
#undef PIN
    TIMES_14(DW_PUT)
}

typedef void tile_fn(const struct tile *t);
DW_TILE(1)
DW_TILE(2)
DW_TILE(3)
#define UP_TO_3(X) X(1), X(2), X(3)
#ifdef __AVX512F__
DW_TILE(4)
DW_TILE(5)
DW_TILE(6)
DW_TILE(7)
DW_TILE(8)
#define UP_TO_8(X) UP_TO_3(X), X(4), X(5), X(6), X(7), X(8)
#endif
#ifdef __AVX512BF16__
DW_TILE(9)
DW_TILE(10)
DW_TILE(11)
DW_TILE(12)
DW_TILE(13)
DW_TILE(14)
#define BOTH(X) UP_TO_8(X), X(9), X(10), X(11), X(12), X(13), X(14)
#elif defined(__AVX512F__)
#define BOTH UP_TO_8
#else
#define BOTH UP_TO_3
#endif
#define NARROW(r) narrow_##r
#define WIDE(r) wide_##r
static tile_fn *const tiles[2][TILE] = {{BOTH(NARROW)}, {BOTH(WIDE)}};

/* ---- a chunk --------------------------------------------------------------------------------- */

/* Pixels from .. to of the columns that come next. */
static void fetch_columns(const struct dw_chunk *c, int first, int from, int to)
{
    for (int p = from; p < to; p++)
        _mm_prefetch((const char *)((const uint16_t *)c->dout[p] + first), _MM_HINT_T0);
}

/* A slab's tiles: so many rows of dw, from the first on, and the tile's columns. */
static void multiply_slab(struct tile *t, const float *a, float *dw, int rows)
{
    const int count = (rows + TILE - 1) / TILE;
    for (int i = 0; i < count; i++) {
        const int row = rows * i / count, next = rows * (i + 1) / count;
        t->a = a + row;
        t->c = dw + row * t->c_row;
        tiles[t->wide][next - row - 1](t);
    }
}

/* Rows from .. to of dw: channels of the group that lie in s->a. */
static void multiply(struct sums *s, int from, int to)
{
    static const struct prologue as_it_is = {0};
    const struct dw_chunk *c = s->chunk;
    const struct conv_dw_call *call = c->call;
    const int oc = call->dout.c, columns = oc / call->groups;
    const int slabs = (to - from + SLAB - 1) / SLAB;
    const bool ahead = call->dout.type == DTYPE_BF16;
    struct tile t = {.d = s->d, .pairs = s->pairs, .c_row = oc, .fresh = c->fresh};
    for (int column = 0; column < columns; column += COLUMNS) {
        const int first = s->group * columns + column;
        const int width = columns - column < COLUMNS ? columns - column : COLUMNS;
        lay_out(&call->dout, &as_it_is, s->dout, s->pairs, first, width, s->d, COLUMNS);
        t.wide = width > VL;
        t.low = first_lanes(width);
        t.high = first_lanes(width > VL ? width - VL : 0);
        for (int i = 0; i < slabs; i++) {
            const int row = from + i * SLAB, rows = to - row < SLAB ? to - row : SLAB;
            if (ahead && column + COLUMNS < columns)
                fetch_columns(c, first + COLUMNS, c->pixels * i / slabs,
                              c->pixels * (i + 1) / slabs);
            multiply_slab(&t, s->a[i], s->dw + (ptrdiff_t)row * oc + first, rows);
        }
    }
}

/* ---- all chunks ------------------------------------------------------------------------------ */

static void sum_tap(void *own, const struct dw_chunk *c, int tap, float *dw, int from, int to)
{
    struct sums *s = own;
    const struct conv_dw_call *call = c->call;
    const int channels = call->in.c / call->groups;
    s->chunk = c;
    s->dw = dw;
    s->pairs = (c->pixels + 1) / 2;
    dw_inputs(c, tap, NULL, s->in);
    for (int p = 0; p < c->pixels; p++) s->dout[p] = c->dout[p];
    s->in[c->pixels] = s->dout[c->pixels] = NULL;
    for (s->group = 0; s->group < call->groups; s->group++)
        for (int k = from, end; k < to; k = end) {
            end = to - k <= SLABS * SLAB ? to : k + SLABS * SLAB;
            for (int row = k; row < end; row += SLAB)
                lay_out(&call->in, &call->prologue, s->in, s->pairs, s->group * channels + row,
                        end - row < SLAB ? end - row : SLAB, s->a[(row - k) / SLAB], A_ROW);
            multiply(s, k, end);
        }
}

void BF16(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    struct sums s;
    dw_sum(call, from, to, sum_tap, &s);
}
