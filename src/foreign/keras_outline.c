/* SPDX-License-Identifier: Apache-2.0 */
/* How is a graph cut at its last convolution, and at its sums and pools? */
#include "foreign/keras_outline.h"

static bool is_pointwise(const struct node *n)
{
    return n->kind == OP_CONV && !node_is_depthwise(n) && n->conv.kh == 1 && n->conv.kw == 1;
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
    int chain[OUTLINE_HEAD], count = 0, x = o->g->output[0].node;
    while (may_be_head(&o->g->node[x])) {
        if (count == OUTLINE_HEAD) return false;
        chain[count++] = x;
        x = o->g->node[x].input[0];
    }
    o->end = x;
    bool conv = o->g->node[x].kind == OP_CONV, sum = o->g->node[x].kind == OP_ADD;
    if (conv && count && o->g->node[chain[count - 1]].kind == OP_BATCH_NORM)
        o->end = chain[--count];
    if ((conv || sum) && count && o->g->node[chain[count - 1]].kind == OP_ACT)
        o->end = chain[--count];
    while (count) o->head[o->heads++] = chain[--count];
    return true;
}

/* The second convolution of a separable one, in either order. */
static bool ends_unit(const struct graph *g, int i)
{
    const struct node *n = &g->node[i];
    return n->kind == OP_CONV && ((is_pointwise(n) && node_is_depthwise(before(g, i))) ||
                                  (node_is_depthwise(n) && is_pointwise(before(g, i))));
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
        if (n->kind == OP_CONV && !node_is_depthwise(n) && !is_pointwise(n) && o->convs < 3)
            o->conv[o->convs++] = i;
        m->pool = m->pool || n->kind == OP_POOL;
        m->sum = n->kind == OP_ADD;
        if (!m->sum && (o->sums || n->kind != OP_POOL)) continue;
        if (o->modules++ == OUTLINE_MODULES) return false;
    }
    return true;
}

bool outline_read(const struct graph *g, struct outline *out)
{
    *out = (struct outline){.g = g};
    while (out->begin + 1 < g->nodes && g->node[out->begin + 1].kind == OP_AFFINE) out->begin++;
    return find_head(out) && find_modules(out);
}
