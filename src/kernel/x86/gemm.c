/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles make up a convolution or a dense layer, and in which order? A block of rows stays in
 * the second-level cache while all panels of the weights pass by; a panel stays in the first while
 * the tiles of the block use it. The panel after it comes from memory meanwhile: behind the last
 * one that is often the weights of the next layer.
 *
 * Where all windows are inside the input and nothing is applied on load, A is the input itself: a
 * pixel's row of A is one segment (1x1), one a kernel row (pixels without gaps) or one a tap.
 * Otherwise the part of the input that a rectangle of output pixels looks at is copied with its
 * border, once and not once for each tap, and A is that copy.
 *
 * Where rectangles would be too small the rows of a block are gathered, DEPTH numbers of each at a
 * time, and the sums wait in the output meanwhile: storing a float and loading it again changes no
 * bit.
 */
#include "kernel/x86/gemm.h"

#include "kernel/ref/block.h"
#include "kernel/x86/flat.h"

enum {
    SEGMENTS = 64,
    RUNS = 64,
    LEAST_FETCHED = 192, /* low panels come by themselves */
    BLOCK_ROWS = 13 * MOST_ROWS,
    BLOCK_BYTES = 640 << 10,
    DEPTH = 256,
    DEPTH_STEP = DEPTH + 16, /* an odd number of lines: the rows of a tile use different sets */
    GATHERED_ROWS = 4 * MOST_ROWS,
    COPY = 48 << 10,          /* numbers of the input that a rectangle looks at */
    PANELS_BYTES = 320 << 10, /* of a pair of panels that are read at a time */
    ENOUGH_ROWS = 4,          /* of a rectangle: half of the copied rows are of the next one, too */
    LEAST_COLUMNS = 4
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
    bool last;         /* after these k the sums are complete */
    const float *then; /* of the weights, what is read after the last panel; NULL: what is behind */
    struct run run[RUNS];
    int runs;
};

static const float zeros[2 * PANEL];
static const ptrdiff_t one_segment[] = {0};

/* ---- a block of rows times all panels -------------------------------------------------------- */

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
    if (higher) s->fetch = strip[low](s);
    advance(s, higher * (low + 1));
    s->tiles = tiles - higher;
    s->fetch = strip[low - 1](s);
    advance(s, s->tiles * low);
}

/* Of all runs. */
static int count_tiles(const struct product *p)
{
    int tiles = 0;
    for (const struct run *run = p->run; run < p->run + p->runs; run++)
        tiles += (run->rows + p->gemm->rows - 1) / p->gemm->rows;
    return tiles;
}

/* How many k of a tile fetch outputs and what is added to them. */
static int other_fetches(const struct product *p, int tiles)
{
    const int rows = tiles == 1 ? p->run[0].rows : p->gemm->rows;
    const bool adds = p->last && p->run[0].add;
    return p->gemm->one_by_one ? rows * (adds ? 2 : 1) : 0;
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
    const int steps = common.k * common.segments, tiles = count_tiles(p);
    const int other = other_fetches(p, tiles);
    common.pace = steps < LEAST_FETCHED ? 0 : gemm_pace(tiles, steps, tiles == 1 ? 0 : other);
    for (int column = p->from / PANEL * PANEL, width; column < p->to; column += width) {
        strip_fn *const *strips = gemm_strips(g, p->to - column, true);
        width = strips == g->wide || strips == g->mixed ? 2 * PANEL : PANEL;
        common.b = p->strip.b + column / PANEL * common.panel;
        common.fetch = (const char *)(common.b + width / PANEL * common.panel);
        if (p->then && column + width >= p->to) common.fetch = (const char *)p->then;
        if (tiles == 1) common.fetch = (const char *)(common.b + (AHEAD + other) * PANEL);
        common.bias = p->bias ? p->bias + column : zeros;
        common.mask = mask_of(p->from - column, p->to - column);
        for (const struct run *run = p->run; run < p->run + p->runs; run++) {
            struct strip s = common;
            const ptrdiff_t first = column * (ptrdiff_t)sizeof(float);
            s.a = run->a;
            s.c = run->c + first;
            s.add = p->last && run->add ? run->add + first : NULL;
            gemm_cut_run(&s, strips, strips == g->half ? g->half_rows : g->rows, run->rows);
            common.fetch = s.fetch;
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

/* ---- convolution ----------------------------------------------------------------------------- */

struct source { /* where the rows of A come from */
    const struct conv_call *call;
    int group;
    bool flat;    /* all pixels of the output are equally far apart, and so are their rows of A */
    char *gather; /* NULL: A is the input */
};

static ptrdiff_t channel(int c)
{
    return c * (ptrdiff_t)sizeof(float);
}

/* The first number of the group in a view that c channels of a group belong to. */
static char *group_at(const struct view *v, struct place at, int group, int c)
{
    return (char *)pixel_at(v, at) + channel(group * c);
}

/* The outputs of a run that begins at a pixel. */
static struct run run_at(const struct source *src, struct place at, int rows)
{
    const struct view *out = &src->call->out, *add = &src->call->epilogue.add;
    const int c = out->c / src->call->groups;
    return (struct run){.c = group_at(out, at, src->group, c),
                        .add = add->data ? group_at(add, at, src->group, c) : NULL,
                        .rows = rows};
}

/* Makes runs of the units from .. to, of no more rows than `most`; returns where they end, which is
 * sooner, too, when there are too many runs. */
static size_t make_runs(struct product *p, const struct source *src, size_t from, size_t to,
                        size_t most)
{
    const struct conv_call *call = src->call;
    const struct window *win = &call->window;
    size_t unit = from, rows = 0, count;
    for (p->runs = 0; unit < to && rows < most && p->runs < RUNS; unit += count) {
        struct place at = place_of(&call->out, unit);
        count = src->flat ? to - unit : (size_t)(call->out.w - at.x);
        if (count > to - unit) count = to - unit;
        if (count > most - rows) count = most - rows;
        struct run *run = &p->run[p->runs++];
        *run = run_at(src, at, (int)count);
        run->unit = unit;
        at.y = at.y * win->sy - win->pad_top;
        at.x = at.x * win->sx - win->pad_left;
        run->a = src->gather ? src->gather + (ptrdiff_t)rows * p->strip.a_row
                             : group_at(&call->in, at, src->group, call->in.c / call->groups);
        rows += count;
    }
    return unit;
}

/* Are all windows inside the input? */
static bool is_inside(const struct conv_call *call)
{
    const struct window *win = &call->window;
    return win->pad_top == 0 && win->pad_left == 0 &&
           (call->out.h - 1) * win->sy + (win->kh - 1) * win->dy < call->in.h &&
           (call->out.w - 1) * win->sx + (win->kw - 1) * win->dx < call->in.w;
}

/* The segments of a row of A in a view of its group's channels. Returns how many. */
static int make_segments(const struct window *win, const struct view *in, ptrdiff_t *segment,
                         int *k)
{
    const bool joined = win->dx == 1 && in->pixel == channel(in->c);
    const int in_row = joined ? 1 : win->kw;
    if (win->kh > SEGMENTS || win->kh * in_row > SEGMENTS) return 0;
    for (int i = 0; i < win->kh * in_row; i++)
        segment[i] = i / in_row * win->dy * in->row + i % in_row * win->dx * in->pixel;
    *k = joined ? win->kw * in->c : in->c;
    return win->kh * in_row;
}

/* The same in the input; 0 when it does not have them like that. */
static int find_segments(const struct conv_call *call, ptrdiff_t *segment, int *k)
{
    const bool raw = !call->prologue.scale && call->prologue.act.kind == ACT_NONE;
    struct view in = call->in;
    in.c /= call->groups;
    return raw && is_inside(call) ? make_segments(&call->window, &in, segment, k) : 0;
}

static int tile_rows(const struct gemm *g, int rows)
{
    return rows / ((rows + g->rows - 1) / g->rows);
}

/* Gathered rows make longer runs, if the outputs allow it: sums wait there. */
static bool suits_as_it_lies(const struct gemm *g, const struct conv_call *call)
{
    const bool in_place = call->epilogue.add.data && call->epilogue.add.data == call->out.data;
    return in_place || is_flat_throughout(call) || !outputs_are_flat(call) ||
           tile_rows(g, call->out.w) > g->rows / 2;
}

static void conv_direct(struct product *p, struct source src, size_t from, size_t to)
{
    const struct conv_call *call = src.call;
    const size_t row_bytes = (size_t)p->strip.segments * (size_t)p->strip.k * sizeof(float);
    size_t most = BLOCK_BYTES / row_bytes;
    if (most > BLOCK_ROWS) most = BLOCK_ROWS;
    if (most < 4 * MOST_ROWS) most = 4 * MOST_ROWS;
    const size_t rows = block_rows(to - from, most);
    src.flat = is_flat_throughout(call);
    p->strip.a_row = call->window.sx * call->in.pixel;
    p->last = true;
    while (from < to) {
        from = make_runs(p, &src, from, to, rows);
        p->then = from < to ? p->strip.b : call->then;
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
    src.flat = outputs_are_flat(call);
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
            p->then = !p->last ? p->strip.b + DEPTH * PANEL : from < to ? b : call->then;
            p->strip.k = gather.depth;
            p->strip.resume = gather.k > 0;
            multiply(p);
        }
        finish(p);
    }
}

/* ---- rectangles ------------------------------------------------------------------------------ */

struct rectangle { /* of output pixels; `at` is the first one */
    struct place at;
    int rows, columns;
};

/* What the windows of such a rectangle cover; the channels of a group. */
static struct view covered(const struct conv_call *call, int rows, int columns)
{
    const struct window *win = &call->window;
    struct view v = {.n = 1, .c = call->in.c / call->groups, .type = call->type};
    v.h = (rows - 1) * win->sy + (win->kh - 1) * win->dy + 1;
    v.w = (columns - 1) * win->sx + (win->kw - 1) * win->dx + 1;
    v.pixel = channel(v.c);
    v.row = v.w * v.pixel;
    return v;
}

/* How many rows of so many columns may be copied together. */
static int rows_of_copy(const struct conv_call *call, int columns)
{
    const struct view one = covered(call, 1, columns);
    const ptrdiff_t rows = channel(COPY) / one.row;
    if (rows < one.h) return 0;
    const int more = (int)(rows - one.h) / call->window.sy + 1;
    return more < RUNS ? more : RUNS;
}

/* The largest rectangle: as wide as possible with enough rows. False: they are all too small. */
static bool find_rectangle(const struct gemm *g, const struct conv_call *call, struct rectangle *r)
{
    const struct view *out = &call->out;
    const int enough = out->h < ENOUGH_ROWS ? out->h : ENOUGH_ROWS;
    *r = (struct rectangle){.rows = 0};
    if (call->window.kh * call->window.kw > SEGMENTS) return false;
    for (int parts = 1; parts <= out->w && r->rows < enough; parts++) {
        r->columns = (out->w + parts - 1) / parts;
        r->rows = rows_of_copy(call, r->columns);
        const bool low = call->groups == 1 && tile_rows(g, r->columns) <= g->rows / 2;
        if (low || r->columns < LEAST_COLUMNS) return false;
    }
    return r->rows >= enough;
}

/* The rectangle that comes next, no larger than `most`; pixels from .. to. */
static struct rectangle next_rectangle(const struct view *out, const struct rectangle *most,
                                       size_t from, size_t to)
{
    struct rectangle r = {place_of(out, from), 1, most->columns};
    const size_t left = to - from, w = (size_t)out->w;
    size_t rows = left / w;
    if (r.at.x == 0 && rows > 0) {
        if (rows > (size_t)(out->h - r.at.y)) rows = (size_t)(out->h - r.at.y);
        r.rows = (int)block_rows(rows, (size_t)most->rows);
    } else if ((size_t)r.columns > left) {
        r.columns = (int)left;
    }
    if (r.columns > out->w - r.at.x) r.columns = out->w - r.at.x;
    return r;
}

/* Copies what the windows of the rectangle cover, and makes its runs. */
static void fill_rectangle(struct product *p, const struct source *src, const struct rectangle *r,
                           const struct view *copy)
{
    const struct window *win = &src->call->window;
    struct gather g = {.call = src->call, .group = src->group, .to = copy->data};
    const int y = r->at.y * win->sy - win->pad_top, x = r->at.x * win->sx - win->pad_left;
    for (int i = 0; i < copy->h; i++, g.to += copy->w * copy->c)
        gemm_gather_row(&g, (struct place){r->at.n, y + i, x}, copy->w);
    p->runs = r->rows;
    for (int i = 0; i < r->rows; i++) {
        p->run[i] = run_at(src, (struct place){r->at.n, r->at.y + i, r->at.x}, r->columns);
        p->run[i].a = (char *)copy->data + i * win->sy * copy->row;
    }
}

/* As many segments at a time as leave room for A in the second-level cache; the sums wait in the
 * output meanwhile. */
static void multiply_by_parts(struct product *p)
{
    const struct strip all = p->strip;
    const float *then = p->then;
    const int most = PANELS_BYTES / (2 * PANEL * (int)sizeof(float) * all.k);
    const int parts = most ? (all.segments + most - 1) / most : all.segments;
    for (int i = 0; i < parts; i++) {
        const int from = all.segments * i / parts, to = all.segments * (i + 1) / parts;
        p->last = i + 1 == parts;
        p->strip.segment = all.segment + from;
        p->strip.segments = to - from;
        p->strip.b = all.b + (ptrdiff_t)from * all.k * PANEL;
        p->strip.resume = i > 0;
        p->then = p->last ? then : all.b + (ptrdiff_t)to * all.k * PANEL;
        multiply(p);
    }
    p->strip = all;
}

static void conv_rectangle(struct product *p, const struct source *src, const struct rectangle *r,
                           float *room)
{
    const struct window *win = &src->call->window;
    ptrdiff_t segment[SEGMENTS];
    struct view copy = covered(src->call, r->rows, r->columns);
    copy.data = room;
    p->strip.segment = segment;
    p->strip.segments = make_segments(win, &copy, segment, &p->strip.k);
    p->strip.a_row = win->sx * copy.pixel;
    fill_rectangle(p, src, r, &copy);
    multiply_by_parts(p);
    finish(p);
}

static void conv_copied(struct product *p, const struct source *src, const struct rectangle *most,
                        size_t from, size_t to)
{
    _Alignas(64) float room[COPY];
    const struct view *out = &src->call->out;
    p->last = true;
    while (from < to) {
        struct rectangle r = next_rectangle(out, most, from, to);
        const int end = r.rows > 1 ? out->w : r.at.x + r.columns;
        from += (size_t)(r.rows * (end - r.at.x));
        for (int columns; r.at.x < end; r.at.x += columns) {
            columns = r.columns < end - r.at.x ? r.columns : end - r.at.x;
            p->then = from < to || r.at.x + columns < end ? p->strip.b : src->call->then;
            conv_rectangle(p, src, &(struct rectangle){r.at, r.rows, columns}, room);
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

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
    struct rectangle most;
    struct source src = {.call = call};
    strip.segments = find_segments(call, segment, &strip.k);
    const bool direct = strip.segments && suits_as_it_lies(g, call);
    const bool copied = !direct && find_rectangle(g, call, &most);
    for (src.group = 0; src.group < call->groups; src.group++) {
        p.strip = strip;
        p.strip.b = weight + src.group * group_size;
        p.bias = bias ? bias + src.group * columns : NULL;
        if (direct)
            conv_direct(&p, src, from, to);
        else if (copied)
            conv_copied(&p, &src, &most, from, to);
        else
            conv_gathered(&p, src, from, to);
    }
}

/* ---- dense layer ----------------------------------------------------------------------------- */

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
