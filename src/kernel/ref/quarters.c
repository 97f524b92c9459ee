/* SPDX-License-Identifier: Apache-2.0 */
/* Which sums of the quarters of its input does the fast multiplication read? */
#include "kernel/ref/block.h"

static real *row_of(const struct view *v, size_t pixel) /* (c) */
{
    return pixel_at(v, (struct place){0, 0, (int)pixel});
}

void REF(quarters)(const struct quarters_call *call, size_t from, size_t to)
{
    for (; from < to; from++) {
        const real *a11 = row_of(&call->in[0], from), *a12 = row_of(&call->in[1], from);
        const real *a21 = row_of(&call->in[2], from), *a22 = row_of(&call->in[3], from);
        real *s1 = row_of(&call->out[0], from), *s2 = row_of(&call->out[1], from);
        real *s3 = row_of(&call->out[2], from), *s4 = row_of(&call->out[3], from);
        for (int c = 0; c < call->out[0].c; c++) {
            s1[c] = a21[c] + a22[c];
            s2[c] = s1[c] - a11[c];
            s3[c] = a11[c] - a21[c];
            s4[c] = a12[c] - s2[c];
        }
    }
}
