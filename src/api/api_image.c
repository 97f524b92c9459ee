/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures and named preprocessing of the public interface. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

#define WRAP_MAX_SIDE (1u << 20)

xc_status xc_image_decode(const void *bytes, size_t count, const xc_image_limits *limits,
                          xc_image **out)
{
    ROUNDING_RULES;
    xc_image_limits l = XC_IMAGE_LIMITS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!bytes) return refuse_null("bytes");
    TRY(options_read(&l, sizeof l, limits, "xc_image_limits"));
    return image_decode(bytes, count, &l, out, api_error());
}

xc_status xc_image_load(const char *path, const xc_image_limits *limits, xc_image **out)
{
    ROUNDING_RULES;
    xc_image_limits l = XC_IMAGE_LIMITS_INIT;
    struct file_view view;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!path) return refuse_null("path");
    TRY(options_read(&l, sizeof l, limits, "xc_image_limits"));
    TRY(file_read(path, l.max_bytes, &view, api_error()));
    xc_status status = image_decode(view.data, view.size, &l, out, api_error());
    if (status != XC_OK) error_prefix(api_error(), path);
    file_release(&view);
    return status;
}

xc_status xc_image_wrap(const void *pixels, uint32_t width, uint32_t height, ptrdiff_t stride,
                        xc_pixel_format format, xc_image **out)
{
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!pixels) return refuse_null("pixels");
    if (format != XC_GREY8 && format != XC_RGB8 && format != XC_RGBA8)
        return fail(api_error(), XC_ERR_ARGUMENT, "format %d, expected 1, 3 or 4", (int)format);
    if (width < 1 || height < 1 || width > WRAP_MAX_SIDE || height > WRAP_MAX_SIDE)
        return fail(api_error(), XC_ERR_ARGUMENT, "%ux%u pixels, sides are 1..%u", width, height,
                    WRAP_MAX_SIDE);
    ptrdiff_t row = (ptrdiff_t)width * (ptrdiff_t)format;
    if (stride < row && stride > -row)
        return fail(api_error(), XC_ERR_ARGUMENT, "stride %td is shorter than a row of %td bytes",
                    stride, row);
    xc_image *image = calloc(1, sizeof *image);
    if (!image) return fail_memory(api_error(), sizeof *image);
    image->info = (xc_image_info){width, height, format, 1, "memory"};
    image->base = pixels;
    image->stride = stride;
    *out = image;
    return XC_OK;
}

void xc_image_free(xc_image *image)
{
    image_free(image);
}

void xc_image_get_info(const xc_image *image, xc_image_info *info)
{
    if (image && info) *info = image->info;
}

const uint8_t *xc_image_row(const xc_image *image, uint32_t y)
{
    if (!image || y >= image->info.height) return NULL;
    return image->base + (ptrdiff_t)y * image->stride;
}

bool xc_path_is_image(const char *path)
{
    return path && path_is_image(path);
}

xc_status xc_preprocess_named(const char *name, xc_preprocess *out)
{
    if (!name) return refuse_null("name");
    if (!out) return refuse_null("out");
    return preprocess_named(name, out, api_error());
}

const char *xc_preprocess_name(int32_t i)
{
    return i < 0 ? NULL : preprocess_name(i);
}

const char *xc_fit_name(xc_fit fit)
{
    return fit_name(fit);
}

const char *xc_filter_name(xc_filter filter)
{
    return filter_name(filter);
}

const char *xc_colour_name(xc_colour colour)
{
    return colour_name(colour);
}
