/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are two graphs the same network? Walked from the outputs back: an output of b corresponds to the
 * output of a, and when two nodes correspond, so do their inputs, in order. So the order in which
 * nodes were written down does not matter, and identical branches (Inception) cannot be mistaken
 * for each other.
 *
 * Dropout is looked through. Only when the answer is no, b is read once more from the input on, to
 * find the first node that has no counterpart: the place that a person would point at.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"

struct match {
    const struct graph *a, *b;
    int *to_a; /* b's node -> a's, or -1 */
    int *to_b;
};

static int look_through(const struct graph *g, int i)
{
    while (g->node[i].kind == OP_DROPOUT) i = g->node[i].input[0];
    return i;
}

static bool same_shape(const struct param *p, const struct param *q)
{
    if (p->role != q->role || p->rank != q->rank) return false;
    return memcmp(p->dim, q->dim, (size_t)p->rank * sizeof p->dim[0]) == 0;
}

/* Operator, attributes and parameters; for the input, the number of channels. */
static bool same_node(const struct match *m, int i, int j)
{
    const struct node *x = &m->a->node[i], *y = &m->b->node[j];
    if (x->kind != y->kind || x->inputs != y->inputs || x->params != y->params) return false;
    if (x->kind == OP_INPUT && x->out.c != y->out.c) return false;
    for (int k = 0; k < x->params; k++)
        if (!same_shape(&m->a->param.at[x->param[k]], &m->b->param.at[y->param[k]])) return false;
    const struct op *op = op_of(x);
    return !op->equal || op->equal(x, y);
}

/* Notes that i and j correspond; false when one of them already corresponds to another. */
static bool pair(struct match *m, int i, int j)
{
    i = look_through(m->a, i);
    j = look_through(m->b, j);
    if (m->to_a[j] < 0 && m->to_b[i] < 0) {
        m->to_a[j] = i;
        m->to_b[i] = j;
    }
    return m->to_a[j] == i && m->to_b[i] == j;
}

static bool pair_inputs(struct match *m, int i, int j)
{
    const struct node *x = &m->a->node[i], *y = &m->b->node[j];
    for (int k = 0; k < x->inputs; k++)
        if (!pair(m, x->input[k], y->input[k])) return false;
    return true;
}

/* Outputs first; readers come before what they read because b's order is topological. */
static bool walk_back(struct match *m, int *where)
{
    *where = m->b->nodes - 1;
    if (m->a->outputs != m->b->outputs) return false;
    for (int i = 0; i < m->b->outputs; i++) {
        *where = m->b->output[i].node;
        if (!pair(m, m->a->output[i].node, *where)) return false;
    }
    for (int j = m->b->nodes - 1; j >= 0; j--) {
        if (m->to_a[j] < 0) continue;
        *where = j;
        if (!same_node(m, m->to_a[j], j) || !pair_inputs(m, m->to_a[j], j)) return false;
    }
    return true;
}

static bool reads_same(const struct match *m, int i, int j)
{
    const struct node *x = &m->a->node[i], *y = &m->b->node[j];
    for (int k = 0; k < y->inputs; k++)
        if (m->to_a[look_through(m->b, y->input[k])] != look_through(m->a, x->input[k]))
            return false;
    return true;
}

/* The first node of b for which a has none that is alike and reads the same; or b->nodes. */
static int first_stranger(struct match *m)
{
    for (int j = 0; j < m->b->nodes; j++) {
        if (m->b->node[j].kind == OP_DROPOUT) continue;
        int i = 0;
        while (i < m->a->nodes && (m->to_b[i] >= 0 || !same_node(m, i, j) || !reads_same(m, i, j)))
            i++;
        if (i == m->a->nodes) return j;
        m->to_a[j] = i;
        m->to_b[i] = j;
    }
    return m->b->nodes;
}

static void forget(struct match *m)
{
    for (int i = 0; i < m->a->nodes; i++) m->to_b[i] = -1;
    for (int j = 0; j < m->b->nodes; j++) m->to_a[j] = -1;
}

bool graph_match(const struct graph *a, const struct graph *b, int *map, int *where)
{
    int *back = calloc((size_t)a->nodes, sizeof *back);
    struct match m = {a, b, map, back};
    bool same = false;
    int place = 0;
    if (back) {
        forget(&m);
        same = walk_back(&m, &place);
        if (!same) {
            forget(&m);
            int stranger = first_stranger(&m);
            if (stranger < b->nodes) place = stranger;
        }
    }
    if (where) *where = place;
    free(back);
    return same;
}
