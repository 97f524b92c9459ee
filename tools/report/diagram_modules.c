/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which layers does a person take together? A block with branches is a module; single boxes in a
 * row are one while the first word of their name is the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagram_int.h"

static bool has_branches(const struct block *k)
{
    return k->last > k->first;
}

static bool same_word(const char *a, const char *b)
{
    const size_t n = strcspn(a, "_");
    return a[n] && n == strcspn(b, "_") && memcmp(a, b, n) == 0;
}

/* Of the first box of module and block: does the block go on with the module? */
static bool goes_on(const struct diagram *d, const struct block *from, const struct block *k)
{
    return from && !has_branches(from) && !has_branches(k) &&
           d->box[from->first].kind != BOX_INPUT &&
           same_word(d->box[from->first].name, d->box[k->first].name);
}

/* "block2_add" as "block2"; a single box keeps its name. */
static void name_module(const struct diagram *d, const struct block *first,
                        const struct block *last, struct module *m)
{
    const char *name = d->box[last->last].name;
    const char *end = first != last ? name + strcspn(name, "_") : strrchr(name, '_');
    const bool whole = first == last && (!has_branches(first) || !end);
    snprintf(m->name, sizeof m->name, "%.*s", whole ? 63 : (int)(end - name), name);
}

static void add_block(const struct diagram *d, const struct block *k, struct module *m)
{
    const struct box *last = &d->box[k->last];
    for (int i = k->first; i <= k->last; i++) m->params += d->box[i].params;
    m->end = last->end;
    m->height = last->height;
    m->width = last->width;
    m->channels = last->channels;
}

bool modules_make(const struct diagram *d, const xc_model *model, struct modules *out)
{
    int *of_box = calloc((size_t)d->boxes + 1, sizeof *of_box);
    const struct block *from = NULL;
    *out = (struct modules){.at = calloc((size_t)d->blocks + 1, sizeof *out->at),
                            .of = calloc((size_t)d->layers + 1, sizeof *out->of)};
    if (!of_box || !out->at || !out->of) {
        free(of_box);
        modules_free(out);
        return false;
    }
    for (int k = 0; k < d->blocks; k++) {
        const struct block *block = &d->block[k];
        if (!goes_on(d, from, block)) {
            out->count++;
            from = block;
        }
        struct module *m = &out->at[out->count - 1];
        add_block(d, block, m);
        name_module(d, from, block, m);
        for (int i = block->first; i <= block->last; i++) of_box[i] = out->count - 1;
    }
    for (uint32_t i = 0; i < d->layers; i++) {
        xc_layer layer;
        out->of[i] = of_box[d->box_of[i] < 0 ? 0 : d->box_of[i]];
        if (xc_model_layer(model, i, &layer) == XC_OK) out->at[out->of[i]].macs += layer.macs;
    }
    free(of_box);
    return true;
}

void modules_free(struct modules *modules)
{
    free(modules->at);
    free(modules->of);
    *modules = (struct modules){0};
}
