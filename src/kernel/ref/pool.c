/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the largest value, or the mean, under a window that slides over an image? Padding is
 * -infinity for the one and absent for the other, except that count_pad lets it count as zeros.
 */
#include "kernel/ref/block.h"

static void max_block(const struct pool_call *call, struct place at, int first, int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK], room[BLOCK];
    struct place tap;
    for (int j = 0; j < width; j++) acc[j] = -(real)INFINITY;
    for (int ky = 0; ky < win->kh; ky++) {
        for (int kx = 0; kx < win->kw; kx++) {
            if (find_tap(&call->in, win, at, ky, kx, &tap))
                keep_larger(acc, numbers_at(&call->in, tap, first, width, room), width);
        }
    }
    store_block(&call->epilogue, &call->out, at, first, width, acc);
}

static void average_block(const struct pool_call *call, struct place at, int first, int width)
{
    const struct window *win = &call->window;
    real acc[BLOCK] = {0}, room[BLOCK];
    struct place tap;
    int taps = 0;
    for (int ky = 0; ky < win->kh; ky++) {
        for (int kx = 0; kx < win->kw; kx++) {
            if (!find_tap(&call->in, win, at, ky, kx, &tap)) continue;
            add_values(acc, numbers_at(&call->in, tap, first, width, room), width);
            taps++;
        }
    }
    divide_values(acc, (real)(call->count_pad ? win->kh * win->kw : taps), width);
    store_block(&call->epilogue, &call->out, at, first, width, acc);
}

void REF(pool_max)(const struct pool_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->out.c; first += BLOCK)
            max_block(call, place_of(&call->out, unit), first, block_width(first, call->out.c));
}

void REF(pool_average)(const struct pool_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->out.c; first += BLOCK)
            average_block(call, place_of(&call->out, unit), first, block_width(first, call->out.c));
}
