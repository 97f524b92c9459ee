/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to each value by itself? out = act(act(scale in + shift) + add): batch norm,
 * activation, addition and copying. A block is read before it is written, so in may be out.
 */
#include <string.h>

#include "kernel/ref/block.h"

static void map_block(const struct map_call *call, struct place at, int first, int width)
{
    real acc[BLOCK];
    const real *x = numbers_at(&call->in, at, first, width, acc);
    const real *v = apply_prologue(&call->prologue, x, first, width, acc);
    if (v != acc) memcpy(acc, v, (size_t)width * sizeof *acc);
    store_block(&call->epilogue, &call->out, at, first, width, acc);
}

void REF(map)(const struct map_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->out.c; first += BLOCK)
            map_block(call, place_of(&call->out, unit), first, block_width(first, call->out.c));
}
