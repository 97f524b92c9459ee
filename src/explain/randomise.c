/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a network say that has forgotten? A copy whose last layers are as they were before any
 * training. A heat map that stays the same does not show what the network has learned.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"

static bool has_layer_before(const struct graph *g, int node)
{
    for (int i = 0; i < node; i++)
        if (g->node[i].params && strcmp(g->node[i].layer, g->node[node].layer) == 0) return true;
    return false;
}

/* The first node whose layer forgets; g->nodes: none does. */
static int first_forgotten(const struct graph *g, double part)
{
    int layers = 0, node = g->nodes;
    for (int i = 0; i < g->nodes; i++) layers += g->node[i].params && !has_layer_before(g, i);
    int left = (int)ceil(part * layers);
    for (int i = g->nodes - 1; i >= 0 && left > 0; i--)
        if (g->node[i].params && !has_layer_before(g, i)) {
            node = i;
            left--;
        }
    return node;
}

static xc_status copy_meta(xc_model *to, const xc_model *from, struct error *err)
{
    xc_decision *decision = &to->meta.decision;
    to->meta.preprocess = from->meta.preprocess;
    *decision = from->meta.decision;
    if (decision->least) {
        double *least = arena_push(&to->arena, from->info.classes, sizeof *least);
        if (!least) return fail_memory(err, from->info.classes * sizeof *least);
        memcpy(least, decision->least, from->info.classes * sizeof *least);
        decision->least = least;
    }
    if (!from->meta.labels) return XC_OK;
    const char **label = arena_push(&to->arena, from->info.classes, sizeof *label);
    if (!label) return fail_memory(err, from->info.classes * sizeof *label);
    for (uint32_t i = 0; i < from->info.classes; i++)
        if (!(label[i] = arena_strdup(&to->arena, from->meta.labels[i])))
            return fail_memory(err, strlen(from->meta.labels[i]));
    to->meta.labels = label;
    return XC_OK;
}

static xc_status fill(xc_model *to, const xc_model *known, const xc_model *fresh, double part,
                      struct error *err)
{
    const struct graph *g = to->graph;
    const int first = first_forgotten(g, part);
    TRY(copy_meta(to, known, err));
    TRY(model_make_block(to, err));
    for (int i = 0; i < g->param.count; i++) /* those of auxiliary losses, too */
        memcpy(to->block + g->param.at[i].offset, known->data[i],
               g->param.at[i].count * sizeof *to->block);
    for (int i = first; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].params; k++) {
            const int param = g->node[i].param[k];
            const struct param *p = &g->param.at[param];
            memcpy(to->block + p->offset, fresh->data[param], p->count * sizeof *to->block);
        }
    return model_ready(to, err);
}

xc_status model_randomise(const xc_model *model, double part, uint64_t seed, xc_model **out,
                          struct error *err)
{
    const struct machine *m = model->machine;
    const xc_create_opts opts = {.size = sizeof opts, .weights = XC_WEIGHTS_RANDOM, .seed = seed};
    xc_model *fresh = NULL, *copy = NULL;
    *out = NULL;
    if (!(part >= 0 && part <= 1))
        return fail(err, XC_ERR_ARGUMENT, "part: %g, expected 0..1", part);
    if (model->packed.block) return model_need_original(model, "changes", err);
    if (!model->info.has_weights) return fail(err, XC_ERR_ARGUMENT, "the model has no weights");
    xc_status status = model_create(m, model->arch, &opts, &fresh, err);
    if (status == XC_OK) status = model_new(m, model->arch, NULL, &copy, err);
    if (status == XC_OK) status = fill(copy, model, fresh, part, err);
    model_unref(fresh);
    if (status == XC_OK)
        *out = copy;
    else
        model_unref(copy);
    return status;
}
