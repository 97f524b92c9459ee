/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers does each map consist of? In most precisions of its own. Brain floats are for what
 * convolutions and pools read: what only leads to the answer, a dense layer, softmax or an output,
 * is float32. So the last map of the body, where whole pictures are averaged, is the last that is
 * rounded. What a dense layer or softmax touches is never one, whoever else reads it.
 */
#include "graph/op.h"

static bool is_body(const struct node *n)
{
    return n->kind == OP_CONV || n->kind == OP_POOL || n->kind == OP_GLOBAL_POOL;
}

static bool is_head(const struct node *n)
{
    return n->kind == OP_DENSE || n->kind == OP_SOFTMAX;
}

void types_find(const struct graph *g, int nodes, enum dtype type, enum dtype *of)
{
    for (int i = 0; i < nodes; i++) of[i] = type == DTYPE_BF16 ? DTYPE_F32 : type;
    if (type != DTYPE_BF16) return;
    for (int i = nodes - 1; i > 0; i--)
        for (int j = 0; j < g->node[i].inputs; j++)
            if (is_body(&g->node[i]) || (of[i] == DTYPE_BF16 && !is_head(&g->node[i])))
                of[g->node[i].input[j]] = DTYPE_BF16;
    for (int i = 1; i < nodes; i++) {
        int x = g->node[i].input[0];
        if (g->node[i].kind == OP_BATCH_NORM && is_head(&g->node[x])) of[i] = DTYPE_F32;
        if (!is_head(&g->node[i])) continue;
        of[i] = of[x] = DTYPE_F32;
        for (; g->node[x].kind == OP_DROPOUT; of[x] = DTYPE_F32) x = g->node[x].input[0];
    }
}
