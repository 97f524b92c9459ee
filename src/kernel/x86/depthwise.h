/* SPDX-License-Identifier: Apache-2.0 */
/* What is a tile of a depthwise convolution? A few output pixels of a block of channels. */
#ifndef XC_KERNEL_X86_DEPTHWISE_H
#define XC_KERNEL_X86_DEPTHWISE_H

#include "kernel/x86/vec.h"

/* Channels of a block. Fewer keep more rows in the first-level cache; more suit the prefetcher. */
enum { DW_BLOCK = 128 };

/* Sixteen registers are too few for two rows. */
enum { MOST_PX = VL == 16 ? 10 : 8, MOST_ROWS = VL == 16 ? 2 : 1, MOST_LINES = MOST_ROWS + 2 };

/* What is done to numbers as they are loaded, by channel: scale x + shift. */
struct affine {
    const char *scale, *shift;
};

/* An input row under the tile: its first column, those between, its last one. */
struct line {
    const char *first, *rest, *last;
    struct affine of_first, of_rest, of_last; /* zeros for padding */
    ptrdiff_t pixel;
};

/* Pointers are to the block's first channel, distances in bytes. */
struct tile {
    struct line line[MOST_LINES];
    const char *weight, *bias;
    ptrdiff_t weight_tap;
    char *out;
    ptrdiff_t out_row, out_pixel;
    int width;    /* channels */
    bool clamped; /* the sums become min(max(sum, low), high); NaN stays */
    float low, high;
    float floor; /* of what is loaded and scaled: 0 for ReLU, else -infinity */
};

#endif
