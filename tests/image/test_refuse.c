/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what cannot be read refused with the right status and a sentence that says why? Empty and
 * foreign files, formats that are only recognised, limits (before memory is taken), and the damages
 * that people meet. Every case is a row: bytes, status, a part of the sentence.
 */
#include "image/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is this refused with this status, and a sentence that holds this text? */
static bool refuses(const void *bytes, size_t count, const xc_image_limits *limits,
                    xc_status status, const char *part, struct error *err)
{
    xc_image *image = NULL;
    *err = (struct error){XC_OK, ""};
    const xc_status got = image_decode(bytes, count, limits, &image, err);
    const bool refused = got == status && !image && strstr(err->text, part);
    image_free(image);
    return refused;
}

static void must_refuse(const char *what, const void *bytes, size_t count,
                        const xc_image_limits *limits, xc_status status, const char *part)
{
    struct error err;
    if (!refuses(bytes, count, limits, status, part, &err))
        fail_msg("%s: \"%s\"; expected status %d, \"...%s...\"", what, err.text, (int)status, part);
}

/* A string literal as a file, without its closing NUL. */
#define FILE_OF(literal) literal, sizeof(literal) - 1

static void foreign_files(void **state)
{
    (void)state;
    must_refuse("no bytes", "", 0, NULL, XC_ERR_FORMAT, "empty");
    must_refuse("text", FILE_OF("hello\n"), NULL, XC_ERR_FORMAT, "not a picture");
    must_refuse("one byte", FILE_OF("\xff"), NULL, XC_ERR_FORMAT, "not a picture");
    must_refuse("a WAVE file", FILE_OF("RIFF\x24\0\0\0WAVEfmt "), NULL, XC_ERR_FORMAT,
                "not a picture");
}

static void recognised_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes;
        size_t count;
    } cases[] = {
        {"GIF ", FILE_OF("GIF89a\1\0\1\0")},
        {"TIFF ", FILE_OF("II*\0\x08\0\0\0")},
        {"TIFF ", FILE_OF("MM\0*\0\0\0\x08")},
        {"BigTIFF ", FILE_OF("II+\0\x08\0\0\0")},
        {"AVIF ", FILE_OF("\0\0\0\x1c"
                          "ftypavif")},
        {"HEIC ", FILE_OF("\0\0\0\x18"
                          "ftypheic")},
        {"HEIF ", FILE_OF("\0\0\0\x18"
                          "ftypmif1")},
        {"JPEG XL ", FILE_OF("\xff\x0a\x10\x12")},
        {"JPEG XL ", FILE_OF("\0\0\0\x0cJXL \r\n\x87\n")},
        {"JPEG 2000 ", FILE_OF("\0\0\0\x0cjP  \r\n\x87\n")},
        {"Photoshop ", FILE_OF("8BPS\0\1")},
        {"ICO ", FILE_OF("\0\0\1\0\1\0")},
        {"PAM ", FILE_OF("P7\nWIDTH 1\n")},
        {"PFM ", FILE_OF("PF\n1 1\n-1.0\n")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        must_refuse(cases[i].name, cases[i].bytes, cases[i].count, NULL, XC_ERR_UNSUPPORTED,
                    cases[i].name);
}

static void formats_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {"jpeg/grey.jpg", "png/rgb8.png", "webp/lossy.webp"};
    static const char *const options[] = {"XC_JPEG=OFF", "XC_PNG=OFF", "XC_WEBP=OFF"};
    for (int i = 0; i < 3; i++) {
        if (corpus_readable(names[i])) continue;
        struct blob file = corpus_file(names[i]);
        must_refuse(names[i], file.bytes, file.count, NULL, XC_ERR_UNSUPPORTED, options[i]);
        free(file.bytes);
    }
}

static void refuse_corpus(const char *name, xc_status status, const char *part)
{
    if (!corpus_readable(name)) return;
    struct blob file = corpus_file(name);
    must_refuse(name, file.bytes, file.count, NULL, status, part);
    free(file.bytes);
}

static void recognised_variants(void **state)
{
    (void)state;
    refuse_corpus("webp/animated.webp", XC_ERR_UNSUPPORTED, "animation");
    refuse_corpus("bmp/rle8.bmp", XC_ERR_UNSUPPORTED, "RLE8");
}

/* The first bytes of a PNG that announces w x h; its pixels never come. */
static size_t png_header(uint32_t w, uint32_t h, uint8_t out[33])
{
    static const uint8_t start[33] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\0\0\0\0\0\x08\x02";
    memcpy(out, start, sizeof start);
    for (int i = 0; i < 4; i++) {
        out[16 + i] = (uint8_t)(w >> (24 - 8 * i));
        out[20 + i] = (uint8_t)(h >> (24 - 8 * i));
    }
    uint32_t crc = 0xffffffffu;
    for (int i = 12; i < 29; i++) {
        crc ^= out[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++) out[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    return 33;
}

static void bombs(void **state)
{
    (void)state;
    uint8_t png[64];
    static const struct {
        uint32_t w, h;
        xc_status status;
        const char *part;
    } cases[] = {
        {60000, 60000, XC_ERR_LIMIT, "60000x60000 has a side above the limit of 16384"},
        {16385, 1, XC_ERR_LIMIT, "side"},
        {1, 0x7fffffff, XC_ERR_LIMIT, "side"},
        {16384, 16384, XC_ERR_LIMIT, "16384x16384 has more pixels than the limit of 50000000"},
        {0, 5, XC_ERR_FORMAT, "PNG"},
        {5, 0, XC_ERR_FORMAT, "PNG"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && corpus_readable("png/"); i++) {
        size_t count = png_header(cases[i].w, cases[i].h, png);
        memcpy(png + count, "\0\0\0\0IDAT", 8);
        must_refuse("a PNG header", png, count + 8, NULL, cases[i].status, cases[i].part);
    }
    must_refuse("PNM", FILE_OF("P6 60000 60000 255 "), NULL, XC_ERR_LIMIT, "side");
    must_refuse("PNM", FILE_OF("P6 99999999999999999999 1 255 "), NULL, XC_ERR_FORMAT, "header");
    must_refuse("PNM", FILE_OF("P6 10000 5001 255 "), NULL, XC_ERR_LIMIT, "more pixels");
    must_refuse("PNM", FILE_OF("P6 10000 5000 255 "), NULL, XC_ERR_FORMAT, "ends early");
    must_refuse("PNM", FILE_OF("P5 0 3 255 "), NULL, XC_ERR_FORMAT, "no pixels");
}

static void limits_of_the_caller(void **state)
{
    (void)state;
    struct blob file = corpus_file("bmp/rgb24.bmp"); /* 13x7 */
    xc_image_limits limits = XC_IMAGE_LIMITS_INIT;
    limits.max_bytes = file.count - 1;
    must_refuse("bytes", file.bytes, file.count, &limits, XC_ERR_LIMIT, "bytes");
    limits = (xc_image_limits)XC_IMAGE_LIMITS_INIT;
    limits.max_side = 12;
    must_refuse("side", file.bytes, file.count, &limits, XC_ERR_LIMIT, "13x7");
    limits.max_side = 13;
    limits.max_pixels = 90;
    must_refuse("pixels", file.bytes, file.count, &limits, XC_ERR_LIMIT, "more pixels");
    limits.max_pixels = 91;
    limits.max_bytes = file.count;
    xc_image *image = NULL;
    assert_int_equal(image_decode(file.bytes, file.count, &limits, &image, NULL), XC_OK);
    image_free(image);
    free(file.bytes);
}

/* Half of a JPEG, also with an end marker put behind it: libjpeg would fill the rest with grey. */
static void half_a_jpeg(void **state)
{
    (void)state;
    if (!corpus_readable("jpeg/")) {
        print_message("skipped: no JPEG in this build\n");
        skip();
    }
    static const char *const names[] = {"jpeg/rgb420.jpg", "jpeg/progressive.jpg", "jpeg/cmyk.jpg"};
    for (int i = 0; i < 3; i++) {
        struct blob file = corpus_file(names[i]);
        size_t half = file.count - 40;
        must_refuse(names[i], file.bytes, half, NULL, XC_ERR_FORMAT, "JPEG ends early");
        file.bytes[half] = 0xff;
        file.bytes[half + 1] = 0xd9;
        must_refuse(names[i], file.bytes, half + 2, NULL, XC_ERR_FORMAT, "JPEG: Corrupt JPEG data");
        free(file.bytes);
    }
}

/* A restart marker that became data: all up to the end is passed over as if it were idle bytes. */
static void lost_restart(void **state)
{
    (void)state;
    if (!corpus_readable("jpeg/")) {
        print_message("skipped: no JPEG in this build\n");
        skip();
    }
    struct blob file = corpus_file("jpeg/restart.jpg");
    uint8_t *at = file.bytes;
    const uint8_t *end = at + file.count - 1;
    while (at < end && !(at[0] == 0xff && at[1] == 0xd0)) at++;
    assert_true(at < end);
    at[1] = 0;
    must_refuse("a lost restart marker", file.bytes, file.count, NULL, XC_ERR_FORMAT, "JPEG");
    free(file.bytes);
}

/* Frame headers of JPEG that this build does not read, or that lie. */
static void jpeg_headers(void **state)
{
    (void)state;
    if (!corpus_readable("jpeg/")) {
        print_message("skipped: no JPEG in this build\n");
        skip();
    }
    static const char head[] = "\xff\xd8\xff";
    must_refuse("start only", head, 3, NULL, XC_ERR_FORMAT, "ends early");
    must_refuse("no frame", FILE_OF("\xff\xd8\xff\xd9"), NULL, XC_ERR_FORMAT, "no frame header");
    must_refuse("length 1", FILE_OF("\xff\xd8\xff\xe0\0\1"), NULL, XC_ERR_FORMAT, "length 1");
    must_refuse("12 bits",
                FILE_OF("\xff\xd8\xff\xc1\0\x0b\x0c\0\1\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0"),
                NULL, XC_ERR_UNSUPPORTED, "12 bits");
    must_refuse("two components",
                FILE_OF("\xff\xd8\xff\xc0\0\x0e\x08\0\1\0\1\2\1\x11\0\2\x11\0\xff\xda\0\x08"), NULL,
                XC_ERR_UNSUPPORTED, "2 components");
    must_refuse("height 0",
                FILE_OF("\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0"),
                NULL, XC_ERR_FORMAT, "1x0");
    must_refuse("bomb",
                FILE_OF("\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0\xff\xda\0\x08"), NULL,
                XC_ERR_LIMIT, "65535x65535");
}

/* A chunk nobody needs that announces a gigabyte takes no memory. */
static void png_chunks(void **state)
{
    (void)state;
    if (!corpus_readable("png/")) {
        print_message("skipped: no PNG in this build\n");
        skip();
    }
    uint8_t png[64] = {0};
    static const char *const names[] = {"eXIf", "iCCP", "tEXt", "zTXt", "sPLT", "quIT"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t count = png_header(1, 1, png);
        memcpy(png + count, "\x40\0\0\0", 4);
        memcpy(png + count + 4, names[i], 4);
        must_refuse(names[i], png, count + 20, NULL, XC_ERR_FORMAT, "PNG ends early");
    }
    size_t count = png_header(1, 1, png);
    png[29] ^= 1;
    must_refuse("checksum", png, count, NULL, XC_ERR_FORMAT, "PNG: IHDR: CRC error");
}

static void bmp_headers(void **state)
{
    (void)state;
    struct blob file = corpus_file("bmp/rgb24.bmp");
    static const struct {
        size_t at;
        uint8_t value;
        xc_status status;
        const char *part;
    } cases[] = {
        {14, 41, XC_ERR_UNSUPPORTED, "header of 41 bytes"},
        {28, 2, XC_ERR_UNSUPPORTED, "2 bits"},
        {30, 4, XC_ERR_UNSUPPORTED, "JPEG"},
        {30, 9, XC_ERR_UNSUPPORTED, "unknown"},
        {30, 3, XC_ERR_FORMAT, "bit masks with 24"},
        {13, 1, XC_ERR_FORMAT, "ends early"},
        {10, 20, XC_ERR_FORMAT, "begin at byte 20"},
        {18, 0, XC_ERR_FORMAT, "no pixels"},
        {21, 0x80, XC_ERR_LIMIT, "side"},
        {25, 0x80, XC_ERR_LIMIT, "side"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t old = file.bytes[cases[i].at];
        file.bytes[cases[i].at] = cases[i].value;
        must_refuse("a BMP header", file.bytes, file.count, NULL, cases[i].status, cases[i].part);
        file.bytes[cases[i].at] = old;
    }
    free(file.bytes);
    file = corpus_file("bmp/rgb565.bmp");
    file.bytes[55] = 0x50; /* 0x50 of the red mask's second byte: a hole */
    must_refuse("a mask", file.bytes, file.count, NULL, XC_ERR_FORMAT, "hole");
    free(file.bytes);
}

static void pnm_text(void **state)
{
    (void)state;
    must_refuse("PNM", FILE_OF("P2 2 1 70000 1 2"), NULL, XC_ERR_FORMAT, "70000");
    must_refuse("PNM", FILE_OF("P2 2 1 0 1 2"), NULL, XC_ERR_FORMAT, "largest value 0");
    must_refuse("PNM", FILE_OF("P2 2 1 9 1 10"), NULL, XC_ERR_FORMAT, "sample 1");
    must_refuse("PNM", FILE_OF("P2 2 1 9 1 -1"), NULL, XC_ERR_FORMAT, "sample 1");
    must_refuse("PNM", FILE_OF("P2 2 1 9 1 x "), NULL, XC_ERR_FORMAT, "sample 1");
    must_refuse("PNM", FILE_OF("P1 2 1 12"), NULL, XC_ERR_FORMAT, "sample 1");
    must_refuse("PNM", FILE_OF("P5 2 1 9 \1\x0a"), NULL, XC_ERR_FORMAT, "sample 1");
    must_refuse("PNM", FILE_OF("P5 2 x 9 \1\1"), NULL, XC_ERR_FORMAT, "header");
    must_refuse("PNM", FILE_OF("P5 2 # 1 9 \1\1"), NULL, XC_ERR_FORMAT, "header");
}

/* Planted faults: a picture that is read, another status, another sentence. */
static void checker_sees_an_acceptance(void **state)
{
    (void)state;
    struct error err;
    assert_false(refuses(FILE_OF("P5 1 1 255 x"), NULL, XC_OK, "", &err));
    assert_false(refuses(FILE_OF("P5 2 x 9 \1\1"), NULL, XC_ERR_UNSUPPORTED, "header", &err));
    assert_false(refuses(FILE_OF("P5 2 x 9 \1\1"), NULL, XC_ERR_FORMAT, "footer", &err));
    assert_true(refuses(FILE_OF("P5 2 x 9 \1\1"), NULL, XC_ERR_FORMAT, "header", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(recognised_formats),
        cmocka_unit_test(formats_left_out),
        cmocka_unit_test(recognised_variants),
        cmocka_unit_test(bombs),
        cmocka_unit_test(limits_of_the_caller),
        cmocka_unit_test(half_a_jpeg),
        cmocka_unit_test(lost_restart),
        cmocka_unit_test(jpeg_headers),
        cmocka_unit_test(png_chunks),
        cmocka_unit_test(bmp_headers),
        cmocka_unit_test(pnm_text),
        cmocka_unit_test(checker_sees_an_acceptance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
