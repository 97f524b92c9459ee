/* SPDX-License-Identifier: Apache-2.0 */
/* Is the sentence whole, cut between characters, and never lost? */
#include "base/status.h"

#include <errno.h>
#include <string.h>

#include "harness.h"

static void test_sentence(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(fail(&err, XC_ERR_SHAPE, "%s: shape %dx%d", "conv", 3, 4), XC_ERR_SHAPE);
    assert_int_equal(err.status, XC_ERR_SHAPE);
    assert_string_equal(err.text, "conv: shape 3x4");
    error_prefix(&err, "m.safetensors");
    assert_string_equal(err.text, "m.safetensors: conv: shape 3x4");
    assert_int_equal(err.status, XC_ERR_SHAPE);
    error_prefix(NULL, "nowhere");
    assert_int_equal(fail(NULL, XC_ERR_IO, "%s", "unheard"), XC_ERR_IO);
}

/* The fact behind a long path is not cut off; no character is, wherever the cuts fall. */
static void check_long_path(int before, int behind)
{
    struct error err;
    char path[900] = "/";
    while (before-- > 0) strcat(path, "x");
    while (strlen(path) < 870) strcat(path, "h\xC3\xA9/");
    while (behind-- > 0) strcat(path, "x");
    strcat(path, "end.jpg");
    errno = ENOENT;
    assert_int_equal(fail_errno(&err, path, "cannot open"), XC_ERR_IO);
    assert_non_null(strstr(err.text, " ... "));
    assert_non_null(strstr(err.text, "end.jpg: cannot open: No such file or directory"));
    for (const char *c = err.text; *c; c++) {
        assert_true((*c == '\xC3') == (c[1] == '\xA9'));
        if (*c == 'h') assert_true(c[1] == '\xC3' || c[1] == ' ');
    }
    assert_true(err.text[0] != '\xA9');
}

static void test_long_path(void **state)
{
    (void)state;
    for (int before = 0; before < 4; before++)
        for (int behind = 0; behind < 4; behind++) check_long_path(before, behind);
}

static void test_errno(void **state)
{
    (void)state;
    struct error err;
    errno = ENOENT;
    assert_int_equal(fail_errno(&err, "a.jpg", "cannot open"), XC_ERR_IO);
    assert_string_equal(err.text, "a.jpg: cannot open: No such file or directory");
    errno = ENOSPC;
    assert_int_equal(fail_errno(&err, "m", "cannot write"), XC_ERR_SPACE);
    errno = EDQUOT;
    assert_int_equal(fail_errno(&err, "m", "cannot write"), XC_ERR_SPACE);
    assert_int_equal(fail_memory(&err, 12), XC_ERR_MEMORY);
}

/* Fills up to the last byte but `before`, then a character of n bytes across the end. */
static void check_cut(const char *character, size_t before)
{
    struct error err;
    char filler[ERROR_TEXT_SIZE];
    size_t kept = ERROR_TEXT_SIZE - 1 - before;
    memset(filler, 'x', kept);
    filler[kept] = '\0';
    assert_int_equal(fail(&err, XC_ERR_IO, "%s%s%s", filler, character, "more"), XC_ERR_IO);
    size_t whole = before >= strlen(character) ? strlen(character) : 0;
    size_t rest = whole ? before - whole : 0;
    assert_int_equal(strlen(err.text), kept + whole + rest);
    assert_memory_equal(err.text + kept, character, whole);
}

static void test_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x88"};
    for (size_t i = 0; i < 3; i++)
        for (size_t before = 0; before <= 5; before++) check_cut(characters[i], before);
}

static void test_long_prefix(void **state)
{
    (void)state;
    struct error err;
    char place[2 * ERROR_TEXT_SIZE];
    memset(place, 'p', sizeof place - 1);
    place[sizeof place - 1] = '\0';
    assert_int_equal(fail(&err, XC_ERR_IO, "sentence"), XC_ERR_IO);
    error_prefix(&err, place);
    assert_non_null(strstr(err.text, "ppp ... ppp"));
    assert_string_equal(strrchr(err.text, 'p') + 1, ": sentence");
}

RUN(cmocka_unit_test(test_sentence), cmocka_unit_test(test_long_path), cmocka_unit_test(test_errno),
    cmocka_unit_test(test_cut_between_characters), cmocka_unit_test(test_long_prefix))
