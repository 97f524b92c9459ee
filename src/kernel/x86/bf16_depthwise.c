/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A depthwise convolution of brain floats: products go in pairs of kernel rows, within a kernel
 * column, column after column.
 *
 * A 3x3 window slides along a row, 32 channels of three input rows at a time: each such column
 * (bf16_column.h) goes to up to three outputs. What is applied on load beyond ReLU is
 * applied to three rows at a time, which wait in a room. Every other window, and processors without
 * the instruction, take one output at a time.
 *
 * The surprise is padding: rows of it are read from zeros, with steps of no length.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/bf16_column.h"
#include "kernel/x86/x86.h"

/* ---- any window ------------------------------------------------------------------------------ */

/* The operands of a tap, rounded again after a prologue; zeros on padding. */
INLINE vec load_operand(const struct conv_call *call, struct place at, int ky, int kx, int c)
{
    const struct prologue *p = &call->prologue;
    const int end = call->in.c;
    struct place tap;
    if (!find_tap(&call->in, &call->window, at, ky, kx, &tap)) return zero();
    vec v = load_typed(call->in.type, pixel_at(&call->in, tap), c, end);
    if (call->in.type == DTYPE_BF16 && !p->scale && p->act.kind == ACT_NONE) return v;
    if (p->scale) v = fused(load_channels(p->scale, c, end), v, load_channels(p->shift, c, end));
    return widened(narrowed(activate_vec(&p->act, v)));
}

/* Kernel rows 2i and 2i + 1 of a kernel column, column after column; the last row may be alone. */
static int steps_of(const struct window *win)
{
    return win->kw * ((win->kh + 1) / 2);
}

enum { ANY_BLOCK = 64, STEPS = 16 };

struct operands { /* of some steps, for channels of a block */
    int from, to;
    float x[STEPS][2][ANY_BLOCK];
};

/* Functions of their own: what one computes must not move to where the control register is that of
 * the other. */
static __attribute__((noinline)) void load_steps(const struct conv_call *call, struct place at,
                                                 int first, int end, struct operands *o)
{
    const int half = (call->window.kh + 1) / 2;
    for (int i = o->from; i < o->to; i++)
        for (int row = 0; row < 2; row++) {
            const int ky = 2 * (i % half) + row, kx = i / half;
            float *x = o->x[i - o->from][row];
            for (int c = first; c < end; c += VL)
                store(x + (c - first),
                      ky < call->window.kh ? load_operand(call, at, ky, kx, c) : zero());
        }
}

static __attribute__((noinline)) void sum_steps(const struct conv_call *call, int first, int end,
                                                const struct operands *o, float *sums)
{
    const struct window *win = &call->window;
    const int half = (win->kh + 1) / 2;
    for (int c = first; c < end; c += VL) {
        vec acc = load(sums + (c - first));
        for (int i = o->from; i < o->to; i++)
            for (int row = 1; row >= 0; row--) {
                const int ky = 2 * (i % half) + row, kx = i / half;
                const uint16_t *w = call->weight;
                w += (ptrdiff_t)(ky * win->kw + kx) * call->in.c;
                acc = fused(load(o->x[i - o->from][row] + (c - first)),
                            ky < win->kh ? load_typed(DTYPE_BF16, w, c, call->in.c) : zero(), acc);
            }
        store(sums + (c - first), acc);
    }
}

/* The sums of channels [first, end) of an output pixel. */
static void sum_any(const struct conv_call *call, struct place at, int first, int end, float *sums)
{
    const float *bias = call->epilogue.bias;
    const int steps = steps_of(&call->window);
    struct operands o;
    for (int c = first; c < end; c += VL)
        store(sums + (c - first), bias ? load_channels(bias, c, call->out.c) : zero());
    for (o.from = 0; o.from < steps; o.from = o.to) {
        o.to = steps - o.from < STEPS ? steps : o.from + STEPS;
        load_steps(call, at, first, end, &o);
        const unsigned before = flush_begin();
        sum_steps(call, first, end, &o, sums);
        flush_end(before);
    }
}

static void depthwise_any(const struct conv_call *call, struct place at)
{
    const struct epilogue *e = &call->epilogue;
    const int end = call->out.c;
    for (int first = 0; first < end; first += ANY_BLOCK) {
        const int last = end - first < ANY_BLOCK ? end : first + ANY_BLOCK;
        float sums[ANY_BLOCK];
        sum_any(call, at, first, last, sums);
        for (int c = first; c < last; c += VL) {
            vec v = load(sums + (c - first));
            if (e->add.data) v = add(v, load_typed(e->add.type, pixel_at(&e->add, at), c, end));
            store_typed(call->out.type, pixel_at(&call->out, at), c, end, activate_vec(&e->act, v));
        }
    }
}

/* ---- 3x3 ------------------------------------------------------------------------------------- */

#ifdef __AVX512BF16__
enum { LANES_2 = 2 * VL, BLOCKS = 4 };

/* Channels that are computed together, and their weights, of each kernel column. */
struct block {
    __mmask32 k;
    struct column w[3];
    struct sums bias;
};

/* Outputs that lie side by side, and the pixels under their windows. */
struct line {
    const char *row[3];
    ptrdiff_t step[3];              /* bytes to the next pixel; 0: the row is padding */
    bool first_exists, last_exists; /* of the columns */
    char *out;
    const char *add; /* or NULL */
    ptrdiff_t out_step, add_step;
    int count;
    bool clamped;
    float low, high;
};

static const char padding[BLOCKS * LANES_2 * sizeof(uint16_t)];

/* ReLU of brain floats as integers: 0x8001 to 0xff80 are the negative ones. */
INLINE __m512i relu_halves(__m512i x)
{
    const __m512i turned = _mm512_add_epi16(x, _mm512_set1_epi16(0x7fff));
    const __mmask32 keep = _mm512_cmpgt_epu16_mask(turned, _mm512_set1_epi16(0x7f7f));
    return _mm512_maskz_mov_epi16(keep, x);
}

struct form { /* always constant */
    int stride;
    bool relu, whole; /* all channels of the block exist */
};

INLINE __m512i load_32(const char *p, const struct block *b, const struct form f)
{
    const __m512i x = f.whole ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(b->k, p);
    return f.relu ? relu_halves(x) : x;
}

/* Where a line is: the rows at a column, and the next output. */
struct cursor {
    const char *row_0, *row_1, *row_2, *add;
    char *out;
};

INLINE void advance(struct cursor *at, const struct line *l)
{
    at->row_0 += l->step[0];
    at->row_1 += l->step[1];
    at->row_2 += l->step[2];
}

INLINE struct column load_column(struct cursor *at, const struct line *l, const struct block *b,
                                 const struct form f)
{
    const __m512i r0 = load_32(at->row_0, b, f), r1 = load_32(at->row_1, b, f);
    const __m512i r2 = load_32(at->row_2, b, f);
    advance(at, l);
    return column_of(r0, r1, r2);
}

INLINE struct column no_column(void)
{
    const __m512i none = _mm512_setzero_si512();
    return column_of(none, none, none);
}

/* The sums go on with a column, which is column kx of the window. */
INLINE struct sums add_column(const struct block *b, const struct column *v, int kx, struct sums s)
{
    return multiply_column(v, &b->w[kx], s);
}

INLINE void give(struct cursor *at, const struct line *l, const struct block *b,
                 const struct form f, struct sums s)
{
#ifndef KERNEL_AMX
    if (l->add) {
        s = add_halves(s, _mm512_maskz_loadu_epi16(b->k, at->add));
        at->add += l->add_step;
    }
#endif
    if (l->clamped) {
        const vec low = splat(l->low), high = splat(l->high);
        for (int i = 0; i < 2; i++) s.half[i] = min_of(high, max_of(low, s.half[i]));
    }
    if (f.whole)
        _mm512_storeu_si512(at->out, rounded_sums(s));
    else
        _mm512_mask_storeu_epi16(at->out, b->k, rounded_sums(s));
    at->out += l->out_step;
}

/* The last column under the window of `now` is the middle or first one of `next`. */
INLINE void complete(struct cursor *at, const struct line *l, const struct block *b,
                     const struct column *v, const struct form f, struct sums *now,
                     struct sums *next)
{
    struct sums behind = b->bias;
    *now = add_column(b, v, 2, *now);
    *next = add_column(b, v, f.stride == 1 ? 1 : 0, *next);
    if (f.stride == 1) behind = add_column(b, v, 0, behind);
    give(at, l, b, f, *now);
    *now = *next;
    *next = behind;
}

/* The window slides, so that products of several sums are under way. */
INLINE void slide(const struct line *l, const struct block *b, const struct form f)
{
    struct cursor at = {l->row[0], l->row[1], l->row[2], l->add, l->out};
    struct sums now = b->bias, next = b->bias;
    struct column v = no_column();
    if (l->first_exists)
        v = load_column(&at, l, b, f);
    else
        advance(&at, l);
    now = add_column(b, &v, 0, now);
    v = load_column(&at, l, b, f);
    now = add_column(b, &v, 1, now);
    if (f.stride == 1) next = add_column(b, &v, 0, next);
    for (int i = 1; i < l->count; i++) {
        v = load_column(&at, l, b, f);
        complete(&at, l, b, &v, f, &now, &next);
        if (f.stride == 1) continue;
        v = load_column(&at, l, b, f);
        now = add_column(b, &v, 1, now);
    }
    v = l->last_exists ? load_column(&at, l, b, f) : no_column();
    complete(&at, l, b, &v, f, &now, &next);
}

typedef void line_fn(const struct line *l, const struct block *b);
#define LINE(stride, relu, whole)                                                                  \
    static void line_##stride##_##relu##_##whole(const struct line *restrict l,                    \
                                                 const struct block *restrict b)                   \
    {                                                                                              \
        slide(l, b, (struct form){stride, relu, whole});                                           \
    }
LINE(1, 0, 0)
LINE(1, 0, 1)
LINE(1, 1, 0)
LINE(1, 1, 1)
LINE(2, 0, 0)
LINE(2, 0, 1)
LINE(2, 1, 0)
LINE(2, 1, 1)
static line_fn *const lines[2][2][2] = {{{line_1_0_0, line_1_0_1}, {line_1_1_0, line_1_1_1}},
                                        {{line_2_0_0, line_2_0_1}, {line_2_1_0, line_2_1_1}}};

/* Three rows of the input, as the convolution sees them. */
enum { ROOM_PIXELS = 640 };
struct room {
    int n, blocks, y[3]; /* y: of slot y mod 3, or -1 */
    uint16_t x[3 * ROOM_PIXELS * LANES_2];
};

/* Is nothing applied on load but what a line can do? */
static bool is_simple(const struct prologue *p)
{
    return !p->scale && p->act.kind <= ACT_RELU;
}

static bool can_slide(const struct conv_call *call)
{
    const struct window *win = &call->window;
    const struct prologue *p = &call->prologue;
    const struct epilogue *e = &call->epilogue;
    const int behind = (call->out.w - 1) * win->sx - win->pad_left + 3 - call->in.w;
    const bool act = e->act.kind <= ACT_RELU || e->act.kind == ACT_CLIP;
    return win->kh == 3 && win->kw == 3 && win->dy == 1 && win->dx == 1 && win->sx <= 2 &&
           win->pad_left <= 1 && behind <= 1 && act &&
           (!e->add.data || e->add.type == DTYPE_BF16) && call->in.type == DTYPE_BF16 &&
           call->out.type == DTYPE_BF16 && (is_simple(p) || (size_t)call->in.w <= ROOM_PIXELS);
}

static struct block make_block(const struct conv_call *call, int c)
{
    const int left = call->out.c - c;
    const float *bias = call->epilogue.bias;
    const uint16_t *w = call->weight;
    struct block b = {.k = left >= LANES_2 ? 0xffffffff : (1u << left) - 1};
    __m512i row[9];
    for (int tap = 0; tap < 9; tap++)
        row[tap] = _mm512_maskz_loadu_epi16(b.k, w + (ptrdiff_t)tap * call->in.c + c);
    for (int kx = 0; kx < 3; kx++) b.w[kx] = column_of(row[kx], row[3 + kx], row[6 + kx]);
    const vec near = bias ? load_channels(bias, c, call->out.c) : zero();
    const vec far = bias && left > VL ? load_channels(bias, c + VL, call->out.c) : zero();
    b.bias = sums_of(near, far);
    return b;
}

/* Output pixels at .. at + l->count of one row, channels from c on. */
static void place_line(const struct conv_call *call, struct place at, int c, struct line *l)
{
    const struct window *win = &call->window;
    const struct view *in = &call->in;
    const int x = at.x * win->sx - win->pad_left;
    const ptrdiff_t channel = c * (ptrdiff_t)sizeof(uint16_t);
    for (int r = 0; r < 3; r++) {
        const int y = at.y * win->sy - win->pad_top + r;
        const bool exists = y >= 0 && y < in->h;
        const struct place first = {at.n, y, 0};
        l->step[r] = exists ? in->pixel : 0;
        l->row[r] = exists ? (const char *)pixel_at(in, first) + x * in->pixel + channel : padding;
    }
    l->first_exists = x >= 0;
    l->last_exists = x + (l->count - 1) * win->sx + 2 < in->w;
    l->out = (char *)pixel_at(&call->out, at) + channel;
    l->add = NULL;
    if (call->epilogue.add.data) l->add = (const char *)pixel_at(&call->epilogue.add, at) + channel;
}

/* VL channels of a pixel, `left` of which exist. */
INLINE void prepare_vec(const struct prologue *p, const char *x, int c, int left, uint16_t *to)
{
    const lanes k = first_lanes(left);
    vec v = widened(_mm256_maskz_loadu_epi16(k, x));
    if (p->scale)
        v = fused(load_lanes((const float *)p->scale + c, k), v,
                  load_lanes((const float *)p->shift + c, k));
    v = p->act.kind == ACT_RELU ? max_of(zero(), v) : activate_vec(&p->act, v);
    _mm256_storeu_si256((void *)to, narrowed(v));
}

/* Row y of image n, channels from c on, into its slot. */
static void prepare(const struct conv_call *call, int n, int y, int c, struct room *room)
{
    const struct prologue *p = &call->prologue;
    const int count =
        call->in.c - c < room->blocks * LANES_2 ? call->in.c - c : room->blocks * LANES_2;
    const int width = room->blocks * LANES_2;
    const void *row = pixel_at(&call->in, (struct place){n, y, 0});
    const char *x = (const char *)row + c * (ptrdiff_t)sizeof(uint16_t);
    uint16_t *to = room->x + (size_t)(y % 3 * call->in.w * width);
    const ptrdiff_t ahead = y + 1 < call->in.h ? call->in.row : 0;
    for (int j = 0; j < call->in.w; j++, x += call->in.pixel, to += width)
        for (int i = 0; i < count; i += LANES_2) {
            const char *from = x + i * (ptrdiff_t)sizeof(uint16_t);
            _mm_prefetch(from + ahead, _MM_HINT_T0);
            prepare_vec(p, from, c + i, count - i, to + i);
            if (count - i > VL)
                prepare_vec(p, from + sizeof(halves), c + i + VL, count - i - VL, to + i + VL);
        }
    room->y[y % 3] = y;
}

/* The line reads what waits in the room instead. */
static void place_in_room(const struct conv_call *call, struct place at, int c, struct line *l,
                          struct room *room)
{
    const ptrdiff_t pixel = room->blocks * LANES_2 * (ptrdiff_t)sizeof(uint16_t);
    if (room->n != at.n) room->y[0] = room->y[1] = room->y[2] = -1;
    room->n = at.n;
    for (int r = 0; r < 3; r++) {
        const int y = at.y * call->window.sy - call->window.pad_top + r;
        const int x = at.x * call->window.sx - call->window.pad_left;
        if (l->step[r] == 0) continue;
        if (room->y[y % 3] != y) prepare(call, at.n, y, c, room);
        l->row[r] = (const char *)room->x + (y % 3 * call->in.w + x) * pixel;
        l->step[r] = pixel;
    }
}

/* Blocks of channels that are computed together. */
static int blocks_of(const struct conv_call *call, bool simple)
{
    const int most = simple ? BLOCKS : ROOM_PIXELS / call->in.w;
    return most < BLOCKS ? most : BLOCKS;
}

static void depthwise_3x3(const struct conv_call *call, size_t from, size_t to)
{
    const struct activation *act = &call->epilogue.act;
    const bool simple = is_simple(&call->prologue);
    const bool relu = simple && call->prologue.act.kind == ACT_RELU;
    line_fn *const *line = lines[call->window.sx - 1][relu];
    const size_t w = (size_t)call->out.w;
    struct line l = {.out_step = call->out.pixel,
                     .add_step = call->epilogue.add.pixel,
                     .clamped = act->kind != ACT_NONE};
    struct block block[BLOCKS];
    struct room room;
    room.blocks = blocks_of(call, simple);
    l.low = act->kind == ACT_CLIP ? (float)act->alpha : 0;
    l.high = act->kind == ACT_CLIP ? (float)act->beta : INFINITY;
    for (int c = 0, blocks; c < call->out.c; c += room.blocks * LANES_2) {
        for (blocks = 0; blocks < room.blocks && c + blocks * LANES_2 < call->out.c; blocks++)
            block[blocks] = make_block(call, c + blocks * LANES_2);
        room.n = -1;
        for (size_t unit = from; unit < to; unit += (size_t)l.count) {
            const struct place at = place_of(&call->out, unit);
            l.count = (int)(w - (size_t)at.x < to - unit ? w - (size_t)at.x : to - unit);
            place_line(call, at, c, &l);
            if (!simple) place_in_room(call, at, c, &l, &room);
            const unsigned before = column_begin();
            for (int i = 0; i < blocks; i++) {
                line[block[i].k == UINT32_MAX](&l, &block[i]);
                l.row[0] += sizeof(__m512i), l.row[1] += sizeof(__m512i);
                l.row[2] += sizeof(__m512i), l.out += sizeof(__m512i);
                if (l.add) l.add += sizeof(__m512i);
            }
            column_end(before);
        }
    }
}
#endif

void BF16(depthwise)(const struct conv_call *call, size_t from, size_t to)
{
#ifdef __AVX512BF16__
#ifdef KERNEL_AMX
    if (call->epilogue.add.data) { /* which may be subnormal: bf16_column.h */
        depthwise_bf16_avx512bf16(call, from, to);
        return;
    }
#endif
    if (can_slide(call)) {
        depthwise_3x3(call, from, to);
        return;
    }
#endif
    for (; from < to; from++) depthwise_any(call, place_of(&call->out, from));
}
