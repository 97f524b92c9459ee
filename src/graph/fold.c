/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which batch norms vanish before running? One that is the only reader of a convolution or dense
 * layer: y = gamma * (conv(x) - mean) / sqrt(var + eps) + beta is another convolution. An output
 * must stay readable, so a convolution that is one keeps its batch norm outside.
 */
#include "graph/plan_int.h"

static int readers_of(const struct graph *g, int node)
{
    int readers = 0;
    for (int i = 0; i < g->nodes; i++)
        for (int j = 0; j < g->node[i].inputs; j++) readers += g->node[i].input[j] == node;
    for (int i = 0; i < g->outputs; i++) readers += g->output[i].node == node;
    return readers;
}

void fold_find(const struct graph *g, int *norm_of)
{
    for (int i = 0; i < g->nodes; i++) {
        norm_of[i] = -1;
        const struct node *n = &g->node[i];
        if (n->kind != OP_BATCH_NORM) continue;
        enum op_kind before = g->node[n->input[0]].kind;
        if (before != OP_CONV && before != OP_DENSE) continue;
        if (readers_of(g, n->input[0]) == 1) norm_of[n->input[0]] = i;
    }
}
