/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a convolution? For each output pixel and channel
 *
 *     out[y][x][o] = bias[o] + sum over ky, kx, k of
 *                    in[y sy - top + ky dy][x sx - left + kx dx][k] weight[ky][kx][k][o]
 *
 * with k over all input channels (dense), those of o's group, or o alone (depthwise). A pointwise
 * convolution is the dense one with one tap. Blocks of output channels are the outer loop, so that
 * their part of the weights stays in the cache while the pixels pass by.
 */
#include "kernel/ref/block.h"

static const real zeros[BLOCK]; /* what a tap on padding reads */

/* acc[j] += sum over k of x[k] w[k][j]; x is (k of the group) or NULL, w (k, oc) at the block's
 * column. */
static void add_tap(const struct conv_call *call, const real *x, int k_first, int k_count,
                    const real *w, real *acc, int width)
{
    real room[BLOCK];
    for (int k = 0; k < k_count; k += BLOCK) {
        const int n = block_width(k, k_count);
        const real *v = x ? load_block(&call->prologue, x, k_first + k, n, room) : zeros;
        for (int i = 0; i < n; i++, w += call->out.c) add_scaled(acc, v[i], w, width);
    }
}

static void conv_block(const struct conv_call *call, struct place at, int group, int first,
                       int width)
{
    const struct window *win = &call->window;
    const int k_count = call->in.c / call->groups;
    const ptrdiff_t tap_size = (ptrdiff_t)k_count * call->out.c;
    real acc[BLOCK];
    start_block(acc, call->epilogue.bias, first, width);
    for (int ky = 0; ky < win->kh; ky++) {
        for (int kx = 0; kx < win->kw; kx++) {
            const real *x = tap_at(&call->in, win, at, ky, kx);
            const real *w = call->weight;
            w += (ky * win->kw + kx) * tap_size + first;
            add_tap(call, x, group * k_count, k_count, w, acc, width);
        }
    }
    store_block(&call->epilogue, &call->out, at, first, width, acc);
}

void REF(conv)(const struct conv_call *call, size_t from, size_t to)
{
    const int group_size = call->out.c / call->groups;
    for (int first = 0, width; first < call->out.c; first += width) {
        const int group = first / group_size;
        width = block_width(first, (group + 1) * group_size);
        for (size_t unit = from; unit < to; unit++)
            conv_block(call, place_of(&call->out, unit), group, first, width);
    }
}

static void depthwise_block(const struct conv_call *call, struct place at, int first, int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK], room[BLOCK];
    start_block(acc, call->epilogue.bias, first, width);
    for (int ky = 0; ky < win->kh; ky++) {
        for (int kx = 0; kx < win->kw; kx++) {
            const real *x = tap_at(&call->in, win, at, ky, kx);
            const real *w = call->weight; /* (kh, kw, c) */
            w += (ptrdiff_t)(ky * win->kw + kx) * call->in.c + first;
            const real *v = x ? load_block(&call->prologue, x, first, width, room) : zeros;
            add_products(acc, v, w, width);
        }
    }
    store_block(&call->epilogue, &call->out, at, first, width, acc);
}

void REF(depthwise)(const struct conv_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->out.c; first += BLOCK)
            depthwise_block(call, place_of(&call->out, unit), first,
                            block_width(first, call->out.c));
}
