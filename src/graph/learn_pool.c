/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is pooling trained? Max pooling keeps one byte an output: which tap was the largest.
 */
#include "graph/learn_int.h"

static struct window window_of(const struct tape *t, int node)
{
    const struct node *n = &t->g->node[node];
    const struct sliding s = op_of(n)->sliding(n);
    return sliding_window(&s, t->shape[n->input[0]]);
}

static void max_forward(struct tape *t, int node)
{
    const struct window window = window_of(t, node);
    const struct value in = tape_value(t, t->g->node[node].input[0]);
    const struct map out = tape_new_value(t, node);
    if (window.kh * window.kw > POOL_MAX_TAPS)
        tape_fail(t, XC_ERR_LIMIT, node, "a window of more than 255 pixels cannot be trained");
    t->extra[node] = (struct ref){.base = BASE_ARENA,
                                  .piece = tape_piece(t, map_pixels(&out) * (size_t)out.view.c)};
    struct learn_step *s = tape_step(t, node, LEARN_pool_index, map_pixels(&out));
    s->fn.pool_index = t->t->pool_index;
    s->call.pool_index = (struct pool_index_call){
        .type = t->k->type, .in = in.map.view, .out = out.view, .window = window};
    LINK(t, s, pool_index.in.data, in.map.ref);
    LINK(t, s, pool_index.out.data, out.ref);
    LINK(t, s, pool_index.index, t->extra[node]);
    PROLOGUE(t, s, pool_index.prologue, &in);
}

static void average_forward(struct tape *t, int node)
{
    const struct map in = tape_stored(t, t->g->node[node].input[0]);
    const struct map out = tape_new_value(t, node);
    struct learn_step *s = tape_step(t, node, LEARN_pool, map_pixels(&out));
    s->fn.pool = t->k->pool_average;
    s->call.pool = (struct pool_call){.type = t->k->type,
                                      .in = in.view,
                                      .out = out.view,
                                      .window = window_of(t, node),
                                      .count_pad = t->g->node[node].pool.count_pad};
    LINK(t, s, pool.in.data, in.ref);
    LINK(t, s, pool.out.data, out.ref);
}

static void forward(struct tape *t, int node)
{
    if (t->g->node[node].pool.kind == POOL_MAX)
        max_forward(t, node);
    else
        average_forward(t, node);
}

static void backward(struct tape *t, int node)
{
    bool add;
    const struct pool_attr *a = &t->g->node[node].pool;
    if (!t->needs[t->g->node[node].input[0]]) return;
    const struct map dout = t->grad[node], dx = tape_grad_into(t, t->g->node[node].input[0], &add);
    struct learn_step *s = tape_step(t, node, LEARN_pool_dx, map_pixels(&dx));
    s->fn.pool_dx = a->kind == POOL_MAX ? t->t->pool_max_dx : t->t->pool_average_dx;
    s->call.pool_dx = (struct pool_dx_call){.type = t->k->type,
                                            .dout = dout.view,
                                            .dx = dx.view,
                                            .window = window_of(t, node),
                                            .count_pad = a->count_pad,
                                            .add = add};
    LINK(t, s, pool_dx.dout.data, dout.ref);
    LINK(t, s, pool_dx.dx.data, dx.ref);
    LINK(t, s, pool_dx.index, t->extra[node]);
}

/* ---- the whole image ------------------------------------------------------------------------- */

static void global_forward(struct tape *t, int node)
{
    const struct map in = tape_stored(t, t->g->node[node].input[0]);
    const struct map out = tape_new_value(t, node);
    const bool max = t->g->node[node].global == POOL_MAX;
    struct learn_step *s =
        tape_step(t, node, LEARN_global_pool, (size_t)out.view.n * (size_t)out.view.c);
    s->fn.global_pool = max ? t->k->global_max : t->k->global_average;
    s->call.global_pool =
        (struct global_pool_call){.type = t->k->type, .in = in.view, .out = out.view};
    LINK(t, s, global_pool.in.data, in.ref);
    LINK(t, s, global_pool.out.data, out.ref);
}

static void global_backward(struct tape *t, int node)
{
    bool add;
    const int input = t->g->node[node].input[0];
    const bool max = t->g->node[node].global == POOL_MAX;
    if (!t->needs[input]) return;
    const struct map dout = t->grad[node];
    const struct map dx = tape_grad_into(t, input, &add);
    const struct map in = max ? tape_stored(t, input) : dx, out = max ? tape_stored(t, node) : dout;
    const size_t units = max ? (size_t)dx.view.n * (size_t)dx.view.c : map_pixels(&dx);
    struct learn_step *s = tape_step(t, node, LEARN_global_dx, units);
    s->fn.global_dx = max ? t->t->global_max_dx : t->t->global_average_dx;
    s->call.global_dx = (struct global_dx_call){.type = t->k->type,
                                                .in = in.view,
                                                .out = out.view,
                                                .dout = dout.view,
                                                .dx = dx.view,
                                                .add = add};
    LINK(t, s, global_dx.in.data, in.ref);
    LINK(t, s, global_dx.out.data, out.ref);
    LINK(t, s, global_dx.dout.data, dout.ref);
    LINK(t, s, global_dx.dx.data, dx.ref);
}

const struct rule rule_pool = {forward, backward};
const struct rule rule_global_pool = {global_forward, global_backward};
