/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix product of a convolution of brain floats in tile registers: panel after panel of the
 * weights, 32 rows of all runs at a time. PACK_PAIRS16 is how the instruction wants its B.
 *
 * The surprise is the last rows of a run: they are computed with rows above them, as often as that
 * fills a tile, and stored once. Gathered rows end with rows that nobody reads.
 */
#include <math.h>

#include "kernel/x86/bf16_conv.h"

enum {
    WORD = 4,
    TALL = 2 * AMX_ROWS,
    MOST_BLOCKS = 12 /* of k whose weights fill half of the first-level cache */
};

struct block { /* one panel of columns or two, and what happens to their sums */
    struct product *product;
    const char *b[2]; /* panels */
    bool wide;
    float bias[COLUMNS];
    float *room; /* sums of the first row, or NULL: finished */
    ptrdiff_t room_row;
    int first; /* column */
    uint32_t mask;
    const char *fetch;
    int lines; /* of what is to be fetched with each block of k */
};

struct rows { /* one tile of them, or two */
    const char *a[2];
    const float *start[2]; /* sums that go on; NULL: the bias */
    float *sums[2];
    ptrdiff_t start_row, sums_row; /* bytes */
    bool tall;
};

struct blocks { /* of k: these, of so many in a segment */
    int from, to, each;
};

/* ---- sums --------------------------------------------------------------------------------------
 */

INLINE void fetch_some(struct block *b)
{
    for (int i = 0; i < b->lines; i++, b->fetch += AMX_LINE) _mm_prefetch(b->fetch, _MM_HINT_T1);
}

#define MULTIPLY(a_tile, b_tile)                                                                   \
    AMX_LOAD(a_tile, p, s->a_row);                                                                 \
    AMX_LOAD(b_tile, b0, AMX_LINE);                                                                \
    AMX_DOT(0, a_tile, b_tile);                                                                    \
    if (wide) {                                                                                    \
        AMX_LOAD(b_tile, b1, AMX_LINE);                                                            \
        AMX_DOT(1, a_tile, b_tile);                                                                \
    }                                                                                              \
    if (tall) {                                                                                    \
        AMX_LOAD(a_tile, q, s->a_row);                                                             \
        if (wide) {                                                                                \
            AMX_DOT(3, a_tile, b_tile);                                                            \
            AMX_LOAD(b_tile, b0, AMX_LINE);                                                        \
        }                                                                                          \
        AMX_DOT(2, a_tile, b_tile);                                                                \
    }

#define EACH_SUM(DO)                                                                               \
    DO(0, 0, 0)                                                                                    \
    if (wide) DO(1, 0, PANEL)                                                                      \
    if (tall) DO(2, 1, 0)                                                                          \
    if (tall && wide) DO(3, 1, PANEL)
#define BEGIN(t, r, c) AMX_LOAD(t, b->bias + (c), 0);
#define RESUME(t, r, c) AMX_LOAD(t, rows->start[r] + (c), rows->start_row);
#define PUT(t, r, c) AMX_STORE(t, rows->sums[r] + (c), rows->sums_row);

INLINE void sum_rows(struct block *b, const struct rows *rows, const struct blocks *k,
                     const bool wide, const bool tall)
{
    const struct strip *s = &b->product->strip;
    const char *b0 = b->b[0] + k->from * (ptrdiff_t)AMX_TILE;
    const char *b1 = b->b[1] + k->from * (ptrdiff_t)AMX_TILE;
    const int whole = s->k / AMX_PAIRS;
    if (rows->start[0]) {
        EACH_SUM(RESUME)
    } else {
        EACH_SUM(BEGIN)
    }
    for (int i = k->from, end; i < k->to; i = end) {
        const int segment = i / k->each, first = i % k->each;
        const ptrdiff_t at = s->segment[segment] + first * AMX_LINE;
        const char *p = rows->a[0] + at, *q = rows->a[1] + at;
        int count = whole - first;
        end = i - first + k->each;
        if (end > k->to) {
            end = k->to;
            count = end - i;
        }
        for (; count > 0; count--, p += AMX_LINE, q += AMX_LINE) {
            MULTIPLY(4, 5)
            fetch_some(b);
            b0 += AMX_TILE, b1 += AMX_TILE;
        }
        if (end - i > whole - first) { /* of one segment: the last block of all */
            MULTIPLY(6, 7)
        }
    }
    EACH_SUM(PUT)
}

static void sum(struct block *b, const struct rows *rows, const struct blocks *k)
{
    if (b->wide && rows->tall)
        sum_rows(b, rows, k, true, true);
    else if (b->wide)
        sum_rows(b, rows, k, true, false);
    else if (rows->tall)
        sum_rows(b, rows, k, false, true);
    else
        sum_rows(b, rows, k, false, false);
}

/* ---- outputs -----------------------------------------------------------------------------------
 */

INLINE vec load_rounded(__mmask16 mask, const char *p)
{
    return widened(_mm256_maskz_loadu_epi16(mask, p));
}

/* Rows from .. to of a run, whose sums lie one below the other: min(max(sum + add, low), high). */
static void finish_rows(const struct block *b, const struct run *run, int from, int to,
                        const float *sums)
{
    const struct conv_call *call = b->product->call;
    const struct activation *act = &call->epilogue.act;
    const bool relu = act->kind == ACT_RELU, clip = act->kind == ACT_CLIP;
    const vec low = splat(relu ? 0 : clip ? (float)act->alpha : -INFINITY);
    const vec high = splat(clip ? (float)act->beta : INFINITY);
    const __mmask16 mask_0 = (__mmask16)b->mask, mask_1 = (__mmask16)(b->mask >> PANEL);
    for (int i = from; i < to; i++, sums += COLUMNS) {
        char *c = run->c + i * call->out.pixel + b->first * HALF;
        vec v = load(sums), w = load(sums + PANEL);
        if (run->add) {
            const char *add_row = run->add + i * call->epilogue.add.pixel + b->first * HALF;
            v = add(v, load_rounded(mask_0, add_row));
            w = add(w, load_rounded(mask_1, add_row + PANEL * HALF));
        }
        v = min_of(high, max_of(low, v));
        w = min_of(high, max_of(low, w));
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(w, v);
        if (b->mask == UINT32_MAX)
            _mm512_storeu_si512(c, both);
        else
            _mm512_mask_storeu_epi16(c, b->mask, both);
    }
}

/* ---- runs --------------------------------------------------------------------------------------
 */

static void shape_tiles(struct product *p, int rows)
{
    const struct amx_shape shape = {rows < AMX_ROWS ? rows : AMX_ROWS, p->strip.k % AMX_PAIRS};
    if (shape.rows == p->shape.rows && shape.rest == p->shape.rest) return;
    amx_configure(&shape);
    p->shape = shape;
}

/* Where tile i of a run begins. */
static int tile_row(int i, int rows)
{
    return (i + 1) * AMX_ROWS <= rows || rows < AMX_ROWS ? i * AMX_ROWS : rows - AMX_ROWS;
}

/* Two tiles of a run, one below the other or overlapping: sums of these blocks of k, which wait in
 * `own` until the last of them is done. */
static void multiply_tiles(struct block *b, const struct run *run, int rows, int i,
                           const struct blocks *k, float *own)
{
    const struct strip *s = &b->product->strip;
    const int tiles = (rows + AMX_ROWS - 1) / AMX_ROWS, count = s->segments * k->each;
    const int row[2] = {tile_row(i, rows), tile_row(i + 1, rows)};
    const bool first = k->from == 0, last = k->to == count;
    struct rows r = {.tall = i + 1 < tiles,
                     .start_row = (first ? b->room_row : COLUMNS) * WORD,
                     .sums_row = (last && b->room ? b->room_row : COLUMNS) * WORD};
    for (int t = 0; t < 2; t++) {
        float *waiting = own + t * AMX_ROWS * COLUMNS;
        float *room = b->room ? b->room + row[t] * b->room_row : NULL;
        r.a[t] = run->a + row[r.tall ? t : 0] * s->a_row;
        r.start[t] = !first ? waiting : s->resume ? room : NULL;
        r.sums[t] = last && room ? room : waiting;
    }
    sum(b, &r, k);
    if (b->room || !last) return;
    for (int t = 0; t <= r.tall; t++) {
        const int from = (i + t) * AMX_ROWS, end = row[t] + AMX_ROWS;
        finish_rows(b, run, from, end < run->rows ? end : run->rows,
                    r.sums[t] + (from - row[t]) * COLUMNS);
    }
}

/* run->rows: those that exist; rows: that are computed. The weights of a round stay in the
 * first-level cache while the rows pass by. */
static void multiply_run(struct block *b, const struct run *run, int rows)
{
    const struct strip *s = &b->product->strip;
    const int tiles = (rows + AMX_ROWS - 1) / AMX_ROWS;
    struct blocks k = {.each = (s->k + AMX_PAIRS - 1) / AMX_PAIRS};
    const int count = s->segments * k.each, rounds = (count + MOST_BLOCKS - 1) / MOST_BLOCKS;
    _Alignas(64) float own[(BLOCK_ROWS + TALL - 1) / TALL * TALL * COLUMNS];
    shape_tiles(b->product, rows);
    for (int round = 0; round < rounds; round++) {
        k.from = count * round / rounds;
        k.to = count * (round + 1) / rounds;
        for (int i = 0; i < tiles; i += 2)
            multiply_tiles(b, run, rows, i, &k, own + i * AMX_ROWS * COLUMNS);
    }
}

/* Gathered rows lie one below the other, whatever runs they make, and so do their sums. */
static struct run joined(const struct product *p)
{
    struct run all = p->run[0];
    for (int i = 1; i < p->runs; i++) all.rows += p->run[i].rows;
    return all;
}

static int whole_tiles(int rows)
{
    return (rows + AMX_ROWS - 1) / AMX_ROWS * AMX_ROWS;
}

static void multiply_runs(struct block *b)
{
    const struct product *p = b->product;
    if (p->step && (!p->finished || p->runs == 1)) {
        const struct run all = joined(p);
        multiply_run(b, &all, whole_tiles(all.rows));
        return;
    }
    for (const struct run *run = p->run; run < p->run + p->runs; run++) {
        multiply_run(b, run, run->rows);
        if (b->room) b->room += run->rows * b->room_row;
    }
}

/* How many lines of a panel pair come with each block of k, when it comes as fast as this one. */
static int fetched_lines(const struct product *p, ptrdiff_t bytes)
{
    int tiles = 0;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        tiles += (run->rows + TALL - 1) / TALL;
    const int steps = tiles * p->strip.segments * (p->strip.k / AMX_PAIRS);
    const int lines = (int)(bytes / AMX_LINE);
    return steps ? (lines + steps - 1) / steps : 0;
}

void BF16(multiply)(struct product *p, struct pass pass)
{
    const ptrdiff_t panel = p->strip.panel * WORD;
    struct block b = {.product = p, .lines = fetched_lines(p, 2 * panel)};
    b.room_row = pass.width;
    for (int column = pass.first; column < pass.end; column += COLUMNS) {
        const int left = p->columns - column;
        const lanes low = first_lanes(left), high = first_lanes(left > PANEL ? left - PANEL : 0);
        b.wide = left > PANEL;
        b.b[0] = (const char *)p->strip.b + column / PANEL * panel;
        b.b[1] = b.wide ? b.b[0] + panel : b.b[0];
        b.fetch = b.b[1] + panel;
        if (column + COLUMNS >= p->columns && p->then) b.fetch = p->then;
        b.first = column;
        b.mask = left < COLUMNS ? (UINT32_C(1) << left) - 1 : UINT32_MAX;
        store(b.bias, p->bias ? load_lanes(p->bias + column, low) : zero());
        store(b.bias + PANEL, p->bias ? load_lanes(p->bias + column + PANEL, high) : zero());
        b.room = p->finished ? NULL : p->room + (column - pass.first);
        multiply_runs(&b);
    }
}
