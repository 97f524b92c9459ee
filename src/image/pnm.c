/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do PBM, PGM and PPM bytes become pixels? P1 to P3 are text, P4 to P6 the same in binary; P1
 * and P4 hold bits, where 1 is black. A comment runs from # to the end of its line.
 *
 * Samples up to 255 are taken as they are and those up to 65535 lose their low byte, as in PNG; any
 * other largest value is stretched to 255 as Pillow does it, rounding half to even.
 */
#include "image/format.h"

#include <math.h>

#include "base/bytes.h"
#include "base/checked.h"

enum { END = -1 };

struct header {
    bool text, bitmap;
    uint32_t channels;
    uint64_t width, height;
    uint32_t largest;
};

static int next_char(struct bytes *b)
{
    return bytes_left(b) ? bytes_u8(b) : END;
}

/* The next character, where a whole comment counts as the end of its line. */
static int next_text(struct bytes *b)
{
    int c = next_char(b);
    if (c != '#') return c;
    while (c != '\n' && c != '\r' && c != END) c = next_char(b);
    return c;
}

static bool is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A decimal number and the one character behind it; false for anything else or above 2^31 - 1. */
static bool read_number(struct bytes *b, uint32_t *out)
{
    int c = next_text(b);
    while (is_space(c)) c = next_text(b);
    if (c < '0' || c > '9') return false;
    uint64_t value = 0;
    for (; c >= '0' && c <= '9'; c = next_text(b)) {
        value = value * 10 + (uint64_t)(c - '0');
        if (value > INT32_MAX) return false;
    }
    *out = (uint32_t)value;
    return is_space(c) || c == END;
}

static xc_status read_header(struct bytes *b, struct header *h, struct error *err)
{
    bytes_skip(b, 1);
    int digit = bytes_u8(b);
    *h = (struct header){.text = digit <= '3',
                         .bitmap = digit == '1' || digit == '4',
                         .channels = digit == '3' || digit == '6' ? 3 : 1,
                         .largest = 1};
    uint32_t width, height;
    if (!read_number(b, &width) || !read_number(b, &height) ||
        (!h->bitmap && !read_number(b, &h->largest)))
        return fail(err, XC_ERR_FORMAT, "PNM: the header is not complete or no number");
    if (h->largest < 1 || h->largest > 65535)
        return fail(err, XC_ERR_FORMAT, "PNM: largest value %u is not in 1..65535", h->largest);
    h->width = width;
    h->height = height;
    return XC_OK;
}

static uint8_t scale(uint32_t value, uint32_t largest)
{
    if (largest == 255) return (uint8_t)value;
    if (largest == 65535) return (uint8_t)(value >> 8);
    return (uint8_t)lrint((double)value / largest * 255.0);
}

static size_t row_bytes(const struct header *h)
{
    size_t samples = h->width * h->channels; /* both sides are below 2^31 */
    if (h->text) return samples;             /* at least one character each */
    if (h->bitmap) return (samples + 7) / 8;
    return h->largest > 255 ? 2 * samples : samples;
}

static bool read_sample(struct bytes *b, const struct header *h, uint32_t *value)
{
    if (!h->text) {
        *value = h->largest > 255 ? bytes_u16be(b) : bytes_u8(b);
        return *value <= h->largest;
    }
    if (!h->bitmap) return read_number(b, value) && *value <= h->largest;
    int c = next_text(b); /* bits need no space between them */
    while (is_space(c)) c = next_text(b);
    *value = c == '1';
    return c == '0' || c == '1';
}

static xc_status read_row(struct bytes *b, const struct header *h, size_t y, uint8_t *out,
                          struct error *err)
{
    size_t samples = h->width * h->channels;
    for (size_t x = 0; x < samples; x++) {
        uint32_t value;
        if (!read_sample(b, h, &value))
            return fail(err, XC_ERR_FORMAT, "PNM: row %zu: sample %zu is missing or not in 0..%u",
                        y, x, h->largest);
        out[x] = h->bitmap ? (uint8_t)(value ? 0 : 255) : scale(value, h->largest);
    }
    return XC_OK;
}

static void read_bits(struct bytes *b, const struct header *h, uint8_t *out)
{
    const uint8_t *in = bytes_take(b, row_bytes(h));
    for (size_t x = 0; in && x < h->width; x++) out[x] = in[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
}

xc_status pnm_decode(const uint8_t *bytes, size_t count, const xc_image_limits *limits,
                     xc_image **out, struct error *err)
{
    struct bytes b = bytes_of(bytes, count);
    struct header h;
    TRY(read_header(&b, &h, err));
    xc_image *image = NULL;
    TRY(image_new(h.width, h.height, h.channels == 3 ? XC_RGB8 : XC_GREY8, "pnm", limits, &image,
                  err));
    size_t need;
    xc_status status = XC_OK;
    if (!size_mul(row_bytes(&h), h.height, &need) || need > bytes_left(&b))
        status = fail(err, XC_ERR_FORMAT, "PNM ends early, inside its pixels");
    for (size_t y = 0; y < h.height && status == XC_OK; y++) {
        if (h.bitmap && !h.text)
            read_bits(&b, &h, image_row(image, y));
        else
            status = read_row(&b, &h, y, image_row(image, y), err);
    }
    if (status != XC_OK) {
        image_free(image);
        return status;
    }
    *out = image;
    return XC_OK;
}
