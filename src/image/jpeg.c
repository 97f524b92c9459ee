/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do JPEG bytes become pixels, and pixels JPEG bytes? The segments in front of the first scan
 * are walked here, for the size and the EXIF block; libjpeg-turbo decodes, with its accurate
 * inverse transform and smooth chroma upsampling, which is what Pillow takes. The only file that
 * includes turbojpeg.h.
 *
 * libjpeg fills a damaged scan with grey and warns. A warning refuses the picture here, but for
 * one: idle bytes between the last scan and the end marker, which cameras write and which cost no
 * pixel.
 */
#include "image/format.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "base/bytes.h"
#include "image/jpeg_rows.h"

enum marker {
    SOF0 = 0xc0,
    DHT = 0xc4,
    JPG = 0xc8,
    DAC = 0xcc,
    SOF15 = 0xcf,
    RST0 = 0xd0,
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    APP1 = 0xe1,
    TEM = 0x01
};

static bool is_frame(int marker)
{
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

/* Moves behind the next marker, as libjpeg does: over anything up to 0xff, then over fill bytes. */
static int next_marker(struct bytes *b)
{
    int byte;
    do {
        while (bytes_u8(b) != 0xff && !b->failed) continue;
        do byte = bytes_u8(b);
        while (byte == 0xff);
    } while (byte == 0 && !b->failed);
    return byte;
}

static void read_segment(int marker, struct bytes body, struct jpeg_header *h)
{
    if (is_frame(marker)) {
        h->precision = bytes_u8(&body);
        h->height = bytes_u16be(&body);
        h->width = bytes_u16be(&body);
        h->components = bytes_u8(&body);
    }
    bool first_exif = marker == APP1 && h->orientation == 0;
    if (first_exif && body.size > 6 && !memcmp(body.data, "Exif\0", 6))
        h->orientation = exif_orientation(body.data, body.size);
}

xc_status jpeg_header_read(const uint8_t *bytes, size_t count, struct jpeg_header *h,
                           struct error *err)
{
    struct bytes b = bytes_of(bytes, count);
    *h = (struct jpeg_header){0};
    while (!b.failed) {
        int marker = next_marker(&b);
        if (marker == SOS || marker == EOI) break;
        if (marker == TEM || (marker >= RST0 && marker <= SOI)) continue;
        size_t length = bytes_u16be(&b);
        if (length < 2 && !b.failed)
            return fail(err, XC_ERR_FORMAT, "JPEG: segment 0x%02x has length %zu, below 2", marker,
                        length);
        const uint8_t *body = b.failed ? NULL : bytes_take(&b, length - 2);
        if (body) read_segment(marker, bytes_of(body, length - 2), h);
    }
    if (b.failed) return fail(err, XC_ERR_FORMAT, "JPEG ends early, before its first scan");
    if (h->components == 0) return fail(err, XC_ERR_FORMAT, "JPEG: no frame header");
    return XC_OK;
}

/* CMYK stands inverted in JPEG files, as Adobe writes it: 255 is no ink. The formula is Pillow's
 * convert("RGB"). In place: three bytes are written where four have been read. */
static void cmyk_to_rgb(xc_image *image)
{
    size_t pixels = (size_t)image->info.width * image->info.height;
    const uint8_t *in = image->pixels;
    uint8_t *out = image->pixels;
    for (size_t i = 0; i < pixels; i++, in += 4, out += 3) {
        int light = in[3];
        for (int c = 0; c < 3; c++) {
            int product = (255 - in[c]) * light + 128;
            out[c] = (uint8_t)(light - ((product + (product >> 8)) >> 8));
        }
    }
    image->info.format = XC_RGB8;
    image->stride = (ptrdiff_t)image->info.width * 3;
}

enum { JPEG_SIDE = 65500 }; /* libjpeg's limit */

/* What each number of components is decoded to. */
struct layout {
    uint32_t components;
    xc_pixel_format format; /* by its size; CMYK becomes RGB afterwards */
    int library_format;
};

static const struct layout *layout_of(uint32_t components)
{
    static const struct layout layouts[] = {
        {1, XC_GREY8, TJPF_GRAY}, {3, XC_RGB8, TJPF_RGB}, {4, XC_RGBA8, TJPF_CMYK}};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (layouts[i].components == components) return &layouts[i];
    return NULL;
}

/* Did the last call stop for idle bytes? */
static bool only_idle_bytes(tjhandle tj)
{
    return tjGetErrorCode(tj) == TJERR_WARNING &&
           strstr(tjGetErrorStr2(tj), "extraneous bytes before marker 0xd9");
}

/* Behind idle bytes other warnings may come, where restart markers are missing; the library tells
 * the first one only. So all rows are read once with a handler that knows nothing but those bytes;
 * not those of CMYK, which jpeg_rows does not read. */
static bool is_whole(const uint8_t *bytes, size_t count, const xc_image *image)
{
    struct jpeg_rows *j = jpeg_rows_new();
    struct error ignored;
    const uint8_t *row;
    int left;
    xc_status status =
        j ? jpeg_rows_start(j, bytes, count, 1, 0, (int)image->info.width, 0, &left, &ignored)
          : XC_ERR_MEMORY;
    for (uint32_t y = 0; y < image->info.height && status == XC_OK; y++)
        status = jpeg_rows_next(j, &row, &ignored);
    jpeg_rows_free(j);
    return status == XC_OK;
}

/* Stops at the first warning, so that a few bytes cannot make the library fill a large picture;
 * only idle bytes earn a second go. */
static xc_status scan_decode(tjhandle tj, const uint8_t *bytes, size_t count, int pixel_format,
                             xc_image *image, struct error *err)
{
    int w = (int)image->info.width, h = (int)image->info.height, pitch = (int)image->stride;
    int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    uint8_t *out = image->pixels;
    int failed = tjDecompress2(tj, bytes, count, out, w, pitch, h, pixel_format,
                               flags | TJFLAG_STOPONWARNING);
    if (!failed) return XC_OK;
    const char *text = tjGetErrorStr2(tj);
    if (only_idle_bytes(tj) && (pixel_format == TJPF_CMYK || is_whole(bytes, count, image))) {
        (void)tjDecompress2(tj, bytes, count, out, w, pitch, h, pixel_format, flags);
        if (only_idle_bytes(tj)) return XC_OK;
    }
    return fail(err, XC_ERR_FORMAT, "JPEG%s: %s",
                strstr(text, "Premature end") ? " ends early" : "", text);
}

/* The library must see the size that the segments gave. Its result does not count: this call also
 * refuses chroma layouts that decode well. */
static xc_status size_agrees(tjhandle tj, const uint8_t *bytes, size_t count, const xc_image *image,
                             struct error *err)
{
    int width = -1, height = -1, subsampling, colourspace;
    (void)tjDecompressHeader3(tj, bytes, count, &width, &height, &subsampling, &colourspace);
    if (width < 0) return fail(err, XC_ERR_FORMAT, "JPEG: %s", tjGetErrorStr2(tj));
    if ((uint32_t)width != image->info.width || (uint32_t)height != image->info.height)
        return fail(err, XC_ERR_FORMAT, "JPEG: two sizes, %ux%u and %dx%d", image->info.width,
                    image->info.height, width, height);
    return XC_OK;
}

static xc_status library_decode(const uint8_t *bytes, size_t count, int pixel_format,
                                xc_image *image, struct error *err)
{
    tjhandle tj = tjInitDecompress();
    if (!tj) return fail_memory(err, 0);
    xc_status status = size_agrees(tj, bytes, count, image, err);
    if (status == XC_OK) status = scan_decode(tj, bytes, count, pixel_format, image, err);
    tjDestroy(tj);
    return status;
}

xc_status jpeg_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                      xc_image **out, struct error *err)
{
    struct jpeg_header h;
    TRY(jpeg_header_read(bytes, count, &h, err));
    if (h.precision != 8)
        return fail(err, XC_ERR_UNSUPPORTED, "JPEG: %u bits a sample (only 8 are supported)",
                    h.precision);
    const struct layout *layout = layout_of(h.components);
    if (!layout)
        return fail(err, XC_ERR_UNSUPPORTED, "JPEG: %u components (1, 3 and 4 are supported)",
                    h.components);
    xc_image *image = NULL;
    TRY(image_new(h.width, h.height, layout->format, "jpeg", limits, &image, err));
    xc_status status = library_decode(bytes, count, layout->library_format, image, err);
    if (status != XC_OK) {
        image_free(image);
        return status;
    }
    if (layout->library_format == TJPF_CMYK) cmyk_to_rgb(image);
    if (h.orientation) image->info.orientation = h.orientation;
    *out = image;
    return XC_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

xc_status jpeg_encode(const xc_image *image, int quality, uint8_t **jpeg, size_t *size,
                      struct error *err)
{
    const bool grey = image->info.format == XC_GREY8;
    const int format = grey ? TJPF_GRAY : image->info.format == XC_RGB8 ? TJPF_RGB : TJPF_RGBA;
    const int w = (int)image->info.width, h = (int)image->info.height;
    const int chroma = grey ? TJSAMP_GRAY : TJSAMP_444;
    unsigned long room = tjBufSize(w, h, chroma);
    *jpeg = NULL;
    *size = 0;
    if (w > JPEG_SIDE || h > JPEG_SIDE)
        return fail(err, XC_ERR_LIMIT, "JPEG: %dx%d pixels, a side has at most %d", w, h,
                    JPEG_SIDE);
    if (room == (unsigned long)-1)
        return fail(err, XC_ERR_LIMIT, "JPEG: %dx%d pixels are too many", w, h);
    if (image->stride < -INT32_MAX || image->stride > INT32_MAX)
        return fail(err, XC_ERR_ARGUMENT, "JPEG: rows %td bytes apart cannot be written",
                    image->stride);
    const bool up = image->stride < 0; /* the last row comes first in memory */
    const ptrdiff_t pitch = up ? -image->stride : image->stride;
    const uint8_t *first = up ? image->base - (h - 1) * pitch : image->base;
    const int flags = TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT | (up ? TJFLAG_BOTTOMUP : 0);
    uint8_t *bytes = malloc(room);
    tjhandle tj = bytes ? tjInitCompress() : NULL;
    xc_status status = tj ? XC_OK : fail_memory(err, room);
    if (tj &&
        tjCompress2(tj, first, w, (int)pitch, h, format, &bytes, &room, chroma, quality, flags))
        status = fail(err, XC_ERR_INTERNAL, "JPEG: %s", tjGetErrorStr2(tj));
    if (tj) tjDestroy(tj);
    if (status != XC_OK) {
        free(bytes);
        return status;
    }
    *jpeg = bytes;
    *size = room;
    return XC_OK;
}
