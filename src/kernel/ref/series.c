/* SPDX-License-Identifier: Apache-2.0 */
/* What are the partial sums of a series of products? */
#include "kernel/ref/block.h"

/* out = act((sum + add) + more); the sum stays. */
static void give(const struct series_call *call, int i, int pixel, int first, int width,
                 const real *sum)
{
    const struct place at = {0, 0, pixel};
    real v[BLOCK];
    memcpy(v, sum, (size_t)width * sizeof *v);
    for (int j = 0; j < 2; j++)
        if (call->add[i][j].data)
            add_values(v, (real *)pixel_at(&call->add[i][j], at) + first, width);
    activate(&call->act[i], v, width);
    memcpy((real *)pixel_at(&call->out[i], at) + first, v, (size_t)width * sizeof *v);
}

void REF(series)(const struct series_call *call, size_t from, size_t to)
{
    const int columns = call->out[0].c;
    for (; from < to; from++) {
        const struct place at = {0, 0, (int)from};
        for (int first = 0, width; first < columns; first += width) {
            const real *w = (const real *)call->weight + first;
            real sum[BLOCK];
            width = block_width(first, columns);
            start_block(sum, call->bias, first, width);
            for (int i = 0; i < call->count; i++) {
                const real *x = pixel_at(&call->in[i], at);
                for (int k = 0; k < call->in[i].c; k++, w += columns)
                    add_scaled(sum, x[k], w, width);
                give(call, i, (int)from, first, width, sum);
            }
        }
    }
}
