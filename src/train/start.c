/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network does a run begin with? The model of the new architecture is made from the seed
 * first; then everything that the start model has is copied over it. So a new head is the same
 * whatever stands before it.
 */
#include "train/start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "train/freeze.h"

/* ---- the architecture ------------------------------------------------------------------------ */

/* Does this end in sigmoids, or in none of what stands for one label? A head= says itself. */
static bool fits_labels(const char *arch, bool multi_label)
{
    char word[16], head[16];
    arch_knob(arch, "sigmoid", word, sizeof word);
    arch_knob(arch, "head", head, sizeof head);
    return head[0] || (strcmp(word, "on") == 0) == multi_label;
}

static bool same_classes(const xc_model *m, const struct start *s)
{
    if (!fits_labels(m->arch, s->multi_label)) return false;
    if (!m->meta.labels || m->info.classes != (uint32_t)s->classes) return false;
    for (int i = 0; i < s->classes; i++)
        if (strcmp(m->meta.labels[i], s->class_name[i]) != 0) return false;
    return true;
}

/* Is this knob ("name=value") about the last layer? */
static bool of_the_head(const char *knob)
{
    static const char *const name[] = {"head=", "classes=", "dropout=", "softmax=", "sigmoid="};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        if (strncmp(knob, name[i], strlen(name[i])) == 0) return true;
    return false;
}

/* Or about other dense layers and a second classifier, which only the network's own end has? */
static bool of_its_own_end(const char *knob)
{
    return of_the_head(knob) || strncmp(knob, "fc=", 3) == 0 || strncmp(knob, "aux=", 4) == 0;
}

/* The string without the knobs that `dropped` says. */
static char *without(bool (*dropped)(const char *knob), const char *arch, struct arena *a)
{
    char *text = arena_push(a, strlen(arch) + 1, 1);
    size_t at = 0;
    for (const char *p = arch; text && *p;) {
        const size_t length = strcspn(p, ",");
        if (p == arch || !dropped(p)) {
            if (p != arch) text[at++] = ',';
            memcpy(text + at, p, length);
            at += length;
        }
        p += length + (p[length] == ',');
    }
    return text;
}

static bool is_network(const char *arch)
{
    struct graph *g = NULL;
    const struct arch_input own = {0};
    const bool is = arch_build(arch, &own, &g, NULL, NULL) == XC_OK;
    graph_free(g);
    return is;
}

/* No dropout where the network knows none is what it has. */
static char *with_dropout(const char *arch, double rate, struct arena *a)
{
    char given[16], text[DECIMAL_SIZE];
    arch_knob(arch, "dropout", given, sizeof given);
    if (rate < 0 || given[0]) return arena_strdup(a, arch);
    decimal_write(rate, text);
    char *with = arena_printf(a, "%s,dropout=%s", arch, text);
    return with && rate <= 0 && !is_network(with) ? arena_strdup(a, arch) : with;
}

static char *with_sigmoid(const char *arch, struct arena *a)
{
    return arena_printf(a, "%s%s", arch, fits_labels(arch, true) ? "" : ",sigmoid=on");
}

/* "100,50": behind the mean of maps, head= knobs of such layers and a last one. */
static xc_status with_layers(const char **arch, const struct start *s, struct arena *a,
                             struct error *err)
{
    const char *text = arena_printf(a, "%s,head=avg", *arch);
    char drop[DECIMAL_SIZE + 16] = "", rate[DECIMAL_SIZE];
    decimal_write(s->dropout, rate);
    if (s->dropout > 0) snprintf(drop, sizeof drop, "/dropout:%s", rate);
    const char *p = s->head;
    do {
        char *end;
        const long units = strtol(p, &end, 10);
        if (*p < '1' || *p > '9' || (*end && *end != ',') || (*end && !end[1]) || units > 1 << 16)
            return fail(err, XC_ERR_ARGUMENT,
                        "head: \"%.40s\" is neither linear nor sizes of hidden layers as 256 or "
                        "512,128",
                        s->head);
        text = arena_printf(a, "%s/dense:%ld:relu%s", text, units, drop);
        p = end + (*end == ',');
    } while (text && *p);
    *arch =
        text ? arena_printf(a, "%s/dense:%d%s", text, s->classes, s->multi_label ? ":sigmoid" : "")
             : NULL;
    return *arch ? XC_OK : fail_memory(err, 1);
}

/* The architecture with the head that this run trains. */
static xc_status with_head(const char **arch, const struct start *s, struct arena *a,
                           struct error *err)
{
    const bool layers = s->head && strcmp(s->head, "linear") != 0;
    if (s->from || s->head)
        *arch = without(s->from && layers ? of_its_own_end : of_the_head, *arch, a);
    if (*arch && layers) return with_layers(arch, s, a, err);
    if (*arch) *arch = with_dropout(*arch, s->dropout, a);
    if (*arch && s->multi_label) *arch = with_sigmoid(*arch, a);
    return *arch ? XC_OK : fail_memory(err, 1);
}

/* ---- the numbers ----------------------------------------------------------------------------- */

static bool same_shape(const struct param *a, const struct param *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

static int node_of(const struct graph *g, int param)
{
    int i = 0;
    for (; i < g->all; i++)
        for (int k = 0; k < g->node[i].params; k++)
            if (g->node[i].param[k] == param) return i;
    return i;
}

/* Auxiliary logits, too. */
static bool is_head(const struct graph *g, int node)
{
    for (int i = 0; i < g->auxiliaries; i++)
        if (g->auxiliary[i].node == node) return true;
    return head_has(g, node);
}

static xc_status copy_trunk(xc_model *to, const xc_model *from, bool head, struct error *err)
{
    const struct param_table *have = &from->graph->param, *want = &to->graph->param;
    for (int i = 0; i < want->count; i++) {
        const struct param *p = &want->at[i];
        const int there = param_find(have, p->name);
        const int node = node_of(to->graph, i);
        if (!head && is_head(to->graph, node)) continue;
        const bool fits = there >= 0 && same_shape(p, &have->at[there]);
        if (!fits && node >= to->graph->nodes) continue; /* a start model may have none of them */
        if (!fits)
            return fail(err, XC_ERR_SHAPE,
                        "%s: the start model has %s, which the network to be trained needs",
                        p->name, there < 0 ? "no such parameter" : "another shape of it");
        memcpy(to->block + p->offset, from->data[there], p->count * sizeof *to->block);
    }
    return XC_OK;
}

/* ---- the model ------------------------------------------------------------------------------- */

static xc_status describe(xc_model *m, const struct start *s, struct error *err)
{
    const char **label = arena_push(&m->arena, (size_t)s->classes, sizeof *label);
    if (!label) return fail_memory(err, (size_t)s->classes * sizeof *label);
    for (int i = 0; i < s->classes; i++)
        if (!(label[i] = arena_strdup(&m->arena, s->class_name[i])))
            return fail_memory(err, strlen(s->class_name[i]));
    m->meta.labels = label;
    if (s->from) {
        const struct model_meta *meta = &s->from->meta;
        m->meta.preprocess = meta->preprocess;
        m->meta.source = arena_strdup(&m->arena, meta->source);
        m->meta.licence = arena_strdup(&m->arena, meta->licence);
        if (!m->meta.source || !m->meta.licence) return fail_memory(err, 1);
    }
    if (!s->from && !s->as_stored) m->meta.preprocess.apply_exif = true;
    if (s->preprocess) TRY(preprocess_named(s->preprocess, &m->meta.preprocess, err));
    return model_ready(m, err);
}

static xc_status make(const struct machine *m, const struct start *s, struct arena *a,
                      xc_model **out, struct error *err)
{
    const bool keeps = s->from && !s->head && same_classes(s->from, s);
    xc_create_opts opts = {.height = (uint32_t)s->h,
                           .width = (uint32_t)s->w,
                           .weights = XC_WEIGHTS_RANDOM,
                           .seed = s->seed};
    const char *arch = s->from ? s->from->arch : s->arch;
    if (!keeps) TRY(with_head(&arch, s, a, err));
    if (!keeps) opts.classes = (uint32_t)s->classes;
    TRY(model_create(m, arch, &opts, out, err));
    if (s->from) TRY(copy_trunk(*out, s->from, keeps, err));
    return describe(*out, s, err);
}

xc_status start_check(const xc_model *from, struct error *err)
{
    if (!from->info.has_weights)
        return fail(err, XC_ERR_ARGUMENT, "the start model was created without weights");
    return from->data ? XC_OK : model_need_original(from, "training and fine-tuning", err);
}

xc_status start_model(const struct machine *m, const struct start *s, xc_model **out,
                      struct error *err)
{
    struct arena scratch = {0};
    *out = NULL;
    if (s->from) TRY(start_check(s->from, err));
    const xc_status status = make(m, s, &scratch, out, err);
    arena_free(&scratch);
    if (status == XC_OK) return XC_OK;
    model_unref(*out);
    *out = NULL;
    return status;
}
