/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the readers of the single formats share? A new image whose size has been checked against
 * the limits, and the orientation that EXIF bytes name. Private to src/image.
 */
#ifndef XC_IMAGE_FORMAT_H
#define XC_IMAGE_FORMAT_H

#include "image/image.h"

/* Reads one whole picture. The limits stand; *out is set only on success. */
typedef xc_status format_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                                xc_image **out, struct error *err);

format_decode jpeg_decode, png_decode, webp_decode, bmp_decode, pnm_decode;

/* An upright image of black, transparent pixels. Refuses sizes outside 1..max_side and above
 * max_pixels before it takes memory, so width and height may be any numbers from a file.
 * file_type: static; it also names the format in the sentence. */
XC_NODISCARD xc_status image_new(uint64_t width, uint64_t height, xc_pixel_format format,
                                 const char *file_type, const xc_image_limits *limits,
                                 xc_image **out, struct error *err);
/* The same refusals without memory. */
XC_NODISCARD xc_status image_size_check(uint64_t width, uint64_t height, const char *type,
                                        const xc_image_limits *limits, struct error *err);
static inline uint8_t *image_row(const xc_image *image, size_t y)
{
    return image->pixels + (size_t)image->stride * y;
}

/* What the segments in front of the first scan say. */
struct jpeg_header {
    uint32_t precision, width, height, components;
    uint32_t orientation; /* 0: no EXIF block */
};
XC_NODISCARD xc_status jpeg_header_read(const uint8_t *bytes, size_t count, struct jpeg_header *out,
                                        struct error *err);

/* Tag 0x0112 of the first directory, 1..8; 1 where the bytes hold none or are damaged: a broken
 * EXIF block never costs the picture. The "Exif\0\0" of JPEG may stand in front. */
uint32_t exif_orientation(const uint8_t *bytes, size_t count);

#endif
