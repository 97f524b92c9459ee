/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are the operators trained that only bring numbers together, or drop some? The gradient of a
 * sum is the gradient of each part: the parts hold the same memory.
 */
#include "graph/learn_int.h"

/* ---- sum ------------------------------------------------------------------------------------- */

/* The call takes one part as it is and can scale and activate the other. */
static void add_forward(struct tape *t, int node)
{
    const int *input = t->g->node[node].input;
    const int lazy = tape_value(t, input[0]).lazy ? 0 : 1;
    const struct map other = tape_stored(t, input[1 - lazy]);
    const struct value v = tape_value(t, input[lazy]);
    const struct map out = tape_new_value(t, node);
    struct learn_step *s = tape_step(t, node, LEARN_map, map_pixels(&out));
    s->fn.map = t->k->map;
    s->call.map = (struct map_call){.type = t->k->type, .in = v.map.view, .out = out.view};
    s->call.map.epilogue.add = other.view;
    LINK(t, s, map.in.data, v.map.ref);
    LINK(t, s, map.out.data, out.ref);
    LINK(t, s, map.epilogue.add.data, other.ref);
    PROLOGUE(t, s, map.prologue, &v);
}

static void add_backward(struct tape *t, int node)
{
    for (int i = 0; i < 2; i++) {
        const int input = t->g->node[node].input[i];
        if (t->needs[input]) tape_grad_share(t, input, t->grad[node]);
    }
}

/* ---- side by side ---------------------------------------------------------------------------- */

/* Channels [first, first + c) of a map. */
static struct map channels(struct map m, int first, int c)
{
    m.ref = ref_at(m.ref, (size_t)first * dtype_size(m.view.type));
    m.view.c = c;
    return m;
}

static void concat_forward(struct tape *t, int node)
{
    const struct node *n = &t->g->node[node];
    const struct map out = tape_new_value(t, node);
    for (int i = 0, first = 0; i < n->inputs; i++) {
        const struct map in = tape_stored(t, n->input[i]);
        const struct map part = channels(out, first, in.view.c);
        tape_copy(t, node, &in, NULL, &part);
        first += in.view.c;
    }
}

static void concat_backward(struct tape *t, int node)
{
    const struct node *n = &t->g->node[node];
    for (int i = 0, first = 0; i < n->inputs; i++) {
        const int c = t->shape[n->input[i]].c;
        if (t->needs[n->input[i]])
            tape_grad_share(t, n->input[i], channels(t->grad[node], first, c));
        first += c;
    }
}

/* ---- one row --------------------------------------------------------------------------------- */

/* A row of numbers, seen as the map without gaps that it was made of. */
static struct map as_map(struct map row, struct shape s)
{
    struct view *v = &row.view;
    v->h = s.h, v->w = s.w, v->c = s.c;
    v->pixel = (ptrdiff_t)((size_t)s.c * dtype_size(v->type));
    v->row = v->pixel * s.w;
    return row;
}

static void flatten_forward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    const struct map in = tape_stored(t, input), out = tape_new_value(t, node);
    const struct map to = as_map(out, t->shape[input]);
    tape_copy(t, node, &in, NULL, &to);
}

static void flatten_backward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    if (t->needs[input]) tape_grad_share(t, input, as_map(t->grad[node], t->shape[input]));
}

/* ---- dropout --------------------------------------------------------------------------------- */

static void drop(struct tape *t, int node, const struct map *in, const struct map *out, bool add)
{
    struct learn_step *s = tape_step(t, node, LEARN_dropout, map_pixels(out));
    s->fn.dropout = t->t->dropout;
    s->call.dropout =
        (struct dropout_call){.type = t->k->type,
                              .in = in->view,
                              .out = out->view,
                              .rate = t->opts->inference ? 0 : t->g->node[node].dropout,
                              .layer = (uint32_t)node,
                              .add = add};
    LINK(t, s, dropout.in.data, in->ref);
    LINK(t, s, dropout.out.data, out->ref);
    LINK(t, s, dropout.draw, ((struct ref){.base = BASE_DRAW}));
}

static void dropout_forward(struct tape *t, int node)
{
    const struct map in = tape_stored(t, t->g->node[node].input[0]);
    const struct map out = tape_new_value(t, node);
    drop(t, node, &in, &out, false);
}

static void dropout_backward(struct tape *t, int node)
{
    bool add;
    const int input = t->g->node[node].input[0];
    if (!t->needs[input]) return;
    const struct map dout = t->grad[node], dx = tape_grad_over(t, input, node, &add);
    drop(t, node, &dout, &dx, add);
}

/* ---- softmax --------------------------------------------------------------------------------- */

static void softmax_forward(struct tape *t, int node)
{
    const struct map in = tape_stored(t, t->g->node[node].input[0]);
    const struct map out = tape_new_value(t, node);
    struct learn_step *s = tape_step(t, node, LEARN_softmax, map_pixels(&out));
    s->fn.softmax = t->k->softmax;
    s->call.softmax = (struct softmax_call){.type = t->k->type, .in = in.view, .out = out.view};
    LINK(t, s, softmax.in.data, in.ref);
    LINK(t, s, softmax.out.data, out.ref);
}

static void softmax_backward(struct tape *t, int node)
{
    bool add;
    const int input = t->g->node[node].input[0];
    if (!t->needs[input]) return;
    const struct map dout = t->grad[node], out = tape_stored(t, node);
    const struct map dx = tape_grad_over(t, input, node, &add);
    struct learn_step *s = tape_step(t, node, LEARN_softmax_dx, map_pixels(&dx));
    s->fn.softmax_dx = t->t->softmax_dx;
    s->call.softmax_dx = (struct softmax_dx_call){
        .type = t->k->type, .out = out.view, .dout = dout.view, .dx = dx.view, .add = add};
    LINK(t, s, softmax_dx.out.data, out.ref);
    LINK(t, s, softmax_dx.dout.data, dout.ref);
    LINK(t, s, softmax_dx.dx.data, dx.ref);
}

const struct rule rule_add = {add_forward, add_backward};
const struct rule rule_concat = {concat_forward, concat_backward};
const struct rule rule_flatten = {flatten_forward, flatten_backward};
const struct rule rule_dropout = {dropout_forward, dropout_backward};
const struct rule rule_softmax = {softmax_forward, softmax_backward};
