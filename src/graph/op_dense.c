/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fully connected layer: one row of numbers in, `units` numbers out. A map of more than one pixel
 * is refused: whoever writes the network says flatten or global pooling.
 */
#include "graph/plan_int.h"

enum { PANEL_PAIR = 32 }; /* outputs whose weights lie together: no two threads read the same */

static xc_status shape(const struct node *node, const struct shape *in, struct shape *out,
                       struct error *err)
{
    int units = node->units;
    if (units < 1 || units > GRAPH_MAX_CHANNELS)
        return fail(err, XC_ERR_ARCH, "%d units, expected 1..%d", units, GRAPH_MAX_CHANNELS);
    if (in->h != 1 || in->w != 1)
        return fail(err, XC_ERR_SHAPE, "a dense layer reads a row of numbers, not a %dx%d map",
                    in->h, in->w);
    *out = (struct shape){in->n, 1, 1, units};
    return XC_OK;
}

static uint64_t macs(const struct node *node, const struct shape *in, struct shape out)
{
    (void)node;
    const uint64_t factor[] = {(uint64_t)out.n, (uint64_t)in->c, (uint64_t)out.c};
    return product_u64(factor, 3);
}

static bool equal(const struct node *a, const struct node *b)
{
    return a->units == b->units && a->params == b->params;
}

static void emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    struct dense_call *call = &step->call.dense;
    step->kind = CALL_DENSE;
    step->kernel.dense = e->k->dense;
    step->per_image = (size_t)call->out.c;
    step->grain = e->k->dense_packing == PACK_PLAIN ? 1 : PANEL_PAIR;
    call->weight = e->ready[chain->root].weight;
    call->packing = e->k->dense_packing;
    call->epilogue.bias = e->ready[chain->root].bias;
    call->epilogue.act = emit_act(e, chain->act);
}

const struct op op_dense = {.name = "dense",
                            .traits = OP_EPILOGUE,
                            .shape = shape,
                            .macs = macs,
                            .equal = equal,
                            .emit = emit};
