/* SPDX-License-Identifier: Apache-2.0 */
/* Is every weight format known by its first bytes, and everything else unknown? Also: does text
 * from files become printable? */
#include "harness.h"
#include "weight/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "weight/weight.h"

static const struct {
    const char *file;
    enum weight_format format;
} FILES[] = {
    {"keras1.h5", WEIGHT_HDF5},       {"keras3.weights.h5", WEIGHT_HDF5},
    {"tiny.keras", WEIGHT_KERAS_ZIP}, {"deflated.keras", WEIGHT_KERAS_ZIP},
    {"plain.pth", WEIGHT_TORCH_ZIP},  {"wrapped.pth", WEIGHT_TORCH_ZIP},
    {"legacy.pth", WEIGHT_TORCH_OLD},
};

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char path[1024];
        struct file_view view;
        snprintf(path, sizeof path, "%s/tests/weight/fixtures/%s", XC_SOURCE_DIR, FILES[i].file);
        assert_int_equal(file_read(path, SIZE_MAX, &view, NULL), XC_OK);
        assert_int_equal(weight_probe(view.data, view.size), FILES[i].format);
        size_t first = view.size < 4096 ? view.size : 4096;
        assert_int_equal(weight_probe(view.data, first), FILES[i].format);
        for (size_t cut = 0; cut < first; cut++) { /* in memory of exactly that size */
            uint8_t *part = malloc(cut ? cut : 1);
            memcpy(part, view.data, cut);
            enum weight_format format = weight_probe(part, cut);
            assert_true(format == WEIGHT_UNKNOWN || format == FILES[i].format);
            free(part);
        }
        file_release(&view);
    }
}

static void check(const char *bytes, size_t size, enum weight_format format)
{
    char *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    assert_int_equal(weight_probe(exact, size), format);
    free(exact);
}
#define CHECK(bytes, format) check(bytes, sizeof bytes - 1, format)

static void test_bytes(void **state)
{
    (void)state;
    CHECK("", WEIGHT_UNKNOWN);
    CHECK("\x02\0\0\0\0\0\0\0{}", WEIGHT_SAFETENSORS);
    CHECK("\x02\0\0\0\0\0\0\0[]", WEIGHT_UNKNOWN);
    CHECK("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{", WEIGHT_UNKNOWN);
    CHECK(" [\n {\r\t\"weights\":[]", WEIGHT_FACEAPI);
    CHECK("[{\"paths\":[]", WEIGHT_FACEAPI);
    CHECK("[{\"other\":[]", WEIGHT_UNKNOWN);
    CHECK("[[", WEIGHT_UNKNOWN);
    CHECK("{\"weights\":[]", WEIGHT_UNKNOWN);
    CHECK("\x80\x02}q\0.", WEIGHT_UNKNOWN); /* a bare pickle */
    CHECK("PK\3\4", WEIGHT_UNKNOWN);
    char shifted[1024] = {0}; /* HDF5 behind a user block */
    memcpy(shifted + 512, "\x89HDF\r\n\x1A\n", 8);
    check(shifted, sizeof shifted, WEIGHT_HDF5);
    check(shifted + 1, sizeof shifted - 1, WEIGHT_UNKNOWN);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = WEIGHT_UNKNOWN; i <= WEIGHT_FACEAPI; i++)
        for (int j = i + 1; j <= WEIGHT_FACEAPI; j++)
            assert_string_not_equal(weight_format_name((enum weight_format)i),
                                    weight_format_name((enum weight_format)j));
}

static void test_printable(void **state)
{
    (void)state;
    static const char *const PAIRS[][2] = {
        {"", ""},
        {"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
        {"a\x1B[2J\x7F\t", "a?[2J??"},
        {"\xC2\x9B"
         "1m",
         "??1m"},                     /* C1 control */
        {"\xC0\xAF", "??"},           /* overlong */
        {"\xED\xA0\x80", "???"},      /* surrogate */
        {"\xF4\x90\x80\x80", "????"}, /* above U+10FFFF */
        {"\xE2\x82", "??"},           /* cut */
        {"\xFFok", "?ok"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        char *text = strdup(PAIRS[i][0]);
        text_printable(text);
        assert_string_equal(text, PAIRS[i][1]);
        free(text);
    }
    text_printable(NULL);
}

RUN(cmocka_unit_test(test_files), cmocka_unit_test(test_bytes), cmocka_unit_test(test_names),
    cmocka_unit_test(test_printable))
