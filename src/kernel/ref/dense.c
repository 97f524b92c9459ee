/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a dense layer? out[n][o] = bias[o] + sum over k of in[n][k] weight[k][o].
 */
#include "kernel/ref/block.h"

static void dense_block(const struct dense_call *call, int n, int first, int width)
{
    const struct place row = {n, 0, 0};
    const real *x = pixel_at(&call->in, row); /* (c) */
    const real *w = call->weight;             /* (c, oc) */
    real acc[BLOCK];
    start_block(acc, call->epilogue.bias, first, width);
    w += first;
    for (int k = 0; k < call->in.c; k++, w += call->out.c) add_scaled(acc, x[k], w, width);
    store_block(&call->epilogue, &call->out, row, first, width, acc);
}

/* Units are n * oc + o; a block is a run of them within one row. */
void REF(dense)(const struct dense_call *call, size_t from, size_t to)
{
    const size_t oc = (size_t)call->out.c;
    for (size_t unit = from; unit < to;) {
        const int first = (int)(unit % oc);
        const int end = to - unit < oc - unit % oc ? first + (int)(to - unit) : call->out.c;
        const int width = block_width(first, end);
        dense_block(call, (int)(unit / oc), first, width);
        unit += (size_t)width;
    }
}
