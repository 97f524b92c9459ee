/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do BMP bytes become pixels? All headers of Windows (and OS/2's first), 1, 4 and 8 bits with a
 * palette, 16, 24 and 32 bits with or without bit masks, bottom-up and top-down. Run lengths and
 * embedded JPEG or PNG are refused by name.
 *
 *     0 "BM" | 10 offset of the pixels u32 | 14 header length u32 | 18 header | palette
 *
 * A palette of greys gives one channel. The fourth byte of plain 32-bit pixels is filler, not
 * alpha.
 */
#include "image/format.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"

enum { CORE_HEADER = 12, INFO_HEADER = 40, OS2_HEADER = 64 };
enum { PLAIN = 0, BITFIELDS = 3, ALPHA_BITFIELDS = 6 };

struct header {
    uint32_t length, pixels_at, bits, compression, colours;
    uint64_t width, height;
    bool top_down;
    uint32_t mask[4]; /* red, green, blue, alpha */
};

struct palette {
    uint8_t rgb[256][3];
    bool grey;
};

/* One colour inside a pixel: value = (pixel & mask) >> shift, 0..max. */
struct channel {
    uint32_t mask, shift, max;
};

static const char *compression_name(uint32_t compression)
{
    static const char *const names[] = {"", "RLE8", "RLE4", "", "JPEG", "PNG"};
    return compression < sizeof names / sizeof names[0] ? names[compression] : "unknown";
}

static bool length_known(uint32_t length)
{
    static const uint32_t known[] = {CORE_HEADER, INFO_HEADER, 52, 56, OS2_HEADER, 108, 124};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (length == known[i]) return true;
    return false;
}

static void read_core(struct bytes *b, struct header *h)
{
    h->width = bytes_u16le(b);
    h->height = bytes_u16le(b);
    bytes_skip(b, 2); /* planes */
    h->bits = bytes_u16le(b);
}

static void read_info(struct bytes *b, struct header *h)
{
    h->width = bytes_u32le(b);
    int64_t height = (int32_t)bytes_u32le(b);
    h->top_down = height < 0;
    h->height = (uint64_t)(height < 0 ? -height : height);
    bytes_skip(b, 2);
    h->bits = bytes_u16le(b);
    h->compression = bytes_u32le(b);
    bytes_skip(b, 12); /* size of the pixels, pixels a metre */
    h->colours = bytes_u32le(b);
    bytes_skip(b, 4);
}

/* The masks of BITFIELDS stand at the end of the header or, after the 40-byte one, behind it. */
static void read_masks(struct bytes *b, struct header *h)
{
    static const uint32_t rgb555[3] = {0x7c00, 0x03e0, 0x001f};
    static const uint32_t rgb888[3] = {0xff0000, 0x00ff00, 0x0000ff};
    if (h->compression == PLAIN) {
        memcpy(h->mask, h->bits == 16 ? rgb555 : rgb888, sizeof rgb555);
        return;
    }
    bool alpha = h->compression == ALPHA_BITFIELDS || h->length >= 56;
    for (int c = 0; c < (alpha ? 4 : 3); c++) h->mask[c] = bytes_u32le(b);
}

static xc_status header_check(const struct header *h, struct error *err)
{
    bool fields = h->compression == BITFIELDS || h->compression == ALPHA_BITFIELDS;
    if (fields && h->length == OS2_HEADER)
        return fail(err, XC_ERR_UNSUPPORTED, "BMP: OS/2 compression is not supported");
    if (h->compression != PLAIN && !fields)
        return fail(err, XC_ERR_UNSUPPORTED, "BMP: compression %u (%s) is not supported",
                    h->compression, compression_name(h->compression));
    bool indexed = h->bits == 1 || h->bits == 4 || h->bits == 8;
    bool direct = h->bits == 16 || h->bits == 24 || h->bits == 32;
    if (!indexed && !direct)
        return fail(err, XC_ERR_UNSUPPORTED, "BMP: %u bits a pixel are not supported", h->bits);
    if (fields && h->bits != 16 && h->bits != 32)
        return fail(err, XC_ERR_FORMAT, "BMP: bit masks with %u bits a pixel", h->bits);
    return XC_OK;
}

static xc_status read_header(struct bytes *b, struct header *h, struct error *err)
{
    *h = (struct header){0};
    bytes_skip(b, 10);
    h->pixels_at = bytes_u32le(b);
    h->length = bytes_u32le(b);
    if (!b->failed && !length_known(h->length))
        return fail(err, XC_ERR_UNSUPPORTED, "BMP: a header of %u bytes is not known", h->length);
    if (h->length == CORE_HEADER)
        read_core(b, h);
    else
        read_info(b, h);
    if (b->failed) return fail(err, XC_ERR_FORMAT, "BMP ends early, inside its header");
    TRY(header_check(h, err));
    read_masks(b, h);
    if (h->length > INFO_HEADER) bytes_seek(b, 14 + (size_t)h->length);
    if (b->failed) return fail(err, XC_ERR_FORMAT, "BMP ends early, inside its header");
    return XC_OK;
}

static xc_status read_palette(struct bytes *b, const struct header *h, struct palette *p,
                              struct error *err)
{
    uint32_t most = 1u << h->bits;
    uint32_t n = h->colours == 0 || h->colours > most ? most : h->colours;
    *p = (struct palette){.grey = true};
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *rgb = p->rgb[i];
        for (int c = 2; c >= 0; c--) rgb[c] = bytes_u8(b);
        if (h->length != CORE_HEADER) bytes_skip(b, 1);
        if (rgb[0] != rgb[1] || rgb[1] != rgb[2]) p->grey = false;
    }
    if (b->failed) return fail(err, XC_ERR_FORMAT, "BMP ends early, inside its palette");
    return XC_OK;
}

static void indexed_row(const uint8_t *in, uint32_t bits, const struct palette *p, uint32_t width,
                        uint8_t *out)
{
    uint32_t per_byte = 8 / bits, mask = (1u << bits) - 1;
    for (uint32_t x = 0; x < width; x++) {
        uint32_t shift = 8 - bits * (x % per_byte + 1);
        const uint8_t *rgb = p->rgb[(uint32_t)in[x / per_byte] >> shift & mask];
        *out++ = rgb[0];
        if (p->grey) continue;
        *out++ = rgb[1];
        *out++ = rgb[2];
    }
}

static void direct_row(const uint8_t *in, uint32_t bytes, const struct channel *channels, int n,
                       uint32_t width, uint8_t *out)
{
    for (uint32_t x = 0; x < width; x++, in += bytes) {
        uint32_t pixel = 0;
        for (uint32_t i = 0; i < bytes; i++) pixel |= (uint32_t)in[i] << 8 * i;
        for (int c = 0; c < n; c++) {
            uint64_t value = (pixel & channels[c].mask) >> channels[c].shift;
            *out++ = (uint8_t)(value * 255 / channels[c].max);
        }
    }
}

/* Fills channels; false when a mask has a hole or, red, green and blue, is empty. */
static bool channels_of(const struct header *h, struct channel channels[4], int *n)
{
    *n = h->mask[3] ? 4 : 3;
    for (int c = 0; c < *n; c++) {
        uint32_t mask = h->mask[c];
        if (mask == 0) return false;
        uint32_t shift = (uint32_t)__builtin_ctz(mask), max = mask >> shift;
        if (max & (max + 1u)) return false;
        channels[c] = (struct channel){mask, shift, max};
    }
    return true;
}

/* The rows of the file, `stride` bytes apart, or NULL when they are not all there. */
static const uint8_t *find_rows(struct bytes *b, const struct header *h, size_t *stride)
{
    size_t row_bits, total;
    if (!size_mul(h->width, h->bits, &row_bits) || !size_align(row_bits, 32, &row_bits))
        return NULL;
    *stride = row_bits / 8;
    if (!size_mul(*stride, h->height, &total)) return NULL;
    bytes_seek(b, h->pixels_at);
    return bytes_take(b, total);
}

xc_status bmp_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                     xc_image **out, struct error *err)
{
    struct bytes b = bytes_of(bytes, count);
    struct header h;
    struct palette palette = {.grey = false};
    struct channel channels[4];
    int n = 0;
    TRY(read_header(&b, &h, err));
    if (h.bits <= 8)
        TRY(read_palette(&b, &h, &palette, err));
    else if (!channels_of(&h, channels, &n))
        return fail(err, XC_ERR_FORMAT, "BMP: a bit mask is empty or has a hole");
    xc_pixel_format format = palette.grey ? XC_GREY8 : n == 4 ? XC_RGBA8 : XC_RGB8;
    xc_image *image = NULL;
    if (h.pixels_at < b.at)
        return fail(err, XC_ERR_FORMAT, "BMP: pixels begin at byte %zu, the header ends at %zu",
                    (size_t)h.pixels_at, (size_t)b.at);
    TRY(image_new(h.width, h.height, format, "bmp", limits, &image, err));
    size_t stride;
    const uint8_t *rows = find_rows(&b, &h, &stride);
    if (!rows) {
        image_free(image);
        return fail(err, XC_ERR_FORMAT, "BMP ends early, inside its pixels");
    }
    for (size_t y = 0; y < h.height; y++) {
        uint8_t *row = image_row(image, h.top_down ? y : h.height - 1 - y);
        if (h.bits <= 8)
            indexed_row(rows + y * stride, h.bits, &palette, image->info.width, row);
        else
            direct_row(rows + y * stride, h.bits / 8, channels, n, image->info.width, row);
    }
    *out = image;
    return XC_OK;
}
