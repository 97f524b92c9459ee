/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What learns now? In each phase the network behind the cut, with blocks of its own; without frozen
 * layers the model itself. A later phase has all parameters of the one before and more: their
 * numbers and moments go over by name, the new ones begin with what they were frozen at.
 */
#include <stdlib.h>
#include <string.h>

#include "train/trainer.h"

struct shape stage_input(const struct trainer *t)
{
    struct shape s = t->g->input;
    s.n = t->s.batch;
    return s;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Parameters of `part`, by name, from a block of `whole`, or back. */
static void move(const struct param_table *whole, float *block, const struct param_table *part,
                 float *some, bool back)
{
    for (int i = 0; i < part->count; i++) {
        const struct param *p = &part->at[i];
        float *there = block + whole->at[param_find(whole, p->name)].offset;
        float *here = some + p->offset;
        memcpy(back ? there : here, back ? here : there, p->count * sizeof *there);
    }
}

void stage_move(const struct trainer *t, float *whole, float *tail, bool back)
{
    move(&t->model->graph->param, whole, &t->g->param, tail, back);
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* By node of what is trained: is it frozen? Behind the cut only where a layer inside a block was
 * named. */
static bool *frozen_of(const struct trainer *t)
{
    const struct graph *all = t->model->graph;
    bool *frozen = calloc((size_t)t->g->all, sizeof *frozen);
    for (int i = 1; frozen && i <= t->phases.at[t->phase].last; i++) {
        const int here = graph_find(t->g, all->node[i].name);
        if (here >= 0) frozen[here] = true;
    }
    return frozen;
}

/* memory: for its arena; 0: any. */
static xc_status make_learn(struct trainer *t, uint64_t memory, struct error *err)
{
    bool *frozen = frozen_of(t);
    const struct learn_opts opts = {.input = stage_input(t),
                                    .frozen = frozen,
                                    .memory = (size_t)memory,
                                    .threads = pool_threads(t->m->pool),
                                    .loss = t->data->multi_label ? LOSS_SIGMOID : LOSS_SOFTMAX};
    if (!frozen) return fail_memory(err, (size_t)t->g->all);
    const struct kernels *k = t->s.bf16 ? &t->m->bf16 : &t->m->f32;
    training_kernels_init(&t->kernels, k->type, t->m->flags);
    const xc_status status = learn_new(t->g, k, &t->kernels, &opts, &t->learn, err);
    free(frozen);
    return status;
}

/* Since which step does this node of the whole model learn? */
static uint64_t learns_since(const struct trainer *t, int node)
{
    const struct graph *all = t->model->graph;
    int i = 0;
    while (i < t->phase && (node < all->nodes ? node <= t->phases.at[i].last
                                              : !freeze_leaves(all, t->phases.at[i].cut, node)))
        i++;
    return (uint64_t)t->phases.at[i].epoch * trainer_steps(t);
}

static xc_status make_optimizer(struct trainer *t, struct error *err)
{
    const struct graph *all = t->model->graph;
    struct optimizer_part *part = calloc((size_t)t->g->param.count + 1, sizeof *part);
    if (!part) return fail_memory(err, (size_t)t->g->param.count * sizeof *part);
    for (int i = 0; i < t->g->all; i++) {
        const int node = learn_trains(t->learn, i) ? graph_find(all, t->g->node[i].name) : -1;
        if (node < 0) continue;
        const double rate = node >= all->nodes || head_has(all, node) ? 1 : t->s.trunk_rate;
        for (int k = 0; k < t->g->node[i].params; k++) {
            const int p = t->g->node[i].param[k];
            const bool depthwise = t->g->param.at[p].role == PARAM_DEPTHWISE;
            part[p] = (struct optimizer_part){.rate = depthwise ? rate * t->s.depthwise_rate : rate,
                                              .since = learns_since(t, node)};
        }
    }
    const xc_status status = optimizer_new(&t->s.optimizer, &t->g->param, part, &t->optimizer, err);
    free(part);
    return status;
}

static xc_status take_blocks(struct trainer *t, struct error *err)
{
    const size_t n = t->g->param.total * sizeof(float);
    const size_t moments = optimizer_state_count(t->optimizer) * sizeof(float);
    t->weights = t->tail ? aligned_new(n) : t->model->block;
    t->grad = aligned_new(n);
    t->moments = aligned_new(moments);
    t->best = aligned_new(n);
    if (t->s.ema > 0) t->average = aligned_new(n);
    if (t->s.sam > 0) {
        t->slope = aligned_new(n);
        t->foot = aligned_new(n);
    }
    if (t->weights && t->grad && t->moments && t->best && (t->average || t->s.ema <= 0) &&
        ((t->slope && t->foot) || t->s.sam <= 0))
        return XC_OK;
    return fail(err, XC_ERR_MEMORY, "out of memory: the weights take %zu MiB",
                (n * 4 + moments) >> 20);
}

static xc_status take_arena(struct trainer *t, struct error *err)
{
    const size_t bytes = learn_arena_bytes(t->learn);
    t->arena = aligned_large(bytes, &t->arena_memory);
    if (t->arena) return XC_OK;
    return fail(err, XC_ERR_MEMORY, "out of memory: a step of batch %d takes %zu MiB", t->s.batch,
                bytes >> 20);
}

/* ---- phases ---------------------------------------------------------------------------------- */

/* What does not fit computes more again: the bits are the same. */
static xc_status plan(struct trainer *t, struct error *err)
{
    const int cut = t->phases.at[t->phase].cut;
    uint64_t bytes;
    t->g = t->model->graph;
    if (cut > 0) {
        TRY(freeze_tail(t->model->graph, cut, &t->tail, err));
        t->g = t->tail;
    }
    TRY(make_learn(t, 0, err));
    TRY(make_optimizer(t, err));
    TRY(need_bytes(t, &bytes, err));
    const uint64_t rest = bytes - learn_arena_bytes(t->learn);
    if (t->memory == 0 || bytes <= t->memory || rest >= t->memory) return XC_OK;
    learn_free(t->learn);
    t->learn = NULL;
    return make_learn(t, t->memory - rest, err);
}

static xc_status make(struct trainer *t, struct error *err)
{
    const size_t bytes = t->model->graph->param.total * sizeof(float);
    TRY(plan(t, err));
    TRY(take_blocks(t, err));
    optimizer_start(t->optimizer, t->moments);
    if (!t->tail) memcpy(t->best, t->weights, bytes);
    if (t->tail) stage_move(t, t->model->block, t->weights, false);
    if (t->tail) stage_move(t, t->model->block, t->best, false);
    if (t->average) memcpy(t->average, t->weights, t->g->param.total * sizeof(float));
    return XC_OK;
}

/* What the phase before had. */
static void take_over(struct trainer *t, const struct trainer *before)
{
    const struct param_table *now = &t->g->param, *then = &before->g->param;
    const size_t kinds = optimizer_state_count(before->optimizer) / then->total;
    move(now, t->best, then, before->best, true);
    if (t->average) move(now, t->average, then, before->average, true);
    for (size_t k = 0; k < kinds; k++)
        move(now, t->moments + k * now->total, then, before->moments + k * then->total, true);
}

static void forget(struct trainer *t)
{
    t->g = t->tail = NULL;
    t->learn = NULL;
    t->optimizer = NULL;
    t->arena = t->arena_memory = NULL;
    t->weights = t->grad = t->moments = t->average = t->best = t->slope = t->foot = NULL;
    t->train = t->val = NULL;
    t->trunk = NULL;
}

xc_status stage_probe(const struct trainer *t, int i, int batch, struct trainer *out,
                      struct error *err)
{
    *out = *t;
    forget(out);
    out->phase = i;
    out->s.batch = batch;
    const xc_status status = plan(out, err);
    if (status != XC_OK) stage_leave(out);
    return status;
}

xc_status stage_enter(struct trainer *t, int i, struct error *err)
{
    struct trainer before;
    supply_close(t);
    free(t->arena_memory); /* of the last step: not wanted beside the next one */
    free(t->grad);
    free(t->slope);
    free(t->foot);
    t->arena = t->arena_memory = t->grad = t->slope = t->foot = NULL;
    before = *t;
    forget(t);
    if (before.tail) stage_move(&before, t->model->block, before.weights, true);
    t->phase = i;
    const xc_status status = make(t, err);
    if (status == XC_OK && before.g) take_over(t, &before);
    stage_leave(&before);
    return status == XC_OK ? take_arena(t, err) : status; /* there is room for it now */
}

void stage_leave(struct trainer *t)
{
    supply_close(t);
    learn_free(t->learn);
    optimizer_free(t->optimizer);
    if (t->tail) free(t->weights);
    free(t->grad);
    free(t->moments);
    free(t->average);
    free(t->best);
    free(t->slope);
    free(t->foot);
    free(t->arena_memory);
    graph_free(t->tail);
    forget(t);
}
