/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a part of a picture come out at another size, at the least cost? For training, which
 * looks at another part of a picture every time: a JPEG is decoded in that part alone, and at a
 * half, a quarter or an eighth of its size where the result is smaller still. The result is within
 * rounding of Pillow's crop and resize, and only the same bytes as here everywhere.
 */
#ifndef XC_IMAGE_REGION_H
#define XC_IMAGE_REGION_H

#include "image/image.h"

/* A picture of at most so many pixels is decoded whole, always: so a cache may keep it decoded, and
 * the bytes are the same. */
enum { REGION_WHOLE_PIXELS = 65536 };

struct region_reader;

/* One thread at a time. Memory grows to the largest picture and is used again. */
XC_NODISCARD xc_status region_new(struct region_reader **out, struct error *err);
void region_free(struct region_reader *r);

/* Looks at the size and no further, where the format allows it. bytes must stay until the next
 * open. *w, *h: upright where p->apply_exif; of p only that, alpha and background count. */
XC_NODISCARD xc_status region_open(struct region_reader *r, const void *bytes, size_t count,
                                   const xc_image_limits *limits, const xc_preprocess *p, int *w,
                                   int *h, struct error *err);
/* The same for decoded pixels, which must stay. */
void region_open_image(struct region_reader *r, const xc_image *image, const xc_preprocess *p,
                       int *w, int *h);

struct box {
    int x, y, w, h;
};
/* The box (inside the upright picture) resized to (out_h, out_w, 3) RGB. Any filter but NEAREST and
 * TF_BILINEAR. Once after each open. */
XC_NODISCARD xc_status region_read(struct region_reader *r, struct box box, xc_filter filter,
                                   int out_w, int out_h, uint8_t *out, struct error *err);

#endif
