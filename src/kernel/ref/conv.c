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
static const operand zero_weights[BLOCK];

/* acc[j] += sum over k of x[k] w[k][j]; at: the tap's pixel, or NULL; w: (k, oc) at the block's
 * column. */
static void add_tap(const struct conv_call *call, const struct place *at, int group,
                    const operand *w, struct block_sums *s)
{
    const int k_count = call->in.c / call->groups;
    real room[BLOCK];
    for (int k = 0; k < k_count; k += BLOCK) {
        const int n = block_width(k, k_count);
        const real *v =
            at ? load_operands(&call->in, &call->prologue, *at, group * k_count + k, n, room)
               : zeros;
        for (int i = 0; i < n; i++, w += call->out.c) add_number(s, v[i], w);
    }
}

static void conv_block(const struct conv_call *call, struct place at, int group, int first,
                       int width)
{
    const struct window *win = &call->window;
    const ptrdiff_t tap_size = (ptrdiff_t)(call->in.c / call->groups) * call->out.c;
    struct block_sums s = {.width = width};
    start_block(s.acc, call->epilogue.bias, first, width);
    for (int ky = 0; ky < win->kh; ky++) {
        for (int kx = 0; kx < win->kw; kx++) {
            struct place tap;
            const bool inside = find_tap(&call->in, win, at, ky, kx, &tap);
            const operand *w = call->weight;
            w += (ky * win->kw + kx) * tap_size + first;
            add_tap(call, inside ? &tap : NULL, group, w, &s);
        }
    }
    end_sums(&s);
    store_block(&call->epilogue, &call->out, at, first, width, s.acc);
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

/* acc[j] += x[j] w[j] for the numbers under a tap; beyond the last kernel row both are zeros. */
static void add_depthwise_tap(const struct conv_call *call, struct place at, int ky, int kx,
                              int first, struct block_sums *s)
{
    const struct window *win = &call->window;
    const operand *w = call->weight; /* (kh, kw, c) */
    real room[BLOCK];
    struct place tap;
    const bool inside = find_tap(&call->in, win, at, ky, kx, &tap);
    w += (ptrdiff_t)(ky * win->kw + kx) * call->in.c + first;
    if (ky >= win->kh)
        add_products(s->acc, zeros, zero_weights, s->width);
    else
        add_products(s->acc,
                     inside ? load_operands(&call->in, &call->prologue, tap, first, s->width, room)
                            : zeros,
                     w, s->width);
}

static void depthwise_block(const struct conv_call *call, struct place at, int first, int width)
{
    const struct window *win = &call->window;
    struct block_sums s = {.width = width};
    start_block(s.acc, call->epilogue.bias, first, width);
#ifdef REF_BF16
    for (int kx = 0; kx < win->kw; kx++) {
        for (int ky = 0; ky < win->kh; ky += 2) {
            add_depthwise_tap(call, at, ky + 1, kx, first, &s);
            add_depthwise_tap(call, at, ky, kx, first, &s);
        }
    }
#else
    for (int ky = 0; ky < win->kh; ky++)
        for (int kx = 0; kx < win->kw; kx++) add_depthwise_tap(call, at, ky, kx, first, &s);
#endif
    store_block(&call->epilogue, &call->out, at, first, width, s.acc);
}

void REF(depthwise)(const struct conv_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->out.c; first += BLOCK)
            depthwise_block(call, place_of(&call->out, unit), first,
                            block_width(first, call->out.c));
}
