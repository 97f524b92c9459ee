/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A depthwise convolution of brain floats: products go in pairs of kernel rows, within a kernel
 * column, column after column.
 *
 * The instruction for pairs runs the 3x3 window in tiles: 32 channels of two input rows are
 * interleaved, and each pair goes to up to three outputs of the tile. Every other window, what is
 * applied on load beyond ReLU, and processors without the instruction take one output at a time.
 *
 * The surprise is padding: a masked load reads it as zeros, so it costs no branch.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

/* ---- any window --------------------------------------------------------------------------------
 */

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

/* The sum goes on with the tap, or with zeros where the last kernel row has no partner. */
INLINE vec add_tap(const struct conv_call *call, struct place at, int ky, int kx, int c, vec acc)
{
    const uint16_t *w = call->weight;
    if (ky >= call->window.kh) return fused(zero(), zero(), acc);
    w += (ptrdiff_t)(ky * call->window.kw + kx) * call->in.c;
    return fused(load_operand(call, at, ky, kx, c), load_typed(DTYPE_BF16, w, c, call->in.c), acc);
}

enum { ANY_BLOCK = 64 };

/* The sums of channels [first, end) of an output pixel. A function of its own: what it computes
 * must not move to where the control register has changed. */
static __attribute__((noinline)) void sum_any(const struct conv_call *call, struct place at,
                                              int first, int end, float *sums)
{
    const struct window *win = &call->window;
    const float *bias = call->epilogue.bias;
    for (int c = first; c < end; c += VL) {
        vec acc = bias ? load_channels(bias, c, call->out.c) : zero();
        for (int kx = 0; kx < win->kw; kx++)
            for (int ky = 0; ky < win->kh; ky += 2) {
                acc = add_tap(call, at, ky + 1, kx, c, acc);
                acc = add_tap(call, at, ky, kx, c, acc);
            }
        store(sums + (c - first), acc);
    }
}

static void depthwise_any(const struct conv_call *call, struct place at)
{
    const struct epilogue *e = &call->epilogue;
    const int end = call->out.c;
    for (int first = 0; first < end; first += ANY_BLOCK) {
        const int last = end - first < ANY_BLOCK ? end : first + ANY_BLOCK;
        float sums[ANY_BLOCK];
        const unsigned before = dot_begin();
        sum_any(call, at, first, last, sums);
        dot_end(before);
        for (int c = first; c < last; c += VL) {
            vec v = load(sums + (c - first));
            if (e->add.data) v = add(v, load_typed(e->add.type, pixel_at(&e->add, at), c, end));
            store_typed(call->out.type, pixel_at(&call->out, at), c, end, activate_vec(&e->act, v));
        }
    }
}

/* ---- 3x3 ---------------------------------------------------------------------------------------
 */

#ifdef __AVX512BF16__
enum { LANES_2 = 2 * VL, BLOCKS = 4, MOST_PX = 6 };

/* Channels that are computed together, their weights in pairs: for each kernel column, the lower
 * and upper half of the pairs of rows 0 and 1, then of row 2 and nothing. */
struct block {
    __mmask32 k;
    __m512i w[12];
    vec bias[2];
};

struct tile {
    const struct block *block;
    int blocks, c; /* the first channel */
    const char *row[3];
    ptrdiff_t pixel, out_pixel;
    bool row_exists[3], first_exists, last_exists;
    char *out;
    bool clamped;
    float low, high;
};

/* The two orders of 32 channels: as they lie, and as the interleaving of two rows leaves them. */
INLINE __m512i lower_pairs(__m512i even, __m512i odd)
{
    return _mm512_unpacklo_epi16(even, odd);
}

INLINE __m512i upper_pairs(__m512i even, __m512i odd)
{
    return _mm512_unpackhi_epi16(even, odd);
}

INLINE __m512i in_order(vec lower, vec upper) /* rounded */
{
    const __m512i halves_apart = (__m512i)_mm512_cvtne2ps_pbh(upper, lower);
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), halves_apart);
}

INLINE vec dot(__m512i a, __m512i b, vec acc)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
}

/* ReLU of brain floats as integers: 0x8001 to 0xff80 are the negative ones. */
INLINE __m512i relu_halves(__m512i x)
{
    const __m512i turned = _mm512_add_epi16(x, _mm512_set1_epi16(0x7fff));
    const __mmask32 keep = _mm512_cmpgt_epu16_mask(turned, _mm512_set1_epi16(0x7f7f));
    return _mm512_maskz_mov_epi16(keep, x);
}

INLINE __m512i load_32(const char *p, __mmask32 k, const bool relu)
{
    const __m512i x = _mm512_maskz_loadu_epi16(k, p);
    return relu ? relu_halves(x) : x;
}

struct form { /* always constant */
    int px, stride;
    bool relu;
};

struct pairs { /* of one column */
    __m512i v[4];
};

INLINE struct pairs load_column(const struct tile *t, ptrdiff_t offset, __mmask32 k,
                                const bool relu)
{
    const __m512i r0 = load_32(t->row[0] + offset, t->row_exists[0] ? k : 0, relu);
    const __m512i r1 = load_32(t->row[1] + offset, t->row_exists[1] ? k : 0, relu);
    const __m512i r2 = load_32(t->row[2] + offset, t->row_exists[2] ? k : 0, relu);
    const __m512i none = _mm512_setzero_si512();
    return (struct pairs){
        {lower_pairs(r0, r1), upper_pairs(r0, r1), lower_pairs(r2, none), upper_pairs(r2, none)}};
}

#define TIMES_6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define TIMES_13(X) TIMES_6(X) X(6) X(7) X(8) X(9) X(10) X(11) X(12)

/* Output p's sums go on with kernel column x - p stride. */
INLINE void add_column(const struct block *b, const struct pairs *v, int kx, vec *lower, vec *upper)
{
    *lower = dot(v->v[0], b->w[4 * kx], *lower);
    *upper = dot(v->v[1], b->w[4 * kx + 1], *upper);
    *lower = dot(v->v[2], b->w[4 * kx + 2], *lower);
    *upper = dot(v->v[3], b->w[4 * kx + 3], *upper);
}

/* Column x of a tile goes to the outputs whose windows it lies in. */
INLINE void meet_outputs(const struct block *b, const struct pairs *v, int x, const struct form f,
                         vec *lower, vec *upper)
{
#define MEET(p)                                                                                    \
    if (p < f.px && x >= p * f.stride && x <= p * f.stride + 2)                                    \
        add_column(b, v, x - p * f.stride, &lower[p], &upper[p]);
    TIMES_6(MEET)
#undef MEET
}

INLINE void tile_block(const struct tile *t, const struct block *b, ptrdiff_t first,
                       const struct form f)
{
    const int columns = (f.px - 1) * f.stride + 3;
    vec lower[MOST_PX], upper[MOST_PX];
#define START(p)                                                                                   \
    if (p < f.px) lower[p] = b->bias[0], upper[p] = b->bias[1];
    TIMES_6(START)
#undef START
#define COLUMN(x)                                                                                  \
    if (x < columns) {                                                                             \
        const bool exists = x == 0 ? t->first_exists : x == columns - 1 ? t->last_exists : true;   \
        const struct pairs v = load_column(t, first + x * t->pixel, exists ? b->k : 0, f.relu);    \
        meet_outputs(b, &v, x, f, lower, upper);                                                   \
    }
    TIMES_13(COLUMN)
#undef COLUMN
    const vec low = splat(t->low), high = splat(t->high);
    char *out = t->out + first;
#define STORE(p)                                                                                   \
    if (p < f.px) {                                                                                \
        if (t->clamped) {                                                                          \
            lower[p] = min_of(high, max_of(low, lower[p]));                                        \
            upper[p] = min_of(high, max_of(low, upper[p]));                                        \
        }                                                                                          \
        _mm512_mask_storeu_epi16(out + p * t->out_pixel, b->k, in_order(lower[p], upper[p]));      \
    }
    TIMES_6(STORE)
#undef STORE
}

typedef void tile_fn(const struct tile *t);
#define TILE(px, stride, relu)                                                                     \
    static void tile_##px##_##stride##_##relu(const struct tile *t)                                \
    {                                                                                              \
        for (int i = 0; i < t->blocks; i++)                                                        \
            tile_block(t, t->block + i, i * (ptrdiff_t)sizeof(__m512i),                            \
                       (struct form){px, stride, relu});                                           \
    }
#define EACH_PX(X, stride, relu)                                                                   \
    X(1, stride, relu)                                                                             \
    X(2, stride, relu) X(3, stride, relu) X(4, stride, relu) X(5, stride, relu) X(6, stride, relu)
#define NAME(px, stride, relu) tile_##px##_##stride##_##relu,
EACH_PX(TILE, 1, 0)
EACH_PX(TILE, 1, 1)
EACH_PX(TILE, 2, 0)
EACH_PX(TILE, 2, 1)
static tile_fn *const tiles[2][2][MOST_PX] = {
    {{EACH_PX(NAME, 1, 0)}, {EACH_PX(NAME, 1, 1)}},
    {{EACH_PX(NAME, 2, 0)}, {EACH_PX(NAME, 2, 1)}},
};

static bool has_tiles(const struct conv_call *call)
{
    const struct window *win = &call->window;
    const struct prologue *p = &call->prologue;
    const struct epilogue *e = &call->epilogue;
    const int behind = (call->out.w - 1) * win->sx - win->pad_left + 3 - call->in.w;
    const bool act = e->act.kind <= ACT_RELU || e->act.kind == ACT_CLIP;
    return win->kh == 3 && win->kw == 3 && win->dy == 1 && win->dx == 1 && win->sx <= 2 &&
           win->pad_left <= 1 && behind <= 1 && !p->scale && p->act.kind <= ACT_RELU && act &&
           !e->add.data && call->in.type == DTYPE_BF16 && call->out.type == DTYPE_BF16;
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
    for (int kx = 0; kx < 3; kx++) {
        b.w[4 * kx] = lower_pairs(row[kx], row[3 + kx]);
        b.w[4 * kx + 1] = upper_pairs(row[kx], row[3 + kx]);
        b.w[4 * kx + 2] = lower_pairs(row[6 + kx], _mm512_setzero_si512());
        b.w[4 * kx + 3] = upper_pairs(row[6 + kx], _mm512_setzero_si512());
    }
    b.bias[0] = b.bias[1] = zero();
    if (!bias) return b;
    const vec near = load_channels(bias, c, call->out.c);
    const vec far = left > VL ? load_channels(bias, c + VL, call->out.c) : zero();
    b.bias[0] = _mm512_shuffle_f32x4(near, far, _MM_SHUFFLE(2, 0, 2, 0));
    b.bias[1] = _mm512_shuffle_f32x4(near, far, _MM_SHUFFLE(3, 1, 3, 1));
    return b;
}

/* Output pixels at .. at + count of one row. */
static void run_row(const struct conv_call *call, struct tile *t, struct place at, int count)
{
    const struct window *win = &call->window;
    const struct view *in = &call->in;
    tile_fn *const *tile = tiles[win->sx - 1][call->prologue.act.kind == ACT_RELU];
    const int pieces = (count + MOST_PX - 1) / MOST_PX;
    for (int i = 0; i < pieces; i++) {
        const int px = count / pieces + (i < count % pieces);
        const int x = at.x * win->sx - win->pad_left, last = x + (px - 1) * win->sx + 2;
        for (int r = 0; r < 3; r++) {
            const int y = at.y * win->sy - win->pad_top + r;
            t->row_exists[r] = y >= 0 && y < in->h;
            const struct place first = {at.n, t->row_exists[r] ? y : 0, 0};
            t->row[r] = (const char *)pixel_at(in, first) + x * in->pixel +
                        t->c * (ptrdiff_t)sizeof(uint16_t);
        }
        t->first_exists = x >= 0;
        t->last_exists = last < in->w;
        t->out = (char *)pixel_at(&call->out, at) + t->c * (ptrdiff_t)sizeof(uint16_t);
        tile[px - 1](t);
        at.x += px;
    }
}

static void depthwise_3x3(const struct conv_call *call, size_t from, size_t to)
{
    const struct activation *act = &call->epilogue.act;
    const size_t w = (size_t)call->out.w;
    struct block block[BLOCKS];
    struct tile t = {.block = block, .pixel = call->in.pixel, .out_pixel = call->out.pixel};
    t.clamped = act->kind != ACT_NONE;
    t.low = act->kind == ACT_CLIP ? (float)act->alpha : 0;
    t.high = act->kind == ACT_CLIP ? (float)act->beta : INFINITY;
    for (t.c = 0; t.c < call->out.c; t.c += BLOCKS * LANES_2) {
        for (t.blocks = 0; t.blocks < BLOCKS && t.c + t.blocks * LANES_2 < call->out.c; t.blocks++)
            block[t.blocks] = make_block(call, t.c + t.blocks * LANES_2);
        for (size_t unit = from, count; unit < to; unit += count) {
            const struct place at = place_of(&call->out, unit);
            count = w - (size_t)at.x < to - unit ? w - (size_t)at.x : to - unit;
            run_row(call, &t, at, (int)count);
        }
    }
}
#endif

void BF16(depthwise)(const struct conv_call *call, size_t from, size_t to)
{
#ifdef __AVX512BF16__
    if (has_tiles(call)) {
        depthwise_3x3(call, from, to);
        return;
    }
#endif
    for (; from < to; from++) depthwise_any(call, place_of(&call->out, from));
}
