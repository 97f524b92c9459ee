/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a large pointwise convolution done with seven multiplications where eight are due?
 *
 * Its input A (pixels, channels), weights B and output C are cut into quarters. Two neighbouring
 * pixels of an image, the first of them even, are the halves of A and C, so any even cut between
 * pixels gives the same bits; channels are cut in the middle, filters into two equal halves of
 * whole pairs of panels. The filters that remain are multiplied directly.
 */
#ifndef XC_GRAPH_STRASSEN_H
#define XC_GRAPH_STRASSEN_H

#include "graph/fast.h"
#include "thread/pool.h"

/* Is it large enough? By the matrix alone: the bits must be a function of the network. */
bool strassen_takes(const struct matrix *m);

bool strassen_numbers(const struct fast_weights *w, size_t *numbers);
void strassen_fill(const struct fast_weights *w, struct pool *pool);

/* The bytes that strassen_conv needs for so many pixels, a whole number of lines. */
size_t strassen_scratch(const struct matrix *m, enum dtype type, size_t pixels);

/* Runs a pointwise call over the row of pixels that its views are, with weights of strassen_fill.
 * The first pixel is an even one of its image; the last is even, too, only at the image's end. */
void strassen_conv(const struct kernels *k, const struct conv_call *call, void *scratch);

#endif
