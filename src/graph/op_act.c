/* SPDX-License-Identifier: Apache-2.0 */
/* Activations: one number in, one out; and softmax, which needs all channels of a pixel. */
#include "graph/op.h"

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

const struct op op_act = {
    .name = "act", .traits = OP_EPILOGUE | OP_IN_PLACE, .shape = keep_shape, .equal = equal};
const struct op op_softmax = {.name = "softmax", .shape = keep_shape};
