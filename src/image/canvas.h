/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the network's side of the pipeline see of a decoded picture? The picture turned
 * upright, without alpha, in the network's colours and on a larger canvas where it is padded: as
 * rows for a resize, made one at a time. Private to src/image.
 */
#ifndef XC_IMAGE_CANVAS_H
#define XC_IMAGE_CANVAS_H

#include "image/resize.h"

/* Pixels seen through an EXIF orientation: the turn is in the two steps, nothing is moved. */
struct view {
    const uint8_t *base; /* pixel (0, 0) of the upright picture */
    int w, h, channels;
    ptrdiff_t across, down; /* bytes to the next pixel, to the next row */
};

struct canvas {
    struct rows rows; /* first: the get function finds the rest from it */
    struct view view;
    int left, top; /* where the picture stands */
    const xc_preprocess *p;
    uint8_t pad[3]; /* in the colours of the rows */
};

/* How stored pixels become upright: mirrored as stored, then x and y swapped. */
struct turn {
    bool mirror_x, mirror_y, swap;
};
struct turn turn_of(uint32_t orientation);

struct view view_of(const xc_image *image, bool turn);
/* w x h: the whole canvas, at least left + view.w by top + view.h. */
struct canvas canvas_of(struct view view, const xc_preprocess *p, int w, int h, int left, int top);

#endif
