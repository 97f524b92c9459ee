/* SPDX-License-Identifier: Apache-2.0 */
/* What are the two ends of a convolution by Winograd's F(4, 3)? The formulas of kernel.h. */
#include "kernel/ref/block.h"

enum { INPUTS = WINOGRAD_PRODUCTS };

/* Channels [first, first + width) of the six columns, activated. */
static void load_columns(const struct winograd_in_call *call, struct place at, int first, int width,
                         real d[INPUTS][BLOCK])
{
    const struct prologue prologue = {.act = call->act};
    const int y = at.y - call->top, left = WINOGRAD_OUTPUTS * at.x - call->left;
    for (int i = 0; i < INPUTS; i++) {
        const int x = left + i;
        const bool inside = y >= 0 && y < call->in.h && x >= 0 && x < call->in.w;
        memset(d[i], 0, sizeof d[i]);
        if (!inside) continue;
        const real *from =
            load_block(&call->in, &prologue, (struct place){0, y, x}, first, width, d[i]);
        if (from != d[i]) memcpy(d[i], from, (size_t)width * sizeof *from);
    }
}

static void spread(const real d[INPUTS][BLOCK], int j, real out[WINOGRAD_PRODUCTS])
{
    const real e = real_fma(-4, d[2][j], d[4][j]), f = real_fma(-4, d[1][j], d[3][j]);
    const real g = d[4][j] - d[2][j], h = d[3][j] - d[1][j];
    out[0] = real_fma(4, d[0][j], real_fma(-5, d[2][j], d[4][j]));
    out[1] = e + f;
    out[2] = e - f;
    out[3] = real_fma(2, h, g);
    out[4] = real_fma(-2, h, g);
    out[5] = real_fma(4, d[1][j], real_fma(-5, d[3][j], d[5][j]));
}

void REF(winograd_in)(const struct winograd_in_call *call, size_t from, size_t to)
{
    for (; from < to; from++) {
        const struct place at = place_of(&call->out, from);
        for (int first = 0, width; first < call->out.c; first += width) {
            real d[INPUTS][BLOCK], out[WINOGRAD_PRODUCTS];
            width = block_width(first, call->out.c);
            load_columns(call, at, first, width, d);
            for (int j = 0; j < width; j++) {
                spread(d, j, out);
                for (int i = 0; i < WINOGRAD_PRODUCTS; i++)
                    pixel_at(&call->out, (struct place){i, at.y, at.x})[first + j] = out[i];
            }
        }
    }
}

static void collect(const real *const in[WINOGRAD_PRODUCTS], int j, real y[WINOGRAD_OUTPUTS])
{
    const real s = in[1][j] + in[2][j], t = in[1][j] - in[2][j];
    const real u = in[3][j] + in[4][j], v = in[3][j] - in[4][j];
    y[0] = in[0][j] + s + u;
    y[1] = real_fma(2, v, t);
    y[2] = real_fma(4, u, s);
    y[3] = real_fma(8, v, t) + in[5][j];
}

void REF(winograd_out)(const struct winograd_out_call *call, size_t from, size_t to)
{
    const real *bias = call->epilogue.bias;
    for (; from < to; from++) {
        const struct place at = place_of(&call->in, from);
        const real *in[WINOGRAD_PRODUCTS];
        for (int i = 0; i < WINOGRAD_PRODUCTS; i++)
            in[i] = pixel_at(&call->in, (struct place){i, at.y, at.x});
        for (int first = 0, width; first < call->out.c; first += width) {
            real y[WINOGRAD_OUTPUTS][BLOCK], one[WINOGRAD_OUTPUTS];
            width = block_width(first, call->out.c);
            for (int j = 0; j < width; j++) {
                collect(in, first + j, one);
                for (int i = 0; i < WINOGRAD_OUTPUTS; i++)
                    y[i][j] = bias ? one[i] + bias[first + j] : one[i];
            }
            for (int i = 0; i < WINOGRAD_OUTPUTS; i++) {
                const struct place to_pixel = {0, at.y, WINOGRAD_OUTPUTS * at.x + i};
                if (to_pixel.x < call->out.w)
                    store_block(&call->epilogue, &call->out, to_pixel, first, width, y[i]);
            }
        }
    }
}
