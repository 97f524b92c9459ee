/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a convolution with windows of three columns done with half of its multiplications?
 *
 * By Winograd's F(4, 3) along the rows (Lavin, Gray 2016): of the six columns that four
 * neighbouring outputs look at six sums are made, each is multiplied by a matrix of its own, and
 * sums of the six products are the outputs: six products for twelve. From row to row nothing
 * changes: each of the six is an ordinary convolution of one column. Fours of outputs begin with
 * the row, so any cut between rows gives the same bits.
 */
#ifndef XC_GRAPH_WINOGRAD_H
#define XC_GRAPH_WINOGRAD_H

#include "graph/fast.h"
#include "thread/pool.h"

/* Is it worth it, where c channels become an output of this shape? By the network alone: the bits
 * must be a function of it. */
bool winograd_takes(const struct window *window, int groups, int c, struct shape out);

bool winograd_numbers(const struct fast_weights *w, size_t *numbers);
void winograd_fill(const struct fast_weights *w, struct pool *pool);

/* How many rows of the output should be made at a time, and the bytes that it takes, a whole number
 * of lines. */
int winograd_rows(const struct conv_call *call);
size_t winograd_scratch(const struct conv_call *call, int rows);

/* Rows [from, to) of an image, `most` at a time, with weights of winograd_fill. */
struct winograd_rows {
    int image, from, to, most;
};
void winograd_conv(const struct kernels *k, const struct conv_call *call,
                   const struct winograd_rows *rows, void *scratch);

#endif
