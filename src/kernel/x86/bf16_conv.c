/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles make up a convolution of brain floats, and in which order? The walk of gemm.c: a
 * block of rows, the panels of the weights one after the other, the tiles of the block. Where
 * tiles can add, limit and round, they leave outputs; otherwise they leave their sums, which are
 * float32, in a small room of their own, from where they are finished.
 *
 * A is the input itself where every row of it consists of whole pairs; otherwise rows are gathered,
 * DEPTH numbers at a time, and the sums of some columns wait in the room meanwhile.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/flat.h"
#include "kernel/x86/act.h"
#include "kernel/x86/amx.h"
#include "kernel/x86/bf16_conv.h"
#include "kernel/x86/x86.h"

enum {
    SEGMENTS = 64,
    DEPTH = 512,
    LINE = 32, /* in numbers */
    GATHERED = GATHERED_ROWS * (DEPTH + LINE) + LINE
};

static const ptrdiff_t one_segment[] = {0};

/* ---- sums ------------------------------------------------------------------------------------ */

/* Can tiles do all that happens to a sum? */
static bool tiles_finish(const struct conv_call *call)
{
    const struct epilogue *e = &call->epilogue;
    const bool limits = e->act.kind <= ACT_RELU || e->act.kind == ACT_CLIP;
#ifndef __AVX512BF16__
    if (e->add.data) return false; /* tiles run where subnormal numbers count as zero */
#endif
    return VL == 16 && limits && call->out.type == DTYPE_BF16 &&
           (!e->add.data || e->add.type == DTYPE_BF16);
}

/* out = act(sums + add) */
static void finish(const struct product *p, struct pass pass)
{
    const struct epilogue *e = &p->call->epilogue;
    const struct view *out = &p->call->out;
    const float *sums = p->room;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        for (int i = 0; i < run->rows; i++, sums += pass.width)
            for (int c = pass.first; c < pass.end; c += VL) {
                const char *add_row = run->add + i * e->add.pixel;
                vec v = load(sums + (c - pass.first));
                if (run->add) v = add(v, load_typed(e->add.type, add_row, c, p->columns));
                v = activate_vec(&e->act, v);
                store_typed(out->type, run->c + i * out->pixel, c, p->columns, v);
            }
}

static struct pass next_pass(const struct product *p, int first, int width)
{
    const int left = p->columns - first;
    return (struct pass){first, first + (left < width ? left : width), width};
}

/* The panel of a column, whose rows begin at b. */
static const float *panel_from(const struct product *p, const float *b, int column)
{
    return b + column / PANEL * p->strip.panel;
}

/* ---- A is the input -------------------------------------------------------------------------- */

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
    if (in->type != DTYPE_BF16 || !raw || !inside || numbers % 2 || win->kh > SEGMENTS ||
        win->kh * in_row > SEGMENTS)
        return 0;
    for (int i = 0; i < win->kh * in_row; i++)
        segment[i] = i / in_row * win->dy * in->row + i % in_row * win->dx * in->pixel;
    *pairs = numbers / 2;
#ifdef KERNEL_AMX /* blocks of k go on over the ends of segments */
    if (win->kh * in_row > 1 && *pairs % AMX_PAIRS) return 0;
#endif
    return win->kh * in_row;
}

/* The first channel of the group. */
static char *group_at(const struct view *v, struct place at, int first)
{
    return (char *)pixel_at(v, at) + first * (ptrdiff_t)dtype_size(v->type);
}

/* Runs of the units from .. to; returns where they end, sooner when there are too many. gathered: A
 * of the first unit, or NULL where A is the input. */
static size_t make_runs(struct product *p, const uint16_t *gathered, size_t from, size_t to)
{
    const struct conv_call *call = p->call;
    const struct view *addend = &call->epilogue.add;
    const bool flat = gathered ? outputs_are_flat(call) : is_flat_throughout(call);
    const char *a = (const char *)gathered;
    for (p->runs = 0; from < to && p->runs < RUNS; p->runs++) {
        struct place at = place_of(&call->out, from);
        const size_t room = flat ? to - from : (size_t)(call->out.w - at.x);
        struct run *run = &p->run[p->runs];
        run->rows = (int)(room < to - from ? room : to - from);
        run->c = group_at(&call->out, at, p->group * p->columns);
        run->add = addend->data ? group_at(addend, at, p->group * p->columns) : NULL;
        at.y *= call->window.sy;
        at.x *= call->window.sx;
        run->a = a ? a : group_at(&call->in, at, p->group * (call->in.c / call->groups));
        if (a) a += run->rows * p->strip.a_row;
        from += (size_t)run->rows;
    }
    return from;
}

static void conv_direct(struct product *p, size_t from, size_t to)
{
    size_t most = BLOCK_BYTES / (p->depth * HALF);
    if (most > BLOCK_ROWS) most = BLOCK_ROWS;
    if (most < 4 * MOST_ROWS) most = 4 * MOST_ROWS;
    const size_t rows = block_rows(to - from, most);
    p->strip.a_row = p->call->window.sx * p->call->in.pixel;
    while (from < to) {
        from = make_runs(p, NULL, from, to - from < rows ? to : from + rows);
        const void *then = from < to ? p->strip.b : p->call->then;
        for (int column = 0; column < p->columns; column += COLUMNS) {
            const struct pass pass = next_pass(p, column, COLUMNS);
            p->then = pass.end == p->columns ? then : NULL;
            BF16(multiply)(p, pass);
            if (!p->finished) finish(p, pass);
        }
    }
}

/* ---- gathered rows --------------------------------------------------------------------------- */

/* A vector of numbers at a time, the last ones twice: quicker than masks. */
INLINE void copy_halves(uint16_t *to, const uint16_t *from, int count)
{
    enum { STEP = 8 };
    int i = 0;
#ifdef __AVX512F__
    enum { LONG = 32 };
    for (; count >= LONG && i < count; i += LONG) {
        const int at = i + LONG <= count ? i : count - LONG;
        _mm512_storeu_si512(to + at, _mm512_loadu_si512(from + at));
    }
#endif
    for (; i < count; i += STEP) {
        const int at = i + STEP <= count ? i : count - STEP;
        if (count < STEP)
            to[i] = from[i], i -= STEP - 1;
        else
            _mm_storeu_si128((void *)(to + at), _mm_loadu_si128((const void *)(from + at)));
    }
}

/* Numbers as they are, one after the other. */
static void copy_rounded(enum dtype type, const void *from, int count, uint16_t *to)
{
    if (type == DTYPE_BF16)
        copy_halves(to, from, count);
    else
        for (int i = 0; i < count; i += VL)
            store_typed(DTYPE_BF16, to, i, count, load_typed(type, from, i, count));
}

#ifdef __AVX512F__
/* Up to a vector of them, and zeros behind. */
INLINE __m256i load_rounded(enum dtype type, const void *from, __mmask16 some)
{
    if (type == DTYPE_BF16) return _mm256_maskz_loadu_epi16(some, from);
    return narrowed(_mm512_maskz_loadu_ps(some, from));
}
#endif

static void load_operands_into(const struct conv_call *call, struct place at, int c, int count,
                               uint16_t *to)
{
    const struct prologue *p = &call->prologue;
    const char *pixel = (const char *)pixel_at(&call->in, at);
    if (!p->scale && p->act.kind == ACT_NONE) {
        copy_rounded(call->in.type, pixel + c * (ptrdiff_t)dtype_size(call->in.type), count, to);
        return;
    }
    for (int i = 0; i < count; i += VL) {
        const int end = c + count;
        vec v = load_typed(call->in.type, pixel, c + i, end);
        if (p->scale)
            v = fused(load_channels(p->scale, c + i, end), v, load_channels(p->shift, c + i, end));
        store_typed(DTYPE_BF16, to, i, count, activate_vec(&p->act, v));
    }
}

/* Do the taps of a kernel row lie side by side, to be taken as they are? */
static bool taps_are_joined(const struct conv_call *call)
{
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    const ptrdiff_t pixel = call->in.c * (ptrdiff_t)dtype_size(call->in.type);
    return raw && call->groups == 1 && call->window.dx == 1 && call->in.pixel == pixel;
}

/* Are the windows of output pixels from `at` on inside the input, in x? Of how many of the row? */
static int count_inside(const struct conv_call *call, struct place at)
{
    const struct window *win = &call->window;
    const int x = at.x * win->sx - win->pad_left, room = call->in.w - (win->kw - 1) * win->dx - x;
    if (x < 0 || room <= 0) return 0;
    const int fit = (room - 1) / win->sx + 1;
    return fit < call->out.w - at.x ? fit : call->out.w - at.x;
}

/* Numbers k .. k + count of the row of A that makes an output pixel, and a zero behind. */
static void gather_row(const struct product *p, struct place at, size_t k, int count, uint16_t *to)
{
    const struct conv_call *call = p->call;
    const struct window *win = &call->window;
    const bool joined = taps_are_joined(call) && count_inside(call, at) > 0;
    const int channels = call->in.c / call->groups, taps = joined ? win->kw : 1;
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

/* Where a row of A begins: in this kernel row, at this number of it. */
struct start {
    int ky, c;
};

/* The next `count` numbers of neighbouring windows that are inside the input in x: a piece of each
 * kernel row. */
static void gather_pieces(const struct conv_call *call, struct place first, size_t windows,
                          struct start start, int count, size_t step, uint16_t *to)
{
    const struct window *win = &call->window;
    const int n = win->kw * call->in.c;
    const enum dtype type = call->in.type;
    const ptrdiff_t size = (ptrdiff_t)dtype_size(type);
    const char *from = (const char *)pixel_at(&call->in, (struct place){first.n, 0, first.x});
    for (size_t i = 0; i < windows; i++, from += win->sx * call->in.pixel, to += step) {
        struct start s = start;
        uint16_t *at = to;
        for (int left = count, some; left > 0; left -= some, at += some, s.ky++, s.c = 0) {
            const int y = first.y + s.ky * win->dy;
            const bool inside = y >= 0 && y < call->in.h;
            const char *piece = inside ? from + y * call->in.row + s.c * size : NULL;
            some = n - s.c < left ? n - s.c : left;
            if (!inside) memset(at, 0, (size_t)some * HALF);
#ifdef __AVX512F__
            else if (n <= VL) /* behind it come zeros, where there is room for them */
                _mm256_storeu_si256((void *)at, load_rounded(type, piece, first_lanes(some)));
#endif
            else
                copy_rounded(type, piece, some, at);
        }
        *at = 0;
    }
}

/* All of it, without divisions. */
static void gather_whole_row(const struct product *p, struct place at, uint16_t *to)
{
    const struct conv_call *call = p->call;
    const struct window *win = &call->window;
    const int channels = call->in.c / call->groups;
    const bool joined = taps_are_joined(call) && count_inside(call, at) > 0;
    const int taps = joined ? win->kw : 1, n = taps * channels;
    for (int ky = 0; ky < win->kh; ky++)
        for (int kx = 0; kx < win->kw; kx += taps, to += n) {
            struct place from;
            if (!find_tap(&call->in, win, at, ky, kx, &from))
                memset(to, 0, (size_t)n * HALF);
            else if (joined)
                copy_rounded(call->in.type, pixel_at(&call->in, from), n, to);
            else
                load_operands_into(call, from, p->group * channels, n, to);
        }
    *to = 0;
}

/* Numbers k .. k + count of the rows that make output pixels from `unit` on. */
static void gather(const struct product *p, size_t unit, size_t rows, size_t k, int count,
                   uint16_t *to)
{
    const struct conv_call *call = p->call;
    const struct view *out = &call->out;
    const struct window *win = &call->window;
    const bool whole = (size_t)count == p->depth, joined = taps_are_joined(call);
    const size_t length = (size_t)(win->kw * call->in.c);
    const struct start start = {(int)(k / length), (int)(k % length)};
    struct place at = place_of(out, unit);
    for (size_t n; rows > 0; rows -= n, to += n * p->step) {
        const struct place first = {at.n, at.y * win->sy - win->pad_top,
                                    at.x * win->sx - win->pad_left};
        n = joined ? (size_t)count_inside(call, at) : 0;
        if (n > rows) n = rows;
        if (n > 0)
            gather_pieces(call, first, n, start, count, p->step, to);
        else if (whole)
            gather_whole_row(p, at, to);
        else
            gather_row(p, at, k, count, to);
        if (n == 0) n = 1;
        at.x += (int)n;
        if (at.x < out->w) continue;
        at.x = 0;
        if (++at.y < out->h) continue;
        at.y = 0;
        at.n++;
    }
}

/* Room for a row and the zero behind it. An odd number of lines: the rows of a tile use different
 * sets of the cache. */
static size_t gathered_step(size_t depth)
{
    const size_t numbers = depth < DEPTH ? depth + 1 : DEPTH + 1;
    return ((numbers + LINE - 1) / LINE | 1) * LINE;
}

/* In whole tiles. */
static size_t gathered_rows(size_t step, bool deep)
{
    const size_t most = (GATHERED - LINE) / step, tile = TILE_ROWS;
    const size_t kept = deep ? GATHERED_ROWS : BLOCK_ROWS; /* the room has sums of as many */
    return (most < kept ? most : kept) / tile * tile;
}

static void conv_gathered(struct product *p, size_t from, size_t to)
{
    _Alignas(64)
        uint16_t a[GATHERED]; /* a line more: a piece of a row is written in whole vectors */
    const bool deep = p->depth > DEPTH;
    const float *b = p->strip.b;
    const int columns = deep ? DEEP_COLUMNS : COLUMNS;
    p->step = gathered_step(p->depth);
    const size_t most = gathered_rows(p->step, deep);
    p->strip.a_row = (ptrdiff_t)p->step * HALF;
    p->strip.segment = one_segment;
    p->strip.segments = 1;
    p->finished &= !deep;
    for (size_t rows; from < to; from += rows) {
        rows = make_runs(p, a, from, to - from < most ? to : from + most) - from;
        const void *then = from + rows < to ? b : p->call->then;
        for (int column = 0; column < p->columns; column += columns) {
            const struct pass pass = next_pass(p, column, columns);
            for (size_t k = 0; k < p->depth; k += DEPTH) {
                const int count = p->depth - k < DEPTH ? (int)(p->depth - k) : DEPTH;
                if (deep || column == 0) gather(p, from, rows, k, count, a);
                const float *next = b + (k + DEPTH) / 2 * PANEL;
                p->then = k + DEPTH < p->depth    ? panel_from(p, next, pass.first)
                          : pass.end < p->columns ? panel_from(p, b, pass.end)
                                                  : then;
                p->strip.b = b + k / 2 * PANEL;
                p->strip.k = (count + 1) / 2;
                p->strip.resume = k > 0;
                BF16(multiply)(p, pass);
            }
            if (!p->finished) finish(p, pass);
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Tiles of a run of so many rows are too low to keep the multipliers busy. */
static bool is_short(int rows)
{
    return rows / ((rows + TILE_ROWS - 1) / TILE_ROWS) < LEAST_ROWS;
}

void BF16(conv)(const struct conv_call *call, size_t from, size_t to)
{
    const float *weight = call->weight, *bias = call->epilogue.bias; /* a word is a pair */
    const int columns = call->out.c / call->groups;
    ptrdiff_t segment[SEGMENTS];
    struct product p;
    p.call = call;
    p.step = 0;
#ifdef KERNEL_AMX
    p.tile_rows = 0;
#endif
    p.columns = columns;
    p.depth = (size_t)(call->window.kh * call->window.kw) * (size_t)(call->in.c / call->groups);
    struct strip strip = {.segment = segment,
                          .low = -INFINITY,
                          .high = INFINITY,
                          .add_row = call->epilogue.add.pixel,
                          .panel = (ptrdiff_t)((p.depth + 1) / 2 * PANEL)};
    strip.segments = find_segments(call, segment, &strip.k);
    p.finished = tiles_finish(call);
    for (p.group = 0; p.group < call->groups; p.group++) {
        p.strip = strip;
        p.strip.b = weight + p.group * ((columns + PANEL - 1) / PANEL) * strip.panel;
        p.bias = bias ? bias + p.group * columns : NULL;
        if (strip.segments &&
            (is_flat_throughout(call) || !outputs_are_flat(call) || !is_short(call->out.w)))
            conv_direct(&p, from, to);
        else
            conv_gathered(&p, from, to);
    }
#ifdef KERNEL_AMX
    amx_release();
#endif
}
