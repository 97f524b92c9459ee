/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a depthwise convolution run near the processor's limit? A tile of output pixels stays in
 * registers while its input passes by. Channels go in blocks, so that the input rows of a block
 * stay in the first-level cache while all windows over them are computed.
 *
 * The 3x3 window without dilation has tiles of its own, depthwise_3x3.h. Every other window, and
 * whatever is applied on load beyond ReLU, takes the loop over taps.
 *
 * The surprise is padding: to a 3x3 tile it is a pixel of zeros somewhere else, not a branch.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/depthwise_3x3.h"
#include "kernel/x86/x86.h"

static const float zeros[DW_BLOCK];

/* Rows [at.y, at.y + rows) and columns [at.x, at.x + columns) of the output; channels
 * [first, first + width). */
struct area {
    const struct conv_call *call;
    struct place at;
    int rows, columns, first, width;
};

static const char *channels_from(const void *array, int first)
{
    return (const char *)array + first * (ptrdiff_t)sizeof(float);
}

/* ---- where a tile leaves its sums, and what becomes of them ---------------------------------- */

/* A place for sums that are not the outputs yet. */
typedef float sums_room[MOST_ROWS * MOST_PX * DW_BLOCK];

/* A tile knows no other activation than limits. */
static bool sums_are_outputs(const struct epilogue *e)
{
    const enum act kind = e->act.kind;
    return !e->add.data && (kind == ACT_NONE || kind == ACT_RELU || kind == ACT_CLIP);
}

static struct tile start_tile(const struct area *a)
{
    const struct epilogue *e = &a->call->epilogue;
    const float *bias = e->bias;
    const bool clip = e->act.kind == ACT_CLIP;
    return (struct tile){
        .weight = channels_from(a->call->weight, a->first),
        .weight_tap = a->call->in.c * (ptrdiff_t)sizeof(float),
        .bias = bias ? channels_from(bias, a->first) : (const char *)zeros,
        .width = a->width,
        .clamped = sums_are_outputs(e) && e->act.kind != ACT_NONE,
        .low = clip ? (float)e->act.alpha : 0,
        .high = clip ? (float)e->act.beta : INFINITY,
        .floor = a->call->prologue.act.kind == ACT_RELU ? 0 : -INFINITY,
    };
}

static void point_out(struct tile *t, const struct area *a, sums_room room)
{
    const struct view *out = &a->call->out;
    const bool direct = sums_are_outputs(&a->call->epilogue);
    t->out = direct ? (char *)(pixel_at(out, a->at) + a->first) : (char *)room;
    t->out_pixel = direct ? out->pixel : DW_BLOCK * (ptrdiff_t)sizeof(float);
    t->out_row = direct ? out->row : MOST_PX * t->out_pixel;
}

/* out = act(sums + add) */
static void finish(const struct area *a, const float *room)
{
    const struct epilogue *e = &a->call->epilogue;
    if (sums_are_outputs(e)) return;
    for (int i = 0; i < a->rows * a->columns; i++) {
        const int y = i / a->columns, x = i % a->columns;
        const struct place at = {a->at.n, a->at.y + y, a->at.x + x};
        const float *sums = room + (y * MOST_PX + x) * DW_BLOCK;
        const float *addend = e->add.data ? pixel_at(&e->add, at) + a->first : NULL;
        float *out = pixel_at(&a->call->out, at) + a->first;
        for (int c = 0; c < a->width; c += VL) {
            vec v = load(sums + c);
            if (addend) v = add(v, load_channels(addend, c, a->width));
            store_channels(out, c, a->width, activate_vec(&e->act, v));
        }
    }
}

/* ---- any window ------------------------------------------------------------------------------ */

enum { ANY_PX = 8 };

/* Channels [c, c + VL) of the block; `whole` when all of them exist. */
INLINE vec load_part(const void *block, int c, int width, bool whole)
{
    const float *numbers = block;
    return whole ? load(numbers + c) : load_lanes(numbers + c, first_lanes(width - c));
}

INLINE vec load_input(const struct area *a, const char *pixel, int c, enum on_load how, bool whole)
{
    const struct prologue *p = &a->call->prologue;
    const float *scale = p->scale, *shift = p->shift;
    const vec v = load_part(pixel, c, a->width, whole);
    if (how == LOAD_RAW) return v;
    if (how == LOAD_RELU) return max_of(zero(), v);
    if (!scale) return activate_vec(&p->act, v);
    const vec factor = load_part(scale + a->first, c, a->width, whole);
    return activate_vec(&p->act, fused(factor, v, load_part(shift + a->first, c, a->width, whole)));
}

/* Where the taps of a kernel row begin, and how far apart they are. */
struct row {
    const char *first;
    ptrdiff_t tap, pixel; /* to the next tap, to the next output pixel's */
};

INLINE struct row row_of_taps(const struct area *a, int ky)
{
    const struct view *in = &a->call->in;
    const struct window *win = &a->call->window;
    const int y = a->at.y * win->sy - win->pad_top + ky * win->dy;
    const int x = a->at.x * win->sx - win->pad_left;
    if (y < 0 || y >= in->h) return (struct row){(const char *)zeros, 0, 0};
    return (struct row){channels_from(pixel_at(in, (struct place){a->at.n, y, x}), a->first),
                        win->dx * in->pixel, win->sx * in->pixel};
}

/* px neighbours in a row; when there are several, none of their columns is padding. */
INLINE void vector_any(const struct area *a, const struct tile *t, int c, const int px,
                       const enum on_load how, const bool whole)
{
    const struct window *win = &a->call->window;
    const int left = a->at.x * win->sx - win->pad_left;
    const char *weight = t->weight;
    const vec start = load_part(t->bias, c, a->width, whole);
    vec acc[ANY_PX];
#define START(p) acc[p] = start;
    TIMES_8(START)
#undef START
    for (int ky = 0; ky < win->kh; ky++) {
        const struct row row = row_of_taps(a, ky);
        const char *x = row.first;
        for (int kx = 0; kx < win->kw; kx++, weight += t->weight_tap, x += row.tap) {
            const int column = left + kx * win->dx;
            const bool padding =
                row.tap == 0 || (px == 1 && (column < 0 || column >= a->call->in.w));
            const vec w = load_part(weight, c, a->width, whole);
#define PADDING(p)                                                                                 \
    if (p < px) acc[p] = fused(zero(), w, acc[p]);
#define TAP(p)                                                                                     \
    if (p < px) acc[p] = fused(load_input(a, x + p * row.pixel, c, how, whole), w, acc[p]);
            if (padding) {
                TIMES_8(PADDING)
            } else {
                TIMES_8(TAP)
            }
#undef TAP
#undef PADDING
        }
    }
    if (t->clamped) {
        const vec low = splat(t->low), high = splat(t->high);
#define CLAMP(p) acc[p] = min_of(high, max_of(low, acc[p]));
        TIMES_8(CLAMP)
#undef CLAMP
    }
#define STORE(p)                                                                                   \
    if (p < px) store_channels((void *)(t->out + p * t->out_pixel), c, a->width, acc[p]);
    TIMES_8(STORE)
#undef STORE
}

typedef void any_fn(const struct area *a, const struct tile *t);
#define TILE_ANY(px, how)                                                                          \
    static void any_##px##_##how(const struct area *a, const struct tile *t)                       \
    {                                                                                              \
        int c = 0;                                                                                 \
        for (; c + VL <= a->width; c += VL) vector_any(a, t, c, px, how, true);                    \
        if (c < a->width) vector_any(a, t, c, px, how, false);                                     \
    }
TILE_ANY(1, LOAD_RAW)
TILE_ANY(1, LOAD_RELU)
TILE_ANY(1, LOAD_ANY)
TILE_ANY(4, LOAD_RAW)
TILE_ANY(4, LOAD_RELU)
TILE_ANY(4, LOAD_ANY)
TILE_ANY(8, LOAD_RAW)
TILE_ANY(8, LOAD_RELU)
TILE_ANY(8, LOAD_ANY)
enum { ANY_SIZES = 3 };
static const int any_px[ANY_SIZES] = {8, 4, 1};
static any_fn *const tiles_any[][ANY_SIZES] = {
    [LOAD_RAW] = {any_8_LOAD_RAW, any_4_LOAD_RAW, any_1_LOAD_RAW},
    [LOAD_RELU] = {any_8_LOAD_RELU, any_4_LOAD_RELU, any_1_LOAD_RELU},
    [LOAD_SCALED] = {any_8_LOAD_ANY, any_4_LOAD_ANY, any_1_LOAD_ANY},
    [LOAD_ANY] = {any_8_LOAD_ANY, any_4_LOAD_ANY, any_1_LOAD_ANY},
};

static enum on_load on_load(const struct prologue *p)
{
    if (p->act.kind > ACT_RELU) return LOAD_ANY;
    if (p->scale) return LOAD_SCALED;
    return p->act.kind == ACT_RELU ? LOAD_RELU : LOAD_RAW;
}

/* Whether all windows of the area's columns lie inside the input's rows. */
static bool inside(const struct area *a)
{
    const struct window *win = &a->call->window;
    const int left = a->at.x * win->sx - win->pad_left;
    const int right = left + (a->columns - 1) * win->sx + (win->kw - 1) * win->dx;
    return left >= 0 && right < a->call->in.w;
}

static void run_any(const struct area *a)
{
    any_fn *const *tiles = tiles_any[on_load(&a->call->prologue)];
    struct area part = *a;
    struct tile t = start_tile(a);
    sums_room room;
    part.rows = 1;
    for (int y = 0; y < a->rows; y++)
        for (int x = 0, size = 0; x < a->columns; x += part.columns) {
            part.at.x = a->at.x + x;
            part.at.y = a->at.y + y;
            for (size = 0; size < ANY_SIZES; size++) {
                part.columns = any_px[size];
                if (part.columns == 1 || (part.columns <= a->columns - x && inside(&part))) break;
            }
            point_out(&t, &part, room);
            tiles[size](&part, &t);
            finish(&part, room);
        }
}

/* ---- the 3x3 window -------------------------------------------------------------------------- */

typedef void tile_fn(const struct tile *t);
#define TILE(rows, px, stride, load)                                                               \
    static void tile_##rows##_##px##_##stride##_##load(const struct tile *t)                       \
    {                                                                                              \
        tile_3x3(t, (struct form){rows, px, stride, load});                                        \
    }
#define EACH_PX(X, rows, stride, load)                                                             \
    X(rows, 1, stride, load)                                                                       \
    X(rows, 2, stride, load)                                                                       \
    X(rows, 3, stride, load)                                                                       \
    X(rows, 4, stride, load)                                                                       \
    X(rows, 5, stride, load)                                                                       \
    X(rows, 6, stride, load)                                                                       \
    X(rows, 7, stride, load)                                                                       \
    X(rows, 8, stride, load)                                                                       \
    MORE_PX(X, rows, stride, load)
#ifdef __AVX512F__
#define MORE_PX(X, rows, stride, load) X(rows, 9, stride, load) X(rows, 10, stride, load)
#else
#define MORE_PX(X, rows, stride, load)
#endif
#define NAME(rows, px, stride, load) tile_##rows##_##px##_##stride##_##load,

#define EACH_LOAD(X, rows, stride)                                                                 \
    EACH_PX(X, rows, stride, LOAD_RAW)                                                             \
    EACH_PX(X, rows, stride, LOAD_RELU)                                                            \
    EACH_PX(X, rows, stride, LOAD_SCALED)
EACH_LOAD(TILE, 1, 1)
EACH_LOAD(TILE, 1, 2)
#ifdef __AVX512F__
EACH_LOAD(TILE, 2, 1)
#endif
enum { TWO_ROWS = 2 };
#define NAMES(rows, stride)                                                                        \
    {                                                                                              \
        {EACH_PX(NAME, rows, stride, LOAD_RAW)}, {EACH_PX(NAME, rows, stride, LOAD_RELU)},         \
        {                                                                                          \
            EACH_PX(NAME, rows, stride, LOAD_SCALED)                                               \
        }                                                                                          \
    }
static tile_fn *const tiles_3x3[][3][MOST_PX] = {
    /* [stride - 1, or TWO_ROWS][load][px - 1] */
    NAMES(1, 1),
    NAMES(1, 2),
#ifdef __AVX512F__
    NAMES(2, 1),
#endif
};

static bool has_tiles(const struct conv_call *call)
{
    const struct window *win = &call->window;
    return win->kh == 3 && win->kw == 3 && win->dy == 1 && win->dx == 1 && win->sx <= 2 &&
           win->pad_left <= 1 && (call->out.w - 1) * win->sx - win->pad_left + 2 <= call->in.w &&
           on_load(&call->prologue) != LOAD_ANY;
}

static void point_in(struct tile *t, const struct area *a)
{
    const struct view *in = &a->call->in;
    const struct window *win = &a->call->window;
    const int x = a->at.x * win->sx - win->pad_left, last = x + (a->columns - 1) * win->sx + 2;
    const int y = a->at.y * win->sy - win->pad_top, lines = (a->rows - 1) * win->sy + 3;
    const char *none = (const char *)zeros;
    const struct prologue *p = &a->call->prologue;
    const struct affine nothing = {none, none};
    const struct affine some = p->scale ? (struct affine){channels_from(p->scale, a->first),
                                                          channels_from(p->shift, a->first)}
                                        : nothing;
    for (int i = 0; i < lines; i++) {
        struct line *line = &t->line[i];
        *line = (struct line){none, none, none, nothing, nothing, nothing, 0};
        if (y + i < 0 || y + i >= in->h) continue;
        line->pixel = in->pixel;
        line->of_rest = some;
        line->rest = channels_from(pixel_at(in, (struct place){a->at.n, y + i, x + 1}), a->first);
        if (x >= 0) {
            line->first = line->rest - in->pixel;
            line->of_first = some;
        }
        if (last < in->w) {
            line->last = line->rest + (last - x - 1) * in->pixel;
            line->of_last = some;
        }
    }
}

/* A row of tiles, their widths as equal as possible. */
static void run_tiles(const struct area *a, tile_fn *const *tiles)
{
    const int count = (a->columns + MOST_PX - 1) / MOST_PX;
    struct area part = *a;
    struct tile t = start_tile(a);
    sums_room room;
    for (int i = 0; i < count; i++) {
        const int x = a->columns * i / count;
        part.at.x = a->at.x + x;
        part.columns = a->columns * (i + 1) / count - x;
        point_in(&t, &part);
        point_out(&t, &part, room);
        tiles[part.columns - 1](&t);
        finish(&part, room);
    }
}

static void run_3x3(const struct area *a)
{
    const struct window *win = &a->call->window;
    const enum on_load load = on_load(&a->call->prologue);
    struct area part = *a;
    for (int y = 0; y < a->rows; y += part.rows) {
        const bool two = MOST_ROWS == 2 && a->rows - y > 1 && win->sx == 1 && win->sy == 1;
        part.at.y = a->at.y + y;
        part.rows = two ? 2 : 1;
        run_tiles(&part, tiles_3x3[two ? TWO_ROWS : win->sx - 1][load]);
    }
}

/* ---- a range of output pixels ---------------------------------------------------------------- */

static void run_area(struct area *a)
{
    const int c = a->call->out.c;
    const int whole = !has_tiles(a->call) ? 0 : VL == 16 ? c : c - c % VL;
    for (a->first = 0; a->first < c; a->first += a->width) {
        const int left = (a->first < whole ? whole : c) - a->first;
        a->width = left < DW_BLOCK ? left : DW_BLOCK;
        if (a->first < whole)
            run_3x3(a);
        else
            run_any(a);
    }
}

void X86(depthwise)(const struct conv_call *call, size_t from, size_t to)
{
    struct area a = {.call = call};
    const size_t w = (size_t)call->out.w;
    for (size_t count; from < to; from += count) {
        a.at = place_of(&call->out, from);
        const size_t rows_left = (size_t)(call->out.h - a.at.y), whole = (to - from) / w;
        const size_t row_left = w - (size_t)a.at.x;
        const bool rows = a.at.x == 0 && whole > 0;
        a.rows = rows ? (int)(whole < rows_left ? whole : rows_left) : 1;
        a.columns = (int)(rows || to - from > row_left ? row_left : to - from);
        count = (size_t)a.rows * (size_t)a.columns;
        run_area(&a);
    }
}
