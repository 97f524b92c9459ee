/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a resize see its source, and which part of its result is wanted? Rows come one at a time
 * through a function, so that turning, colour and padding cost no second picture; and only a window
 * of the result is computed, so that a crop out of a huge enlargement costs its own size. Both give
 * the bytes that the whole would give. Private to src/image.
 */
#ifndef XC_IMAGE_RESIZE_H
#define XC_IMAGE_RESIZE_H

#include "image/image.h"

struct rows {
    int w, h, channels;
    /* Row y, (w, channels): in place, or written to scratch, which has room for one row. */
    const uint8_t *(*get)(const struct rows *rows, int y, uint8_t *scratch);
};

struct window {
    int x, y, w, h;
};

/* The window of the picture resized to (out_h, out_w); out: (window.h, window.w, channels). Any
 * filter but TF_BILINEAR. */
XC_NODISCARD xc_status resize_window(const struct rows *in, xc_filter filter, int out_w, int out_h,
                                     struct window window, uint8_t *out, struct error *err);
/* The same for TF_BILINEAR. scratch: room for two rows of `in`. */
void resize_tf_window(const struct rows *in, int out_w, int out_h, struct window window,
                      uint8_t *scratch, float *out);

/* The filter at distance x, zero beyond its support; not of NEAREST and TF_BILINEAR. */
double filter_weight(xc_filter filter, double x);
double filter_support(xc_filter filter);
/* The input pixels, from *first on, that make output pixel `out`: how many, and their weights,
 * which sum up to 1. At most filter_most. */
int filter_taps(xc_filter filter, int in_size, int out_size, int out, int *first, double *weight);
size_t filter_most(xc_filter filter, int in_size, int out_size);

/* Rows of pixels that lie in memory as they are. */
struct plain_rows {
    struct rows rows; /* first: the get function finds the rest from it */
    const uint8_t *base;
    ptrdiff_t stride;
};
struct plain_rows plain_rows_of(const uint8_t *base, int w, int h, ptrdiff_t stride, int channels);

#endif
