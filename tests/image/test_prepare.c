/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do pixels become the tensor of the training code? recipes.tsv holds hashes of what the steps of
 * Keras, torchvision and face-api give (tests/oracle/resize_pillow.py); turning, alpha, colours,
 * padding and cropping are checked by hand.
 */
#include "image/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/canvas.h"

static int prepared; /* tensors that the last table gave */

static void check_row(char *const *f)
{
    if (!corpus_readable(f[0])) return;
    xc_image *image = corpus_image(f[0]);
    xc_preprocess p;
    assert_int_equal(preprocess_named(f[1], &p, NULL), XC_OK);
    int h = atoi(f[2]), w = atoi(f[3]), channels = p.colour == XC_COLOUR_GREY ? 1 : 3;
    size_t count = (size_t)h * (size_t)w * (size_t)channels;
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    assert_int_equal(image_prepare(image, &p, h, w, channels, out, NULL), XC_OK);
    char hex[65];
    hash_of(out, count * sizeof *out, hex);
    if (strcmp(hex, f[4]) != 0) fail_msg("%s: %s at %dx%d: SHA-256 %s", f[0], f[1], h, w, hex);
    free(out);
    image_free(image);
    prepared++;
}

static void recipes_are_exact(void **state)
{
    (void)state;
    prepared = 0;
    assert_int_equal(table_each("recipes.tsv", 5, check_row), 143);
    assert_true(prepared > 0);
}

/* A picture of the caller's pixels, upright. */
static xc_image wrap(const uint8_t *pixels, uint32_t w, uint32_t h, xc_pixel_format format)
{
    return (xc_image){.info = {w, h, format, 1, "memory"},
                      .base = pixels,
                      .stride = (ptrdiff_t)w * (ptrdiff_t)format};
}

/* Nothing but a stretch to bytes as floats. */
static xc_preprocess plain(void)
{
    return (xc_preprocess){.size = sizeof(xc_preprocess),
                           .crop = 1.0,
                           .divisor = 1.0f,
                           .std = {1.0f, 1.0f, 1.0f, 1.0f}};
}

static void must_give(const xc_image *image, const xc_preprocess *p, int h, int w, int channels,
                      const float *expected)
{
    float out[64];
    struct error err = {XC_OK, ""};
    if (image_prepare(image, p, h, w, channels, out, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < h * w * channels; i++)
        if (out[i] != expected[i])
            fail_msg("value %d is %g, expected %g", i, (double)out[i], (double)expected[i]);
}

/* 3x2 stored pixels seen upright in each of the eight ways:  1 2 3 / 4 5 6 */
static void orientations_turn(void **state)
{
    (void)state;
    static const uint8_t pixels[6] = {1, 2, 3, 4, 5, 6};
    static const float upright[9][6] = {
        {0},
        {1, 2, 3, 4, 5, 6},
        {3, 2, 1, 6, 5, 4},
        {6, 5, 4, 3, 2, 1},
        {4, 5, 6, 1, 2, 3},
        {1, 4, 2, 5, 3, 6},
        {4, 1, 5, 2, 6, 3},
        {6, 3, 5, 2, 4, 1},
        {3, 6, 2, 5, 1, 4},
    };
    xc_image image = wrap(pixels, 3, 2, XC_GREY8);
    xc_preprocess p = plain();
    p.colour = XC_COLOUR_GREY;
    for (uint32_t o = 1; o <= 8; o++) {
        image.info.orientation = o;
        p.apply_exif = true;
        must_give(&image, &p, o > 4 ? 3 : 2, o > 4 ? 2 : 3, 1, upright[o]);
        p.apply_exif = false;
        must_give(&image, &p, 2, 3, 1, upright[1]);
    }
}

/* The eight photographs of one scene, each stored another way, are one tensor. */
static void orientations_of_files_agree(void **state)
{
    (void)state;
    if (!corpus_readable("jpeg/")) {
        print_message("skipped: no JPEG in this build\n");
        skip();
    }
    xc_preprocess p = plain();
    p.apply_exif = true;
    float out[8][16 * 24 * 3];
    for (int i = 0; i < 8; i++) {
        char name[32];
        snprintf(name, sizeof name, "jpeg/exif%d.jpg", i + 1);
        xc_image *image = corpus_image(name);
        assert_int_equal(image->info.orientation, i + 1);
        assert_int_equal(image_prepare(image, &p, 16, 24, 3, out[i], NULL), XC_OK);
        image_free(image);
    }
    for (int i = 1; i < 8; i++) { /* JPEG is not the same picture turned, but nearly */
        double sum = 0;
        for (int k = 0; k < 16 * 24 * 3; k++) sum += fabs((double)out[i][k] - (double)out[0][k]);
        if (sum / (16 * 24 * 3) > 12) fail_msg("orientation %d is %g off", i + 1, sum / 1152);
    }
}

static void alpha_and_colours(void **state)
{
    (void)state;
    static const uint8_t pixel[4] = {200, 100, 50, 128};
    xc_image rgba = wrap(pixel, 1, 1, XC_RGBA8), rgb = wrap(pixel, 1, 1, XC_RGB8);
    xc_image grey = wrap(pixel, 1, 1, XC_GREY8);
    xc_preprocess p = plain();
    p.drop_alpha = true;
    must_give(&rgba, &p, 1, 1, 3, (float[]){200, 100, 50});
    p.drop_alpha = false;
    p.background[0] = 10;
    must_give(&rgba, &p, 1, 1, 3, (float[]){105, 50, 25}); /* 105.37, 50.196, 25.098 */
    p.colour = XC_COLOUR_BGR;
    must_give(&rgb, &p, 1, 1, 3, (float[]){50, 100, 200});
    must_give(&grey, &p, 1, 1, 3, (float[]){200, 200, 200});
    p.colour = XC_COLOUR_GREY;
    must_give(&rgb, &p, 1, 1, 1, (float[]){124}); /* 0.299 R + 0.587 G + 0.114 B = 124.2 */
    must_give(&grey, &p, 1, 1, 1, (float[]){200});
    static const uint8_t edge[3] = {100, 105, 219}; /* 117 by 55 / 65536 */
    xc_image tight = wrap(edge, 1, 1, XC_RGB8);
    must_give(&tight, &p, 1, 1, 1, (float[]){117});
    static const uint8_t faint[4] = {128, 128, 128, 1}; /* 128 / 255 over black rounds up */
    xc_image veil = wrap(faint, 1, 1, XC_RGBA8);
    p.background[0] = 0;
    must_give(&veil, &p, 1, 1, 1, (float[]){1});
}

/* ((x / divisor) - mean) / std, and channel c has mean[c] in the network's order of colours. */
static void scale_is_in_order(void **state)
{
    (void)state;
    static const uint8_t pixel[3] = {10, 20, 30};
    xc_image image = wrap(pixel, 1, 1, XC_RGB8);
    xc_preprocess p = plain();
    p.colour = XC_COLOUR_BGR;
    p.divisor = 3.0f;
    for (int c = 0; c < 3; c++) {
        p.mean[c] = 0.1f * (float)(c + 1);
        p.std[c] = 0.7f + (float)c;
    }
    float expected[3];
    for (int c = 0; c < 3; c++) {
        volatile float x = (float)pixel[2 - c] / p.divisor; /* each step rounds to float32 */
        volatile float y = x - p.mean[c];
        expected[c] = y / p.std[c];
    }
    must_give(&image, &p, 1, 1, 3, expected);
}

static void padding_is_centred(void **state)
{
    (void)state;
    static const uint8_t pixels[6] = {1, 2, 3, 4, 5, 6};
    xc_preprocess p = plain();
    p.fit = XC_FIT_PAD;
    p.colour = XC_COLOUR_GREY;
    p.pad[0] = p.pad[1] = p.pad[2] = 9;
    xc_image wide = wrap(pixels, 3, 2, XC_GREY8), tall = wrap(pixels, 1, 4, XC_GREY8);
    must_give(&wide, &p, 3, 3, 1, (float[]){1, 2, 3, 4, 5, 6, 9, 9, 9}); /* the odd row below */
    must_give(&tall, &p, 4, 4, 1, (float[]){9, 1, 9, 9, 9, 2, 9, 9, 9, 3, 9, 9, 9, 4, 9, 9});
    must_give(&wide, &p, 2, 5, 1, (float[]){9, 1, 2, 3, 9, 9, 4, 5, 6, 9});
    xc_image flat = wrap(pixels, 3, 1, XC_GREY8); /* 3x1.5 for 2x1: a row is added */
    must_give(&flat, &p, 1, 2, 1, (float[]){9, 9});
    p.filter = XC_FILTER_TF_BILINEAR;
    must_give(&wide, &p, 3, 3, 1, (float[]){1, 2, 3, 4, 5, 6, 9, 9, 9});
}

/* Crops of pictures so narrow that the resized whole would fill the memory. */
static void narrow_pictures(void **state)
{
    (void)state;
    uint8_t *line = malloc(16384 * 3);
    float *out = malloc(299 * 299 * 3 * sizeof *out);
    assert_true(line && out);
    memset(line, 77, 16384 * 3);
    for (int i = 0; preprocess_name(i); i++) {
        xc_preprocess p;
        assert_int_equal(preprocess_named(preprocess_name(i), &p, NULL), XC_OK);
        p.colour = XC_COLOUR_RGB;
        xc_image wide = wrap(line, 16384, 1, XC_RGB8), tall = wrap(line, 1, 16384, XC_RGB8);
        assert_int_equal(image_prepare(&wide, &p, 299, 299, 3, out, NULL), XC_OK);
        assert_int_equal(image_prepare(&tall, &p, 299, 299, 3, out, NULL), XC_OK);
        float value = (77.0f / p.divisor - p.mean[1]) / p.std[1];
        if (p.fit != XC_FIT_PAD && out[150 * 299 * 3 + 1] != value)
            fail_msg("%s: %g, expected %g", preprocess_name(i), (double)out[1], (double)value);
    }
    xc_preprocess p = plain();
    struct error err = {XC_OK, ""};
    xc_image wide = wrap(line, 16384, 1, XC_RGB8);
    p.fit = XC_FIT_CROP;
    p.crop = 0.01;
    assert_int_equal(image_prepare(&wide, &p, 299, 299, 3, out, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "too narrow"));
    p.crop = 1e-12;
    assert_int_equal(image_prepare(&wide, &p, 299, 299, 3, out, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "too small"));
    p.fit = XC_FIT_PAD;
    assert_int_equal(image_prepare(&wide, &p, 299 * 299, 1, 3, out, &err), XC_ERR_LIMIT);
    assert_non_null(strstr(err.text, "too narrow"));
    free(out);
    free(line);
}

static void recipes_and_words(void **state)
{
    (void)state;
    xc_preprocess p;
    struct error err = {XC_OK, ""};
    int i = 0;
    for (; preprocess_name(i); i++) {
        assert_int_equal(preprocess_named(preprocess_name(i), &p, &err), XC_OK);
        assert_int_equal(preprocess_check(&p, &err), XC_OK);
        assert_int_equal(p.size, sizeof p);
    }
    assert_true(i >= 8);
    assert_null(preprocess_name(-1));
    assert_int_equal(preprocess_named("kerass", &p, &err), XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "kerass"));
    assert_non_null(strstr(err.text, "keras, keras-dataset, "));
    xc_fit fit;
    xc_filter filter;
    xc_colour colour;
    for (i = 0; fit_name((xc_fit)i); i++)
        assert_true(fit_parse(fit_name((xc_fit)i), &fit) && (int)fit == i);
    assert_int_equal(i, 3);
    for (i = 0; filter_name((xc_filter)i); i++)
        assert_true(filter_parse(filter_name((xc_filter)i), &filter) && (int)filter == i);
    assert_int_equal(i, 7);
    for (i = 0; colour_name((xc_colour)i); i++)
        assert_true(colour_parse(colour_name((xc_colour)i), &colour) && (int)colour == i);
    assert_int_equal(i, 3);
    assert_false(fit_parse("fill", &fit) || filter_parse("", &filter) ||
                 colour_parse("RGB", &colour));
}

static void must_fail_check(xc_preprocess p, const char *part)
{
    struct error err = {XC_OK, ""};
    assert_int_equal(preprocess_check(&p, &err), XC_ERR_ARGUMENT);
    if (!strstr(err.text, part)) fail_msg("\"%s\" does not say %s", err.text, part);
}

static void bad_preprocessing(void **state)
{
    (void)state;
    xc_preprocess p;
#define FAULT(field, value, part)                                                                  \
    do {                                                                                           \
        p = plain();                                                                               \
        p.field = (value);                                                                         \
        must_fail_check(p, part);                                                                  \
    } while (0)
    FAULT(fit, (xc_fit)3, "fit 3");
    FAULT(filter, (xc_filter)7, "filter 7");
    FAULT(colour, (xc_colour)9, "colour 9");
    FAULT(crop, 0.0, "crop 0");
    FAULT(crop, 1.5, "crop 1.5");
    FAULT(crop, NAN, "crop nan");
    FAULT(divisor, 0.0f, "divisor");
    FAULT(divisor, INFINITY, "divisor");
    FAULT(mean[2], NAN, "mean[2]");
    FAULT(std[0], 0.0f, "std[0]");
    FAULT(std[1], NAN, "std[1]");
#undef FAULT
    static const uint8_t pixel[3] = {0};
    xc_image image = wrap(pixel, 1, 1, XC_RGB8);
    float out[3];
    struct error err = {XC_OK, ""};
    p = plain();
    assert_int_equal(image_prepare(&image, &p, 1, 1, 1, out, &err), XC_ERR_SHAPE);
    assert_int_equal(image_prepare(&image, &p, 0, 1, 3, out, &err), XC_ERR_ARGUMENT);
    p.crop = 2;
    assert_int_equal(image_prepare(&image, &p, 1, 1, 3, out, &err), XC_ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_are_exact),
        cmocka_unit_test(orientations_turn),
        cmocka_unit_test(orientations_of_files_agree),
        cmocka_unit_test(alpha_and_colours),
        cmocka_unit_test(scale_is_in_order),
        cmocka_unit_test(padding_is_centred),
        cmocka_unit_test(narrow_pictures),
        cmocka_unit_test(recipes_and_words),
        cmocka_unit_test(bad_preprocessing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
