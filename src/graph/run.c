/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a plan run? A loop over its stages. The call of a slice's step is copied to the stack,
 * its views get an address and the slice's rows, and the pool hands ranges of its units to the
 * kernel, or of a group's bands to threads which each run all slices of theirs. So one plan serves
 * any number of threads, each with an arena, and nothing is allocated or locked here. Units are
 * counted image by image.
 */
#include <string.h>

#include "base/clock.h"
#include "graph/plan_int.h"

enum {
    PANELS = 2, /* of a tile */
    EVEN = 16
};

struct work {
    union kernel_fn kernel;
    union call call;
    const struct step *next; /* or NULL */
    size_t units, grain, panels, lanes;
    char *scratch; /* of the first lane */
    size_t scratch_bytes;
};

static struct matrix matrix_of(const struct conv_call *call)
{
    const size_t taps = (size_t)(call->window.kh * call->window.kw);
    return (struct matrix){taps * (size_t)call->in.c, (size_t)call->out.c, 1};
}

static size_t panel_bytes(const struct conv_call *call, const struct matrix *m, size_t panel)
{
    return packing_panel(call->packing, m, panel).at * dtype_size(call->type);
}

/* Where whoever begins this step with unit `from` of n will read weights in the next one. */
static const void *weights_then(const struct work *w, size_t from, size_t n)
{
    const struct step *next = w->next;
    if (!next || next->kind != CALL_CONV || next->panels == 0) return NULL;
    const struct conv_call *call = &next->call.conv;
    const struct matrix m = matrix_of(call);
    const size_t pair = next->panels * from / n / PANELS;
    return (const char *)call->weight + panel_bytes(call, &m, pair * PANELS);
}

static void run_conv(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    struct conv_call call = w->call.conv;
    call.then = weights_then(w, from, w->units);
    w->kernel.conv(&call, from, to);
}

/* Leaves the output channels of panels from .. to: a convolution of its own. */
static void take_panels(struct conv_call *call, const struct matrix *m, size_t from, size_t to)
{
    struct epilogue *e = &call->epilogue;
    const struct panel first = packing_panel(call->packing, m, from);
    const struct panel last = packing_panel(call->packing, m, to - 1);
    call->weight = (const char *)call->weight + panel_bytes(call, m, from);
    call->out.data = (char *)call->out.data + first.first * dtype_size(call->out.type);
    call->out.c = (int)(last.first + last.columns - first.first);
    if (e->bias) e->bias = (const float *)e->bias + first.first;
    if (e->add.data) e->add.data = (char *)e->add.data + first.first * dtype_size(e->add.type);
    e->add.c = call->out.c;
}

static void run_conv_panels(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    struct conv_call call = w->call.conv;
    const struct matrix m = matrix_of(&call);
    call.then = weights_then(w, from, w->panels);
    take_panels(&call, &m, from, to);
    w->kernel.conv(&call, 0, w->units);
}

/* ---- separable convolutions ------------------------------------------------------------------ */

/* The pixels [first, first + count) of an image, as a row. */
static struct view pixels_of(const struct view *v, int image, size_t first, size_t count)
{
    struct view row = *v;
    row.data = (char *)v->data + image * v->image + (ptrdiff_t)first * v->pixel;
    row.n = row.h = 1;
    row.w = (int)count;
    return row;
}

/* Pixel `first` of the image is pixel x of the scratch, whose rows begin where the map's do. */
static struct view run_depthwise(const struct separable_call *s, char *scratch, int image,
                                 size_t first, size_t count)
{
    const struct view *in = &s->pointwise.in;
    struct conv_call depthwise = s->depthwise;
    const size_t width = (size_t)depthwise.out.w, x = first % width;
    depthwise.in = *in;
    depthwise.in.data = (char *)in->data + image * in->image;
    depthwise.in.n = 1;
    call_from_row(&depthwise.window, &depthwise.in, (int)(first / width));
    depthwise.out.data = scratch;
    depthwise.out.h = (int)((x + count + width - 1) / width);
    s->depthwise_kernel(&depthwise, x, x + count);
    return pixels_of(&depthwise.out, 0, x, count);
}

/* out = act(in), before Strassen's algorithm: it adds numbers up as they are. */
static struct view activate_block(const struct separable_call *s, struct view in, char *scratch)
{
    struct map_call map = {.type = s->pointwise.type, .in = in, .out = in};
    map.out.data = scratch;
    map.out.pixel = s->depthwise.out.pixel;
    map.prologue = s->pointwise.prologue;
    s->fast->map(&map, 0, (size_t)in.w);
    return map.out;
}

/* Pixels [first, first + count) of an image. */
static void run_block(const struct work *w, char *scratch, int image, size_t first, size_t count)
{
    const struct separable_call *s = &w->call.separable;
    struct conv_call call = s->pointwise;
    if (s->depthwise_kernel)
        call.in = run_depthwise(s, scratch, image, first, count);
    else
        call.in = pixels_of(&s->pointwise.in, image, first, count);
    if (call.prologue.act.kind != ACT_NONE) call.in = activate_block(s, call.in, scratch);
    call.prologue.act.kind = ACT_NONE;
    call.out = pixels_of(&s->pointwise.out, image, first, count);
    if (call.epilogue.add.data)
        call.epilogue.add = pixels_of(&s->pointwise.epilogue.add, image, first, count);
    if (s->fast)
        strassen_conv(s->fast, &call, scratch + s->scratch);
    else
        w->kernel.conv(&call, 0, count);
}

/* Strassen's algorithm works on pairs. */
static size_t unit_pixels(const struct separable_call *s)
{
    return s->fast ? 2 : 1;
}

/* Pixels of one image, in blocks of about equally many rows; threads may cut a row anywhere. */
static void run_blocks(const struct work *w, char *scratch, int image, size_t from, size_t to)
{
    const struct separable_call *s = &w->call.separable;
    const size_t width = (size_t)s->depthwise.out.w, most = s->block_rows;
    const size_t rows = (to + width - 1) / width - from / width;
    const size_t blocks = (rows + most - 1) / most, each = (rows + blocks - 1) / blocks;
    for (size_t end; from < to; from = end) {
        end = (from / width + each) * width;
        end += end % unit_pixels(s);
        if (end > to) end = to;
        run_block(w, scratch, image, from, end - from);
    }
}

/* A lane is a part of the units, and a scratch. A thread that has several (of a pool that others
 * keep busy) makes one of them: it reads weights once, into one scratch. */
static struct range lanes_join(size_t units, size_t grain, size_t lanes, size_t from, size_t to)
{
    return (struct range){range_part(units, grain, lanes, from).from,
                          range_part(units, grain, lanes, to - 1).to};
}

static void run_separable(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    const struct view *out = &w->call.io.out;
    const size_t pixels = (size_t)out->h * (size_t)out->w, unit = unit_pixels(&w->call.separable);
    const size_t per_image = (pixels + unit - 1) / unit;
    struct range r = lanes_join(w->units, w->grain, w->lanes, from, to);
    for (size_t end; r.from < r.to; r.from = end) {
        const size_t image = r.from / per_image, before = image * per_image;
        end = before + per_image < r.to ? before + per_image : r.to;
        const size_t first = (r.from - before) * unit, behind = (end - before) * unit;
        run_blocks(w, w->scratch + from * w->scratch_bytes, (int)image, first,
                   behind < pixels ? behind : pixels);
    }
}

/* ---- Winograd's convolutions ----------------------------------------------------------------- */

/* Lanes are parts of the rows of all images. */
static void run_winograd(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    const size_t h = (size_t)w->call.io.out.h;
    struct range r = lanes_join(w->units, w->grain, w->lanes, from, to);
    for (size_t end; r.from < r.to; r.from = end) {
        const size_t image = r.from / h, before = image * h;
        end = before + h < r.to ? before + h : r.to;
        winograd_run(&w->call.winograd, (int)image, (int)(r.from - before), (int)(end - before),
                     w->scratch + from * w->scratch_bytes);
    }
}

/* Lanes are parts of the panels of each product. */
static void run_winograd_panels(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    const struct range r = lanes_join(w->panels, PANELS, w->lanes, from, to);
    struct winograd_call call = w->call.winograd;
    const struct matrix m = winograd_product(&call);
    if (r.from == r.to) return;
    take_panels(&call.conv, &m, r.from, r.to);
    for (size_t image = 0; image < w->units / (size_t)call.conv.out.h; image++)
        winograd_run(&call, (int)image, 0, call.conv.out.h, w->scratch + from * w->scratch_bytes);
}

/* ---- one function a kind --------------------------------------------------------------------- */

static void run_pool(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.pool(&w->call.pool, from, to);
}

static void run_global_pool(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.global_pool(&w->call.global_pool, from, to);
}

static void run_map(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.map(&w->call.map, from, to);
}

static void run_dense(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.dense(&w->call.dense, from, to);
}

static void run_softmax(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.softmax(&w->call.softmax, from, to);
}

static pool_fn *const run_kind[] = {
    [CALL_CONV] = run_conv,   [CALL_SEPARABLE] = run_separable,     [CALL_WINOGRAD] = run_winograd,
    [CALL_POOL] = run_pool,   [CALL_GLOBAL_POOL] = run_global_pool, [CALL_MAP] = run_map,
    [CALL_DENSE] = run_dense, [CALL_SOFTMAX] = run_softmax,
};

/* What one run lies in. */
struct memory {
    char *arena, *scratch; /* of the thread that runs, others behind it */
};

static char *address(const struct memory *m, struct place place)
{
    return (place.mine ? m->scratch : m->arena) + place.at;
}

/* The rows that the buffer's next ones begin with. */
static void keep_rows(const struct step *step, const struct slice *slice, int images, char *buffer)
{
    for (int i = 0; i < images; i++, buffer += step->call.io.out.image)
        memmove(buffer + slice->kept_to, buffer + slice->kept_from, slice->kept_bytes);
}

/* Do the panels come out even? To one part in 16. */
static bool panels_are_even(size_t panels, size_t threads)
{
    const size_t pairs = (panels + 1) / PANELS, most = (pairs + threads - 1) / threads;
    return threads > 1 && (most * threads - pairs) * EVEN <= pairs;
}

/* next: the slice behind it, or NULL */
static void run_slice(const struct plan *p, const struct slice *slice, const struct slice *next,
                      const struct memory *m, struct pool *pool)
{
    const struct step *step = &p->step[slice->step];
    struct work w = {.kernel = step->kernel,
                     .call = step->call,
                     .units = (size_t)p->batch * slice->per_image,
                     .grain = step->grain,
                     .panels = step->panels,
                     .next = next ? &p->step[next->step] : NULL,
                     .lanes = (size_t)pool_threads(pool),
                     .scratch = m->scratch + p->bands,
                     .scratch_bytes = p->scratch};
    struct window *window = call_window(step->kind, &w.call);
    struct epilogue *epilogue = call_epilogue(step->kind, &w.call);
    w.call.io.in.data = address(m, slice->in);
    w.call.io.in.h = slice->in_rows;
    w.call.io.out.data = address(m, slice->out);
    w.call.io.out.h = slice->rows;
    if (window) window->pad_top = slice->pad_top;
    if (slice->add.at != NOWHERE) {
        epilogue->add.data = address(m, slice->add);
        epilogue->add.h = slice->rows;
    }
    if (slice->kept_bytes) keep_rows(step, slice, p->batch, m->scratch);
    const bool by_panels = step->panels && w.units && panels_are_even(step->panels, w.lanes);
    if (step->kind == CALL_WINOGRAD && by_panels)
        pool_for(pool, w.lanes, 1, run_winograd_panels, &w);
    else if (step->kind == CALL_SEPARABLE || step->kind == CALL_WINOGRAD)
        pool_for(pool, w.units < w.lanes ? w.units : w.lanes, 1, run_kind[step->kind], &w);
    else if (by_panels)
        pool_for(pool, step->panels, PANELS, run_conv_panels, &w);
    else
        pool_for(pool, w.units, w.grain, run_kind[step->kind], &w);
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* The first slice of the stage behind this one, or NULL. */
static const struct slice *slice_behind(const struct plan *p, const struct stage *stage)
{
    return stage + 1 < p->stage + p->stages ? &p->slice[stage[1].slice] : NULL;
}

struct bands {
    const struct plan *plan;
    const struct stage *stage;
    struct memory memory;
    size_t lanes;
    const atomic_bool *cancel;
    double *seconds; /* of the first lane's slices, or NULL */
};

static bool is_cancelled(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* The bands of a thread begin with `first`. */
static void run_band(const struct bands *b, const struct memory *m, size_t band, size_t first,
                     struct pool *pool, double *seconds)
{
    const struct plan *p = b->plan;
    const int *at = stage_band(b->stage, band, first);
    for (int i = at[0]; i < at[1]; i++) {
        const double start = seconds ? clock_seconds() : 0;
        const struct slice *slice = &p->slice[i];
        run_slice(p, slice, i + 1 < at[1] ? slice + 1 : slice_behind(p, b->stage), m, pool);
        if (seconds) seconds[slice->step] += clock_seconds() - start;
    }
}

/* Lanes are neighbouring bands. */
static void run_bands(void *ctx, size_t from, size_t to)
{
    const struct bands *b = ctx;
    const struct memory m = {b->memory.arena, b->memory.scratch + from * b->plan->scratch};
    const struct range r = lanes_join((size_t)b->stage->bands, 1, b->lanes, from, to);
    for (size_t band = r.from; band < r.to && !is_cancelled(b->cancel); band++)
        run_band(b, &m, band, r.from, NULL, from == 0 ? b->seconds : NULL);
}

static void bands_together(struct bands *b, struct pool *pool)
{
    for (int band = 0; band < b->stage->bands && !is_cancelled(b->cancel); band++)
        run_band(b, &b->memory, (size_t)band, 0, pool, b->seconds);
}

/* The last step's time has that of waiting for the others in it. */
static void bands_apart(struct bands *b, struct pool *pool)
{
    double *seconds = b->seconds;
    const struct slice *last = &b->plan->slice[b->stage->at[BAND_PLACES * b->stage->bands] - 1];
    const double start = seconds ? clock_seconds() : 0;
    double before = 0, after = 0;
    b->lanes = (size_t)pool_threads(pool);
    for (int i = 0; seconds && i < b->plan->steps; i++) before += seconds[i];
    pool_for(pool, b->lanes, 1, run_bands, b);
    for (int i = 0; seconds && i < b->plan->steps; i++) after += seconds[i];
    if (seconds) seconds[last->step] += clock_seconds() - start - (after - before);
}

static void run_stage(struct bands *b, struct pool *pool)
{
    const struct slice *slice = &b->plan->slice[b->stage->slice];
    if (b->stage->bands) {
        const bool together = b->stage->together || b->stage->bands < pool_threads(pool);
        (together ? bands_together : bands_apart)(b, pool);
        return;
    }
    const double start = b->seconds ? clock_seconds() : 0;
    run_slice(b->plan, slice, slice_behind(b->plan, b->stage), &b->memory, pool);
    if (b->seconds) b->seconds[slice->step] += clock_seconds() - start;
}

xc_status plan_run_timed(const struct plan *p, void *arena, void *scratch, struct pool *pool,
                         const atomic_bool *cancel, double *seconds)
{
    if (!p->runs) return XC_ERR_ARGUMENT;
    struct bands b = {.plan = p, .memory = {arena, scratch}, .cancel = cancel, .seconds = seconds};
    for (int i = 0; i < p->stages && !is_cancelled(cancel); i++) {
        b.stage = &p->stage[i];
        run_stage(&b, pool);
    }
    return is_cancelled(cancel) ? XC_ERR_CANCELLED : XC_OK;
}

xc_status plan_run(const struct plan *p, void *arena, void *scratch, struct pool *pool,
                   const atomic_bool *cancel)
{
    return plan_run_timed(p, arena, scratch, pool, cancel, NULL);
}
