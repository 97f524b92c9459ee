/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do bytes become pixels, and pixels exactly the tensor that the network was trained on?
 * decode -> turn -> colour -> fit (resize, crop, pad) -> scale.
 */
#ifndef XC_IMAGE_IMAGE_H
#define XC_IMAGE_IMAGE_H

#include "base/status.h"

struct xc_image {
    xc_image_info info;
    uint8_t *pixels;     /* owned unless wrapped */
    const uint8_t *base; /* row 0 */
    ptrdiff_t stride;    /* bytes from row to row */
};

/* Format by content; GIF, TIFF, AVIF, HEIC, JPEG XL are recognised and refused by name. limits:
 * NULL = the defaults. *out is the caller's, NULL after a failure. */
XC_NODISCARD xc_status image_decode(const void *bytes, size_t count, const xc_image_limits *limits,
                                    xc_image **out, struct error *err);
void image_free(xc_image *image);
/* Black pixels to be filled in, in the library's own memory. */
XC_NODISCARD xc_status image_blank(uint32_t width, uint32_t height, xc_pixel_format format,
                                   xc_image **out, struct error *err);
/* The same pixels turned by the orientation, which is then 1. *out: image_free. */
XC_NODISCARD xc_status image_upright(const xc_image *image, xc_image **out, struct error *err);
/* JPEG bytes with chroma at full size; alpha is left out. quality 1..100. *jpeg: free().
 * XC_ERR_UNSUPPORTED where libjpeg-turbo was left out of the build. */
XC_NODISCARD xc_status jpeg_encode(const xc_image *image, int quality, uint8_t **jpeg, size_t *size,
                                   struct error *err);
/* Does the name end like a picture that we read? Content decides later. */
bool path_is_image(const char *path);

/* Pillow's convert("L"): the luma of ITU-R 601-2 in 16 fraction bits. */
uint8_t rgb_luma(const uint8_t rgb[3]);

/* Pillow's Image.resize for 8-bit pixels of 1, 3 or 4 interleaved channels, byte for byte (box =
 * whole picture, reducing_gap None; passes in the order of Pillow 13). Each channel for itself:
 * Pillow weights RGBA colours by their alpha, here alpha is gone before a resize. filter: not
 * TF_BILINEAR. out: (out_h, out_w, channels) densely packed, the caller's. */
XC_NODISCARD xc_status resize_u8(const uint8_t *in, int w, int h, ptrdiff_t stride, int channels,
                                 xc_filter filter, int out_w, int out_h, uint8_t *out,
                                 struct error *err);
/* BILINEAR over n pictures (h, w, channels) of numbers, nothing rounded in between. out: (n, out_h,
 * out_w, channels). */
XC_NODISCARD xc_status resize_bilinear_f32(const float *in, int n, int w, int h, int channels,
                                           int out_w, int out_h, float *out, struct error *err);
/* tf.image.resize(method="bilinear", antialias=False): half-pixel centres, float32. */
void resize_tf_bilinear(const uint8_t *in, int w, int h, ptrdiff_t stride, int channels, int out_w,
                        int out_h, float *out);

/* Checks ranges (fit, filter, colour, 0 < crop <= 1, finite numbers, divisor and std not 0). */
XC_NODISCARD xc_status preprocess_check(const xc_preprocess *p, struct error *err);
/* Are the pictures that it makes of so many channels? */
XC_NODISCARD xc_status preprocess_fits(const xc_preprocess *p, int channels, struct error *err);
XC_NODISCARD xc_status preprocess_named(const char *name, xc_preprocess *out, struct error *err);
const char *preprocess_name(int i); /* NULL past the last */
/* Words of the enums as they stand in files and flags ("stretch", "bicubic", "rgb"); the reverse
 * gives false for an unknown word. */
const char *fit_name(xc_fit fit);
const char *filter_name(xc_filter filter);
const char *colour_name(xc_colour colour);
bool fit_parse(const char *word, xc_fit *out);
bool filter_parse(const char *word, xc_filter *out);
bool colour_parse(const char *word, xc_colour *out);

/* The whole way from a decoded picture to (height, width, channels) float32 in out. channels 1 or
 * 3, and must agree with p->colour (grey: 1). */
XC_NODISCARD xc_status image_prepare(const xc_image *image, const xc_preprocess *p, int height,
                                     int width, int channels, float *out, struct error *err);

/* Which part of the upright picture would the input of this size show? In the picture's pixels;
 * with XC_FIT_PAD it reaches beyond them. */
XC_NODISCARD xc_status image_shown(const xc_image *image, const xc_preprocess *p, int height,
                                   int width, double *left, double *upper, double *right,
                                   double *lower, struct error *err);

#endif
