/* SPDX-License-Identifier: Apache-2.0 */
/* Where branches meet: the sum of two maps, and maps side by side in their channels. */
#include "graph/plan_int.h"

static xc_status add_shape(const struct node *node, const struct shape *in, struct shape *out,
                           struct error *err)
{
    (void)node;
    if (!shape_equal(in[0], in[1]))
        return fail(err, XC_ERR_SHAPE, "cannot add %dx%dx%d and %dx%dx%d", in[0].h, in[0].w,
                    in[0].c, in[1].h, in[1].w, in[1].c);
    *out = in[0];
    return XC_OK;
}

static xc_status concat_shape(const struct node *node, const struct shape *in, struct shape *out,
                              struct error *err)
{
    int channels = 0;
    for (int i = 0; i < node->inputs; i++) {
        if (in[i].n != in[0].n || in[i].h != in[0].h || in[i].w != in[0].w)
            return fail(err, XC_ERR_SHAPE, "cannot join maps of %dx%d and %dx%d", in[0].h, in[0].w,
                        in[i].h, in[i].w);
        if (in[i].c > GRAPH_MAX_CHANNELS - channels)
            return fail(err, XC_ERR_LIMIT, "more than %d channels", GRAPH_MAX_CHANNELS);
        channels += in[i].c;
    }
    *out = in[0];
    out->c = channels;
    return XC_OK;
}

const struct op op_add = {
    .name = "add", .traits = OP_EPILOGUE | OP_IN_PLACE, .shape = add_shape, .emit = emit_map};
const struct op op_concat = {
    .name = "concat", .traits = OP_PARTS, .shape = concat_shape, .emit = emit_map};
