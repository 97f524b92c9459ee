/* SPDX-License-Identifier: Apache-2.0 */
/* Which layer shows where the network looks, and which describes a picture, if nobody says? */
#include "explain/explain.h"

int layer_last_map(const struct graph *g)
{
    for (int i = graph_logits(g); i > 0; i = g->node[i].input[0])
        if (g->node[i].out.h > 1 || g->node[i].out.w > 1) return i;
    return -1;
}

/* What a layer reads, before dropout. */
static int read_by(const struct graph *g, int node)
{
    int i = g->node[node].input[0];
    while (g->node[i].kind == OP_DROPOUT) i = g->node[i].input[0];
    return i;
}

int layer_features(const struct graph *g)
{
    int dense = -1; /* the last one */
    for (int i = graph_logits(g); i > 0; i = g->node[i].input[0]) {
        const enum op_kind kind = g->node[i].kind;
        if (kind == OP_DENSE && dense < 0) dense = i;
        if (kind == OP_GLOBAL_POOL && dense >= 0) return i;
        if (kind == OP_CONV && dense < 0) return read_by(g, i);
        if (kind == OP_FLATTEN) break;
    }
    return dense >= 0 ? read_by(g, dense) : g->output[0].node;
}
