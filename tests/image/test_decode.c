/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do bytes become the right pixels? Every picture of pictures.tsv against its hash, and every way
 * of damaging one: cut at each byte, one byte changed. What is refused is in test_refuse.c.
 */
#include "image/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static int read_count; /* pictures that the last table gave */

static void check_picture(char *const *f)
{
    if (!corpus_readable(f[0])) return;
    xc_image *image = corpus_image(f[0]);
    char hex[65];
    hash_of_image(image, hex);
    if (image->info.width != (uint32_t)atoi(f[1]) || image->info.height != (uint32_t)atoi(f[2]) ||
        (int)image->info.format != atoi(f[3]) || image->info.orientation != (uint32_t)atoi(f[4]))
        fail_msg("%s: %ux%ux%d orientation %u", f[0], image->info.width, image->info.height,
                 (int)image->info.format, image->info.orientation);
    if (strcmp(hex, f[5]) != 0) fail_msg("%s: pixels have SHA-256 %s", f[0], hex);
    assert_memory_equal(image->info.file_type, f[0], strlen(image->info.file_type));
    image_free(image);
    read_count++;
}

static void pixels_are_right(void **state)
{
    (void)state;
    read_count = 0;
    assert_int_equal(table_each("pictures.tsv", 6, check_picture), 103);
    assert_true(read_count >= 36); /* BMP and PNM are always there */
}

/* Planted fault: the hash sees one changed bit. */
static void checker_sees_a_wrong_pixel(void **state)
{
    (void)state;
    xc_image *image = corpus_image("bmp/rgb24.bmp");
    char before[65], after[65];
    hash_of_image(image, before);
    image->pixels[17] ^= 1;
    hash_of_image(image, after);
    assert_string_not_equal(before, after);
    image_free(image);
}

/* A prefix is refused, or is the whole picture where the bytes cut off are none of its pixels'. The
 * last number of a text file may lose digits and still be a number. */
static void check_prefixes(char *const *f)
{
    if (!corpus_readable(f[0])) return;
    struct blob file = corpus_file(f[0]);
    bool text = file.bytes[0] == 'P' && file.bytes[1] <= '3';
    size_t last = 0;
    for (size_t count = 0; count < file.count; count++) {
        uint8_t *prefix = malloc(count ? count : 1); /* its own block: overruns show */
        assert_non_null(prefix);
        memcpy(prefix, file.bytes, count);
        xc_image *image = NULL;
        struct error err = {XC_OK, ""};
        xc_status status = image_decode(prefix, count, NULL, &image, &err);
        if (status == XC_OK) last = count;
        if (status != XC_OK && (err.text[0] == '\0' || image != NULL))
            fail_msg("%s cut at %zu: refused without a sentence", f[0], count);
        image_free(image);
        free(prefix);
    }
    if (last && (!text || last + 7 < file.count)) fail_msg("%s cut at %zu is read", f[0], last);
    free(file.bytes);
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    table_each("pictures.tsv", 6, check_prefixes);
}

static void check_flips(char *const *f)
{
    if (!corpus_readable(f[0])) return;
    struct blob file = corpus_file(f[0]);
    const uint64_t seed = 7; /* the same flips in every run */
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t word[4];
        rng_words(seed, RNG_TEST, (uint32_t)file.count, 0, i, word);
        size_t at = word[0] % (i % 2 ? file.count : 64);
        uint8_t old = file.bytes[at % file.count];
        file.bytes[at % file.count] = (uint8_t)word[1];
        xc_image_limits limits = XC_IMAGE_LIMITS_INIT;
        limits.max_pixels = 1u << 20;
        xc_image *image = NULL;
        struct error err = {XC_OK, ""};
        xc_status status = image_decode(file.bytes, file.count, &limits, &image, &err);
        assert_true((status == XC_OK) == (image != NULL));
        assert_true((status == XC_OK) == (err.text[0] == '\0'));
        image_free(image);
        file.bytes[at % file.count] = old;
    }
    free(file.bytes);
}

static void changed_bytes_do_no_harm(void **state)
{
    (void)state;
    table_each("pictures.tsv", 6, check_flips);
}

static void exif_is_read_strictly(void **state)
{
    (void)state;
    uint8_t ii[26] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0";
    uint8_t mm[26] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06";
    assert_int_equal(exif_orientation(ii, sizeof ii), 6);
    assert_int_equal(exif_orientation(mm, sizeof mm), 6);
    uint8_t prefixed[32] = "Exif\0";
    memcpy(prefixed + 6, mm, sizeof mm);
    assert_int_equal(exif_orientation(prefixed, sizeof prefixed), 6);
    for (size_t count = 0; count < 22; count++) /* cut before the value ends */
        assert_int_equal(exif_orientation(ii, count), 1);
    static const struct {
        size_t at;
        uint8_t value;
    } faults[] = {
        {0, 'X'},   {2, 43}, {4, 0xff}, {7, 0x80}, {8, 0},
        {10, 0x13}, {12, 4}, {14, 2},   {18, 0},   {18, 9},
    };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint8_t bad[26];
        memcpy(bad, ii, sizeof bad);
        bad[faults[i].at] = faults[i].value;
        assert_int_equal(exif_orientation(bad, sizeof bad), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_right),        cmocka_unit_test(checker_sees_a_wrong_pixel),
        cmocka_unit_test(every_prefix_is_refused), cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(exif_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
