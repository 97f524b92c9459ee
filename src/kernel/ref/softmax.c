/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is softmax? exp(x[c]) / sum over c of exp(x[c]), with the largest x taken off first so that
 * nothing overflows. The two are the same numbers but for rounding.
 */
#include "kernel/ref/block.h"

static void softmax_pixel(const real *x, real *out, int c)
{
    real top = -(real)INFINITY, sum = 0;
    for (int j = 0; j < c; j++) top = larger(top, x[j]);
    for (int j = 0; j < c; j++) {
        out[j] = real_exp(x[j] - top);
        sum += out[j];
    }
    divide_values(out, sum, c);
}

void REF(softmax)(const struct softmax_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->out, unit);
        softmax_pixel(pixel_at(&call->in, at), pixel_at(&call->out, at), call->in.c);
    }
}
