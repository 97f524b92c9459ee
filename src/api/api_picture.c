/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that a program makes: turned, resized, written on, encoded. */
#include "api/api.h"

#include <stdlib.h>

#include "image/draw.h"

#define MAX_SIDE 16384u

xc_status xc_image_new(uint32_t width, uint32_t height, xc_pixel_format format, xc_image **out)
{
    if (!out) return refuse_null("out");
    *out = NULL;
    if (format != XC_GREY8 && format != XC_RGB8 && format != XC_RGBA8)
        return fail(api_error(), XC_ERR_ARGUMENT, "format %d, expected 1, 3 or 4", (int)format);
    if (!width || !height)
        return fail(api_error(), XC_ERR_ARGUMENT, "size %ux%u has no pixels", width, height);
    return image_blank(width, height, format, out, api_error());
}

uint8_t *xc_image_pixels(xc_image *image, uint32_t y)
{
    if (!image || !image->pixels || y >= image->info.height) return NULL;
    return image->pixels + (ptrdiff_t)y * image->stride;
}

xc_status xc_image_upright(const xc_image *image, xc_image **out)
{
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!image) return refuse_null("image");
    return image_upright(image, out, api_error());
}

xc_status xc_image_resize(const xc_image *image, uint32_t width, uint32_t height, xc_filter filter,
                          xc_image **out)
{
    ROUNDING_RULES;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!image) return refuse_null("image");
    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE)
        return fail(api_error(), XC_ERR_ARGUMENT, "%ux%u pixels, sides are 1..%u", width, height,
                    MAX_SIDE);
    const xc_image_info *in = &image->info;
    xc_image *small = NULL;
    TRY(image_blank(width, height, in->format, &small, api_error()));
    xc_status status =
        resize_u8(image->base, (int)in->width, (int)in->height, image->stride, (int)in->format,
                  filter, (int)width, (int)height, small->pixels, api_error());
    if (status != XC_OK) {
        image_free(small);
        return status;
    }
    small->info.orientation = in->orientation;
    *out = small;
    return XC_OK;
}

xc_status xc_image_text(xc_image *image, int32_t x, int32_t y, const char *text,
                        const uint8_t rgb[3])
{
    if (!image) return refuse_null("image");
    if (!text) return refuse_null("text");
    if (!rgb) return refuse_null("rgb");
    if (!image->pixels || image->info.format != XC_RGB8)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "text needs a picture of RGB8 pixels of its own (this one: %d channels%s)",
                    (int)image->info.format, image->pixels ? "" : ", wrapped");
    if (x < -(int32_t)MAX_SIDE || y < -(int32_t)MAX_SIDE || x > (int32_t)MAX_SIDE ||
        y > (int32_t)MAX_SIDE)
        return XC_OK; /* out of every picture */
    draw_text(image, x, y, text, rgb);
    return XC_OK;
}

xc_status xc_image_encode(const xc_image *image, xc_codec codec, int32_t quality, uint8_t **bytes,
                          size_t *count)
{
    ROUNDING_RULES;
    if (!bytes) return refuse_null("bytes");
    if (!count) return refuse_null("count");
    *bytes = NULL;
    *count = 0;
    if (!image) return refuse_null("image");
    if (codec == XC_CODEC_PNG) return png_encode(image, bytes, count, api_error());
    if (codec != XC_CODEC_JPEG)
        return fail(api_error(), XC_ERR_ARGUMENT, "codec %d, expected PNG or JPEG", (int)codec);
    if (quality < 1 || quality > 100)
        return fail(api_error(), XC_ERR_ARGUMENT, "JPEG quality %d, expected 1..100", quality);
    return jpeg_encode(image, quality, bytes, count, api_error());
}

void xc_bytes_free(void *bytes)
{
    free(bytes);
}
