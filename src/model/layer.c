/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a person read a network? Nodes of one layer are counted together: a separable
 * convolution is two nodes and one line. A layer that holds several operators is called after the
 * one that costs most.
 */
#include "model/layer.h"

#include <string.h>

/* ---- words ----------------------------------------------------------------------------------- */

static const char *act_word(enum act kind)
{
    static const char *const word[] = {
        [ACT_NONE] = "Linear",     [ACT_RELU] = "ReLU", [ACT_ELU] = "ELU",
        [ACT_SIGMOID] = "Sigmoid", [ACT_CLIP] = "Clip", [ACT_TANH] = "Tanh"};
    return word[kind];
}

static const char *kind_word(const struct node *n)
{
    static const char *const word[OP_COUNT] = {
        [OP_INPUT] = "Input",   [OP_DENSE] = "Dense",     [OP_BATCH_NORM] = "BatchNorm",
        [OP_AFFINE] = "Affine", [OP_SOFTMAX] = "Softmax", [OP_ADD] = "Add",
        [OP_CONCAT] = "Concat", [OP_FLATTEN] = "Flatten", [OP_DROPOUT] = "Dropout"};
    switch (n->kind) {
    case OP_CONV:
        return node_is_depthwise(n) ? "DepthwiseConv" : n->conv.groups > 1 ? "GroupedConv" : "Conv";
    case OP_ACT:
        return act_word(n->act.kind);
    case OP_POOL:
        return n->pool.kind == POOL_MAX ? "MaxPool" : "AvgPool";
    case OP_GLOBAL_POOL:
        return n->global == POOL_MAX ? "GlobalMaxPool" : "GlobalAvgPool";
    default:
        return word[n->kind];
    }
}

/* "3x3/2 valid": window, stride, padding, and what is not 1. */
static const char *window_text(struct arena *a, int kh, int kw, int sy, int sx,
                               const struct padding *pad)
{
    const char *stride = "";
    if (sy > 1 || sx > 1)
        stride = sy == sx ? arena_printf(a, "/%d", sy) : arena_printf(a, "/%dx%d", sy, sx);
    if (!stride) return NULL;
    if (pad->kind != PAD_EXPLICIT)
        return arena_printf(a, "%dx%d%s %s", kh, kw, stride,
                            pad->kind == PAD_SAME ? "same" : "valid");
    if (pad->top == pad->left && pad->top == pad->bottom && pad->top == pad->right)
        return arena_printf(a, "%dx%d%s pad %d", kh, kw, stride, pad->top);
    return arena_printf(a, "%dx%d%s pad %d,%d,%d,%d", kh, kw, stride, pad->top, pad->left,
                        pad->bottom, pad->right);
}

static const char *conv_text(struct arena *a, const struct conv_attr *c)
{
    const char *text = window_text(a, c->kh, c->kw, c->sy, c->sx, &c->pad);
    if (text && (c->dy > 1 || c->dx > 1))
        text = arena_printf(a, "%s dilation %dx%d", text, c->dy, c->dx);
    if (text && c->groups > 1) text = arena_printf(a, "%s groups %d", text, c->groups);
    return text;
}

static const char *detail_text(struct arena *a, const struct node *n)
{
    switch (n->kind) {
    case OP_CONV:
        return conv_text(a, &n->conv);
    case OP_POOL:
        return window_text(a, n->pool.kh, n->pool.kw, n->pool.sy, n->pool.sx, &n->pool.pad);
    case OP_BATCH_NORM:
        return arena_printf(a, "epsilon %g", n->norm.epsilon);
    case OP_DROPOUT:
        return arena_printf(a, "%g", n->dropout);
    case OP_ACT:
        if (n->act.kind == ACT_ELU) return arena_printf(a, "alpha %g", n->act.alpha);
        if (n->act.kind == ACT_CLIP) return arena_printf(a, "%g to %g", n->act.alpha, n->act.beta);
        return "";
    default:
        return "";
    }
}

/* With what is applied to its result: "Softmax" for a dense layer that has one. */
static const char *layer_text(struct arena *a, const struct node *main, const struct node *last)
{
    const char *text = detail_text(a, main);
    bool applied = last != main && (last->kind == OP_ACT || last->kind == OP_SOFTMAX);
    if (!text || !applied) return text;
    return arena_printf(a, "%s%s%s", text, text[0] ? ", " : "", kind_word(last));
}

/* ---- counting -------------------------------------------------------------------------------- */

/* What is known of a layer while its nodes are gathered. */
struct group {
    const char *name;
    int first, main, last; /* nodes; main costs most */
    int depthwise, convs;  /* the depthwise node, or 0; how many convolutions */
    uint64_t main_macs;
    xc_layer line;
};

static int find_group(const struct group *group, int groups, const char *name)
{
    for (int i = groups - 1; i >= 0; i--)
        if (strcmp(group[i].name, name) == 0) return i;
    return -1;
}

static void count_node(const struct graph *g, int i, uint64_t macs, struct group *to)
{
    const struct node *n = &g->node[i];
    for (int k = 0; k < n->params; k++) {
        const struct param *p = &g->param.at[n->param[k]];
        to->line.params += p->count;
        to->line.trainable += param_trainable(p) ? p->count : 0;
    }
    to->line.macs += macs;
    if (macs >= to->main_macs) {
        to->main = i;
        to->main_macs = macs;
    }
    to->last = i;
    to->convs += n->kind == OP_CONV;
    if (node_is_depthwise(n)) to->depthwise = i;
}

static int gather(const struct graph *g, const struct shape *shapes, struct group *group,
                  int *group_of)
{
    int groups = 0;
    for (int i = 0; i < g->all; i++) {
        int at = find_group(group, groups, g->node[i].layer);
        if (at < 0) {
            at = groups++;
            group[at].name = g->node[i].layer;
            group[at].first = i;
        }
        group_of[i] = at;
        count_node(g, i, graph_macs(g, i, shapes), &group[at]);
    }
    return groups;
}

/* Names of the other layers that this one reads, each once, comma-separated. */
static const char *inputs_text(const struct graph *g, const struct group *group,
                               const int *group_of, int self, struct arena *a)
{
    const char *text = "";
    int seen[NODE_MAX_INPUTS * 2], count = 0;
    for (int i = group[self].first; i <= group[self].last && text; i++) {
        const struct node *n = &g->node[i];
        for (int k = 0; group_of[i] == self && k < n->inputs && text; k++) {
            int from = group_of[n->input[k]];
            bool known = from == self || count == NODE_MAX_INPUTS * 2;
            for (int s = 0; s < count; s++) known = known || seen[s] == from;
            if (known) continue;
            text = arena_printf(a, "%s%s%s", text, count ? "," : "", group[from].name);
            seen[count++] = from;
        }
    }
    return text;
}

static bool describe(const struct graph *g, const struct group *group, const int *group_of,
                     int self, struct arena *a, xc_layer *out)
{
    const struct group *from = &group[self];
    bool separable = from->depthwise > 0 && from->convs == 2;
    const struct node *main = &g->node[separable ? from->depthwise : from->main];
    struct shape shape = g->node[from->last].out;
    *out = from->line;
    out->name = from->name;
    out->kind = separable ? "SepConv" : kind_word(main);
    out->detail = layer_text(a, main, &g->node[from->last]);
    out->inputs = inputs_text(g, group, group_of, self, a);
    out->height = (uint32_t)shape.h;
    out->width = (uint32_t)shape.w;
    out->channels = (uint32_t)shape.c;
    return out->detail && out->inputs;
}

xc_status layers_of(const struct graph *g, struct arena *a, struct layers *out, struct error *err)
{
    struct arena scratch = {0};
    size_t nodes = (size_t)g->all;
    struct shape *shapes = arena_push(&scratch, nodes, sizeof *shapes);
    struct group *group = arena_push(&scratch, nodes, sizeof *group);
    int *group_of = arena_push(&scratch, nodes, sizeof *group_of);
    xc_layer *layer = arena_push(a, nodes, sizeof *layer);
    bool room = shapes && group && group_of && layer;
    xc_status status = room ? graph_all_shapes(g, g->input, shapes, err) : XC_OK;
    if (room && status == XC_OK) {
        int groups = gather(g, shapes, group, group_of);
        for (int i = 0; i < groups; i++)
            room = room && describe(g, group, group_of, i, a, &layer[i]);
        *out = (struct layers){.at = layer, .count = (uint32_t)groups};
        for (int i = 0; i < groups; i++) out->auxiliary += group[i].first >= g->nodes;
    }
    arena_free(&scratch);
    return room ? status : fail_memory(err, nodes * sizeof *group);
}
