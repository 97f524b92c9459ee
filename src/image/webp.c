/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do WebP bytes become pixels? libwebp decodes still pictures; the RIFF chunks are walked here
 * for the EXIF block alone. Animations are refused. The only file that includes webp/decode.h.
 */
#include "image/format.h"

#include <string.h>
#include <webp/decode.h>

#include "base/bytes.h"
#include "base/checked.h"

static xc_status code_fail(VP8StatusCode code, struct error *err)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return fail_memory(err, 0);
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return fail(err, XC_ERR_FORMAT, "WebP ends early");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return fail(err, XC_ERR_UNSUPPORTED, "WebP: uses a feature that libwebp does not know");
    default:
        return fail(err, XC_ERR_FORMAT, "WebP: the bit stream is damaged");
    }
}

/* "RIFF" size "WEBP", then chunks: name, size u32, body, a fill byte after an odd size. */
static uint32_t find_orientation(const uint8_t *bytes, size_t count)
{
    struct bytes b = bytes_of(bytes, count);
    bytes_skip(&b, 12);
    while (bytes_left(&b) >= 8) {
        const uint8_t *name = bytes_take(&b, 4);
        size_t size = bytes_u32le(&b), padded;
        if (!memcmp(name, "EXIF", 4) && size <= bytes_left(&b))
            return exif_orientation(bytes_take(&b, size), size);
        if (!size_align(size, 2, &padded)) break;
        bytes_skip(&b, padded);
    }
    return 1;
}

static xc_status features_check(const uint8_t *bytes, size_t count, WebPBitstreamFeatures *f,
                                struct error *err)
{
    struct bytes b = bytes_of(bytes, count);
    bytes_skip(&b, 4);
    uint32_t riff = bytes_u32le(&b);
    if (b.failed || riff > bytes_left(&b)) return fail(err, XC_ERR_FORMAT, "WebP ends early");
    VP8StatusCode code = WebPGetFeatures(bytes, count, f);
    if (code != VP8_STATUS_OK) return code_fail(code, err);
    if (f->has_animation)
        return fail(err, XC_ERR_UNSUPPORTED, "WebP: an animation; only still pictures are read");
    return XC_OK;
}

static xc_status pixels_decode(const uint8_t *bytes, size_t count, xc_image *image,
                               struct error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return fail(err, XC_ERR_INTERNAL, "WebP: libwebp is older than its header");
    config.output.colorspace = image->info.format == XC_RGBA8 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image->pixels;
    config.output.u.RGBA.stride = (int)image->stride;
    config.output.u.RGBA.size = (size_t)image->stride * image->info.height;
    VP8StatusCode code = WebPDecode(bytes, count, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? XC_OK : code_fail(code, err);
}

xc_status webp_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                      xc_image **out, struct error *err)
{
    WebPBitstreamFeatures f;
    TRY(features_check(bytes, count, &f, err));
    xc_image *image = NULL;
    TRY(image_new((uint64_t)f.width, (uint64_t)f.height, f.has_alpha ? XC_RGBA8 : XC_RGB8, "webp",
                  limits, &image, err));
    xc_status status = pixels_decode(bytes, count, image, err);
    if (status != XC_OK) {
        image_free(image);
        return status;
    }
    image->info.orientation = find_orientation(bytes, count);
    *out = image;
    return XC_OK;
}
