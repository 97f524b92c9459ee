/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do two models make that parted from one start? Often a better one, halfway between them
 * (model soups, Wortsman et al. 2022): every parameter is a mean, moving statistics included.
 */
#include <string.h>

#include "model/model.h"

/* NAME,input=...,classes=...: the input may be of any size. */
static bool is_same_network(const char *a, const char *b)
{
    const size_t name = strcspn(a, ",");
    const char *knobs = strstr(a, ",classes="), *others = strstr(b, ",classes=");
    return name == strcspn(b, ",") && memcmp(a, b, name) == 0 && knobs && others &&
           strcmp(knobs, others) == 0;
}

static xc_status have_same_labels(const xc_model *a, const xc_model *b, struct error *err)
{
    for (uint32_t c = 0; a->meta.labels && b->meta.labels && c < a->info.classes; c++)
        if (strcmp(a->meta.labels[c], b->meta.labels[c]) != 0)
            return fail(err, XC_ERR_SHAPE, "class %u is \"%.60s\"; of the other model \"%.60s\"", c,
                        a->meta.labels[c], b->meta.labels[c]);
    return XC_OK;
}

static xc_status are_alike(const xc_model *a, const xc_model *b, struct error *err)
{
    const struct param_table *x = &a->graph->param, *y = &b->graph->param;
    if (x->count != y->count)
        return fail(err, XC_ERR_SHAPE, "%s has %d tensors of parameters, %s has %d", a->arch,
                    x->count, b->arch, y->count);
    for (int i = 0; i < x->count; i++)
        if (strcmp(x->at[i].name, y->at[i].name) != 0 || x->at[i].count != y->at[i].count)
            return fail(err, XC_ERR_SHAPE, "%s: %zu numbers; the other model has %zu of %s there",
                        x->at[i].name, x->at[i].count, y->at[i].count, y->at[i].name);
    if (!is_same_network(a->arch, b->arch))
        return fail(err, XC_ERR_SHAPE, "%.200s is another network than %.200s", a->arch, b->arch);
    return have_same_labels(a, b, err);
}

/* What is not numbers; not what was fitted to them. */
static xc_status copy_words(xc_model *to, const xc_model *from, struct error *err)
{
    const struct model_meta *meta = &from->meta;
    to->meta.preprocess = meta->preprocess;
    to->meta.source = arena_strdup(&to->arena, meta->source);
    to->meta.licence = arena_strdup(&to->arena, meta->licence);
    if (!to->meta.source || !to->meta.licence) return fail_memory(err, 1);
    if (!meta->labels) return XC_OK;
    const char **label = arena_push(&to->arena, from->info.classes, sizeof *label);
    if (!label) return fail_memory(err, from->info.classes * sizeof *label);
    for (uint32_t c = 0; c < from->info.classes; c++)
        if (!(label[c] = arena_strdup(&to->arena, meta->labels[c])))
            return fail_memory(err, strlen(meta->labels[c]));
    to->meta.labels = label;
    return XC_OK;
}

static xc_status fill(xc_model *to, const xc_model *a, const xc_model *b, double part,
                      struct error *err)
{
    TRY(model_make_block(to, err));
    for (int i = 0; i < to->graph->param.count; i++) {
        const struct param *p = &to->graph->param.at[i];
        for (size_t k = 0; k < p->count; k++)
            to->block[p->offset + k] =
                (float)((1 - part) * (double)a->data[i][k] + part * (double)b->data[i][k]);
    }
    TRY(copy_words(to, a, err));
    return model_ready(to, err);
}

xc_status model_mix(const xc_model *first, const xc_model *second, double part, xc_model **out,
                    struct error *err)
{
    *out = NULL;
    if (!(part >= 0 && part <= 1))
        return fail(err, XC_ERR_ARGUMENT, "part: %g, expected 0 to 1", part);
    if (first->packed.block) return model_need_original(first, "means", err);
    if (second->packed.block) return model_need_original(second, "means", err);
    if (!first->data || !second->data)
        return fail(err, XC_ERR_ARGUMENT, "a model without weights has no mean with another");
    TRY(are_alike(first, second, err));
    xc_status status = model_new(first->machine, first->arch, NULL, out, err);
    if (status == XC_OK) status = fill(*out, first, second, part, err);
    if (status == XC_OK) return XC_OK;
    model_unref(*out);
    *out = NULL;
    return status;
}
