/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do weights that change every step become panels? Straight from Keras' layout, forward, or
 * turned round for the gradient of the input: taps in the opposite order, inputs and outputs
 * exchanged. (Zeros are made here, too.)
 */
#include <string.h>

#include "kernel/ref/real.h"

/* Number (row, column) of the packed matrix, columns counted through the groups. */
static real number(const struct pack_call *call, size_t row, size_t column)
{
    const size_t k = (size_t)call->k, o = (size_t)call->o, all = o * (size_t)call->groups;
    const real *from = call->from; /* (taps, k, groups, o) */
    if (!call->backward) return from[row * all + column];
    const size_t tap = (size_t)call->taps - 1 - row / o, group = column / k;
    return from[(tap * k + column % k) * all + group * o + row % o];
}

void REF(pack)(const struct pack_call *call, size_t from, size_t to)
{
    const struct matrix m = pack_matrix(call);
    for (size_t i = from; i < to; i++) {
        const struct panel p = packing_panel(call->packing, &m, i);
        for (size_t row = 0; row < m.rows; row++) {
            real *out = (real *)call->to + p.at + row * p.stride;
            for (size_t j = 0; j < p.width; j++)
                out[j] = j < p.columns ? number(call, row, p.first + j) : 0;
        }
    }
}

void REF(zero)(const struct zero_call *call, size_t from, size_t to)
{
    const size_t first = from * 64, end = to * 64 < call->bytes ? to * 64 : call->bytes;
    memset((char *)call->to + first, 0, end - first);
}
