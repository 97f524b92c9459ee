/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a resize Pillow's, byte for byte? resize.tsv holds hashes of what Pillow made of a fixed
 * pattern; a window must be the same part of the whole. The random comparison with Pillow itself is
 * tests/oracle/resize_pillow.py.
 */
#include "image/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "image/resize.h"

/* The picture of make_data.py: byte i is the top byte of i * 2654435761. */
static uint8_t *pattern(int w, int h, int channels)
{
    size_t count = (size_t)w * (size_t)h * (size_t)channels;
    uint8_t *p = malloc(count);
    assert_non_null(p);
    for (size_t i = 0; i < count; i++) p[i] = (uint8_t)((uint32_t)i * 2654435761u >> 24);
    return p;
}

static void check_row(char *const *f)
{
    int w = atoi(f[0]), h = atoi(f[1]), channels = atoi(f[2]), ow = atoi(f[4]), oh = atoi(f[5]);
    size_t values = (size_t)ow * (size_t)oh * (size_t)channels;
    xc_filter filter;
    assert_true(filter_parse(f[3], &filter));
    uint8_t *in = pattern(w, h, channels);
    float *out = malloc(values * sizeof *out);
    assert_non_null(out);
    char hex[65];
    if (filter == XC_FILTER_TF_BILINEAR) {
        resize_tf_bilinear(in, w, h, (ptrdiff_t)w * channels, channels, ow, oh, out);
        hash_of(out, values * sizeof *out, hex);
    } else {
        assert_int_equal(resize_u8(in, w, h, (ptrdiff_t)w * channels, channels, filter, ow, oh,
                                   (uint8_t *)out, NULL),
                         XC_OK);
        hash_of(out, values, hex);
    }
    if (strcmp(hex, f[6]) != 0)
        fail_msg("%dx%dx%d to %dx%d %s: SHA-256 %s", w, h, channels, ow, oh, f[3], hex);
    free(out);
    free(in);
}

static void bytes_are_pillows(void **state)
{
    (void)state;
    assert_int_equal(table_each("resize.tsv", 7, check_row), 252);
}

/* By hand: the mean of two, and the nearest of an accumulated step. */
static void small_cases(void **state)
{
    (void)state;
    const uint8_t two[2] = {10, 21};
    uint8_t out[4];
    assert_int_equal(resize_u8(two, 2, 1, 2, 1, XC_FILTER_BOX, 1, 1, out, NULL), XC_OK);
    assert_int_equal(out[0], 16); /* 15.5 rounds up */
    assert_int_equal(resize_u8(two, 2, 1, 2, 1, XC_FILTER_NEAREST, 4, 1, out, NULL), XC_OK);
    assert_memory_equal(out, ((uint8_t[]){10, 10, 21, 21}), 4);
    assert_int_equal(resize_u8(two, 2, 1, 2, 1, XC_FILTER_BILINEAR, 4, 1, out, NULL), XC_OK);
    assert_memory_equal(out, ((uint8_t[]){10, 13, 18, 21}), 4);
    float real[4];
    resize_tf_bilinear(two, 2, 1, 2, 1, 4, 1, real);
    assert_true(real[0] == 10.0f && real[1] == 12.75f && real[2] == 18.25f && real[3] == 21.0f);
}

/* A stride that goes up the picture gives it upside down. */
static void strides_may_be_negative(void **state)
{
    (void)state;
    uint8_t *in = pattern(5, 4, 3), up[60], down[60];
    assert_int_equal(resize_u8(in, 5, 4, 15, 3, XC_FILTER_NEAREST, 5, 4, down, NULL), XC_OK);
    assert_int_equal(resize_u8(in + 45, 5, 4, -15, 3, XC_FILTER_NEAREST, 5, 4, up, NULL), XC_OK);
    assert_memory_equal(down, in, 60);
    for (int y = 0; y < 4; y++) assert_memory_equal(up + 15 * y, in + 45 - 15 * y, 15);
    free(in);
}

static int draw(const uint32_t word[4], int i, int most)
{
    return 1 + (int)(word[i] % (uint32_t)most);
}

static void check_window(uint64_t seed, uint32_t round)
{
    uint32_t size[4], place[4];
    rng_words(seed, RNG_TEST, round, 0, 0, size);
    rng_words(seed, RNG_TEST, round, 0, 1, place);
    int w = draw(size, 0, 40), h = draw(size, 1, 40), ow = draw(size, 2, 40),
        oh = draw(size, 3, 40);
    struct window win = {.w = draw(place, 0, ow), .h = draw(place, 1, oh)};
    win.x = (int)(place[2] % (uint32_t)(ow - win.w + 1));
    win.y = (int)(place[3] % (uint32_t)(oh - win.h + 1));
    uint8_t *in = pattern(w, h, 3), whole[4800], part[4800];
    struct plain_rows rows = plain_rows_of(in, w, h, 3 * w, 3);
    for (int f = XC_FILTER_NEAREST; f <= XC_FILTER_LANCZOS; f++) {
        xc_filter filter = (xc_filter)f;
        assert_int_equal(resize_u8(in, w, h, 3 * w, 3, filter, ow, oh, whole, NULL), XC_OK);
        assert_int_equal(resize_window(&rows.rows, filter, ow, oh, win, part, NULL), XC_OK);
        for (int y = 0; y < win.h; y++)
            if (memcmp(part + y * win.w * 3, whole + ((win.y + y) * ow + win.x) * 3,
                       (size_t)win.w * 3) != 0)
                fail_msg("seed %llu round %u: %s", (unsigned long long)seed, round,
                         filter_name(filter));
    }
    free(in);
}

static void a_window_is_part_of_the_whole(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) check_window(20, round);
}

static void bad_arguments(void **state)
{
    (void)state;
    uint8_t pixel = 0;
    struct error err = {XC_OK, ""};
    assert_int_equal(resize_u8(&pixel, 0, 1, 1, 1, XC_FILTER_BOX, 1, 1, &pixel, &err),
                     XC_ERR_ARGUMENT);
    assert_int_equal(resize_u8(&pixel, 1, 1, 1, 1, XC_FILTER_BOX, 1, -1, &pixel, &err),
                     XC_ERR_ARGUMENT);
    assert_int_equal(resize_u8(&pixel, 1, 1, 1, 1, XC_FILTER_TF_BILINEAR, 1, 1, &pixel, &err),
                     XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "filter"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_pillows),       cmocka_unit_test(small_cases),
        cmocka_unit_test(strides_may_be_negative), cmocka_unit_test(a_window_is_part_of_the_whole),
        cmocka_unit_test(bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
