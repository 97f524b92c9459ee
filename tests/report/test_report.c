/* SPDX-License-Identifier: Apache-2.0 */
/* Is a page safe whatever the labels are, complete in itself, and are drawings free of nonsense? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chart.h"
#include "harness.h"

static void expect(struct page *p, const char *text)
{
    assert_false(p->failed);
    assert_string_equal(p->at, text);
    page_free(p);
}

static void test_text(void **state)
{
    (void)state;
    struct page p = {0};
    put_text(&p, "<a href='x'>&\"\x01\xff\xc0\x80\xed\xa0\x80 \xc3\xa9");
    expect(&p,
           "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa9");
    put_json(&p, "</script>\"\\\n\xff\xc3\xa9");
    expect(&p, "\"\\u003c/script\\u003e\\u0022\\u005c\\u000a\\ufffd\xc3\xa9\"");
    char *long_text = malloc(5001);
    assert_non_null(long_text);
    memset(long_text, 'x', 5000);
    long_text[5000] = 0;
    put(&p, "%s", long_text);
    expect(&p, long_text);
    free(long_text);
}

static void test_numbers(void **state)
{
    (void)state;
    const struct {
        double value;
        int digits;
        const char *text;
    } row[] = {{0.25, 4, "0.25"}, {-0.00001, 2, "0"},   {100, 0, "100"},     {100, 3, "100"},
               {NAN, 2, "-"},     {INFINITY, 2, "inf"}, {-12.5, 1, "-12.5"}, {0.9999, 2, "1"}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct page p = {0};
        put_number(&p, row[i].value, row[i].digits);
        expect(&p, row[i].text);
    }
}

static void test_data(void **state)
{
    (void)state;
    static const char *const want[] = {"data:x;base64,", "data:x;base64,Zg==", "data:x;base64,Zm8=",
                                       "data:x;base64,Zm9v", "data:x;base64,Zm9vYg=="};
    for (size_t n = 0; n < 5; n++) {
        struct page p = {0};
        put_data(&p, "x", "foob", n);
        expect(&p, want[n]);
    }
}

static void test_picture(void **state)
{
    (void)state;
    static const uint8_t pixels[4 * 2 * 3];
    xc_image *image = NULL;
    struct page p = {0};
    assert_int_equal(xc_image_wrap(pixels, 4, 2, 12, XC_RGB8, &image), XC_OK);
    const bool made = put_picture(&p, image, 2);
    xc_image_free(image);
#ifdef XC_JPEG
    assert_true(made);
    assert_memory_equal(p.at, "data:image/jpeg;base64,/9j/", 27);
#else
    assert_false(made);
    assert_string_equal(p.at, "data:,");
#endif
    page_free(&p);
}

static size_t times(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) n++;
    return n;
}

/* Odd series: gaps, one point, a constant, nothing at all, zeros on a logarithmic axis. */
static void test_lines(void **state)
{
    (void)state;
    const double x[] = {0, 1, 2, 3}, y[] = {0.1, NAN, 0.4, INFINITY}, flat[] = {5, 5, 5, 5};
    const struct series series[] = {
        {.name = "<a>", .points = 4, .x = x, .y = y, .low = y, .high = y, .dots = true},
        {.name = "b", .points = 1, .x = x, .y = flat, .colour = 9, .dashed = true},
        {.points = 0, .x = x, .y = flat}};
    for (int log = 0; log < 2; log++)
        for (size_t count = 0; count <= 3; count++) {
            struct page p = {0};
            chart_lines(&p, &(struct chart){.title = "\"t\"",
                                            .x = {.name = "x", .log = log},
                                            .y = {.name = "y", .log = log, .percent = !log},
                                            .series = series,
                                            .count = count,
                                            .diagonal = true});
            assert_false(p.failed);
            assert_null(strstr(p.at, "nan"));
            assert_null(strstr(p.at, "inf"));
            assert_null(strstr(p.at, "<a>"));
            assert_int_equal(times(p.at, "<circle"), count == 0 ? 0 : log ? 1 : 2);
            page_free(&p);
        }
}

static void test_bars(void **state)
{
    (void)state;
    const struct bar_row row[] = {{"one", 0.5, 0.4, 0.6, 0, NULL},
                                  {"two", NAN, NAN, NAN, 1, "?"},
                                  {"three", -0.2, NAN, NAN, 2, NULL}};
    for (size_t count = 0; count <= 3; count++) {
        struct page p = {0};
        chart_alone_begin(&p, 640, 300, "bars");
        chart_bars(&p, &(struct bars){
                           .title = "bars", .axis = {.percent = true}, .row = row, .count = count});
        chart_alone_end(&p);
        assert_false(p.failed);
        assert_null(strstr(p.at, "nan"));
        assert_int_equal(times(p.at, "rx=\"2\""), count);
        assert_int_equal(times(p.at, "<svg"), times(p.at, "</svg>"));
        page_free(&p);
    }
}

static void test_page(void **state)
{
    (void)state;
    char path[] = "/tmp/xception-page-XXXXXX";
    const int fd = mkstemp(path);
    struct page p = {0};
    assert_true(fd >= 0);
    close(fd);
    page_begin(&p, "A & B", "with <marks>");
    page_card(&p, "top-1", "%.1f%%", 93.1);
    page_end(&p);
    assert_non_null(strstr(p.at, "<h1>A &amp; B</h1>"));
    assert_non_null(strstr(p.at, "with &lt;marks&gt;"));
    assert_null(strstr(p.at, "http")); /* nothing from anywhere */
    assert_int_equal(page_save(&p, path), XC_OK);
    assert_int_equal(page_save(&p, "/nowhere/x.html"), XC_ERR_IO);
    remove(path);
    p.failed = true;
    assert_int_equal(page_save(&p, path), XC_ERR_MEMORY);
    assert_int_not_equal(access(path, F_OK), 0);
    page_free(&p);
}

RUN(cmocka_unit_test(test_text), cmocka_unit_test(test_numbers), cmocka_unit_test(test_data),
    cmocka_unit_test(test_picture), cmocka_unit_test(test_lines), cmocka_unit_test(test_bars),
    cmocka_unit_test(test_page))
