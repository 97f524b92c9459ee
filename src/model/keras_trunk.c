/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the knobs of an architecture read off a graph? The graph is cut into what stands before
 * the trunk (arithmetic on pixels), the trunk, and the head; the separable convolutions and pools
 * of the trunk say the rest. Whatever is overlooked here shows when the graphs are compared.
 */
#include "model/keras_trunk.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/arch_opts.h"
#include "model/decimal.h"

#define MAX_MODULES 512
#define MAX_HEAD 64
#define MAX_ENTRY 8

/* A stretch of the trunk that ends in a sum or a pool. */
struct module {
    int units;      /* separable convolutions */
    int unit[2];    /* the first and the last of them: nodes of their results */
    bool pool, sum; /* what there is of these */
};

struct outline {
    const struct graph *g;
    int begin;                 /* node that the trunk reads */
    int end;                   /* last node of the trunk */
    int head[MAX_HEAD], heads; /* nodes after it, in order */
    int conv[3], convs;        /* convolutions that are neither depthwise nor 1x1 */
    struct module module[MAX_MODULES];
    int modules; /* the last one is what follows the last sum or pool */
    bool sums;
};

struct spec {
    char at[ARCH_TEXT_MAX];
    size_t used;
    bool cut;
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

/* ---- the outline --------------------------------------------------------------------------------
 */

static bool is_depthwise(const struct node *n)
{
    return n->kind == OP_CONV && n->conv.groups == GROUPS_DEPTHWISE;
}

static bool is_pointwise(const struct node *n)
{
    return n->kind == OP_CONV && !is_depthwise(n) && n->conv.kh == 1 && n->conv.kw == 1;
}

/* The node before i, activations aside. */
static const struct node *before(const struct graph *g, int i)
{
    int x = g->node[i].input[0];
    while (x > 0 && g->node[x].kind == OP_ACT) x = g->node[x].input[0];
    return &g->node[x];
}

static bool may_be_head(const struct node *n)
{
    switch (n->kind) {
    case OP_GLOBAL_POOL:
    case OP_FLATTEN:
    case OP_DROPOUT:
    case OP_DENSE:
    case OP_BATCH_NORM:
    case OP_ACT:
    case OP_SOFTMAX:
        return true;
    default:
        return false;
    }
}

/* From the output back to the last convolution, pool or sum; its batch norm and activation are the
 * trunk's. False: too long. */
static bool find_head(struct outline *o)
{
    int chain[MAX_HEAD], count = 0, x = o->g->output[0].node;
    while (may_be_head(&o->g->node[x])) {
        if (count == MAX_HEAD) return false;
        chain[count++] = x;
        x = o->g->node[x].input[0];
    }
    o->end = x;
    bool conv = o->g->node[x].kind == OP_CONV;
    if (conv && count && o->g->node[chain[count - 1]].kind == OP_BATCH_NORM)
        o->end = chain[--count];
    if (conv && count && o->g->node[chain[count - 1]].kind == OP_ACT) o->end = chain[--count];
    while (count) o->head[o->heads++] = chain[--count];
    return true;
}

/* The second convolution of a separable one, in either order. */
static bool ends_unit(const struct graph *g, int i)
{
    const struct node *n = &g->node[i];
    return n->kind == OP_CONV && ((is_pointwise(n) && is_depthwise(before(g, i))) ||
                                  (is_depthwise(n) && is_pointwise(before(g, i))));
}

static void note_unit(struct module *m, int i)
{
    if (m->units++ == 0) m->unit[0] = i;
    m->unit[1] = i;
}

/* A pool ends a module where there are no sums. */
static bool find_modules(struct outline *o)
{
    const struct graph *g = o->g;
    for (int i = o->begin + 1; i <= o->end; i++) o->sums = o->sums || g->node[i].kind == OP_ADD;
    o->modules = 1;
    for (int i = o->begin + 1; i <= o->end; i++) {
        const struct node *n = &g->node[i];
        struct module *m = &o->module[o->modules - 1];
        if (ends_unit(g, i)) note_unit(m, i);
        if (n->kind == OP_CONV && !is_depthwise(n) && !is_pointwise(n) && o->convs < 3)
            o->conv[o->convs++] = i;
        m->pool = m->pool || n->kind == OP_POOL;
        m->sum = n->kind == OP_ADD;
        if (!m->sum && (o->sums || n->kind != OP_POOL)) continue;
        if (o->modules++ == MAX_MODULES) return false;
    }
    return true;
}

static void outline(const struct graph *g, struct outline *o, bool *fits)
{
    *o = (struct outline){.g = g};
    while (o->begin + 1 < g->nodes && g->node[o->begin + 1].kind == OP_AFFINE) o->begin++;
    *fits = find_head(o) && find_modules(o);
}

static int channels(const struct outline *o, int node)
{
    return o->g->node[node].out.c;
}

/* ---- what every architecture has ----------------------------------------------------------------
 */

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
        return "none"; /* not a word of head=: arch_build says so */
    }
}

static bool follows(const struct outline *o, int i, enum op_kind kind)
{
    return i + 1 < o->heads && o->g->node[o->head[i + 1]].kind == kind;
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
        add(s, ":%s", act_word(&o->g->node[o->head[i + 1]]));
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
        add(s, "%s", act_word(n));
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
/* ---- families -----------------------------------------------------------------------------------
 */

/* After the entry flow: modules of three units without a pool. */
static int count_middle(const struct outline *o, int from)
{
    int count = 0;
    while (from + count < o->modules && o->module[from + count].units == 3 &&
           !o->module[from + count].pool)
        count++;
    return count;
}

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
    if (between->kind == OP_ACT) add(s, ",act=%s", act_word(between));
    if (is_depthwise(second)) add(s, ",order=pw-dw");
}

/* Modules of two units, then of three, then one of two, then two units alone. Without sums the
 * middle flow is one stretch with the exit flow's first module. */
static bool xception(struct spec *s, const struct outline *o)
{
    int entry = count_entry(o) - (o->sums ? 0 : 1), middle = count_middle(o, entry);
    int exit = entry + middle;
    if (!o->sums && o->modules >= 2) {
        entry = o->modules - 2;
        exit = entry;
        middle = (o->module[exit].units - 2) / 3;
    } else if (o->sums && middle == 0) {
        entry = o->modules - 2;
        exit = entry;
    }
    if (entry < 1 || entry > MAX_ENTRY || exit + 2 != o->modules || o->convs < 2 ||
        o->module[exit + 1].units != 2)
        return false;
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

typedef bool family_fn(struct spec *s, const struct outline *o);

static family_fn *const families[] = {xception, face};

/* ---- the whole ----------------------------------------------------------------------------------
 */

/* Builds the string and compares. *where: the first node that does not fit. */
static bool try_family(family_fn *family, const struct outline *o, struct arena *a,
                       struct keras_match *out, int *where, struct error *err)
{
    static const struct arch_input own = {0};
    struct spec s = {.used = 0};
    if (!family(&s, o)) return false;
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
    bool fits = false;
    int where = 1;
    if (!o) return fail_memory(err, sizeof *o);
    outline(config, o, &fits);
    for (size_t i = 0; fits && i < sizeof families / sizeof *families; i++)
        if (try_family(families[i], o, a, out, &where, &why)) return XC_OK;
    if (why.status != XC_OK) return fail(err, why.status, "%s", why.text);
    const struct node *n = &config->node[where < config->nodes ? where : 0];
    return fail(err, XC_ERR_UNSUPPORTED,
                "layer '%s' (%dx%dx%d) fits no network of the Xception family here", n->layer,
                n->out.h, n->out.w, n->out.c);
}
