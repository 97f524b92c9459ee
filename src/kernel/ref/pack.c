/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do weights that change every step become panels? Straight from Keras' layout, forward, or
 * turned round for the gradient of the input: taps in the opposite order, inputs and outputs
 * exchanged. (Zeros are made here, too.)
 */
#include <string.h>

#include "kernel/ref/real.h"

static operand narrowed(real x)
{
#ifdef REF_BF16
    return bf16_from_f32(x);
#else
    return x;
#endif
}

/* Column j of a panel, and where its first number comes from; the next row of the same tap lies
 * `step` numbers on. Forward: rows are k, steps are rows of all columns. Backward: rows are o. */
static void pack_column(const struct pack_call *call, const struct panel *p, size_t j)
{
    const size_t column = p->first + j;
    operand *to = call->to;
    const size_t k = (size_t)call->k, o = (size_t)call->o, taps = pack_taps(call);
    const size_t all = o * (size_t)call->groups, rows = call->backward ? o : k;
    const size_t step = call->backward ? 1 : all;
    const real *from = call->from; /* (taps, k, groups, o) */
    for (size_t tap = 0, at = 0; tap < taps; tap++) {
        const real *first = from + pack_tap(call, tap) * k * all;
        const real *x = first + (call->backward ? column % k * all + column / k * o : column);
        for (size_t row = 0; row < rows; row++, at++)
            to[panel_at(p, at, j)] = narrowed(x[row * step]);
    }
}

void REF(pack)(const struct pack_call *call, size_t from, size_t to)
{
    const struct matrix m = pack_matrix(call);
    for (size_t i = from; i < to; i++) {
        const struct panel p = packing_panel(call->packing, &m, i);
        operand *out = call->to;
        const size_t rows = (m.rows + p.depth - 1) / p.depth * p.depth;
        for (size_t j = 0; j < p.columns; j++) pack_column(call, &p, j);
        for (size_t j = 0; j < p.width; j++)
            for (size_t row = j < p.columns ? m.rows : 0; row < rows; row++)
                out[panel_at(&p, row, j)] = 0;
    }
}

void REF(zero)(const struct zero_call *call, size_t from, size_t to)
{
    const size_t first = from * 64, end = to * 64 < call->bytes ? to * 64 : call->bytes;
    memset((char *)call->to + first, 0, end - first);
}
