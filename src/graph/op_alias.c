/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that compute nothing when a network answers: the input, dropout (at work only in
 * training) and flatten, which is another way to count the same numbers, unless the pixels lie
 * apart in memory: then it is a copy.
 */
#include "graph/op.h"

static xc_status keep_shape(const struct node *node, const struct shape *in, struct shape *out,
                            struct error *err)
{
    (void)node, (void)err;
    *out = *in;
    return XC_OK;
}

static xc_status flatten_shape(const struct node *node, const struct shape *in, struct shape *out,
                               struct error *err)
{
    (void)node;
    int64_t pixels = (int64_t)in->h * in->w;
    if (pixels > GRAPH_MAX_CHANNELS / in->c)
        return fail(err, XC_ERR_LIMIT, "flattening %dx%dx%d gives more than %d numbers", in->h,
                    in->w, in->c, GRAPH_MAX_CHANNELS);
    *out = (struct shape){in->n, 1, 1, (int)pixels * in->c};
    return XC_OK;
}

static bool dropout_equal(const struct node *a, const struct node *b)
{
    return a->dropout == b->dropout;
}

const struct op op_input = {.name = "input"};
const struct op op_flatten = {.name = "flatten", .traits = OP_ALIAS, .shape = flatten_shape};
const struct op op_dropout = {
    .name = "dropout", .traits = OP_ALIAS, .shape = keep_shape, .equal = dropout_equal};
