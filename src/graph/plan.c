/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a graph become a list of kernel calls? The loops of chain.c, band.c and place.c, then
 * one step a chain, filled in by the operator that does the work, and slice.c for which rows run
 * when. After this nothing is decided any more: run.c adds the arena's address and calls.
 *
 * A plan without weights has everything but the pointers to them: it is how memory is sized before
 * there is a model.
 */
#include <stdlib.h>

#include "base/checked.h"
#include "graph/plan_int.h"

/* ---- what operators use ---------------------------------------------------------------------- */

struct activation emit_act(const struct emit *e, int node)
{
    return node < 0 ? (struct activation){.kind = ACT_NONE} : e->g->node[node].act;
}

size_t emit_pixels(struct view v)
{
    return (size_t)v.h * (size_t)v.w;
}

void emit_map(const struct emit *e, const struct chain *chain, struct step *step)
{
    step->kind = CALL_MAP;
    step->kernel.map = e->k->map;
    step->per_image = emit_pixels(step->call.map.out);
    step->call.map.epilogue.act = emit_act(e, chain->act);
}

struct epilogue *call_epilogue(enum call_kind kind, union call *call)
{
    if (kind == CALL_CONV || kind == CALL_SEPARABLE || kind == CALL_WINOGRAD)
        return &call->conv.epilogue;
    if (kind == CALL_POOL) return &call->pool.epilogue;
    if (kind == CALL_DENSE) return &call->dense.epilogue;
    return kind == CALL_MAP ? &call->map.epilogue : NULL;
}

struct window *call_window(enum call_kind kind, union call *call)
{
    if (kind == CALL_CONV || kind == CALL_WINOGRAD) return &call->conv.window;
    if (kind == CALL_SEPARABLE) return &call->separable.depthwise.window;
    return kind == CALL_POOL ? &call->pool.window : NULL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

struct building {
    struct plan *plan;
    struct schedule schedule;
    struct places places;
    struct emit emit;
};

static struct step *new_step(struct building *b, int chain)
{
    struct step *step = &b->plan->step[b->plan->steps++];
    step->chain = b->schedule.chain[chain];
    step->node = chain;
    step->group = b->schedule.group_of[chain];
    step->grain = 1;
    step->add = NOWHERE;
    step->call.io.type = b->emit.k->type;
    return step;
}

static void fill_step(struct building *b, const struct chain *c, struct step *step)
{
    op_of(&b->emit.g->node[c->root])->emit(&b->emit, c, step);
    struct epilogue *epilogue = call_epilogue(step->kind, &step->call);
    if (c->other >= 0 && epilogue)
        epilogue->add = place_view(&b->places, &b->schedule, c->other, &step->add);
}

/* A map of shape s as it would lie in a scratch. */
static struct view scratch_view(struct shape s, enum dtype type)
{
    const ptrdiff_t pixel = memory_scratch_pixel(s.c, dtype_size(type));
    return (struct view){
        .n = 1, .h = s.h, .w = s.w, .c = s.c, .row = pixel * s.w, .pixel = pixel, .type = type};
}

/* What stays in the second-level cache, in whole rows. */
static size_t block_rows(struct view between, const struct kernels *k)
{
    size_t rows = k->block_bytes / (size_t)between.row;
    if (rows > (size_t)between.h) rows = (size_t)between.h;
    return rows ? rows : 1;
}

/* The convolution in front of a separable chain, and what is left of the chain behind it. */
static struct chain front_of(const struct chain *c)
{
    struct chain front = *c;
    front.root = c->depthwise;
    front.norm = c->depthwise_norm;
    front.act = c->depthwise_act;
    front.other = -1;
    return front;
}

static struct chain back_of(const struct chain *c)
{
    struct chain back = *c;
    if (c->depthwise < 0) return back;
    back.in = c->depthwise;
    back.load = -1;
    return back;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Makes a step Strassen's. Its units are pairs of pixels, because pairs stay together; a block that
 * begins and ends with one may be a pixel longer than its rows. */
static void make_strassen(struct building *b, struct step *step)
{
    const int root = step->chain.root;
    const struct node *n = &b->emit.g->node[root];
    const struct matrix m = op_conv_matrix(n, b->emit.shape[n->input[0]].c);
    struct separable_call *call = &step->call.separable;
    const struct view *between = &call->depthwise.out;
    const size_t pixels = call->block_rows * (size_t)between->w + 1;
    call->fast = b->emit.k;
    call->pointwise.weight = b->emit.ready[root].fast;
    call->scratch = pixels * (size_t)between->pixel;
    b->plan->scratch =
        larger(b->plan->scratch, call->scratch + strassen_scratch(&m, b->emit.k->type, pixels));
    step->per_image = (step->per_image + 1) / 2;
    step->grain = 1;
}

/* The pointwise convolution at the end of a chain, in blocks, with a depthwise one in front when
 * the chain has that. */
static void add_separable(struct building *b, int chain)
{
    struct step *step = new_step(b, chain), depthwise = {.call.io.type = b->emit.k->type};
    const bool separable = step->chain.depthwise >= 0;
    const struct chain front = front_of(&step->chain), back = back_of(&step->chain);
    struct separable_call *call = &step->call.separable;
    call->pointwise.in = scratch_view(b->emit.shape[back.in], b->schedule.type[back.in]);
    call->pointwise.out = place_view(&b->places, &b->schedule, chain, &step->out);
    fill_step(b, &back, step);
    depthwise.call.io.in = place_view(&b->places, &b->schedule, front.in, &step->in);
    depthwise.call.io.out = call->pointwise.in;
    if (separable) fill_step(b, &front, &depthwise);
    call->depthwise = depthwise.call.conv;
    call->depthwise_kernel = depthwise.kernel.conv;
    call->pointwise.in = call->depthwise.in;
    call->block_rows = block_rows(call->depthwise.out, b->emit.k);
    call->scratch = call->block_rows * (size_t)call->depthwise.out.row;
    step->kind = CALL_SEPARABLE;
    b->plan->scratch = larger(b->plan->scratch, call->scratch);
    if (schedule_fast(&b->schedule, step->chain.root) == FAST_STRASSEN) make_strassen(b, step);
}

/* Makes a step Winograd's. Its units are rows. */
static void make_winograd(struct building *b, struct step *step)
{
    struct winograd_call *call = &step->call.winograd;
    call->conv.weight = b->emit.ready[step->chain.root].fast;
    call->kernels = b->emit.k;
    winograd_prepare(call);
    step->kind = CALL_WINOGRAD;
    step->per_image = (size_t)call->conv.out.h;
    step->grain = 1;
    b->plan->scratch = larger(b->plan->scratch, winograd_scratch(call));
}

static void add_step(struct building *b, int chain)
{
    struct step *step = new_step(b, chain);
    union call *call = &step->call;
    call->io.in = place_view(&b->places, &b->schedule, step->chain.in, &step->in);
    call->io.out = place_view(&b->places, &b->schedule, chain, &step->out);
    fill_step(b, &step->chain, step);
    if (schedule_fast(&b->schedule, step->chain.root) == FAST_WINOGRAD) make_winograd(b, step);
}

/* One copy an input, except for those that were computed in place. */
static void add_parts(struct building *b, int chain)
{
    const struct node *n = &b->emit.g->node[b->schedule.chain[chain].root];
    size_t channels = 0, element = dtype_size(b->schedule.type[chain]);
    for (int j = 0; j < n->inputs; j++) {
        size_t from, to;
        struct view in = place_view(&b->places, &b->schedule, n->input[j], &from);
        struct view out = place_view(&b->places, &b->schedule, chain, &to);
        to += channels * element;
        channels += (size_t)in.c;
        if (from == to) continue;
        struct step *step = new_step(b, chain);
        out.c = in.c;
        step->in = from;
        step->out = to;
        step->call.io.in = in;
        step->call.io.out = out;
        fill_step(b, &step->chain, step);
    }
}

static xc_status add_steps(struct building *b, struct error *err)
{
    const struct graph *g = b->emit.g;
    size_t most = 0;
    for (int i = 0; i < g->nodes; i++)
        if (b->schedule.chain[i].root >= 0) most += (size_t)g->node[i].inputs;
    b->plan->step = arena_push(&b->plan->arena, most, sizeof *b->plan->step);
    if (!b->plan->step) return fail_memory(err, most * sizeof *b->plan->step);
    for (int i = 0; i < g->nodes; i++) {
        int root = b->schedule.chain[i].root;
        if (root < 0) continue;
        if (op_of(&g->node[root])->traits & OP_PARTS)
            add_parts(b, i);
        else if (b->schedule.chain[i].depthwise >= 0 ||
                 schedule_fast(&b->schedule, root) == FAST_STRASSEN)
            add_separable(b, i);
        else
            add_step(b, i);
    }
    return XC_OK;
}

/* ---- what a caller can look at --------------------------------------------------------------- */

static void show(struct building *b, int node)
{
    struct plan *p = b->plan;
    p->visible[node] = true;
    p->view[node] = place_view(&b->places, &b->schedule, node, &p->view_at[node]);
}

static xc_status show_results(struct building *b, const struct plan_opts *opts, struct error *err)
{
    struct plan *p = b->plan;
    size_t n = (size_t)p->g->nodes;
    p->visible = arena_push(&p->arena, n, sizeof *p->visible);
    p->view = arena_push(&p->arena, n, sizeof *p->view);
    p->view_at = arena_push(&p->arena, n, sizeof *p->view_at);
    if (!p->visible || !p->view || !p->view_at) return fail_memory(err, n * sizeof *p->view);
    show(b, 0);
    for (int i = 0; i < p->g->outputs; i++) show(b, p->g->output[i].node);
    for (int i = 0; i < opts->taps; i++) show(b, opts->tap[i]);
    return XC_OK;
}

bool plan_view(const struct plan *p, int node, void *arena, struct view *out)
{
    if (node < 0 || node >= p->g->nodes || !p->visible[node]) return false;
    *out = p->view[node];
    out->data = arena ? (char *)arena + p->view_at[node] : NULL;
    return true;
}

/* ---- the object ------------------------------------------------------------------------------ */

/* scratch: what is needed only until the plan is made */
static xc_status build(struct plan *p, const struct weights *w, const struct kernels *k,
                       const struct plan_opts *opts, struct arena *scratch, struct error *err)
{
    size_t n = (size_t)p->g->nodes;
    struct building b = {.plan = p, .schedule = {.g = p->g, .fast = w && w->fast}};
    const struct ready *ready = w ? w->ready : arena_push(scratch, n, sizeof *ready);
    p->shape = arena_push(&p->arena, n, sizeof *p->shape);
    if (!p->shape || !ready) return fail_memory(err, n * sizeof *p->shape);
    TRY(graph_shapes(p->g, opts->input, p->shape, err));
    b.schedule.shape = p->shape;
    b.emit = (struct emit){.g = p->g, .k = k, .shape = p->shape, .ready = ready};
    TRY(schedule_build(&b.schedule, k->type, opts, scratch, err));
    TRY(bands_find(&b.schedule, k->type, opts, scratch, err));
    TRY(places_find(&b.places, &b.schedule, scratch, err));
    p->bytes = b.places.bytes;
    p->bands = b.places.band_bytes;
    TRY(add_steps(&b, err));
    if (!size_add(p->scratch, p->bands, &p->scratch) || !size_align(p->scratch, 64, &p->scratch))
        return fail(err, XC_ERR_LIMIT, "the rows of bands do not fit into memory");
    TRY(stages_make(p, &b.schedule, err));
    return show_results(&b, opts, err);
}

xc_status plan_new(const struct graph *g, const struct weights *w, const struct kernels *k,
                   const struct plan_opts *opts, struct plan **out, struct error *err)
{
    struct arena scratch = {0};
    struct plan *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return fail_memory(err, sizeof *p);
    if (w && w->type != k->type) {
        plan_free(p);
        return fail(err, XC_ERR_INTERNAL, "weights are %s, kernels %s", dtype_name(w->type),
                    dtype_name(k->type));
    }
    p->g = g;
    p->batch = opts->input.n;
    p->runs = w != NULL;
    xc_status status = build(p, w, k, opts, &scratch, err);
    arena_free(&scratch);
    if (status != XC_OK) {
        plan_free(p);
        return status;
    }
    *out = p;
    return XC_OK;
}

void plan_free(struct plan *p)
{
    if (!p) return;
    arena_free(&p->arena);
    free(p);
}

size_t plan_arena_bytes(const struct plan *p)
{
    return p->bytes;
}

size_t plan_scratch_bytes(const struct plan *p)
{
    return p->scratch;
}
