/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles make up a convolution of brain floats, and in which order? The walk of gemm.c: a
 * block of rows, the panels of the weights one after the other, the tiles of the block. Sums are
 * float32 and outputs may not be, so a tile leaves its sums in a small room of their own, from
 * where they are finished: addition, activation, rounding.
 *
 * A is the input itself where every row of it consists of whole pairs; otherwise rows are gathered,
 * DEPTH numbers at a time, and the sums of some columns wait in the room meanwhile.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/bf16_tiles.h"
#include "kernel/x86/x86.h"

enum {
    SEGMENTS = 64,
    RUNS = 64,
    LEAST_ROWS = 4,
    BLOCK_ROWS = 13 * MOST_ROWS,
    BLOCK_BYTES = 512 << 10,
    GATHERED_ROWS = 2 * MOST_ROWS,
    DEPTH = 512,
    DEPTH_STEP = DEPTH + 32, /* an odd number of lines: the rows of a tile use different sets */
    COLUMNS = 2 * PANEL,     /* that have sums in the room at a time */
    DEEP_COLUMNS = 8 * COLUMNS,
    ROOM = BLOCK_ROWS * COLUMNS < GATHERED_ROWS * DEEP_COLUMNS ? GATHERED_ROWS * DEEP_COLUMNS
                                                               : BLOCK_ROWS * COLUMNS,
    HALF = sizeof(uint16_t)
};

static const float zeros[COLUMNS];
static const ptrdiff_t one_segment[] = {0};

/* Output pixels whose rows of A are equally far apart. */
struct run {
    const char *a;
    size_t unit;
    int rows;
};

struct product { /* of one group */
    const struct conv_call *call;
    int group, columns;
    size_t depth; /* numbers in a row of A */
    struct strip strip;
    const float *bias;
    struct run run[RUNS];
    int runs;
    float room[ROOM]; /* (rows of the block, width) */
};

/* Columns of the group that are worked on. */
struct pass {
    int first, end, width;
};

/* ---- sums --------------------------------------------------------------------------------------
 */

/* As few tiles as possible, as equal as possible. */
static void cut_run(struct strip *s, strip_fn *const *strip, int most, int rows)
{
    const int tiles = (rows + most - 1) / most, low = rows / tiles, higher = rows % tiles;
    s->tiles = higher;
    if (higher) strip[low](s);
    s->a += higher * (low + 1) * s->a_row;
    s->c += higher * (low + 1) * s->c_row;
    s->tiles = tiles - higher;
    strip[low - 1](s);
}

static void multiply(struct product *p, struct pass pass)
{
    const struct gemm *g = &BF16(tiles);
    const unsigned before = dot_begin();
    struct strip common = p->strip;
    common.c_row = pass.width * (ptrdiff_t)sizeof(float);
    for (int column = pass.first, width; column < pass.end; column += width) {
        const int left = p->columns - column;
        const bool pair = g->wide && left > PANEL;
        float *sums = p->room + (column - pass.first);
        width = pair ? 2 * PANEL : PANEL;
        common.b = p->strip.b + column / PANEL * common.panel;
        common.next = width / PANEL * common.panel;
        common.bias = p->bias ? p->bias + column : zeros;
        common.mask = p->bias && left < width ? (UINT32_C(1) << left) - 1 : UINT32_MAX;
        for (const struct run *run = p->run; run < p->run + p->runs; run++) {
            struct strip s = common;
            s.a = run->a;
            s.c = (char *)sums;
            cut_run(&s, pair ? g->wide : g->narrow, g->rows, run->rows);
            sums += run->rows * pass.width;
        }
    }
    dot_end(before);
}

/* out = act(sums + add) */
INLINE void finish_pixel(const struct product *p, struct pass pass, struct place at,
                         const float *sums)
{
    const struct conv_call *call = p->call;
    const struct view *add_view = &call->epilogue.add;
    const void *addend = add_view->data ? pixel_at(add_view, at) : NULL;
    void *out = pixel_at(&call->out, at);
    const int group = p->group * p->columns, end = group + p->columns;
    for (int column = pass.first; column < pass.end && column < p->columns; column += VL) {
        const int c = group + column;
        vec v = load(sums + (column - pass.first));
        if (addend) v = add(v, load_typed(add_view->type, addend, c, end));
        store_typed(call->out.type, out, c, end, activate_vec(&call->epilogue.act, v));
    }
}

static void finish(const struct product *p, struct pass pass)
{
    const float *sums = p->room;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        for (int i = 0; i < run->rows; i++, sums += pass.width)
            finish_pixel(p, pass, place_of(&p->call->out, run->unit + (size_t)i), sums);
}

static struct pass next_pass(const struct product *p, int first, int width)
{
    const int left = p->columns - first;
    return (struct pass){first, first + (left < width ? left : width), width};
}

/* ---- A is the input ----------------------------------------------------------------------------
 */

/* The segments of a row of A inside the input; 0 when the input does not have it like that. */
static int find_segments(const struct conv_call *call, ptrdiff_t *segment, int *pairs)
{
    const struct view *in = &call->in;
    const struct window *win = &call->window;
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    const bool inside = win->pad_top == 0 && win->pad_left == 0 &&
                        (call->out.h - 1) * win->sy + (win->kh - 1) * win->dy < in->h &&
                        (call->out.w - 1) * win->sx + (win->kw - 1) * win->dx < in->w;
    const bool joined = call->groups == 1 && win->dx == 1 && in->pixel == in->c * HALF;
    const int in_row = joined ? 1 : win->kw;
    const int numbers = joined ? win->kw * in->c : in->c / call->groups;
    if (!raw || !inside || numbers % 2 || win->kh > SEGMENTS || win->kh * in_row > SEGMENTS)
        return 0;
    for (int i = 0; i < win->kh * in_row; i++)
        segment[i] = i / in_row * win->dy * in->row + i % in_row * win->dx * in->pixel;
    *pairs = numbers / 2;
    return win->kh * in_row;
}

/* Are all pixels of the input, and of the output, equally far apart, and the same ones? */
static bool is_flat(const struct conv_call *call)
{
    const struct view *in = &call->in;
    const struct window *win = &call->window;
    return in->row == in->w * in->pixel && in->image == in->h * in->row && win->kh == 1 &&
           win->kw == 1 && win->sy == 1 && win->sx == 1;
}

/* Runs of the units from .. to; returns where they end, sooner when there are too many. */
static size_t make_runs(struct product *p, size_t from, size_t to)
{
    const struct conv_call *call = p->call;
    const bool flat = is_flat(call);
    const ptrdiff_t first = p->group * (call->in.c / call->groups) * (ptrdiff_t)HALF;
    for (p->runs = 0; from < to && p->runs < RUNS; p->runs++) {
        struct place at = place_of(&call->out, from);
        const size_t room = flat ? to - from : (size_t)(call->out.w - at.x);
        struct run *run = &p->run[p->runs];
        at.y *= call->window.sy;
        at.x *= call->window.sx;
        run->a = (const char *)pixel_at(&call->in, at) + first;
        run->unit = from;
        run->rows = (int)(room < to - from ? room : to - from);
        from += (size_t)run->rows;
    }
    return from;
}

static size_t block_rows(size_t rows, size_t most)
{
    const size_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

static void conv_direct(struct product *p, size_t from, size_t to)
{
    size_t most = BLOCK_BYTES / (p->depth * HALF);
    if (most > BLOCK_ROWS) most = BLOCK_ROWS;
    if (most < 4 * MOST_ROWS) most = 4 * MOST_ROWS;
    const size_t rows = block_rows(to - from, most);
    p->strip.a_row = p->call->window.sx * p->call->in.pixel;
    while (from < to) {
        from = make_runs(p, from, to - from < rows ? to : from + rows);
        for (int column = 0; column < p->columns; column += COLUMNS) {
            const struct pass pass = next_pass(p, column, COLUMNS);
            multiply(p, pass);
            finish(p, pass);
        }
    }
}

/* ---- gathered rows -----------------------------------------------------------------------------
 */

static void copy_halves(uint16_t *to, const uint16_t *from, int count)
{
    for (int i = 0; i < count; i += VL)
        store_halves(to + i, count - i, load_halves(from + i, count - i));
}

static void load_operands_into(const struct conv_call *call, struct place at, int c, int count,
                               uint16_t *to)
{
    const struct prologue *p = &call->prologue;
    const char *pixel = (const char *)pixel_at(&call->in, at);
    const uint16_t *x = (const void *)pixel;
    if (!p->scale && p->act.kind == ACT_NONE) {
        copy_halves(to, x + c, count);
        return;
    }
    for (int i = 0; i < count; i += VL) {
        const int end = c + count;
        vec v = load_typed(DTYPE_BF16, x, c + i, end);
        if (p->scale)
            v = fused(load_channels(p->scale, c + i, end), v, load_channels(p->shift, c + i, end));
        store_typed(DTYPE_BF16, to, i, count, activate_vec(&p->act, v));
    }
}

/* How many taps of a kernel row lie side by side, inside the input, for every output pixel of this
 * column. */
static int joined_taps(const struct conv_call *call, struct place at)
{
    const struct window *win = &call->window;
    const int x = at.x * win->sx - win->pad_left;
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    const bool joined = raw && call->groups == 1 && win->dx == 1 &&
                        call->in.pixel == call->in.c * HALF && x >= 0 && x + win->kw <= call->in.w;
    return joined ? win->kw : 1;
}

/* Numbers k .. k + count of the row of A that makes an output pixel, and a zero behind. */
static void gather_row(const struct product *p, struct place at, size_t k, int count, uint16_t *to)
{
    const struct conv_call *call = p->call;
    const struct window *win = &call->window;
    const int channels = call->in.c / call->groups, taps = joined_taps(call, at);
    const size_t length = (size_t)(taps * channels);
    for (int done = 0, n; done < count; done += n, k += (size_t)n) {
        const int tap = (int)(k / length) * taps, c = (int)(k % length);
        struct place from;
        n = (int)length - c < count - done ? (int)length - c : count - done;
        if (find_tap(&call->in, win, at, tap / win->kw, tap % win->kw, &from))
            load_operands_into(call, from, p->group * channels + c, n, to + done);
        else
            memset(to + done, 0, (size_t)n * HALF);
    }
    to[count] = 0;
}

static void conv_gathered(struct product *p, size_t from, size_t to)
{
    _Alignas(64) uint16_t a[GATHERED_ROWS * DEPTH_STEP];
    const bool deep = p->depth > DEPTH;
    const float *b = p->strip.b;
    const int columns = deep ? DEEP_COLUMNS : COLUMNS;
    const size_t most = (size_t)(GATHERED_ROWS / BF16(tiles).rows * BF16(tiles).rows);
    p->strip.a_row = DEPTH_STEP * HALF;
    p->strip.segment = one_segment;
    p->strip.segments = 1;
    p->runs = 1;
    for (size_t rows; from < to; from += rows) {
        rows = to - from < most ? to - from : most;
        p->run[0] = (struct run){(const char *)a, from, (int)rows};
        for (int column = 0; column < p->columns; column += columns) {
            const struct pass pass = next_pass(p, column, columns);
            for (size_t k = 0; k < p->depth; k += DEPTH) {
                const int count = p->depth - k < DEPTH ? (int)(p->depth - k) : DEPTH;
                for (size_t i = 0; i < rows && (deep || column == 0); i++)
                    gather_row(p, place_of(&p->call->out, from + i), k, count, a + i * DEPTH_STEP);
                p->strip.b = b + k / 2 * PANEL;
                p->strip.k = (count + 1) / 2;
                p->strip.resume = k > 0;
                multiply(p, pass);
            }
            finish(p, pass);
        }
    }
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

/* Tiles of a run of so many rows are too low to keep the multipliers busy. */
static bool is_short(int rows)
{
    const int most = BF16(tiles).rows;
    return rows / ((rows + most - 1) / most) < LEAST_ROWS;
}

void BF16(conv)(const struct conv_call *call, size_t from, size_t to)
{
    const float *weight = call->weight, *bias = call->epilogue.bias; /* a word is a pair */
    const int columns = call->out.c / call->groups;
    ptrdiff_t segment[SEGMENTS];
    struct product p;
    p.call = call;
    p.columns = columns;
    p.depth = (size_t)(call->window.kh * call->window.kw) * (size_t)(call->in.c / call->groups);
    struct strip strip = {.segment = segment,
                          .low = -INFINITY,
                          .high = INFINITY,
                          .panel = (ptrdiff_t)((p.depth + 1) / 2 * PANEL)};
    strip.segments = find_segments(call, segment, &strip.k);
    for (p.group = 0; p.group < call->groups; p.group++) {
        p.strip = strip;
        p.strip.b = weight + p.group * ((columns + PANEL - 1) / PANEL) * strip.panel;
        p.bias = bias ? bias + p.group * columns : NULL;
        if (strip.segments && (is_flat(call) || !is_short(call->out.w)))
            conv_direct(&p, from, to);
        else
            conv_gathered(&p, from, to);
    }
}
