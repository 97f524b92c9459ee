/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers are computed once more for the backward pass, rather than kept? Depthwise outputs
 * always: they cost next to nothing. When memory is short, outputs of other convolutions, too:
 * those first that free the most bytes for each multiply-add, which are the large maps near the
 * picture. What they need that is not there is computed before them, so all convolutions of a block
 * may go.
 */
#include <stdlib.h>

#include "graph/learn_int.h"

struct candidate {
    int node;
    double worth; /* bytes for a multiply-add */
};

static int by_worth(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->worth > y->worth || x->worth < y->worth) return x->worth > y->worth ? -1 : 1;
    return x->node - y->node;
}

static double bytes_of(const struct tape *t, int node)
{
    const struct shape s = t->shape[node];
    return (double)s.n * s.h * s.w * s.c * (double)dtype_size(t->type[node]);
}

/* One whose input is larger would bring that back with it, too early. */
static bool may_go(const struct tape *t, int node)
{
    if (t->g->node[node].kind != OP_CONV) return false;
    if (bytes_of(t, node) < bytes_of(t, t->g->node[node].input[0])) return false;
    return t->used[node] && t->needs[node] && node > t->opts->from && !conv_is_cheap(t, node) &&
           tape_watched(t, node) < 0;
}

static struct candidate candidate_of(const struct tape *t, int node)
{
    const uint64_t macs = graph_macs(t->g, node, t->shape);
    return (struct candidate){node, bytes_of(t, node) / (double)(macs ? macs : 1)};
}

bool learn_choose_again(struct tape *t, int count)
{
    const int n = t->g->all;
    struct candidate *list = arena_push(t->scratch, (size_t)n, sizeof *list);
    if (!list) return false;
    t->candidates = 0;
    for (int i = 0; i < n; i++) {
        t->gone[i] = i > t->opts->from && conv_is_cheap(t, i);
        if (may_go(t, i)) list[t->candidates++] = candidate_of(t, i);
    }
    qsort(list, (size_t)t->candidates, sizeof *list, by_worth);
    for (int i = 0; i < count && i < t->candidates; i++) t->gone[list[i].node] = true;
    return true;
}

/* What it read goes once more: it would wait here for its own backward step. */
void tape_compute_again(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    t->again[node] = true;
    rule_conv.forward(t, node);
    if (conv_is_cheap(t, node)) return;
    if (conv_is_cheap(t, input)) t->again[input] = false;
    if (t->value[input].lazy) t->value[input].kept = false;
}
