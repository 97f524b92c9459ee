/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles make up a convolution or a dense layer, and in which order? A block of rows stays in
 * the second-level cache while all panels of the weights pass by; a panel stays in the first while
 * the tiles of the block use it. The panel after it comes from memory meanwhile: behind the last
 * one that is often the weights of the next layer.
 *
 * Where a window is inside the input and nothing is applied on load, A is the input itself: a
 * pixel's row of A is one segment (1x1), one a kernel row (pixels without gaps) or one a tap.
 * Otherwise, and for the border of a padded input, the rows of a block are gathered, DEPTH numbers
 * of each at a time, and the sums wait in the output meanwhile: storing a float and loading it
 * again changes no bit.
 *
 * Of several groups each has few columns, too few to pay for numbers gathered once for each tap:
 * the rows of the input that a band of output rows looks at are copied once, with their border, and
 * A is that copy.
 */
#include "kernel/x86/gemm.h"

#include <string.h>

#include "kernel/ref/block.h"

enum {
    SEGMENTS = 64,
    RUNS = 64,
    LEAST_FETCHED = 192, /* low panels come by themselves */
    BLOCK_ROWS = 13 * MOST_ROWS,
    BLOCK_BYTES = 640 << 10,
    DEPTH = 256,
    MOST_DIRECT = 640, /* numbers in a row of A that is the input, where others are gathered */
    DEPTH_STEP = DEPTH + 16, /* an odd number of lines: the rows of a tile use different sets */
    GATHERED_ROWS = 4 * MOST_ROWS,
    BAND = 8 << 10, /* numbers of a band */
    LEAST_ROW = 4   /* pixels of a row of output that make a tile */
};

/* Rows whose places in A, C and the addend are equally far apart. */
struct run {
    size_t unit; /* the first output pixel */
    const char *a, *add;
    char *c;
    int rows;
};

struct product { /* of one group */
    const struct gemm *gemm;
    struct strip strip; /* what all strips have in common; b is the first panel */
    const float *bias;  /* of the first panel, or NULL */
    int from, to;       /* the columns that are wanted */
    struct activation act;
    bool last; /* after these k the sums are complete */
    struct run run[RUNS];
    int runs;
};

static const float zeros[2 * PANEL];
static const ptrdiff_t one_segment[] = {0};

/* ---- a block of rows times all panels ----------------------------------------------------------
 */

/* The part of the activation that tiles do themselves. */
static void limit(struct strip *s, const struct product *p)
{
    const struct activation *act = &p->act;
    s->low = -INFINITY;
    s->high = INFINITY;
    if (!p->last) return;
    if (act->kind == ACT_RELU) s->low = 0;
    if (act->kind == ACT_CLIP) {
        s->low = (float)act->alpha;
        s->high = (float)act->beta;
    }
}

static void advance(struct strip *s, int rows)
{
    s->a += rows * s->a_row;
    s->c += rows * s->c_row;
    if (s->add) s->add += rows * s->add_row;
}

void gemm_cut_run(struct strip *s, strip_fn *const *strip, int most, int rows)
{
    const int tiles = (rows + most - 1) / most, low = rows / tiles, higher = rows % tiles;
    s->tiles = higher;
    if (higher) strip[low](s);
    advance(s, higher * (low + 1));
    s->tiles = tiles - higher;
    strip[low - 1](s);
}

/* Bit i: is column i wanted, of those from .. to? */
static uint32_t mask_of(int from, int to)
{
    const uint32_t below_to = to >= 32 ? UINT32_MAX : (UINT32_C(1) << to) - 1;
    return from > 0 ? below_to & ~((UINT32_C(1) << from) - 1) : below_to;
}

static void multiply(const struct product *p)
{
    const struct gemm *g = p->gemm;
    struct strip common = p->strip;
    limit(&common, p);
    for (int column = p->from / PANEL * PANEL, width; column < p->to; column += width) {
        const bool pair = g->wide && p->to - column > PANEL;
        width = pair ? 2 * PANEL : PANEL;
        common.b = p->strip.b + column / PANEL * common.panel;
        common.next = common.k < LEAST_FETCHED ? 0 : width / PANEL * common.panel;
        common.bias = p->bias ? p->bias + column : zeros;
        common.mask = mask_of(p->from - column, p->to - column);
        for (const struct run *run = p->run; run < p->run + p->runs; run++) {
            struct strip s = common;
            const ptrdiff_t first = column * (ptrdiff_t)sizeof(float);
            s.a = run->a;
            s.c = run->c + first;
            s.add = p->last && run->add ? run->add + first : NULL;
            gemm_cut_run(&s, pair ? g->wide : g->narrow, g->rows, run->rows);
        }
    }
}

/* The activations that tiles cannot do, over outputs that are still near. */
static void finish(const struct product *p)
{
    const enum act kind = p->act.kind;
    if (kind == ACT_NONE || kind == ACT_RELU || kind == ACT_CLIP) return;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        for (int i = 0; i < run->rows; i++) {
            float *c = (void *)(run->c + i * p->strip.c_row);
            activate(&p->act, c + p->from, p->to - p->from);
        }
}

/* ---- convolution -------------------------------------------------------------------------------
 */

enum part { ALL, INSIDE, BORDER };

struct source { /* where the rows of A come from */
    const struct conv_call *call;
    int group;
    enum part part;   /* the output pixels that are wanted */
    int left, right;  /* columns and rows of the output whose windows are inside: */
    int above, below; /* [left, right), [above, below) */
    bool flat;    /* all pixels of the output are equally far apart, and so are their rows of A */
    char *gather; /* NULL: A is the input */
    struct view band; /* data NULL: there is none */
};

static ptrdiff_t channel(int c)
{
    return c * (ptrdiff_t)sizeof(float);
}

/* Of `count` pixels of a row from `at` on: how many are inside or on the border like the first, and
 * is that what is wanted? */
static bool is_wanted(const struct source *src, struct place at, size_t *count)
{
    const bool row_inside = at.y >= src->above && at.y < src->below;
    const int end = at.x < src->left ? src->left : src->right;
    const bool inside = row_inside && at.x >= src->left && at.x < src->right;
    if (row_inside && at.x<end && * count>(size_t)(end - at.x)) *count = (size_t)(end - at.x);
    return inside == (src->part == INSIDE);
}

/* Makes runs of the wanted units from .. to, of no more rows than `most`; returns where they end,
 * which is sooner, too, when there are too many runs. */
static size_t make_runs(struct product *p, const struct source *src, size_t from, size_t to,
                        size_t most)
{
    const struct conv_call *call = src->call;
    const struct view *out = &call->out, *add = &call->epilogue.add;
    const struct window *win = &call->window;
    const ptrdiff_t first_in = channel(src->group * (call->in.c / call->groups));
    const ptrdiff_t first_out = channel(src->group * (out->c / call->groups));
    size_t unit = from, rows = 0, count;
    for (p->runs = 0; unit < to && rows < most && p->runs < RUNS; unit += count) {
        struct place at = place_of(out, unit);
        count = src->flat ? to - unit : (size_t)(out->w - at.x);
        if (count > to - unit) count = to - unit;
        if (src->part != ALL && !is_wanted(src, at, &count)) continue;
        if (count > most - rows) count = most - rows;
        struct run *run = &p->run[p->runs++];
        run->unit = unit;
        run->rows = (int)count;
        run->c = (char *)pixel_at(out, at) + first_out;
        run->add = add->data ? (char *)pixel_at(add, at) + first_out : NULL;
        at.y = at.y * win->sy - win->pad_top;
        at.x = at.x * win->sx - win->pad_left;
        if (src->band.data)
            run->a = (char *)pixel_at(&src->band, at);
        else
            run->a = src->gather ? src->gather + (ptrdiff_t)rows * p->strip.a_row
                                 : (char *)pixel_at(&call->in, at) + first_in;
        rows += count;
    }
    return unit;
}

static bool is_flat(const struct view *v)
{
    return v->row == v->w * v->pixel && (v->n == 1 || v->image == v->h * v->row);
}

static bool outputs_are_flat(const struct conv_call *call)
{
    return is_flat(&call->out) && (!call->epilogue.add.data || is_flat(&call->epilogue.add));
}

/* The output pixels along one side whose windows are inside the input: [*first, *end). */
static void find_inside(int in, int out, int taps, int step, int dilation, int pad, int *first,
                        int *end)
{
    const int last = in - 1 - (taps - 1) * dilation + pad; /* where a window may begin */
    *first = (pad + step - 1) / step;
    *end = last < 0 ? 0 : last / step + 1;
    if (*end > out) *end = out;
    if (*first > *end) *first = *end;
}

static void find_insides(struct source *src)
{
    const struct conv_call *call = src->call;
    const struct view *in = &call->in, *out = &call->out;
    const struct window *win = &call->window;
    find_inside(in->h, out->h, win->kh, win->sy, win->dy, win->pad_top, &src->above, &src->below);
    find_inside(in->w, out->w, win->kw, win->sx, win->dx, win->pad_left, &src->left, &src->right);
}

/* The segments of a row of A in the input; 0 when the input does not have it like that. */
static int find_segments(const struct conv_call *call, ptrdiff_t *segment, int *k)
{
    const struct view *in = &call->in;
    const struct window *win = &call->window;
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    const bool joined = call->groups == 1 && win->dx == 1 && in->pixel == channel(in->c);
    const int in_row = joined ? 1 : win->kw;
    if (!raw || win->kh > SEGMENTS || win->kh * in_row > SEGMENTS) return 0;
    for (int i = 0; i < win->kh * in_row; i++)
        segment[i] = i / in_row * win->dy * in->row + i % in_row * win->dx * in->pixel;
    *k = joined ? win->kw * in->c : in->c / call->groups;
    return win->kh * in_row;
}

static size_t block_rows(size_t rows, size_t most)
{
    const size_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

/* May a run go on through all pixels? */
static bool is_flat_throughout(const struct conv_call *call)
{
    const struct window *win = &call->window;
    const bool alike = call->in.w == call->out.w && (call->in.n == 1 || call->in.h == call->out.h);
    return alike && outputs_are_flat(call) && is_flat(&call->in) && win->kh == 1 && win->kw == 1 &&
           win->sy == 1 && win->sx == 1;
}

static int tile_rows(const struct gemm *g, int rows)
{
    return rows / ((rows + g->rows - 1) / g->rows);
}

/* Gathered rows make longer runs, if the outputs allow it. */
static bool suits_as_it_lies(const struct gemm *g, const struct conv_call *call)
{
    return is_flat_throughout(call) || !outputs_are_flat(call) ||
           tile_rows(g, call->out.w) > g->rows / 2;
}

/* Is reading the inside where it lies worth the two passes? */
static bool suits_but_for_border(const struct gemm *g, const struct source *src, size_t k)
{
    const int width = src->right - src->left;
    return width > 0 && k <= MOST_DIRECT && tile_rows(g, width) >= g->rows - 1;
}

static void conv_direct(struct product *p, struct source src, size_t from, size_t to)
{
    const struct conv_call *call = src.call;
    const size_t row_bytes = (size_t)p->strip.segments * (size_t)p->strip.k * sizeof(float);
    size_t most = BLOCK_BYTES / row_bytes;
    if (most > BLOCK_ROWS) most = BLOCK_ROWS;
    if (most < 4 * MOST_ROWS) most = 4 * MOST_ROWS;
    const size_t rows = block_rows(to - from, most);
    src.flat = src.part == ALL && is_flat_throughout(call);
    p->strip.a_row = call->window.sx * call->in.pixel;
    p->last = true;
    while (from < to) {
        from = make_runs(p, &src, from, to, rows);
        multiply(p);
        finish(p);
    }
}

static void gather_runs(const struct product *p, struct gather *g, float *to)
{
    for (const struct run *run = p->run; run < p->run + p->runs; run++) {
        g->to = to;
        gemm_gather(g, run->unit, run->rows);
        to += (ptrdiff_t)run->rows * g->step;
    }
}

static void conv_gathered(struct product *p, struct source src, size_t from, size_t to)
{
    _Alignas(64) float a[GATHERED_ROWS * DEPTH_STEP];
    const struct conv_call *call = src.call;
    const float *b = p->strip.b;
    const size_t depth = (size_t)p->strip.panel / PANEL;
    const size_t rows = (size_t)(GATHERED_ROWS / p->gemm->rows * p->gemm->rows);
    struct gather gather = {.call = call, .group = src.group, .step = DEPTH_STEP};
    src.flat = src.part == ALL && outputs_are_flat(call);
    src.gather = (char *)a;
    p->strip.a_row = DEPTH_STEP * (ptrdiff_t)sizeof *a;
    p->strip.segment = one_segment;
    p->strip.segments = 1;
    while (from < to) {
        from = make_runs(p, &src, from, to, rows);
        for (gather.k = 0; gather.k < depth; gather.k += DEPTH) {
            p->last = depth - gather.k <= DEPTH;
            gather.depth = p->last ? (int)(depth - gather.k) : DEPTH;
            gather_runs(p, &gather, a);
            p->strip.b = b + gather.k * PANEL;
            p->strip.k = gather.depth;
            p->strip.resume = gather.k > 0;
            multiply(p);
        }
        finish(p);
    }
}

/* What the windows of one row of output cover; c: of a group. */
static struct view band_row(const struct conv_call *call)
{
    const struct window *win = &call->window;
    struct view v = {.n = 1, .c = call->in.c / call->groups};
    v.h = (win->kh - 1) * win->dy + 1;
    v.w = (call->out.w - 1) * win->sx + (win->kw - 1) * win->dx + 1;
    v.pixel = channel(v.c);
    v.row = v.w * v.pixel;
    return v;
}

/* How many rows of output a band has room for. */
static int band_rows(const struct conv_call *call, const struct view *row)
{
    const ptrdiff_t rows = BAND * (ptrdiff_t)sizeof(float) / row->row;
    if (rows < row->h) return 0;
    const int more = (int)(rows - row->h) / call->window.sy + 1;
    return more < RUNS ? more : RUNS;
}

/* Is a band better than gathering? */
static bool is_banded(const struct conv_call *call)
{
    const struct view row = band_row(call);
    return call->groups > 1 && call->out.w >= LEAST_ROW && call->window.kw <= SEGMENTS &&
           call->window.kh * call->window.kw <= SEGMENTS && band_rows(call, &row) > 0;
}

/* Row y of the input, from its column -pad_left on, as the kernel sees it. */
static void fill_band_row(const struct source *src, int n, int y, float *to)
{
    const struct conv_call *call = src->call;
    const struct view *in = &call->in;
    const int c = src->band.c, first = src->group * c;
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    for (int i = 0; i < src->band.w; i++, to += c) {
        const int x = i - call->window.pad_left;
        if (y < 0 || y >= in->h || x < 0 || x >= in->w) {
            memset(to, 0, (size_t)c * sizeof *to);
            continue;
        }
        const float *pixel = pixel_at(in, (struct place){n, y, x});
        if (raw)
            memcpy(to, pixel + first, (size_t)c * sizeof *to);
        else
            apply_prologue(&call->prologue, pixel + first, first, c, to);
    }
}

static void conv_banded(struct product *p, struct source src, size_t from, size_t to)
{
    _Alignas(64) float band[BAND];
    const struct conv_call *call = src.call;
    const struct window *win = &call->window;
    ptrdiff_t segment[SEGMENTS];
    const bool joined = win->dx == 1;
    const int in_row = joined ? 1 : win->kw;
    src.band = band_row(call);
    src.flat = false;
    const int most = band_rows(call, &src.band), extra = src.band.h;
    for (int i = 0; i < win->kh * in_row; i++)
        segment[i] = i / in_row * win->dy * src.band.row + i % in_row * win->dx * src.band.pixel;
    p->strip.segment = segment;
    p->strip.segments = win->kh * in_row;
    p->strip.k = joined ? win->kw * src.band.c : src.band.c;
    p->strip.a_row = win->sx * src.band.pixel;
    p->last = true;
    while (from < to) {
        const struct place at = place_of(&call->out, from);
        const int rows = call->out.h - at.y < most ? call->out.h - at.y : most;
        const size_t room = (size_t)rows * (size_t)call->out.w - (size_t)at.x;
        src.band.h = (rows - 1) * win->sy + extra;
        for (int y = 0; y < src.band.h; y++)
            fill_band_row(&src, at.n, at.y * win->sy - win->pad_top + y,
                          band + y * (src.band.row / (ptrdiff_t)sizeof(float)));
        /* as if the band were the whole input */
        src.band.data = (char *)band - (at.y * win->sy - win->pad_top) * src.band.row +
                        win->pad_left * src.band.pixel;
        from = make_runs(p, &src, from, room < to - from ? from + room : to, room);
        multiply(p);
        finish(p);
    }
}

void gemm_conv(const struct gemm *g, const struct conv_call *call, size_t from, size_t to)
{
    const int columns = call->out.c / call->groups;
    const size_t k =
        (size_t)(call->window.kh * call->window.kw) * (size_t)(call->in.c / call->groups);
    const ptrdiff_t group_size = (columns + PANEL - 1) / PANEL * (ptrdiff_t)(k * PANEL);
    const float *weight = call->weight, *bias = call->epilogue.bias;
    ptrdiff_t segment[SEGMENTS];
    struct product p = {.gemm = g, .to = columns, .act = call->epilogue.act};
    struct strip strip = {.segment = segment,
                          .panel = (ptrdiff_t)(k * PANEL),
                          .c_row = call->out.pixel,
                          .add_row = call->epilogue.add.pixel};
    strip.segments = find_segments(call, segment, &strip.k);
    struct source src = {.call = call};
    find_insides(&src);
    const bool all_inside =
        src.left == 0 && src.right == call->out.w && src.above == 0 && src.below == call->out.h;
    const bool direct = strip.segments &&
                        (all_inside ? suits_as_it_lies(g, call) : suits_but_for_border(g, &src, k));
    const bool banded = is_banded(call) && !(direct && all_inside);
    for (src.group = 0; src.group < call->groups; src.group++) {
        p.strip = strip;
        p.strip.b = weight + src.group * group_size;
        p.bias = bias ? bias + src.group * columns : NULL;
        src.part = all_inside || banded || !direct ? ALL : INSIDE;
        if (banded) {
            conv_banded(&p, src, from, to);
            continue;
        }
        if (direct) conv_direct(&p, src, from, to);
        if (direct && all_inside) continue;
        if (direct) src.part = BORDER;
        conv_gathered(&p, src, from, to);
    }
}

/* ---- dense layer -------------------------------------------------------------------------------
 */

/* Outputs from .. to of rows n .. n + rows. */
static void dense_rows(const struct gemm *g, const struct dense_call *call, int n, int rows,
                       int from, int to)
{
    const struct view *in = &call->in, *out = &call->out, *add = &call->epilogue.add;
    struct product p = {.gemm = g,
                        .bias = call->epilogue.bias,
                        .from = from,
                        .to = to,
                        .act = call->epilogue.act,
                        .last = true,
                        .runs = 1};
    p.strip = (struct strip){.a_row = in->image,
                             .segment = one_segment,
                             .segments = 1,
                             .k = in->c,
                             .b = call->weight,
                             .panel = (ptrdiff_t)in->c * PANEL,
                             .c_row = out->image,
                             .add_row = add->image};
    p.run[0] = (struct run){.a = (char *)in->data + n * in->image,
                            .c = (char *)out->data + n * out->image,
                            .add = add->data ? (char *)add->data + n * add->image : NULL,
                            .rows = rows};
    multiply(&p);
    finish(&p);
}

/* Units go through the outputs of one row after the other: the end of a row, whole rows, the
 * beginning of one. */
void gemm_dense(const struct gemm *g, const struct dense_call *call, size_t from, size_t to)
{
    const size_t columns = (size_t)call->out.c;
    while (from < to) {
        const int n = (int)(from / columns), first = (int)(from % columns);
        size_t rows = first ? 0 : (to - from) / columns, count = columns;
        if (!rows) {
            rows = 1;
            count = to - from < columns - (size_t)first ? to - from : columns - (size_t)first;
        }
        if (rows > BLOCK_ROWS) rows = BLOCK_ROWS;
        dense_rows(g, call, n, (int)rows, first, first + (int)count);
        from += rows * count;
    }
}
