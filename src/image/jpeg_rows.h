/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows has a part of a JPEG, at a part of its size? Private to src/image. */
#ifndef XC_IMAGE_JPEG_ROWS_H
#define XC_IMAGE_JPEG_ROWS_H

#include "image/image.h"

struct jpeg_rows;
struct jpeg_rows *jpeg_rows_new(void); /* NULL: out of memory */
void jpeg_rows_free(struct jpeg_rows *j);

/* Columns from..to-1 and rows from top on of the picture at 1/shrink of its size (1, 2, 4, 8), as
 * the file stores it. Rows come as 4 bytes a pixel, the first at column *left <= from. */
XC_NODISCARD xc_status jpeg_rows_start(struct jpeg_rows *j, const uint8_t *bytes, size_t count,
                                       int shrink, int from, int to, int top, int *left,
                                       struct error *err);
/* The next row, valid until the next call. */
XC_NODISCARD xc_status jpeg_rows_next(struct jpeg_rows *j, const uint8_t **row, struct error *err);

#endif
