/* SPDX-License-Identifier: Apache-2.0 */
/* How does a program's picture come to be? Text in a small bitmap font, and PNG bytes. */
#ifndef XC_IMAGE_DRAW_H
#define XC_IMAGE_DRAW_H

#include "image/image.h"

/* A letter is 5 x 7 pixels, and one column apart from the next. */
enum { LETTER_W = 6, LETTER_H = 7 };
/* ASCII at (x, y) of an RGB picture, cut off at its border; other characters are a box. */
void draw_text(xc_image *image, int x, int y, const char *text, const uint8_t rgb[3]);

/* *png: free(). XC_ERR_UNSUPPORTED where libpng was left out of the build. */
XC_NODISCARD xc_status png_encode(const xc_image *image, uint8_t **png, size_t *size,
                                  struct error *err);

#endif
