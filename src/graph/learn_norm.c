/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How are batch norm, scales and activations trained? Forward they are no pass over memory: batch
 * norm sums up, and all three leave what they do to their readers.
 *
 * An activation that alone reads a batch norm hands it the gradient as it is, with a note (gate):
 * the batch norm looks up the slope while it sums. Not so where that gradient is watched.
 */
#include "graph/learn_int.h"

enum { MEAN, RSTD, SCALE, SHIFT, VECTORS };

static struct ref vector_of(const struct tape *t, struct ref first, int i, int c)
{
    return ref_at(first, (size_t)i * (size_t)c * tape_size(t));
}

/* ---- batch norm ------------------------------------------------------------------------------ */

/* By groups of images where that makes chains (learn_chain.c). */
static int images_of(const struct tape *t, const struct map *x)
{
    return tape_images(t, (size_t)x->view.h * (size_t)x->view.w);
}

static struct chunks chunks_for(const struct tape *t, const struct map *x)
{
    return chunks_of(&x->view, images_of(t, x));
}

/* Per chunk of pixels; none when the statistics are not the batch's. */
static struct ref sums(struct tape *t, int node, const struct map *x)
{
    if (tape_frozen(t, node)) return (struct ref){0};
    const struct chunks chunks = chunks_for(t, x);
    const size_t count = chunk_count(&chunks);
    const struct ref partial = tape_vectors(t, count * 3, x->view.c);
    struct learn_step *s = tape_step(t, node, LEARN_norm_sums, count);
    s->fn.norm_sums = t->t->norm_sums;
    s->call.norm_sums =
        (struct norm_sums_call){.type = t->k->type, .in = x->view, .images = images_of(t, x)};
    LINK(t, s, norm_sums.in.data, x->ref);
    LINK(t, s, norm_sums.partial, partial);
    return partial;
}

static void norm_forward(struct tape *t, int node)
{
    const struct batch_norm_attr *a = &t->g->node[node].norm;
    const int input = t->g->node[node].input[0], c = t->shape[node].c;
    const struct map x = tape_stored(t, input);
    const struct ref partial = sums(t, node, &x), own = tape_vectors(t, VECTORS, c);
    struct learn_step *s = tape_step(t, node, LEARN_norm_finish, (size_t)c);
    s->fn.norm_finish = t->t->norm_finish;
    s->call.norm_finish =
        (struct norm_finish_call){.type = t->k->type,
                                  .chunks = chunks_for(t, &x),
                                  .c = c,
                                  .epsilon = a->epsilon,
                                  .keep = a->torch_momentum ? 1 - a->momentum : a->momentum,
                                  .unbiased = a->torch_momentum};
    LINK(t, s, norm_finish.partial, partial);
    LINK(t, s, norm_finish.gamma, tape_param(t, node, PARAM_GAMMA));
    LINK(t, s, norm_finish.beta, tape_param(t, node, PARAM_BETA));
    LINK(t, s, norm_finish.moving_mean, tape_param(t, node, PARAM_MEAN));
    LINK(t, s, norm_finish.moving_variance, tape_param(t, node, PARAM_VARIANCE));
    LINK(t, s, norm_finish.mean, vector_of(t, own, MEAN, c));
    LINK(t, s, norm_finish.rstd, vector_of(t, own, RSTD, c));
    LINK(t, s, norm_finish.scale, vector_of(t, own, SCALE, c));
    LINK(t, s, norm_finish.shift, vector_of(t, own, SHIFT, c));
    t->extra[node] = own;
    t->value[node] = (struct value){.lazy = true,
                                    .of = input,
                                    .scale = vector_of(t, own, SCALE, c),
                                    .shift = vector_of(t, own, SHIFT, c)};
}

/* Links in, dout and prologue of the three calls that look at z = act(scale in + shift). */
#define LINK_SLOPE(t, s, name, v, dout)                                                            \
    do {                                                                                           \
        (s)->call.name.type = (t)->k->type;                                                        \
        (s)->call.name.in = (v).map.view;                                                          \
        (s)->call.name.dout = (dout).view;                                                         \
        LINK(t, s, name.in.data, (v).map.ref);                                                     \
        LINK(t, s, name.dout.data, (dout).ref);                                                    \
        PROLOGUE(t, s, name.prologue, &(v));                                                       \
    } while (0)

/* factor times the slope of v, times dout, into the gradient of `input`. */
static void slope_into(struct tape *t, int node, int input, const struct value *v,
                       struct ref factor)
{
    bool add;
    const struct map dout = t->grad[node], dx = tape_grad_over(t, input, node, &add);
    struct learn_step *s = tape_step(t, node, LEARN_map_dx, map_pixels(&dx));
    s->fn.map_dx = t->t->map_dx;
    LINK_SLOPE(t, s, map_dx, *v, dout);
    s->call.map_dx.dx = dx.view;
    s->call.map_dx.add = add;
    LINK(t, s, map_dx.dx.data, dx.ref);
    LINK(t, s, map_dx.factor, factor);
}

static void norm_dsums(struct tape *t, int node, const struct value *v, struct ref partial)
{
    const struct map dout = t->grad[node];
    const struct chunks chunks = chunks_for(t, &dout);
    const size_t count = chunk_count(&chunks);
    struct learn_step *s = tape_step(t, node, LEARN_norm_dsums, count);
    s->fn.norm_dsums = t->t->norm_dsums;
    LINK_SLOPE(t, s, norm_dsums, *v, dout);
    s->call.norm_dsums.images = images_of(t, &dout);
    LINK(t, s, norm_dsums.mean, t->extra[node]);
    LINK(t, s, norm_dsums.partial, partial);
}

static void norm_dfinish(struct tape *t, int node, struct ref partial, struct ref factors)
{
    const int c = t->shape[node].c;
    struct learn_step *s = tape_step(t, node, LEARN_norm_dfinish, (size_t)c);
    s->fn.norm_dfinish = t->t->norm_dfinish;
    s->call.norm_dfinish = (struct norm_dfinish_call){
        .type = t->k->type, .chunks = chunks_for(t, &t->grad[node]), .c = c};
    LINK(t, s, norm_dfinish.partial, partial);
    LINK(t, s, norm_dfinish.gamma, tape_param(t, node, PARAM_GAMMA));
    LINK(t, s, norm_dfinish.rstd, vector_of(t, t->extra[node], RSTD, c));
    LINK(t, s, norm_dfinish.dgamma, tape_param_grad(t, node, PARAM_GAMMA));
    LINK(t, s, norm_dfinish.dbeta, tape_param_grad(t, node, PARAM_BETA));
    LINK(t, s, norm_dfinish.a, factors);
    LINK(t, s, norm_dfinish.b, vector_of(t, factors, 1, c));
    LINK(t, s, norm_dfinish.k, vector_of(t, factors, 2, c));
}

static void norm_dx(struct tape *t, int node, const struct value *v, struct ref factors)
{
    bool add;
    const int input = t->g->node[node].input[0], c = t->shape[node].c;
    const struct map dout = t->grad[node], dx = tape_grad_over(t, input, node, &add);
    struct learn_step *s = tape_step(t, node, LEARN_norm_dx, map_pixels(&dx));
    s->fn.norm_dx = t->t->norm_dx;
    LINK_SLOPE(t, s, norm_dx, *v, dout);
    s->call.norm_dx.dx = dx.view;
    s->call.norm_dx.add = add;
    LINK(t, s, norm_dx.dx.data, dx.ref);
    LINK(t, s, norm_dx.mean, t->extra[node]);
    LINK(t, s, norm_dx.a, factors);
    LINK(t, s, norm_dx.b, vector_of(t, factors, 1, c));
    LINK(t, s, norm_dx.k, vector_of(t, factors, 2, c));
}

static void norm_backward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0], c = t->shape[node].c;
    struct value v = tape_value(t, node);
    v.act = t->gate[node];
    if (tape_frozen(t, node)) {
        slope_into(t, node, input, &v, v.scale);
        return;
    }
    const struct chunks chunks = chunks_for(t, &t->grad[node]);
    const struct ref partial = tape_vectors(t, chunk_count(&chunks) * 2, c),
                     factors = tape_vectors(t, 3, c);
    norm_dsums(t, node, &v, partial);
    norm_dfinish(t, node, partial, factors);
    if (t->needs[input]) norm_dx(t, node, &v, factors);
}

/* ---- activations ----------------------------------------------------------------------------- */

static void act_forward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    struct value v = tape_value(t, input);
    if (v.act.kind != ACT_NONE || !v.lazy) {
        tape_stored(t, input);
        v = (struct value){.of = input};
    }
    v.lazy = true;
    v.kept = false;
    v.act = t->g->node[node].act;
    t->value[node] = v;
}

static void act_backward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    if (!t->needs[input]) return;
    if (t->g->node[input].kind == OP_BATCH_NORM && t->readers[input] == 1 &&
        tape_watched(t, input) < 0) {
        t->gate[input] = t->g->node[node].act;
        tape_grad_share(t, input, t->grad[node]);
        return;
    }
    const struct value v = tape_value(t, node);
    slope_into(t, node, input, &v, (struct ref){0});
}

/* ---- given scales ---------------------------------------------------------------------------- */

/* Its scale and shift stand among the constants: see learn.c. */
static void affine_forward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0], c = t->shape[node].c;
    tape_stored(t, input);
    t->value[node] = (struct value){.lazy = true,
                                    .of = input,
                                    .scale = t->extra[node],
                                    .shift = vector_of(t, t->extra[node], 1, c)};
}

static void affine_backward(struct tape *t, int node)
{
    const int input = t->g->node[node].input[0];
    const struct value plain = {.map = tape_stored(t, input)};
    if (t->needs[input]) slope_into(t, node, input, &plain, t->extra[node]);
}

const struct rule rule_norm = {norm_forward, norm_backward};
const struct rule rule_act = {act_forward, act_backward};
const struct rule rule_affine = {affine_forward, affine_backward};
