/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operators that compute nothing when a network answers: the input, dropout (at work only in
 * training) and flatten, which is another way to count the same numbers, unless the pixels lie
 * apart in memory: then it is a copy.
 */
#include "graph/plan_int.h"

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

/* The row, seen as a map without gaps between its pixels. */
static void flatten_emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    struct view *out = &step->call.map.out;
    const struct view *in = &step->call.map.in;
    out->h = in->h, out->w = in->w, out->c = in->c;
    out->pixel = (ptrdiff_t)((size_t)in->c * dtype_size(out->type));
    out->row = out->pixel * in->w;
    emit_map(e, chain, step);
}

static bool dropout_equal(const struct node *a, const struct node *b)
{
    return a->dropout == b->dropout;
}

const struct op op_input = {.name = "input"};
const struct op op_flatten = {
    .name = "flatten", .traits = OP_ALIAS, .shape = flatten_shape, .emit = flatten_emit};
const struct op op_dropout = {
    .name = "dropout", .traits = OP_ALIAS, .shape = keep_shape, .equal = dropout_equal};
