/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the knobs of an architecture read off a graph's outline? One function a family writes its
 * string; what they have in common (input, pre=, head=) is written once. Whatever is overlooked
 * shows when the graphs are compared.
 */
#include "foreign/keras_trunk.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/arch_opts.h"
#include "base/decimal.h"
#include "foreign/keras_outline.h"

#define MAX_ENTRY 8

struct spec {
    char at[ARCH_TEXT_MAX];
    size_t used;
    bool cut;
    int stranger; /* a node that no string has a word for, or 0 */
};

static void add(struct spec *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct spec *s, const char *format, ...)
{
    size_t room = sizeof s->at - s->used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->at + s->used, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        s->cut = true;
    else
        s->used += (size_t)n;
}

/* The number with the fewest digits that is this float. */
static double fewest_digits(float value)
{
    double exact = (double)value;
    if (exact == 0) return 0;
    int exponent = (int)floor(log10(fabs(exact)));
    for (int digits = 1; digits <= 9; digits++) {
        double power = pow(10, abs(digits - 1 - exponent));
        bool up = digits - 1 >= exponent;
        double whole = round(up ? exact * power : exact / power);
        double rounded = up ? whole / power : whole * power;
        if ((float)rounded == value) return rounded;
    }
    return exact;
}

static void add_number(struct spec *s, double value)
{
    char text[DECIMAL_SIZE];
    decimal_write(value, text);
    add(s, "%s", text);
}

static int channels(const struct outline *o, int node)
{
    return o->g->node[node].out.c;
}

/* ---- what every architecture has ------------------------------------------------------------- */

static void add_factors(struct spec *s, const float *value, int c)
{
    bool same = true;
    for (int i = 1; i < c && i < 4; i++) same = same && value[i] == value[0];
    add(s, ":");
    for (int i = 0; i < (same ? 1 : c); i++) {
        if (i) add(s, "+");
        add_number(s, fewest_digits(value[i]));
    }
}

static void add_pre(struct spec *s, const struct outline *o)
{
    for (int i = 1; i <= o->begin; i++) {
        add(s, i == 1 ? ",pre=affine" : "/affine");
        add_factors(s, o->g->node[i].affine.scale, o->g->input.c);
        add_factors(s, o->g->node[i].affine.shift, o->g->input.c);
    }
}

static const char *act_word(const struct node *n)
{
    switch (n->act.kind) {
    case ACT_RELU:
        return "relu";
    case ACT_ELU:
        return "elu";
    case ACT_SIGMOID:
        return "sigmoid";
    case ACT_TANH:
        return "tanh";
    default:
        return NULL;
    }
}

static bool follows(const struct outline *o, int i, enum op_kind kind)
{
    return i + 1 < o->heads && o->g->node[o->head[i + 1]].kind == kind;
}

static void add_act(struct spec *s, const struct outline *o, int node)
{
    const char *word = act_word(&o->g->node[node]);
    if (word)
        add(s, "%s", word);
    else
        s->stranger = node;
}

/* One layer of the head, with the activation of a dense one; how many nodes it is. */
static int add_layer(struct spec *s, const struct outline *o, int i)
{
    const struct node *n = &o->g->node[o->head[i]];
    switch (n->kind) {
    case OP_GLOBAL_POOL:
        add(s, n->global == POOL_MAX ? "max" : "avg");
        return 1;
    case OP_FLATTEN:
        add(s, "flatten");
        return 1;
    case OP_DROPOUT:
        add(s, "dropout:");
        add_number(s, n->dropout);
        return 1;
    case OP_DENSE:
        add(s, "dense:%d", n->units);
        if (!follows(o, i, OP_ACT)) return 1;
        add(s, ":");
        add_act(s, o, o->head[i + 1]);
        return 2;
    case OP_BATCH_NORM:
        add(s, "bn:");
        add_number(s, n->norm.epsilon);
        add(s, ":");
        add_number(s, n->norm.momentum);
        return 1;
    case OP_SOFTMAX:
        add(s, "softmax");
        return 1;
    default:
        add_act(s, o, o->head[i]);
        return 1;
    }
}

static int classes(const struct graph *g)
{
    return g->node[g->output[0].node].out.c;
}

/* Is the head of this kind and nothing else? Dropout in front of the last dense layer is a knob. */
static bool usual_head(struct spec *s, const struct outline *o)
{
    const struct graph *g = o->g;
    int at = 0;
    if (o->heads < 2 || g->node[o->head[at]].kind != OP_GLOBAL_POOL ||
        g->node[o->head[at]].global != POOL_AVERAGE)
        return false;
    const struct node *dropout = &g->node[o->head[++at]];
    if (dropout->kind == OP_DROPOUT) at++;
    if (at >= o->heads || g->node[o->head[at]].kind != OP_DENSE) return false;
    bool softmax = follows(o, at, OP_SOFTMAX);
    if (at + 1 + softmax != o->heads) return false;
    if (dropout->kind == OP_DROPOUT) {
        add(s, ",dropout=");
        add_number(s, dropout->dropout);
    }
    if (!softmax) add(s, ",softmax=off");
    return true;
}

static void add_head(struct spec *s, const struct outline *o)
{
    if (usual_head(s, o)) return;
    add(s, ",head=%s", o->heads ? "" : "none");
    for (int i = 0; i < o->heads;) {
        if (i) add(s, "/");
        i += add_layer(s, o, i);
    }
}

static void add_input(struct spec *s, const struct outline *o)
{
    const struct shape in = o->g->input;
    add(s, ",input=%dx%dx%d,classes=%d", in.h, in.w, in.c, classes(o->g));
}

/* ---- families -------------------------------------------------------------------------------- */

/* Modules of two units from the first on. */
static int count_entry(const struct outline *o)
{
    int count = 0;
    while (count < o->modules && o->module[count].units == 2) count++;
    return count;
}

static void add_pools(struct spec *s, const struct outline *o, int entry, int middle)
{
    bool all = true, any = false;
    for (int i = 0; i <= entry; i++) {
        bool pool = o->module[i < entry ? i : entry + middle].pool;
        all = all && pool;
        any = any || pool;
    }
    if (all) return;
    add(s, any ? ",pools=" : ",pools=none");
    for (int i = 0, written = 0; i <= entry; i++) {
        int m = i < entry ? i : entry + middle;
        if (o->module[m].pool) add(s, written++ ? "/%d" : "%d", m + 2);
    }
}

/* What stands between depthwise and pointwise, and which comes first. */
static void add_unit(struct spec *s, const struct outline *o)
{
    const struct graph *g = o->g;
    const struct node *second = &g->node[o->module[0].unit[0]];
    const struct node *between = &g->node[second->input[0]];
    if (between->kind == OP_ACT) {
        add(s, ",act=");
        add_act(s, o, second->input[0]);
    }
    if (node_is_depthwise(second)) add(s, ",order=pw-dw");
}

/* Modules of two units, then of three, then one of two, then two units alone. Without sums the
 * middle flow is one stretch with the exit flow's first module. */
static bool xception(struct spec *s, const struct outline *o)
{
    int exit = o->modules - 2;
    if (exit < 1 || o->convs < 2 || o->module[exit + 1].units != 2) return false;
    int entry = o->sums ? count_entry(o) : exit;
    if (entry > exit) entry = exit;
    int middle = o->sums ? exit - entry : (o->module[exit].units - 2) / 3;
    if (entry < 1 || entry > MAX_ENTRY || middle < 0) return false;
    const struct module *last = &o->module[exit + 1];
    add(s, "xception");
    add_input(s, o);
    add(s, ",stem=%d/%d,entry=", channels(o, o->conv[0]), channels(o, o->conv[1]));
    for (int i = 0; i < entry; i++) add(s, i ? "/%d" : "%d", channels(o, o->module[i].unit[1]));
    add(s, ",middle=%d,exit=%d/%d/%d", middle, channels(o, o->module[exit].unit[1]),
        channels(o, last->unit[0]), channels(o, last->unit[1]));
    add(s, ",stem-stride=%d", o->g->node[o->conv[0]].conv.sy);
    if (o->sums) add_pools(s, o, entry, middle);
    if (!o->sums) add(s, ",residual=off");
    add_unit(s, o);
    add_pre(s, o);
    add_head(s, o);
    return true;
}

/* Modules of two units, then a biased convolution to the classes and its mean. */
static bool face(struct spec *s, const struct outline *o)
{
    const struct graph *g = o->g;
    int blocks = count_entry(o);
    bool softmax = o->heads == 2 && g->node[o->head[1]].kind == OP_SOFTMAX;
    if (o->convs != 3 || o->conv[2] != o->end || blocks < 1 || blocks > MAX_ENTRY ||
        blocks + 1 != o->modules || o->heads != 1 + softmax)
        return false;
    add(s, g->node[o->conv[0]].conv.sy == 2 ? "big-xception" : "mini-xception");
    if (channels(o, o->conv[0]) == 5 && channels(o, o->conv[1]) == 5)
        *s = (struct spec){.at = "tiny-xception", .used = strlen("tiny-xception")};
    add_input(s, o);
    add(s, ",base=%d/%d,blocks=", channels(o, o->conv[0]), channels(o, o->conv[1]));
    for (int i = 0; i < blocks; i++) add(s, i ? "/%d" : "%d", channels(o, o->module[i].unit[1]));
    add(s, ",strides=");
    for (int i = 0; i < blocks; i++) add(s, i ? "/%d" : "%d", o->module[i].pool ? 2 : 1);
    add_pre(s, o);
    if (!softmax) add(s, ",softmax=off");
    return true;
}

/* Networks without knobs that a trained file would use: by name, with the head that is there. */
static bool rival(struct spec *s, const struct outline *o, const char *name)
{
    add(s, "%s", name);
    add_input(s, o);
    add_pre(s, o);
    add_head(s, o);
    return true;
}

static bool resnet50(struct spec *s, const struct outline *o)
{
    return rival(s, o, "resnet50");
}

static bool resnet101(struct spec *s, const struct outline *o)
{
    return rival(s, o, "resnet101");
}

static bool resnet152(struct spec *s, const struct outline *o)
{
    return rival(s, o, "resnet152");
}

static bool inception_v3(struct spec *s, const struct outline *o)
{
    return rival(s, o, "inception-v3");
}

static bool is_vgg_end(const struct outline *o)
{
    const enum op_kind kind[] = {OP_FLATTEN, OP_DENSE, OP_ACT,    OP_DENSE,
                                 OP_ACT,     OP_DENSE, OP_SOFTMAX};
    if (o->heads != 7) return false;
    for (int i = 0; i < 7; i++)
        if (o->g->node[o->head[i]].kind != kind[i]) return false;
    return o->g->node[o->head[1]].units == 4096 && o->g->node[o->head[3]].units == 4096;
}

static bool vgg16(struct spec *s, const struct outline *o)
{
    if (!is_vgg_end(o)) return rival(s, o, "vgg16");
    add(s, "vgg16");
    add_input(s, o);
    add_pre(s, o);
    return true;
}

typedef bool family_fn(struct spec *s, const struct outline *o);

enum { OURS = 2 }; /* what is wrong with their knobs is worth a sentence */
static family_fn *const families[] = {xception,  face,         vgg16,    resnet50,
                                      resnet101, inception_v3, resnet152};

/* ---- the whole ------------------------------------------------------------------------------- */

/* Builds the string and compares. *where: the first node that does not fit. */
static bool try_family(family_fn *family, const struct outline *o, struct arena *a,
                       struct keras_match *out, int *where, struct error *err)
{
    static const struct arch_input own = {0};
    struct spec s = {.used = 0};
    if (!family(&s, o)) return false;
    if (s.stranger > *where) *where = s.stranger;
    if (s.stranger) return false;
    if (s.cut || arch_build(s.at, &own, &out->graph, &out->arch, err) != XC_OK) return false;
    out->node = arena_push(a, (size_t)o->g->nodes, sizeof *out->node);
    out->arch = arena_strdup(a, out->arch);
    int place = 0;
    if (out->node && out->arch && graph_match(out->graph, o->g, out->node, &place)) return true;
    graph_free(out->graph);
    out->graph = NULL;
    if (place > *where) *where = place;
    return false;
}

xc_status keras_recognise(const struct graph *config, struct arena *a, struct keras_match *out,
                          struct error *err)
{
    struct outline *o = arena_push(a, 1, sizeof *o);
    struct error why = {XC_OK, ""};
    int where = 1;
    if (!o) return fail_memory(err, sizeof *o);
    bool fits = outline_read(config, o);
    for (size_t i = 0; fits && i < sizeof families / sizeof *families; i++)
        if (try_family(families[i], o, a, out, &where, i < OURS ? &why : NULL)) return XC_OK;
    if (why.status != XC_OK) return fail(err, why.status, "%s", why.text);
    const struct node *n = &config->node[where < config->nodes ? where : 0];
    return fail(err, XC_ERR_UNSUPPORTED,
                "layer '%s' (%dx%dx%d) does not fit any network this program knows: Xception, "
                "its family and its rivals",
                n->layer, n->out.h, n->out.w, n->out.c);
}
