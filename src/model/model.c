/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shared and immutable? A model: graph, numbers, and what is known about both. It is made
 * in three steps (model_new, the numbers, model_ready) and never changes afterwards, except that
 * the weights made ready for a precision are kept when the first session asks for them.
 */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/layer.h"

enum { CHECK_GRAIN = 1 << 16 };

/* ---- model_new ------------------------------------------------------------------------------- */

static uint64_t total_macs(const xc_layer *layer, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        if (__builtin_add_overflow(sum, layer[i].macs, &sum)) return UINT64_MAX;
    return sum;
}

static xc_status planned_bytes(const xc_model *model, uint64_t *out, struct error *err)
{
    struct plan *plan = NULL;
    struct plan_opts opts = {.input = model->graph->input};
    TRY(plan_new(model->graph, NULL, &model->machine->f32, &opts, &plan, err));
    const size_t threads = (size_t)pool_threads(model->machine->pool);
    *out = plan_arena_bytes(plan) + threads * plan_scratch_bytes(plan);
    plan_free(plan);
    return XC_OK;
}

/* The recipe of the architecture, as far as this input allows. A network that begins with a scaling
 * of its own (pre=) gets the bytes as they are: pixels are scaled once. */
static xc_status choose_recipe(xc_model *model, struct error *err)
{
    xc_preprocess *p = &model->meta.preprocess;
    char pre[8];
    TRY(preprocess_named(arch_recipe(model->arch), p, err));
    if (model->graph->input.c == 1) p->colour = XC_COLOUR_GREY;
    if (model->graph->input.c != 1 && p->colour == XC_COLOUR_GREY) p->colour = XC_COLOUR_RGB;
    arch_knob(model->arch, "pre", pre, sizeof pre);
    model->info.scales_pixels = pre[0] != '\0';
    if (!model->info.scales_pixels) return XC_OK;
    p->divisor = 1;
    for (int c = 0; c < 4; c++) {
        p->mean[c] = 0;
        p->std[c] = 1;
    }
    return XC_OK;
}

/* Scores come from a dense layer, or are means of a convolution's maps; a mean of anything else is
 * a feature. */
static bool classifies(const struct graph *g)
{
    const struct node *n = &g->node[g->output[0].node];
    if (n->out.h != 1 || n->out.w != 1) return false;
    while (n->kind == OP_SOFTMAX || n->kind == OP_ACT || n->kind == OP_DROPOUT)
        n = &g->node[n->input[0]];
    if (n->kind == OP_GLOBAL_POOL) return g->node[n->input[0]].kind == OP_CONV;
    return n->kind == OP_DENSE;
}

static xc_status describe(xc_model *model, struct error *err)
{
    const struct graph *g = model->graph;
    xc_model_info *info = &model->info;
    const struct node *result = &g->node[g->output[0].node];
    size_t classes;
    if (!shape_count(result->out, &classes) || classes > UINT32_MAX)
        return fail(err, XC_ERR_LIMIT, "the main output is too large");
    struct layers layers;
    TRY(layers_of(g, &model->arena, &layers, err));
    model->layer = layers.at;
    info->layers = layers.count - layers.auxiliary;
    info->auxiliary_layers = layers.auxiliary;
    TRY(planned_bytes(model, &info->activation_bytes, err));
    info->arch = model->arch;
    info->flavour = arch_flavour(model->arch);
    info->height = (uint32_t)g->input.h;
    info->width = (uint32_t)g->input.w;
    info->channels = (uint32_t)g->input.c;
    info->min_side = (uint32_t)arch_min_side(g);
    info->classes = (uint32_t)classes;
    info->outputs = (uint32_t)g->outputs;
    info->has_softmax = result->kind == OP_SOFTMAX;
    info->has_sigmoid = result->kind == OP_ACT && result->act.kind == ACT_SIGMOID;
    info->classifies = classifies(g);
    info->params = graph_params(g);
    info->trainable = graph_trainable(g);
    info->macs = total_macs(model->layer, info->layers);
    info->weight_bytes = g->param.total * sizeof(float);
    return choose_recipe(model, err);
}

xc_status model_new(const struct machine *m, const char *arch, const struct arch_input *input,
                    xc_model **out, struct error *err)
{
    static const struct arch_input own = {0};
    xc_model *model = calloc(1, sizeof *model);
    if (!model) return fail_memory(err, sizeof *model);
    if (pthread_mutex_init(&model->lock, NULL) != 0) {
        free(model);
        return fail_memory(err, sizeof model->lock);
    }
    atomic_init(&model->references, 1);
    model->machine = m;
    model->meta = (struct model_meta){.source = "",
                                      .licence = "",
                                      .report = "",
                                      .packing = "",
                                      .original = "",
                                      .decision = XC_DECISION_INIT};
    xc_status status = arch_build(arch, input ? input : &own, &model->graph, &model->arch, err);
    if (status == XC_OK) status = describe(model, err);
    if (status == XC_OK)
        *out = model;
    else
        model_unref(model);
    return status;
}

/* ---- the numbers ----------------------------------------------------------------------------- */

xc_status model_make_block(xc_model *model, struct error *err)
{
    const struct param_table *table = &model->graph->param;
    size_t bytes = table->total * sizeof *model->block; /* a graph of that size was checked */
    const float **data = arena_push(&model->arena, (size_t)table->count, sizeof *data);
    float *block = aligned_new(bytes ? bytes : sizeof *block);
    if (!data || !block) {
        free(block);
        return fail_memory(err, bytes);
    }
    for (int i = 0; i < table->count; i++) data[i] = block + table->at[i].offset;
    model->block = block;
    model->data = data;
    return XC_OK;
}

/* An exponent of all ones is NaN or infinite. Over the whole array without a branch first: the
 * usual answer is that all is well. */
static bool all_finite(const float *x, size_t count)
{
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return bad == 0;
}

static bool all_valid(const struct param *p, const float *x, size_t count)
{
    bool valid = all_finite(x, count);
    for (size_t i = 0; valid && p->role == PARAM_VARIANCE && i < count; i++) valid = x[i] >= 0;
    return valid;
}

static xc_status name_number(const struct param *p, const float *x, struct error *err)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!isfinite(x[i]))
            return fail(err, XC_ERR_NUMBER, "%s: number %zu is %s", p->name, i,
                        isnan(x[i]) ? "NaN" : "infinite");
        if (p->role == PARAM_VARIANCE && x[i] < 0)
            return fail(err, XC_ERR_NUMBER, "%s: number %zu is %g, a variance is not negative",
                        p->name, i, (double)x[i]);
    }
    return XC_OK;
}

struct check {
    const xc_model *model;
    atomic_bool wrong;
};

/* Numbers [from, to) of all parameters, counted through. */
static void check_range(void *ctx, size_t from, size_t to)
{
    struct check *c = ctx;
    const struct param_table *table = &c->model->graph->param;
    bool valid = true;
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        const size_t begin = p->offset > from ? p->offset : from;
        const size_t end = p->offset + p->count < to ? p->offset + p->count : to;
        if (begin < end)
            valid = all_valid(p, c->model->data[i] + (begin - p->offset), end - begin) && valid;
    }
    if (!valid) atomic_store(&c->wrong, true);
}

/* On all threads; the sentence about the first wrong number is found afterwards. */
static xc_status check_numbers(const xc_model *model, struct error *err)
{
    const struct param_table *table = &model->graph->param;
    struct check c = {.model = model};
    atomic_init(&c.wrong, false);
    pool_for(model->machine->pool, table->total, CHECK_GRAIN, check_range, &c);
    for (int i = 0; atomic_load(&c.wrong) && i < table->count; i++)
        TRY(name_number(&table->at[i], model->data[i], err));
    return XC_OK;
}

xc_status model_ready(xc_model *model, struct error *err)
{
    if (model->data) TRY(check_numbers(model, err));
    model->info.has_weights = model->data || model->packed.block;
    model->info.packing = model->meta.packing;
    model->info.original = model->meta.original;
    model->info.has_labels = model->meta.labels != NULL;
    model->info.source = model->meta.source;
    model->info.licence = model->meta.licence;
    model->info.preprocess = model->meta.preprocess;
    return XC_OK;
}

/* ---- sharing --------------------------------------------------------------------------------- */

xc_model *model_ref(xc_model *model)
{
    atomic_fetch_add_explicit(&model->references, 1, memory_order_relaxed);
    return model;
}

void model_unref(xc_model *model)
{
    if (!model || atomic_fetch_sub_explicit(&model->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int i = 0; i < PRECISIONS; i++) {
        weights_free(model->fast[i]);
        weights_free(model->ready[i]);
    }
    free(model->block);
    file_release(&model->file);
    graph_free(model->graph);
    arena_free(&model->arena);
    pthread_mutex_destroy(&model->lock);
    free(model);
}

static xc_status make_weights(const xc_model *model, const struct kernels *k, struct weights **out,
                              struct error *err)
{
    const struct weights_source from = {.data = model->data, .file = &model->file};
    if (!model->packed.block)
        return weights_new(model->graph, &from, k, model->machine->pool, out, err);
    if (model->packed.form.type == k->type)
        return weights_from_packed(model->graph, &model->packed, k, model->machine->pool, out, err);
    return fail(err, XC_ERR_UNSUPPORTED,
                "the model is packed (%s): it runs in precision %s, or auto, alone",
                model->meta.packing, model->packed.form.type == DTYPE_BF16 ? "bf16" : "f32");
}

xc_precision model_precision(const xc_model *model, xc_precision wanted)
{
    if (wanted != XC_PRECISION_AUTO || !model->packed.block)
        return machine_precision(model->machine, wanted);
    return model->packed.form.type == DTYPE_BF16 ? XC_PRECISION_BF16 : XC_PRECISION_F32;
}

xc_status model_need_original(const xc_model *model, const char *what, struct error *err)
{
    const char *original = model->meta.original;
    return fail(err, XC_ERR_UNSUPPORTED,
                "the model is packed (%s): %s need the parameters, which are in the original%s%s%s",
                model->meta.packing, what, original[0] ? " (SHA-256 " : "", original,
                original[0] ? ")" : "");
}

xc_status model_weights(xc_model *model, xc_precision precision, xc_algo algo,
                        const struct weights **out, struct error *err)
{
    const struct kernels *k = machine_kernels(model->machine, precision);
    struct weights **ready = &model->ready[precision], **fast = &model->fast[precision];
    xc_status status = XC_OK;
    if (!model->info.has_weights)
        return fail(err, XC_ERR_ARGUMENT, "the model was created without weights, it cannot run");
    pthread_mutex_lock(&model->lock);
    if (!*ready) status = make_weights(model, k, ready, err);
    if (status == XC_OK && algo == XC_ALGO_FAST && !*fast)
        status = weights_fast(model->graph, *ready, model->packed.file, k, model->machine->pool,
                              fast, err);
    *out = algo == XC_ALGO_FAST ? *fast : *ready;
    pthread_mutex_unlock(&model->lock);
    return status;
}
