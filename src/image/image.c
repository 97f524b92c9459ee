/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which format are these bytes? One table, read from top to bottom: a row recognises a format by
 * its first bytes and names its reader. Rows without a reader are formats that people have, so that
 * the refusal can say what the file is. The name of a file never counts.
 */
#include "image/format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"

#ifdef XC_JPEG
#define JPEG_READER jpeg_decode
#else
#define JPEG_READER NULL
#endif
#ifdef XC_PNG
#define PNG_READER png_decode
#else
#define PNG_READER NULL
#endif
#ifdef XC_WEBP
#define WEBP_READER webp_decode
#else
#define WEBP_READER NULL
#endif

struct format {
    const char *name;
    const char *missing; /* why there is no reader */
    format_decode *decode;
    size_t at, length; /* where the magic bytes stand */
    const char *magic;
    const char *brand; /* or NULL: four bytes that must stand at 8 as well */
};

#define NOT_READ "is not a format that we read; convert it to PNG or JPEG"
#define NOT_BUILT(option) "support was left out of this build (" option "=OFF)"

static const struct format formats[] = {
    {"JPEG", NOT_BUILT("XC_JPEG"), JPEG_READER, 0, 3, "\xff\xd8\xff", NULL},
    {"PNG", NOT_BUILT("XC_PNG"), PNG_READER, 0, 8, "\x89PNG\r\n\x1a\n", NULL},
    {"WebP", NOT_BUILT("XC_WEBP"), WEBP_READER, 0, 4, "RIFF", "WEBP"},
    {"BMP", NULL, bmp_decode, 0, 2, "BM", NULL},
    {"PBM", NULL, pnm_decode, 0, 2, "P1", NULL},
    {"PGM", NULL, pnm_decode, 0, 2, "P2", NULL},
    {"PPM", NULL, pnm_decode, 0, 2, "P3", NULL},
    {"PBM", NULL, pnm_decode, 0, 2, "P4", NULL},
    {"PGM", NULL, pnm_decode, 0, 2, "P5", NULL},
    {"PPM", NULL, pnm_decode, 0, 2, "P6", NULL},
    {"PAM", NOT_READ, NULL, 0, 3, "P7\n", NULL},
    {"PFM", NOT_READ, NULL, 0, 3, "PF\n", NULL},
    {"PFM", NOT_READ, NULL, 0, 3, "Pf\n", NULL},
    {"GIF", NOT_READ, NULL, 0, 4, "GIF8", NULL},
    {"TIFF", NOT_READ, NULL, 0, 4, "II*\0", NULL},
    {"TIFF", NOT_READ, NULL, 0, 4, "MM\0*", NULL},
    {"BigTIFF", NOT_READ, NULL, 0, 4, "II+\0", NULL},
    {"BigTIFF", NOT_READ, NULL, 0, 4, "MM\0+", NULL},
    {"AVIF", NOT_READ, NULL, 4, 4, "ftyp", "avif"},
    {"AVIF", NOT_READ, NULL, 4, 4, "ftyp", "avis"},
    {"HEIC", NOT_READ, NULL, 4, 4, "ftyp", "heic"},
    {"HEIC", NOT_READ, NULL, 4, 4, "ftyp", "heix"},
    {"HEIC", NOT_READ, NULL, 4, 4, "ftyp", "hevc"},
    {"HEIF", NOT_READ, NULL, 4, 4, "ftyp", "mif1"},
    {"HEIF", NOT_READ, NULL, 4, 4, "ftyp", "msf1"},
    {"JPEG XL", NOT_READ, NULL, 0, 2, "\xff\x0a", NULL},
    {"JPEG XL", NOT_READ, NULL, 0, 12, "\0\0\0\x0cJXL \r\n\x87\n", NULL},
    {"JPEG 2000", NOT_READ, NULL, 0, 12, "\0\0\0\x0cjP  \r\n\x87\n", NULL},
    {"JPEG 2000", NOT_READ, NULL, 0, 4, "\xff\x4f\xff\x51", NULL},
    {"Photoshop", NOT_READ, NULL, 0, 4, "8BPS", NULL},
    {"ICO", NOT_READ, NULL, 0, 4, "\0\0\1\0", NULL},
};

static bool format_matches(const struct format *f, const uint8_t *bytes, size_t count)
{
    if (count < f->at + f->length || memcmp(bytes + f->at, f->magic, f->length) != 0) return false;
    return !f->brand || (count >= 12 && !memcmp(bytes + 8, f->brand, 4));
}

xc_status image_decode(const void *bytes, size_t count, const xc_image_limits *limits,
                       xc_image **out, struct error *err)
{
    static const xc_image_limits defaults = XC_IMAGE_LIMITS_INIT;
    if (!limits) limits = &defaults;
    *out = NULL;
    if (count == 0) return fail(err, XC_ERR_FORMAT, "the picture is empty (0 bytes)");
    if (count > limits->max_bytes)
        return fail(err, XC_ERR_LIMIT, "the picture has %zu bytes, above the limit of %" PRIu64,
                    count, limits->max_bytes);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        const struct format *f = &formats[i];
        if (!format_matches(f, bytes, count)) continue;
        if (f->decode) return f->decode(bytes, count, limits, out, err);
        return fail(err, XC_ERR_UNSUPPORTED, "%s %s", f->name, f->missing);
    }
    return fail(err, XC_ERR_FORMAT, "not a picture: the bytes are no JPEG, PNG, WebP, BMP or PNM");
}

bool path_is_image(const char *path)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".png", ".webp",
                                          ".bmp", ".pnm",  ".ppm", ".pgm", ".pbm"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (!strcasecmp(dot, endings[i])) return true;
    return false;
}

xc_status image_size_check(uint64_t width, uint64_t height, const char *type,
                           const xc_image_limits *limits, struct error *err)
{
    if (width == 0 || height == 0)
        return fail(err, XC_ERR_FORMAT, "%s: size %" PRIu64 "x%" PRIu64 " has no pixels", type,
                    width, height);
    if (width > limits->max_side || height > limits->max_side)
        return fail(err, XC_ERR_LIMIT,
                    "%s: size %" PRIu64 "x%" PRIu64 " has a side above the limit of %u", type,
                    width, height, limits->max_side);
    if (width * height > limits->max_pixels) /* both sides fit 32 bits here */
        return fail(err, XC_ERR_LIMIT,
                    "%s: size %" PRIu64 "x%" PRIu64 " has more pixels than the limit of %" PRIu64,
                    type, width, height, limits->max_pixels);
    return XC_OK;
}

xc_status image_new(uint64_t width, uint64_t height, xc_pixel_format format, const char *file_type,
                    const xc_image_limits *limits, xc_image **out, struct error *err)
{
    TRY(image_size_check(width, height, file_type, limits, err));
    size_t stride, bytes;
    if (!size_mul(width, (size_t)format, &stride) || !size_mul(stride, height, &bytes))
        return fail_memory(err, SIZE_MAX);
    xc_image *image = calloc(1, sizeof *image);
    uint8_t *pixels = calloc(1, bytes);
    if (!image || !pixels) {
        free(image);
        free(pixels);
        return fail_memory(err, bytes);
    }
    *image = (xc_image){.info = {(uint32_t)width, (uint32_t)height, format, 1, file_type},
                        .pixels = pixels,
                        .base = pixels,
                        .stride = (ptrdiff_t)stride};
    *out = image;
    return XC_OK;
}

xc_status image_blank(uint32_t width, uint32_t height, xc_pixel_format format, xc_image **out,
                      struct error *err)
{
    static const xc_image_limits defaults = XC_IMAGE_LIMITS_INIT;
    return image_new(width, height, format, "memory", &defaults, out, err);
}

void image_free(xc_image *image)
{
    if (!image) return;
    free(image->pixels);
    free(image);
}
