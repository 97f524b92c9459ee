/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pooling over windows and over whole maps. Padding of a max pool counts as -infinity, never as 0.
 * A window that would see nothing but padding is refused.
 */
#include "graph/plan_int.h"

static struct sliding sliding_of(const struct node *node)
{
    const struct pool_attr *a = &node->pool;
    return (struct sliding){a->kh, a->kw, a->sy, a->sx, 1, 1, a->pad};
}

static xc_status shape(const struct node *node, const struct shape *in, struct shape *out,
                       struct error *err)
{
    const struct pool_attr *a = &node->pool;
    const struct sliding s = sliding_of(node);
    TRY(sliding_shape(&s, *in, out, err));
    if (a->pad.kind == PAD_EXPLICIT && (a->pad.top >= a->kh || a->pad.bottom >= a->kh ||
                                        a->pad.left >= a->kw || a->pad.right >= a->kw))
        return fail(err, XC_ERR_ARCH, "padding is not smaller than the %dx%d window", a->kh, a->kw);
    return XC_OK;
}

static bool equal(const struct node *x, const struct node *y)
{
    const struct pool_attr *a = &x->pool, *b = &y->pool;
    bool average = a->kind == POOL_AVERAGE;
    return a->kind == b->kind && a->kh == b->kh && a->kw == b->kw && a->sy == b->sy &&
           a->sx == b->sx && padding_equal(a->pad, b->pad) &&
           (!average || a->count_pad == b->count_pad);
}

static void emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    const struct pool_attr *a = &e->g->node[chain->root].pool;
    const struct sliding s = sliding_of(&e->g->node[chain->root]);
    struct pool_call *call = &step->call.pool;
    step->kind = CALL_POOL;
    step->kernel.pool = a->kind == POOL_MAX ? e->k->pool_max : e->k->pool_average;
    step->per_image = emit_pixels(call->out);
    call->window = sliding_window(&s, e->shape[chain->in]);
    call->count_pad = a->count_pad;
    call->epilogue.act = emit_act(e, chain->act);
}

static xc_status global_shape(const struct node *node, const struct shape *in, struct shape *out,
                              struct error *err)
{
    enum { PIXELS = 1 << 30 }; /* are counted in int */
    (void)node;
    if ((int64_t)in->h * in->w > PIXELS)
        return fail(err, XC_ERR_LIMIT, "a map of %dx%d has more than 2^30 pixels to pool", in->h,
                    in->w);
    *out = (struct shape){in->n, 1, 1, in->c};
    return XC_OK;
}

static bool global_equal(const struct node *a, const struct node *b)
{
    return a->global == b->global;
}

static void emit_global(const struct emit *e, const struct chain *chain, struct step *step)
{
    bool max = e->g->node[chain->root].global == POOL_MAX;
    step->kind = CALL_GLOBAL_POOL;
    step->kernel.global_pool = max ? e->k->global_max : e->k->global_average;
    step->per_image = (size_t)step->call.io.out.c;
}

const struct op op_pool = {.name = "pool",
                           .traits = OP_EPILOGUE,
                           .shape = shape,
                           .sliding = sliding_of,
                           .equal = equal,
                           .emit = emit};
const struct op op_global_pool = {
    .name = "global_pool", .shape = global_shape, .equal = global_equal, .emit = emit_global};
