/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scale and a shift for each channel: batch normalization (learned, from statistics) and affine
 * (given, such as the arithmetic of a preprocessing layer). A batch norm that only follows a
 * convolution or a dense layer never runs: fold.c puts it into the weights.
 */
#include "graph/plan_int.h"

static xc_status keep_shape(const struct node *node, const struct shape *in, struct shape *out,
                            struct error *err)
{
    (void)node, (void)err;
    *out = *in;
    return XC_OK;
}

static bool norm_equal(const struct node *x, const struct node *y)
{
    const struct batch_norm_attr *a = &x->norm, *b = &y->norm;
    return a->epsilon == b->epsilon && a->no_gamma == b->no_gamma && a->no_beta == b->no_beta;
}

static bool affine_equal(const struct node *a, const struct node *b)
{
    for (int i = 0; i < 4; i++)
        if (a->affine.scale[i] != b->affine.scale[i] || a->affine.shift[i] != b->affine.shift[i])
            return false;
    return true;
}

static void emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    emit_map(e, chain, step);
    step->call.map.prologue.scale = e->ready[chain->root].scale;
    step->call.map.prologue.shift = e->ready[chain->root].shift;
}

const struct op op_batch_norm = {.name = "batch_norm",
                                 .traits = OP_EPILOGUE | OP_IN_PLACE,
                                 .shape = keep_shape,
                                 .equal = norm_equal,
                                 .emit = emit};
const struct op op_affine = {.name = "affine",
                             .traits = OP_EPILOGUE | OP_IN_PLACE,
                             .shape = keep_shape,
                             .equal = affine_equal,
                             .emit = emit};
