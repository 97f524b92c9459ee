/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a weight gradient of brain floats summed up in tile registers? As in bf16_dw.c, but the
 * sums of dw go on from block to block of 16 words: a chunk has no sums of its own. A row of A is a
 * channel of the input, so its words are turned round as they are laid out.
 */
#include "kernel/x86/amx.h"
#include "kernel/x86/bf16_words.h"
#include "kernel/x86/conv_dw.h"
#include "kernel/x86/transpose.h"

enum {
    COLUMNS = 2 * VL,
    TALL = 2 * AMX_ROWS,
    PAIRS = SUM_CHUNK / 2,
    A_ROW = PAIRS + VL, /* an odd number of lines: a tile's rows use different sets of the cache */
    CHANNELS = 24 * TALL, /* of the input that are laid out at once: 240 KiB of the stack */
    WORD = 4
};

struct sums { /* of a chunk, under one tap */
    const struct dw_chunk *chunk;
    int blocks, group;
    float *dw;                                   /* the first row */
    const void *in[SUM_CHUNK], *dout[SUM_CHUNK]; /* NULL: padding, and no pixel */
    _Alignas(64) float a[CHANNELS * A_ROW];
    _Alignas(64) float d[PAIRS * COLUMNS], own[TALL * COLUMNS];
};

/* ---- tiles ----------------------------------------------------------------------------------- */

struct tile { /* of dw */
    const float *a, *d;
    int blocks;
    float *c;
    ptrdiff_t c_row;
    bool fresh, wide, tall; /* two tiles side by side, one below the other */
};

#define EACH_SUM(DO)                                                                               \
    DO(0, t->c)                                                                                    \
    if (wide) DO(1, t->c + AMX_ROWS)                                                               \
    if (tall) DO(2, t->c + AMX_ROWS * t->c_row)                                                    \
    if (tall && wide) DO(3, t->c + AMX_ROWS * t->c_row + AMX_ROWS)
#define ZERO(i, at) AMX_ZERO(i);
#define RESUME(i, at) AMX_LOAD(i, at, row);
#define PUT(i, at) AMX_STORE(i, at, row);

INLINE void sum_tile(const struct tile *t, const bool wide, const bool tall)
{
    const ptrdiff_t row = t->c_row * WORD, a_row = A_ROW * WORD, d_row = COLUMNS * WORD;
    const float *a = t->a, *d = t->d;
    if (t->fresh) {
        EACH_SUM(ZERO)
    } else {
        EACH_SUM(RESUME)
    }
    for (int i = 0; i < t->blocks; i++, a += AMX_PAIRS, d += AMX_PAIRS * COLUMNS) {
        AMX_LOAD(4, a, a_row);
        AMX_LOAD(5, d, d_row);
        AMX_DOT(0, 4, 5);
        if (wide) {
            AMX_LOAD(7, d + AMX_ROWS, d_row);
            AMX_DOT(1, 4, 7);
        }
        if (tall) {
            AMX_LOAD(6, a + AMX_ROWS * A_ROW, a_row);
            AMX_DOT(2, 6, 5);
            if (wide) AMX_DOT(3, 6, 7);
        }
    }
    EACH_SUM(PUT)
}

static void sum(const struct tile *t)
{
    if (t->wide && t->tall)
        sum_tile(t, true, true);
    else if (t->wide)
        sum_tile(t, true, false);
    else if (t->tall)
        sum_tile(t, false, true);
    else
        sum_tile(t, false, false);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Sixteen channels, those below `end` of them, of sixteen pairs of pixels. */
INLINE void turn_block(const struct view *v, const struct prologue *p, const void *const *pixel,
                       int c, int end, float *to)
{
    const float *scale = p->scale, *shift = p->shift;
    const vec factor = scale ? load_channels(scale, c, end) : zero();
    const vec summand = scale ? load_channels(shift, c, end) : zero();
    vec w[AMX_PAIRS];
    for (int i = 0; i < AMX_PAIRS; i++) {
        const void *const *two = pixel + 2 * i;
        const halves one = two[0] ? operands(v, p, two[0], c, end, factor, summand) : no_operands();
        const halves other =
            two[1] ? operands(v, p, two[1], c, end, factor, summand) : no_operands();
        w[i] = pair_words(one, other);
    }
    transpose(w);
    for (int i = 0; i < AMX_ROWS; i++) store(to + i * A_ROW, w[i]);
}

/* Channels first .. first + count of the chunk's pixels; whole tiles of them. */
static void lay_out_turned(const struct sums *s, int first, int count, float *words)
{
    const struct conv_dw_call *call = s->chunk->call;
    for (int c = 0; c < count; c += AMX_ROWS)
        for (int i = 0; i < s->blocks; i++)
            turn_block(&call->in, &call->prologue, s->in + 2 * AMX_PAIRS * i, first + c,
                       first + count, words + c * A_ROW + i * AMX_PAIRS);
}

/* ---- a chunk --------------------------------------------------------------------------------- */

/* Between dw and room for whole tiles. */
static void copy_some(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row, int rows,
                      int columns)
{
    const lanes low = first_lanes(columns), high = first_lanes(columns > VL ? columns - VL : 0);
    for (int i = 0; i < rows; i++, from += from_row, to += to_row) {
        store_lanes(to, low, load_lanes(from, low));
        store_lanes(to + VL, high, load_lanes(from + VL, high));
    }
}

/* Rows and columns of dw that exist. */
static void multiply_tile(struct sums *s, const float *a, float *dw, int rows, int columns)
{
    const ptrdiff_t row = s->chunk->call->dout.c;
    struct tile t = {a, s->d, s->blocks, dw, row, s->chunk->fresh, columns > VL, rows > AMX_ROWS};
    const bool whole = rows % AMX_ROWS == 0 && columns % VL == 0;
    if (!whole) {
        t.c = s->own;
        t.c_row = COLUMNS;
        if (!t.fresh) copy_some(dw, row, t.c, t.c_row, rows, columns);
    }
    sum(&t);
    if (!whole) copy_some(t.c, t.c_row, dw, row, rows, columns);
}

/* Rows from .. to of dw: channels of the group that lie in s->a. */
static void multiply(struct sums *s, int from, int to)
{
    static const struct prologue as_it_is = {0};
    const struct conv_dw_call *call = s->chunk->call;
    const int oc = call->dout.c, columns = oc / call->groups;
    for (int column = 0; column < columns; column += COLUMNS) {
        const int first = s->group * columns + column;
        const int width = columns - column < COLUMNS ? columns - column : COLUMNS;
        lay_out(&call->dout, &as_it_is, s->dout, s->blocks * AMX_PAIRS, first, width, s->d,
                COLUMNS);
        for (int row = from; row < to; row += TALL)
            multiply_tile(s, s->a + (row - from) * A_ROW, s->dw + (ptrdiff_t)row * oc + first,
                          to - row < TALL ? to - row : TALL, width);
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
    s->blocks = (c->pixels + 2 * AMX_PAIRS - 1) / (2 * AMX_PAIRS);
    dw_inputs(c, tap, NULL, s->in);
    for (int p = 0; p < c->pixels; p++) s->dout[p] = c->dout[p];
    for (int p = c->pixels; p < s->blocks * 2 * AMX_PAIRS; p++) s->in[p] = s->dout[p] = NULL;
    for (s->group = 0; s->group < call->groups; s->group++)
        for (int k = from, end; k < to; k = end) {
            end = to - k <= CHANNELS ? to : k + CHANNELS;
            lay_out_turned(s, s->group * channels + k, end - k, s->a);
            multiply(s, k, end);
        }
}

void BF16(conv_dw)(const struct conv_dw_call *call, size_t from, size_t to)
{
    struct sums s;
    amx_configure(AMX_ROWS);
    dw_sum(call, from, to, sum_tap, &s);
    amx_release();
}
