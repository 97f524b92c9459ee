/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a large pointwise convolution done with seven multiplications where eight are due?
 *
 * Its input A (pixels, channels), weights B and output C are cut into quarters. Two neighbouring
 * pixels of an image, the first of them even, are the halves of A and C, so any even cut between
 * pixels gives the same bits; channels are cut in the middle, filters into two equal halves of
 * whole pairs of panels. The filters that remain are multiplied directly.
 */
#ifndef XC_GRAPH_WINOGRAD_H
#define XC_GRAPH_WINOGRAD_H

#include "kernel/kernel.h"
#include "thread/pool.h"

/* Is it large enough? By the matrix alone: the bits must be a function of the network. */
bool winograd_takes(const struct matrix *m);

/* Weights: numbers that they are, and how they come from the matrix itself (of type F32 or F64,
 * packed as its products will be; `to` is zeroed). */
struct winograd_weights {
    struct matrix matrix;
    enum packing packing;
    enum dtype type;
    const void *from;
    void *to;
};
bool winograd_numbers(const struct winograd_weights *w, size_t *numbers);
void winograd_fill(const struct winograd_weights *w, struct pool *pool);

/* The bytes that winograd_conv needs for so many pixels, a whole number of lines. */
size_t winograd_scratch(const struct matrix *m, enum dtype type, size_t pixels);

/* Runs a pointwise call over the row of pixels that its views are, with weights of winograd_fill.
 * The first pixel is an even one of its image; the last is even, too, only at the image's end. */
void winograd_conv(const struct kernels *k, const struct conv_call *call, void *scratch);

#endif
