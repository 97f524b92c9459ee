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

struct winograd_call {
    struct conv_call conv; /* its weights: of winograd_fill */
    const struct kernels *kernels;
    size_t product; /* bytes from a product's weights to the next one's */
    int rows;       /* that are made at a time, at most */
};
/* Finds the rest; conv and kernels are there. */
void winograd_prepare(struct winograd_call *call);
/* The bytes that a thread needs, a whole number of lines. */
size_t winograd_scratch(const struct winograd_call *call);
/* The matrix of a product. */
struct matrix winograd_product(const struct winograd_call *call);

/* Rows [from, to) of an image. */
void winograd_run(const struct winograd_call *call, int image, int from, int to, void *scratch);

#endif
