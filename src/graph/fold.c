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

static bool vanishes(const struct graph *g, int norm)
{
    const struct node *n = &g->node[norm];
    if (n->kind != OP_BATCH_NORM) return false;
    const enum op_kind before = g->node[n->input[0]].kind;
    return (before == OP_CONV || before == OP_DENSE) && readers_of(g, n->input[0]) == 1;
}

void fold_find(const struct graph *g, int *norm_of)
{
    for (int i = 0; i < g->nodes; i++) {
        norm_of[i] = -1;
        if (vanishes(g, i)) norm_of[g->node[i].input[0]] = i;
    }
}

bool plan_folds(const struct graph *g, int node)
{
    for (int i = node + 1; i < g->nodes; i++)
        if (g->node[i].input[0] == node && vanishes(g, i)) return true;
    return false;
}
