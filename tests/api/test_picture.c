/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that a program makes: do they come back as they were written, upright, resized? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model/setup.h"

#ifdef XC_PNG
enum { PNG_STATUS = XC_OK };
#else
enum { PNG_STATUS = XC_ERR_UNSUPPORTED };
#endif
#ifdef XC_JPEG
enum { JPEG_STATUS = XC_OK };
#else
enum { JPEG_STATUS = XC_ERR_UNSUPPORTED };
#endif

static uint8_t pixels[7 * 5 * 3];

static xc_image *wrapped(xc_pixel_format format)
{
    xc_image *image = NULL;
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    CHECK(xc_image_wrap(pixels, 7, 5, 7 * (int)format, format, &image));
    return image;
}

static void same_pixels(const xc_image *a, const xc_image *b)
{
    xc_image_info of_a, of_b;
    xc_image_get_info(a, &of_a);
    xc_image_get_info(b, &of_b);
    assert_int_equal(of_a.width, of_b.width);
    assert_int_equal(of_a.height, of_b.height);
    assert_int_equal(of_a.format, of_b.format);
    for (uint32_t y = 0; y < of_a.height; y++)
        assert_memory_equal(xc_image_row(a, y), xc_image_row(b, y), of_a.width * of_a.format);
}

static void test_png(void **state)
{
    (void)state;
    for (int format = 1; format <= 3; format += 2) {
        xc_image *image = wrapped((xc_pixel_format)format), *back = NULL;
        uint8_t *bytes = NULL;
        size_t count = 0;
        const xc_status status = xc_image_encode(image, XC_CODEC_PNG, 0, &bytes, &count);
        assert_int_equal(status, PNG_STATUS);
        if (status == XC_OK) {
            CHECK(xc_image_decode(bytes, count, NULL, &back));
            same_pixels(image, back);
        }
        xc_bytes_free(bytes);
        xc_image_free(back);
        xc_image_free(image);
    }
}

/* A slope of grey whose first quarter is red: neither channels nor rows may be mixed up. */
static xc_image *slope(uint32_t w, uint32_t h)
{
    xc_image *image = NULL;
    CHECK(xc_image_new(w, h, XC_RGB8, &image));
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++) {
            uint8_t *p = xc_image_pixels(image, y) + 3 * (size_t)x;
            const uint8_t grey = (uint8_t)(40 + 3 * x + y);
            const bool red = x < w / 2 && y < h / 2;
            p[0] = red ? 200 : grey;
            p[1] = p[2] = red ? 20 : grey;
        }
    return image;
}

static int largest_difference(const xc_image *a, const xc_image *b, uint32_t w, uint32_t h)
{
    int most = 0;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t i = 0; i < 3 * w; i++) {
            const int d = abs(xc_image_row(a, y)[i] - xc_image_row(b, y)[i]);
            if (d > most) most = d;
        }
    return most;
}

/* Rows that lie from the last to the first are the rows of the picture upside down. */
static void test_upside_down(void **state)
{
    (void)state;
    enum { W = 48, H = 32 };
    xc_image *image = slope(W, H), *turned = NULL, *copy = NULL;
    uint8_t *bytes[2] = {NULL, NULL};
    size_t count[2];
    CHECK(xc_image_wrap(xc_image_row(image, H - 1), W, H, -3 * W, XC_RGB8, &turned));
    CHECK(xc_image_new(W, H, XC_RGB8, &copy));
    for (uint32_t y = 0; y < H; y++)
        memcpy(xc_image_pixels(copy, y), xc_image_row(image, H - 1 - y), 3 * (size_t)W);
    for (int codec = XC_CODEC_PNG; codec <= XC_CODEC_JPEG; codec++) {
        const xc_status status = codec == XC_CODEC_PNG ? PNG_STATUS : JPEG_STATUS;
        assert_int_equal(xc_image_encode(turned, (xc_codec)codec, 95, &bytes[0], &count[0]),
                         status);
        assert_int_equal(xc_image_encode(copy, (xc_codec)codec, 95, &bytes[1], &count[1]), status);
        if (status == XC_OK) {
            assert_int_equal(count[0], count[1]);
            assert_memory_equal(bytes[0], bytes[1], count[0]);
        }
        xc_bytes_free(bytes[0]);
        xc_bytes_free(bytes[1]);
    }
    xc_image_free(turned);
    xc_image_free(copy);
    xc_image_free(image);
}

static void test_jpeg(void **state)
{
    (void)state;
    enum { W = 48, H = 32 };
    xc_image *image = slope(W, H), *back = NULL;
    uint8_t *bytes = NULL;
    size_t count = 0, small = 0;
    const xc_status status = xc_image_encode(image, XC_CODEC_JPEG, 95, &bytes, &count);
    assert_int_equal(status, JPEG_STATUS);
    if (status == XC_OK) {
        CHECK(xc_image_decode(bytes, count, NULL, &back));
        xc_image_info info;
        xc_image_get_info(back, &info);
        assert_int_equal(info.width, W);
        assert_int_equal(info.height, H);
        assert_true(largest_difference(image, back, W, H) <= 24);
        xc_image_free(back);
        xc_bytes_free(bytes);
        CHECK(xc_image_encode(image, XC_CODEC_JPEG, 10, &bytes, &small));
        assert_true(small < count);
        xc_bytes_free(bytes);
        REFUSED(xc_image_encode(image, XC_CODEC_JPEG, 0, &bytes, &count), XC_ERR_ARGUMENT,
                "quality 0, expected 1..100");
        assert_null(bytes);
    }
    xc_image_free(image);
}

/* Orientation 6: the stored left column, read upwards, is the upright top row. */
static void test_upright(void **state)
{
    (void)state;
    xc_image *image = NULL, *upright = NULL;
    xc_image_info info;
    const char *path = XC_SOURCE_DIR "/tests/fuzz/corpus/png/exif6.png";
    const xc_status status = xc_image_load(path, NULL, &image);
    assert_int_equal(status, PNG_STATUS);
    if (status != XC_OK) return;
    CHECK(xc_image_upright(image, &upright));
    xc_image_get_info(image, &info);
    assert_int_equal(info.orientation, 6);
    const uint32_t w = info.width, h = info.height, size = info.format;
    xc_image_get_info(upright, &info);
    assert_int_equal(info.orientation, 1);
    assert_int_equal(info.width, h);
    assert_int_equal(info.height, w);
    for (uint32_t y = 0; y < w; y++)
        for (uint32_t x = 0; x < h; x++)
            assert_memory_equal(xc_image_row(upright, y) + x * size,
                                xc_image_row(image, h - 1 - x) + y * size, size);
    xc_image_free(upright);
    xc_image_free(image);
}

static void test_resize(void **state)
{
    (void)state;
    xc_image *image = wrapped(XC_RGB8), *out = NULL;
    CHECK(xc_image_resize(image, 7, 5, XC_FILTER_LANCZOS, &out));
    same_pixels(image, out);
    xc_image_free(out);
    xc_image *two = NULL; /* a box of two is their mean, rounded */
    CHECK(xc_image_resize(image, 2, 1, XC_FILTER_NEAREST, &two));
    const uint8_t *a = xc_image_row(two, 0);
    CHECK(xc_image_resize(two, 1, 1, XC_FILTER_BOX, &out));
    for (int c = 0; c < 3; c++)
        assert_int_equal(xc_image_row(out, 0)[c], (a[c] + a[3 + c] + 1) / 2);
    xc_image_free(two);
    xc_image_free(out);
    REFUSED(xc_image_resize(image, 0, 5, XC_FILTER_BOX, &out), XC_ERR_ARGUMENT, "0x5 pixels");
    REFUSED(xc_image_resize(image, 4, 16385, XC_FILTER_BOX, &out), XC_ERR_ARGUMENT, "1..16384");
    REFUSED(xc_image_resize(image, 4, 4, XC_FILTER_TF_BILINEAR, &out), XC_ERR_ARGUMENT, "filter");
    assert_null(out);
    xc_image_free(image);
}

static void test_text(void **state)
{
    (void)state;
    static const uint8_t red[3] = {255, 0, 0};
    xc_image *mine = NULL, *image = wrapped(XC_RGB8);
    CHECK(xc_image_new(20, 10, XC_RGB8, &mine));
    CHECK(xc_image_text(mine, 1, 1, "I", red));
    size_t ink = 0;
    for (uint32_t y = 0; y < 10; y++)
        for (uint32_t x = 0; x < 20; x++) ink += xc_image_row(mine, y)[3 * x] == 255;
    assert_int_equal(ink, 7 + 2 * 2); /* a stem with two serifs */
    CHECK(xc_image_text(mine, INT32_MAX, INT32_MIN, "I", red));
    REFUSED(xc_image_text(image, 0, 0, "I", red), XC_ERR_ARGUMENT, "wrapped");
    assert_null(xc_image_pixels(image, 0));
    assert_null(xc_image_pixels(mine, 10));
    xc_image_free(mine);
    xc_image_free(image);
}

static void test_write(void **state)
{
    (void)state;
    char path[] = "/tmp/xception-write-XXXXXX", text[4] = "";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    CHECK(xc_file_write(path, "new", 3));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fread(text, 1, 4, f), 3);
    assert_memory_equal(text, "new", 3);
    fclose(f);
    close(fd);
    remove(path);
    REFUSED(xc_file_write("/nowhere/x", "new", 3), XC_ERR_IO, "/nowhere/x");
}

RUN(cmocka_unit_test(test_png), cmocka_unit_test(test_jpeg), cmocka_unit_test(test_upside_down),
    cmocka_unit_test(test_upright), cmocka_unit_test(test_resize), cmocka_unit_test(test_text),
    cmocka_unit_test(test_write))
