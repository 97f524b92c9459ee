/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which networks are compared? Presets are the paper's comparisons with a network that small
 * pictures can train; --arch and --axis make grids of one's own: every network with every value of
 * every axis.
 *
 * "At equal parameters" is arithmetic: a rival is as wide as comes nearest to the reference, found
 * by counting.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study.h"

#define REFERENCE "xception,width=0.25,stem-stride=1"
enum { SPEC = 512, AXES = 5, VALUES = 12, WIDEST = 512 };

struct grid {
    xc_context *context;
    struct plan *plan;
    struct why *why;
    const char *reference; /* of presets */
    uint64_t params;       /* of it */
    uint32_t channels;     /* of its last map: what FC layers are scaled by */
};

/* ---- arms ------------------------------------------------------------------------------------ */

/* The network without weights, on the study's input and classes unless it says its own. */
static xc_status network(const struct grid *g, const char *spec, xc_model **out)
{
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    const struct plan *p = g->plan;
    if (!strstr(spec, ",input=")) {
        opts.height = p->height;
        opts.width = p->width;
        opts.channels = p->channels;
    }
    opts.classes = p->classes;
    return refuse_as(g->why, xc_model_create(g->context, spec, &opts, out));
}

static bool same_arm(const struct arm *a, const char *arch, bool mosaics, double ema)
{
    return a->mosaics == mosaics && a->ema <= ema && a->ema >= ema && strcmp(a->arch, arch) == 0;
}

static struct arm *find_name(const struct plan *p, const char *name)
{
    for (uint32_t i = 0; i < p->arms; i++)
        if (strcmp(p->arm[i].name, name) == 0) return (struct arm *)&p->arm[i];
    return NULL;
}

/* NAME, or NAME 2, 3, ... where it is taken. */
static void name_arm(const struct plan *p, const char *name, char out[ARM_NAME])
{
    snprintf(out, ARM_NAME, "%.50s", name);
    for (int i = 2; find_name(p, out); i++) snprintf(out, ARM_NAME, "%.50s %d", name, i);
}

struct wish {
    const char *name, *spec;
    bool mosaics;
    double ema;
    uint32_t presets;
};

static xc_status add(const struct grid *g, const struct wish *w)
{
    struct plan *p = g->plan;
    xc_model *model = NULL;
    NEED(network(g, w->spec, &model));
    const xc_model_info *info = xc_model_get_info(model);
    xc_status status = XC_OK;
    struct arm *same = NULL;
    for (uint32_t i = 0; i < p->arms && !same; i++)
        if (same_arm(&p->arm[i], info->arch, w->mosaics, w->ema)) same = &p->arm[i];
    if (same) {
        same->presets |= w->presets;
    } else if (p->arms == STUDY_ARMS) {
        status = refuse(g->why, XC_ERR_LIMIT, "more than %d networks in one study", STUDY_ARMS);
    } else {
        struct arm *a = &p->arm[p->arms++];
        *a = (struct arm){.mosaics = w->mosaics,
                          .ema = w->ema,
                          .presets = w->presets,
                          .params = info->params,
                          .trainable = info->trainable,
                          .macs = info->macs};
        char name[ARM_NAME];
        name_arm(p, w->name, name);
        memcpy(a->name, name, sizeof name);
        a->arch = strdup(info->arch);
        if (!a->arch) status = refuse(g->why, XC_ERR_MEMORY, "out of memory");
    }
    xc_model_unref(model);
    return status;
}

/* ---- rivals ---------------------------------------------------------------------------------- */

/* Multiples of one number, largest stage last. */
struct rival {
    const char *name, *before, *after;
    uint32_t stage[5];
};

static const struct rival rivals[] = {
    {"vgg", "vgg16,bn=on,fc=128,channels=", "", {1, 2, 4, 8, 8}},
    {"resnet", "resnet50,stem-stride=1,blocks=2/2/2/2,stem=32,channels=", "", {1, 2, 4, 8, 0}}};

static void write_rival(const struct rival *r, uint32_t width, char spec[SPEC])
{
    int n = snprintf(spec, SPEC, "%s", r->before);
    for (int i = 0; i < 5 && r->stage[i]; i++)
        n += snprintf(spec + n, SPEC - (size_t)n, "%s%u", i ? "/" : "", width * r->stage[i]);
    snprintf(spec + n, SPEC - (size_t)n, "%s", r->after);
}

static xc_status count(const struct grid *g, const char *spec, uint64_t *params)
{
    xc_model *model = NULL;
    NEED(network(g, spec, &model));
    *params = xc_model_get_info(model)->params;
    xc_model_unref(model);
    return XC_OK;
}

/* The width that comes nearest to the reference; more width is more parameters. */
static xc_status fit_rival(const struct grid *g, const struct rival *r, char spec[SPEC])
{
    uint32_t low = 1, high = WIDEST;
    uint64_t below = 0, above = 0;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        uint64_t n = 0;
        write_rival(r, middle, spec);
        NEED(count(g, spec, &n));
        *(n <= g->params ? &low : &high) = middle;
    }
    write_rival(r, high, spec);
    NEED(count(g, spec, &above));
    write_rival(r, low, spec);
    NEED(count(g, spec, &below));
    if (above > g->params && above - g->params < g->params - below) write_rival(r, high, spec);
    return XC_OK;
}

static xc_status add_rival(const struct grid *g, const char *name, uint32_t presets)
{
    char spec[SPEC];
    for (size_t i = 0; i < sizeof rivals / sizeof *rivals; i++)
        if (strcmp(rivals[i].name, name) == 0) NEED(fit_rival(g, &rivals[i], spec));
    return add(g, &(struct wish){.name = name, .spec = spec, .presets = presets});
}

/* The paper's figure 1 as a classifier, as large as the reference; more: further knobs. */
static void write_inception(const struct grid *g, const char *more, char spec[SPEC])
{
    snprintf(spec, SPEC, "spectrum,module=canonical,stages=4,depth=2,budget=%ju%s",
             (uintmax_t)g->params, more);
}

/* ---- presets --------------------------------------------------------------------------------- */

/* The reference with one more knob, or as it is. */
static xc_status add_variant(const struct grid *g, const char *name, const char *more,
                             uint32_t preset)
{
    char spec[SPEC];
    snprintf(spec, sizeof spec, "%s%s", g->reference, more);
    return add(g, &(struct wish){.name = name, .spec = spec, .presets = preset});
}

static xc_status add_inception(const struct grid *g, uint32_t preset)
{
    char spec[SPEC];
    write_inception(g, "", spec);
    return add(g, &(struct wish){.name = "inception", .spec = spec, .presets = preset});
}

/* Xception and Inception on mosaics, with or without two layers of 4096, scaled as the network. In
 * the budget of an Inception these layers come on top, as in the paper. */
static xc_status add_mosaics(const struct grid *g, bool fc, uint32_t preset)
{
    char spec[SPEC], more[32] = "";
    const uint64_t units = fc ? 2 * (uint64_t)g->channels : 0;
    const struct grid with = {.params = g->params + units * (units + g->channels)};
    if (fc) snprintf(more, sizeof more, ",fc=%jux2", (uintmax_t)units);
    snprintf(spec, sizeof spec, "%s%s", g->reference, more);
    NEED(add(g, &(struct wish){fc ? "xception+fc, mosaics" : "xception, mosaics", spec, true, 0,
                               preset}));
    write_inception(&with, more, spec);
    return add(g, &(struct wish){fc ? "inception+fc, mosaics" : "inception, mosaics", spec, true, 0,
                                 preset});
}

static xc_status add_spectrum(const struct grid *g, uint32_t preset)
{
    static const char *const segments[] = {"1", "2", "4", "8", "16", "all"};
    char spec[SPEC], name[ARM_NAME];
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
        snprintf(name, sizeof name, "segments=%s", segments[i]);
        snprintf(spec, sizeof spec, "spectrum,stages=4,segments=%s,budget=%ju", segments[i],
                 (uintmax_t)g->params / 4);
        NEED(add(g, &(struct wish){.name = name, .spec = spec, .presets = preset}));
    }
    return XC_OK;
}

static xc_status add_preset(const struct grid *g, enum preset preset)
{
    const uint32_t bit = 1u << preset;
    const bool all = preset == PRESET_table1 || preset == PRESET_rivals;
    const bool mosaics = preset == PRESET_table2 || preset == PRESET_fig7 || preset == PRESET_fig8;
    if (mosaics) {
        if (preset != PRESET_fig8) NEED(add_mosaics(g, false, bit));
        if (preset != PRESET_fig7) NEED(add_mosaics(g, true, bit));
        return XC_OK;
    }
    if (preset == PRESET_spectrum) return add_spectrum(g, bit);
    NEED(add_variant(g, "xception", "", bit));
    if (all || preset == PRESET_fig6 || preset == PRESET_table3) NEED(add_inception(g, bit));
    if (all) NEED(add_rival(g, "resnet", bit));
    if (all) NEED(add_rival(g, "vgg", bit));
    if (preset == PRESET_fig9) NEED(add_variant(g, "no residual", ",residual=off", bit));
    if (preset == PRESET_fig10) NEED(add_variant(g, "act=elu", ",act=elu", bit));
    if (preset == PRESET_fig10) NEED(add_variant(g, "act=relu", ",act=relu", bit));
    if (preset == PRESET_order) NEED(add_variant(g, "pointwise first", ",order=pw-dw", bit));
    if (preset == PRESET_ema)
        NEED(add(g, &(struct wish){"ema=0.99", g->reference, false, 0.99, bit}));
    return XC_OK;
}

/* ---- axes ------------------------------------------------------------------------------------ */

struct axis {
    const char *knob;
    char value[VALUES][24];
    uint32_t values;
};

static const char *usual_values(const char *knob, uint32_t channels, char fc[32])
{
    static const char *const known[][2] = {{"residual", "on/off"},
                                           {"act", "none/elu/relu"},
                                           {"segments", "1/2/4/8/16/all"},
                                           {"order", "dw-pw/pw-dw"}};
    snprintf(fc, 32, "0/%ux2", 2 * channels);
    if (strcmp(knob, "fc") == 0) return fc;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(knob, known[i][0]) == 0) return known[i][1];
    return NULL;
}

static xc_status find_knob(const char *text, const char **knob, struct why *why)
{
    static const char *const knobs[] = {"residual", "act", "fc", "segments", "order"};
    const size_t length = strcspn(text, "=");
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++)
        if (strlen(knobs[i]) == length && strncmp(knobs[i], text, length) == 0) {
            *knob = knobs[i];
            return XC_OK;
        }
    return refuse(why, XC_ERR_ARGUMENT,
                  "--axis: '%.40s' is not one of residual, act, fc, segments, "
                  "order",
                  text);
}

/* "act" or "act=none/relu" */
static xc_status read_axis(const struct grid *g, const char *text, struct axis *out)
{
    const size_t length = strcspn(text, "=");
    char fc[32];
    *out = (struct axis){0};
    NEED(find_knob(text, &out->knob, g->why));
    const char *rest = text[length] ? text + length + 1 : usual_values(out->knob, g->channels, fc);
    while (*rest) {
        const size_t n = strcspn(rest, "/");
        if (n == 0 || n >= sizeof out->value[0] || out->values == VALUES)
            return refuse(g->why, XC_ERR_ARGUMENT,
                          "--axis: '%.60s': at most %d values of up to 23 letters, divided by /",
                          text, VALUES);
        memcpy(out->value[out->values++], rest, n);
        rest += n + (rest[n] == '/');
    }
    if (out->values > 0) return XC_OK;
    return refuse(g->why, XC_ERR_ARGUMENT, "--axis: '%.40s' has no values", text);
}

/* What a value is called: as in the presets, so that the paper's findings meet it. */
static void name_value(char *name, size_t room, const char *knob, const char *value)
{
    const bool plain = strcmp(value, "on") == 0 || strcmp(value, "none") == 0 ||
                       strcmp(value, "0") == 0 || strcmp(value, "dw-pw") == 0;
    if (plain) return;
    const size_t used = strlen(name);
    const char *space = used ? " " : "";
    if (strcmp(knob, "residual") == 0)
        snprintf(name + used, room - used, "%sno residual", space);
    else if (strcmp(knob, "order") == 0)
        snprintf(name + used, room - used, "%spointwise first", space);
    else
        snprintf(name + used, room - used, "%s%s=%s", space, knob, value);
}

/* Every value of every axis; digits: which value of each axis. */
static xc_status add_point(const struct grid *g, const char *arch, const struct axis *axis,
                           uint32_t axes, const uint32_t *digit)
{
    char spec[SPEC], name[ARM_NAME] = "", whole[ARM_NAME];
    const int word = (int)strcspn(arch, ",");
    int n = snprintf(spec, sizeof spec, "%s", arch);
    for (uint32_t i = 0; i < axes && n >= 0 && n < SPEC; i++) {
        const char *value = axis[i].value[digit[i]];
        n += snprintf(spec + n, SPEC - (size_t)n, ",%s=%s", axis[i].knob, value);
        name_value(name, sizeof name, axis[i].knob, value);
    }
    if (n < 0 || n >= SPEC)
        return refuse(g->why, XC_ERR_ARGUMENT, "--arch: more than %d letters", SPEC - 1);
    const bool own = strncmp(arch, "xception,", 9) == 0 || strcmp(arch, "xception") == 0;
    if (!*name)
        snprintf(whole, sizeof whole, "%.*s", word, arch);
    else if (own || strncmp(arch, "spectrum", 8) == 0)
        snprintf(whole, sizeof whole, "%s", name);
    else
        snprintf(whole, sizeof whole, "%.*s %.40s", word < 20 ? word : 20, arch, name);
    return add(g, &(struct wish){.name = whole, .spec = spec});
}

static xc_status add_grid(const struct grid *g, const char *arch, const struct axis *axis,
                          uint32_t axes)
{
    uint32_t digit[AXES] = {0}, i = 0;
    while (i < axes || axes == 0) {
        NEED(add_point(g, arch, axis, axes, digit));
        for (i = 0; i < axes && ++digit[i] == axis[i].values; i++) digit[i] = 0;
        if (axes == 0) break;
    }
    return XC_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static xc_status measure_reference(struct grid *g, const char *spec)
{
    xc_model *model = NULL;
    xc_layer layer;
    NEED(network(g, spec, &model));
    const xc_model_info *info = xc_model_get_info(model);
    g->params = info->params;
    g->channels = 0;
    for (uint32_t i = 0; i < info->layers; i++) /* the widest layer that is a map or its mean */
        if (xc_model_layer(model, i, &layer) == XC_OK && strcmp(layer.name, "avg_pool") == 0)
            g->channels = layer.channels;
    if (!g->channels) g->channels = 64;
    xc_model_unref(model);
    return XC_OK;
}

static xc_status fill_presets(struct grid *g, const struct grid_request *r)
{
    if (r->axis[0])
        return refuse(g->why, XC_ERR_ARGUMENT, "--axis: a preset has its own; leave one away");
    if (r->arch[0] && r->arch[1])
        return refuse(g->why, XC_ERR_ARGUMENT,
                      "--arch: with a preset it is the network that is varied, and there is one");
    g->reference = r->arch[0] ? r->arch[0] : REFERENCE;
    NEED(measure_reference(g, g->reference));
    for (int i = 0; r->preset[i]; i++) {
        const enum preset preset = preset_find(r->preset[i]);
        if (preset == PRESETS)
            return refuse(g->why, XC_ERR_ARGUMENT, "--preset: there is no '%.40s'", r->preset[i]);
        g->plan->presets |= 1u << preset;
        NEED(add_preset(g, preset));
    }
    return XC_OK;
}

xc_status grid_fill(const struct grid_request *r, struct plan *p, struct why *why)
{
    struct grid g = {.context = r->context, .plan = p, .why = why};
    struct axis axis[AXES];
    uint32_t axes = 0;
    if (r->preset[0]) return fill_presets(&g, r);
    if (!r->arch[0]) return refuse(why, XC_ERR_ARGUMENT, "one of --preset and --arch is needed");
    const char *ignored;
    for (int i = 0; r->axis[i]; i++) NEED(find_knob(r->axis[i], &ignored, why));
    NEED(measure_reference(&g, r->arch[0]));
    for (; r->axis[axes]; axes++) {
        if (axes == AXES) return refuse(why, XC_ERR_ARGUMENT, "--axis: more than %d", AXES);
        NEED(read_axis(&g, r->axis[axes], &axis[axes]));
        for (uint32_t i = 0; i < axes; i++)
            if (axis[i].knob == axis[axes].knob)
                return refuse(why, XC_ERR_ARGUMENT, "--axis: %s twice", axis[i].knob);
    }
    for (int i = 0; r->arch[i]; i++) NEED(add_grid(&g, r->arch[i], axis, axes));
    return XC_OK;
}
