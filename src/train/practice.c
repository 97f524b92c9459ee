/* SPDX-License-Identifier: Apache-2.0 */
/* How long does a step of training take? See practice.h. */
#include "train/practice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "graph/learn.h"
#include "train/optimizer.h"

enum { BLOCKS = 3 }; /* weights, gradients, momentum */

struct practice {
    const struct machine *m;
    xc_model *model;
    struct training_kernels kernels;
    struct learn *learn;
    struct optimizer *optimizer;
    struct shape in;
    uint64_t step;
    float *grad, *moments, *input, *target;
    double *loss;
    void *arena, *memory;
};

static xc_status open_model(struct practice *p, const struct practice_opts *o, struct error *err)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    create.weights = XC_WEIGHTS_RANDOM;
    create.height = (uint32_t)o->h;
    create.width = (uint32_t)o->w;
    TRY(model_create(o->machine, o->arch, &create, &p->model, err));
    const struct shape s = p->model->graph->input;
    p->in = (struct shape){o->batch, s.h, s.w, s.c};
    return XC_OK;
}

/* What a step's maps may take, beside the weights. */
static size_t for_maps(const struct practice *p, const struct practice_opts *o)
{
    const size_t weights = BLOCKS * p->model->graph->param.total * sizeof(float);
    if (!o->memory) return 0;
    return o->memory > weights ? o->memory - weights : 1;
}

static xc_status take_memory(struct practice *p, struct error *err)
{
    const struct graph *g = p->model->graph;
    const size_t batch = (size_t)p->in.n, classes = p->model->info.classes;
    const size_t pixels = batch * (size_t)p->in.h * (size_t)p->in.w * (size_t)p->in.c;
    const size_t state = optimizer_state_count(p->optimizer);
    p->grad = aligned_new(g->param.total * sizeof *p->grad);
    p->moments = aligned_new(state * sizeof *p->moments);
    p->input = aligned_new(pixels * sizeof *p->input);
    p->target = calloc(batch * classes, sizeof *p->target);
    p->loss = calloc(batch, sizeof *p->loss);
    p->arena = aligned_large(learn_arena_bytes(p->learn), &p->memory);
    if (!p->grad || !p->moments || !p->input || !p->target || !p->loss || !p->arena)
        return fail_memory(err, learn_arena_bytes(p->learn));
    optimizer_start(p->optimizer, p->moments);
    for (size_t i = 0; i < pixels; i++)
        p->input[i] = 2 * rng_uniform(1, RNG_TEST, 0, 0, (uint32_t)i) - 1;
    for (size_t i = 0; i < batch; i++) p->target[i * classes + i % classes] = 1;
    return XC_OK;
}

static xc_status make(struct practice *p, const struct practice_opts *o, struct error *err)
{
    const struct optimizer_opts sgd = optimizer_defaults(OPTIMIZER_SGD);
    TRY(open_model(p, o, err));
    const struct learn_opts opts = {
        .input = p->in, .memory = for_maps(p, o), .threads = pool_threads(p->m->pool)};
    const struct kernels *k = machine_kernels(p->m, machine_precision(p->m, o->precision));
    training_kernels_init(&p->kernels, k->type, p->m->flags);
    TRY(learn_new(p->model->graph, k, &p->kernels, &opts, &p->learn, err));
    TRY(optimizer_new(&sgd, &p->model->graph->param, NULL, &p->optimizer, err));
    if (opts.memory && learn_arena_bytes(p->learn) > opts.memory)
        return fail(
            err, XC_ERR_LIMIT,
            "a step of batch %d takes at least %zu MiB, %zu of them for maps; the limit is "
            "%zu",
            o->batch,
            (BLOCKS * p->model->graph->param.total * sizeof(float) + learn_arena_bytes(p->learn)) >>
                20,
            learn_arena_bytes(p->learn) >> 20, o->memory >> 20);
    return take_memory(p, err);
}

xc_status practice_new(const struct practice_opts *opts, struct practice **out, struct error *err)
{
    struct practice *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return fail_memory(err, sizeof *p);
    p->m = opts->machine;
    const xc_status status = make(p, opts, err);
    if (status == XC_OK)
        *out = p;
    else
        practice_free(p);
    return status;
}

void practice_free(struct practice *p)
{
    if (!p) return;
    free(p->grad);
    free(p->moments);
    free(p->input);
    free(p->target);
    free(p->loss);
    free(p->memory);
    optimizer_free(p->optimizer);
    learn_free(p->learn);
    model_unref(p->model);
    free(p);
}

xc_status practice_step(struct practice *p, struct error *err)
{
    const size_t total = p->model->graph->param.total;
    const struct learn_io io = {.input = p->input,
                                .target = p->target,
                                .param = p->model->block,
                                .grad = p->grad,
                                .loss = p->loss,
                                .scale = 1.0 / p->in.n,
                                .draw = {.seed = 1, .step = (uint32_t)p->step}};
    memset(p->grad, 0, total * sizeof *p->grad);
    TRY(learn_run(p->learn, &io, p->arena, p->m->pool, NULL));
    const double norm = optimizer_step(p->optimizer, ++p->step, 1e-6, p->model->block, p->grad,
                                       p->moments, p->m->pool);
    if (isfinite(norm)) return XC_OK;
    return fail(err, XC_ERR_NUMBER, "step %ju: the gradient is not finite", (uintmax_t)p->step);
}

static uint64_t trained(const struct param_table *table)
{
    uint64_t sum = 0;
    for (int i = 0; i < table->count; i++)
        if (param_trainable(&table->at[i])) sum += table->at[i].count;
    return sum;
}

void practice_info(const struct practice *p, xc_practice_info *out)
{
    *out = (xc_practice_info){.arch = p->model->info.arch,
                              .height = (uint32_t)p->in.h,
                              .width = (uint32_t)p->in.w,
                              .channels = (uint32_t)p->in.c,
                              .macs = learn_macs(p->learn) / (uint64_t)p->in.n,
                              .arena = learn_arena_bytes(p->learn),
                              .parameters = trained(&p->model->graph->param)};
}
