/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers does each map consist of? In most precisions of its own. Brain floats are for what
 * convolutions and pools read: what only leads to the answer, a dense layer, softmax or an output,
 * is float32. So the last map of the body, where whole pictures are averaged, is the last that is
 * rounded.
 */
#include "graph/plan_int.h"

/* What node i wants its inputs to be. */
static enum dtype wanted(const struct node *n, enum dtype own)
{
    const bool body = n->kind == OP_CONV || n->kind == OP_POOL || n->kind == OP_GLOBAL_POOL;
    return body ? DTYPE_BF16 : n->kind == OP_DENSE || n->kind == OP_SOFTMAX ? DTYPE_F32 : own;
}

void types_find(const struct graph *g, enum dtype type, enum dtype *of)
{
    for (int i = 0; i < g->nodes; i++) of[i] = type == DTYPE_BF16 ? DTYPE_F32 : type;
    for (int i = g->nodes - 1; i > 0 && type == DTYPE_BF16; i--)
        for (int j = 0; j < g->node[i].inputs; j++)
            if (wanted(&g->node[i], of[i]) == DTYPE_BF16) of[g->node[i].input[j]] = DTYPE_BF16;
}

xc_status types_check(const struct schedule *s, struct error *err)
{
    for (int i = 1; i < s->g->nodes; i++) {
        const struct node *n = &s->g->node[i];
        if (n->kind != OP_DENSE && n->kind != OP_SOFTMAX) continue;
        if (s->type[i] != DTYPE_BF16 && s->type[s->source[n->input[0]]] != DTYPE_BF16) continue;
        return fail(err, XC_ERR_UNSUPPORTED,
                    "%s: a convolution or pool meets it on the same map, which cannot be both "
                    "float32 and bf16; take another precision",
                    n->name);
    }
    return XC_OK;
}
