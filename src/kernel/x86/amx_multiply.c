/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix product of a convolution of brain floats in tile registers: panel after panel of the
 * weights, 32 rows of all runs at a time. PACK_PAIRS16 is how the instruction wants its B.
 *
 * The surprise is the last rows of a run: they are computed with as many rows above them as fill a
 * tile, once more, and stored once. Gathered rows end with rows that nobody reads. The last words
 * of a row that fill no tile are copied, with zeros behind them.
 */
#include <math.h>

#include "kernel/x86/bf16_conv.h"

enum {
    WORD = 4,
    TALL = 2 * AMX_ROWS,
    MOST_BLOCKS = 12 /* of k whose weights fill half of the first-level cache */
};

_Static_assert(BLOCK_ROWS % TALL == 0, "sums of a block are whole tiles");

struct block { /* one panel of columns or two, and what happens to their sums */
    const struct strip *strip;
    const char *b[2];       /* panels */
    char last[2][AMX_TILE]; /* of each, words that do not fill a tile, and zeros */
    bool wide;
    float bias[COLUMNS];
    float *room; /* sums of the first row, or NULL: finished */
    ptrdiff_t room_row;
    int first; /* column */
    uint32_t mask;
    const char *fetch;
    ptrdiff_t panel; /* bytes */
    int lines;       /* of two panels, to be fetched with each block of k */
    int rows;        /* of a tile */
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

/* Rows whose sums are complete, one below the other. They become outputs while the next ones are
 * summed up: tiles leave the vectors alone. */
struct outputs {
    const float *sums;
    const char *add; /* or NULL */
    char *c;
    int rows, pace; /* pace: with each block of k */
};

/* ---- outputs --------------------------------------------------------------------------------- */

INLINE vec load_rounded(__mmask16 mask, const char *p)
{
    return widened(_mm256_maskz_loadu_epi16(mask, p));
}

/* min(max(sum + add, low), high) */
INLINE void finish_rows(const struct block *b, struct outputs *o, int rows)
{
    const struct strip *s = b->strip;
    const vec low = splat(s->low), high = splat(s->high);
    const __mmask16 mask_0 = (__mmask16)b->mask, mask_1 = (__mmask16)(b->mask >> PANEL);
    for (; rows > 0 && o->rows > 0; rows--, o->rows--) {
        vec v = load(o->sums), w = load(o->sums + PANEL);
        if (o->add) {
            v = add(v, load_rounded(mask_0, o->add));
            w = add(w, load_rounded(mask_1, o->add + PANEL * HALF));
            o->add += s->add_row;
        }
        v = min_of(high, max_of(low, v));
        w = min_of(high, max_of(low, w));
        _mm512_mask_storeu_epi16(o->c, b->mask, (__m512i)_mm512_cvtne2ps_pbh(w, v));
        o->sums += COLUMNS;
        o->c += s->c_row;
    }
}

/* Rows from .. to of a run; their places come into the cache. */
static struct outputs outputs_of(const struct block *b, const struct run *run, int from, int to,
                                 const float *sums)
{
    const struct strip *s = b->strip;
    struct outputs o = {.sums = sums, .rows = to - from};
    o.c = run->c + from * s->c_row + b->first * HALF;
    o.add = run->add ? run->add + from * s->add_row + b->first * HALF : NULL;
    for (int i = 0; i < o.rows; i++) {
        __builtin_prefetch(o.c + i * s->c_row, 1);
        if (o.add) _mm_prefetch(o.add + i * s->add_row, _MM_HINT_T0);
    }
    return o;
}

/* ---- sums ------------------------------------------------------------------------------------ */

INLINE void fetch_some(struct block *b)
{
    for (int i = 0; i < b->lines; i++, b->fetch += AMX_LINE) {
        _mm_prefetch(b->fetch, _MM_HINT_T1);
        _mm_prefetch(b->fetch + b->panel, _MM_HINT_T1);
    }
}

#define MULTIPLY(p, q, row, b0, b1)                                                                \
    AMX_LOAD(4, p, row);                                                                           \
    AMX_LOAD(5, b0, AMX_LINE);                                                                     \
    AMX_DOT(0, 4, 5);                                                                              \
    if (wide) {                                                                                    \
        AMX_LOAD(7, b1, AMX_LINE);                                                                 \
        AMX_DOT(1, 4, 7);                                                                          \
    }                                                                                              \
    if (tall) {                                                                                    \
        AMX_LOAD(6, q, row);                                                                       \
        AMX_DOT(2, 6, 5);                                                                          \
        if (wide) AMX_DOT(3, 6, 7);                                                                \
    }

#define EACH_SUM(DO)                                                                               \
    DO(0, 0, 0)                                                                                    \
    if (wide) DO(1, 0, PANEL)                                                                      \
    if (tall) DO(2, 1, 0)                                                                          \
    if (tall && wide) DO(3, 1, PANEL)
#define BEGIN(t, r, c) AMX_LOAD(t, b->bias + (c), 0);
#define RESUME(t, r, c) AMX_LOAD(t, rows->start[r] + (c), rows->start_row);
#define PUT(t, r, c) AMX_STORE(t, rows->sums[r] + (c), rows->sums_row);

/* The first words of a line, and zeros. */
INLINE void copy_words(const char *from, int words, char *to)
{
    const __mmask16 some = first_lanes(words);
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi32(some, from));
}

INLINE void sum_rows(struct block *b, const struct rows *rows, const struct blocks *k,
                     struct outputs *before, const bool wide, const bool tall)
{
    const struct strip *s = b->strip;
    const char *b0 = b->b[0] + k->from * (ptrdiff_t)AMX_TILE;
    const char *b1 = b->b[1] + k->from * (ptrdiff_t)AMX_TILE;
    const int whole = s->k / AMX_PAIRS, rest = s->k % AMX_PAIRS, height = b->rows;
    if (rows->start[0]) {
        EACH_SUM(RESUME)
    } else {
        EACH_SUM(BEGIN)
    }
    for (int i = k->from, end; i < k->to; i = end) {
        const int segment = i / k->each, first = i % k->each;
        const ptrdiff_t at = s->segment[segment] + first * AMX_LINE;
        const char *p = rows->a[0] + at, *q = rows->a[1] + at;
        end = i - first + k->each < k->to ? i - first + k->each : k->to;
        int count = end - i < whole - first ? end - i : whole - first;
        for (; count > 0; count--, p += AMX_LINE, q += AMX_LINE) {
            MULTIPLY(p, q, s->a_row, b0, b1)
            fetch_some(b);
            finish_rows(b, before, before->pace);
            b0 += AMX_TILE, b1 += AMX_TILE;
        }
        if (end - i > whole - first) { /* of one segment: the last block of all */
            char a[2][AMX_TILE];
            for (int j = 0; j < height; j++) {
                copy_words(p + j * s->a_row, rest, a[0] + j * AMX_LINE);
                if (tall) copy_words(q + j * s->a_row, rest, a[1] + j * AMX_LINE);
            }
            MULTIPLY(a[0], a[1], AMX_LINE, b->last[0], b->last[1])
        }
    }
    EACH_SUM(PUT)
    finish_rows(b, before, before->rows);
}

static void sum(struct block *b, const struct rows *rows, const struct blocks *k,
                struct outputs *before)
{
    if (b->wide && rows->tall)
        sum_rows(b, rows, k, before, true, true);
    else if (b->wide)
        sum_rows(b, rows, k, before, true, false);
    else if (rows->tall)
        sum_rows(b, rows, k, before, false, true);
    else
        sum_rows(b, rows, k, before, false, false);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Where tile i of a run begins. */
static int tile_row(int i, int rows)
{
    return (i + 1) * AMX_ROWS <= rows || rows < AMX_ROWS ? i * AMX_ROWS : rows - AMX_ROWS;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Two tiles of a run, one below the other or overlapping: sums of these blocks of k, which wait in
 * `own` until the last of them is done. before: outputs that wait; afterwards those of these tiles.
 */
static void multiply_tiles(struct block *b, const struct run *run, int rows, int i,
                           const struct blocks *k, float *own, struct outputs *before)
{
    const struct strip *s = b->strip;
    const int row[2] = {tile_row(i, rows), tile_row(i + 1, rows)};
    const bool first = k->from == 0, last = k->to == s->segments * k->each;
    struct rows r = {.tall = (i + 1) * AMX_ROWS < rows,
                     .start_row = (first ? b->room_row : COLUMNS) * WORD,
                     .sums_row = (last && b->room ? b->room_row : COLUMNS) * WORD};
    for (int t = 0; t <= r.tall; t++) {
        float *waiting = own + (row[t] - row[0]) * COLUMNS;
        float *room = b->room ? b->room + row[t] * b->room_row : NULL;
        r.a[t] = run->a + row[t] * s->a_row;
        r.start[t] = !first ? waiting : s->resume ? room : NULL;
        r.sums[t] = last && room ? room : waiting;
    }
    if (!r.tall) r.a[1] = r.a[0];
    before->pace = (before->rows + k->to - k->from - 1) / (k->to - k->from);
    sum(b, &r, k, before);
    const int from = i * AMX_ROWS;
    if (last && !b->room)
        *before = outputs_of(b, run, from, smaller(run->rows, from + TALL),
                             own + (from - row[0]) * COLUMNS);
}

/* run->rows: those that exist; rows: that are computed. The weights of a round stay in the
 * first-level cache while the rows pass by. */
static void multiply_run(struct block *b, const struct run *run, int rows)
{
    const struct strip *s = b->strip;
    struct blocks k = {.each = (s->k + AMX_PAIRS - 1) / AMX_PAIRS};
    const int count = s->segments * k.each, rounds = (count + MOST_BLOCKS - 1) / MOST_BLOCKS;
    _Alignas(64) float own[BLOCK_ROWS * COLUMNS];
    struct outputs waiting = {.rows = 0};
    for (int round = 0; round < rounds; round++) {
        k.from = count * round / rounds;
        k.to = count * (round + 1) / rounds;
        for (int i = 0; i * AMX_ROWS < rows; i += 2)
            multiply_tiles(b, run, rows, i, &k, own + i * AMX_ROWS * COLUMNS, &waiting);
    }
    finish_rows(b, &waiting, waiting.rows);
}

/* Gathered rows lie one below the other, whatever runs they make, and so do their sums. */
static bool is_joined(const struct product *p)
{
    return p->step && (!p->finished || p->runs == 1);
}

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

static void shape_tiles(struct product *p, struct block *b, int rows)
{
    b->rows = smaller(rows, AMX_ROWS);
    if (b->rows == p->tile_rows) return;
    amx_configure(b->rows);
    p->tile_rows = b->rows;
}

static void multiply_runs(struct product *p, struct block *b)
{
    if (is_joined(p)) {
        const struct run all = joined(p);
        shape_tiles(p, b, AMX_ROWS);
        multiply_run(b, &all, whole_tiles(all.rows));
        return;
    }
    for (const struct run *run = p->run; run < p->run + p->runs; run++) {
        shape_tiles(p, b, run->rows);
        multiply_run(b, run, run->rows);
        if (b->room) b->room += run->rows * b->room_row;
    }
}

/* How many lines of a panel come with each block of k, when it comes as fast as this one: of its
 * rows that are multiplied here, which may be some of many. */
static int fetched_lines(const struct product *p)
{
    int tiles = 0;
    if (is_joined(p))
        tiles = (joined(p).rows + TALL - 1) / TALL;
    else
        for (const struct run *run = p->run; run < p->run + p->runs; run++)
            tiles += (run->rows + TALL - 1) / TALL;
    const int steps = tiles * (p->strip.k / AMX_PAIRS);
    return steps ? (p->strip.k + steps - 1) / steps : 0;
}

/* What comes behind the whole tiles of the panels. */
static void copy_last(struct block *b)
{
    const int whole = b->strip->k / AMX_PAIRS, rest = b->strip->k % AMX_PAIRS;
    memset(b->last, 0, sizeof b->last);
    for (int i = 0; i < 2 && rest; i++)
        memcpy(b->last[i], b->b[i] + whole * (ptrdiff_t)AMX_TILE, (size_t)rest * AMX_LINE);
}

void BF16(multiply)(struct product *p, struct pass pass)
{
    const ptrdiff_t panel = p->strip.panel * WORD;
    struct strip strip = p->strip;
    struct block b = {.strip = &strip, .panel = panel, .lines = fetched_lines(p)};
    b.room_row = pass.width;
    strip.c_row = p->call->out.pixel;
    if (p->finished) bf16_limit(&strip, &p->call->epilogue.act);
    for (int column = pass.first; column < pass.end; column += COLUMNS) {
        const int left = p->columns - column;
        const lanes low = first_lanes(left), high = first_lanes(left > PANEL ? left - PANEL : 0);
        b.wide = left > PANEL;
        b.b[0] = (const char *)p->strip.b + column / PANEL * panel;
        b.b[1] = b.wide ? b.b[0] + panel : b.b[0];
        b.fetch = b.b[1] + panel;
        if (column + COLUMNS >= pass.end && p->then) b.fetch = p->then;
        b.first = column;
        b.mask = left < COLUMNS ? (UINT32_C(1) << left) - 1 : UINT32_MAX;
        store(b.bias, p->bias ? load_lanes(p->bias + column, low) : zero());
        store(b.bias + PANEL, p->bias ? load_lanes(p->bias + column + PANEL, high) : zero());
        b.room = p->finished ? NULL : p->room + (column - pass.first);
        if (strip.segments == 1) copy_last(&b);
        multiply_runs(p, &b);
    }
}
