/* SPDX-License-Identifier: Apache-2.0 */
/* Activations: one number in, one out; and softmax, which needs all channels of a pixel. */
#include "graph/plan_int.h"

static xc_status keep_shape(const struct node *node, const struct shape *in, struct shape *out,
                            struct error *err)
{
    (void)node, (void)err;
    *out = *in;
    return XC_OK;
}

static bool equal(const struct node *a, const struct node *b)
{
    return activation_equal(a->act, b->act);
}

static void emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    emit_map(e, chain, step);
    step->call.map.prologue.act = emit_act(e, chain->root);
}

static void emit_softmax(const struct emit *e, const struct chain *chain, struct step *step)
{
    (void)chain;
    step->kind = CALL_SOFTMAX;
    step->kernel.softmax = e->k->softmax;
    step->per_image = emit_pixels(step->call.io.out);
}

const struct op op_act = {.name = "act",
                          .traits = OP_EPILOGUE | OP_IN_PLACE,
                          .shape = keep_shape,
                          .equal = equal,
                          .emit = emit};
const struct op op_softmax = {.name = "softmax", .shape = keep_shape, .emit = emit_softmax};
