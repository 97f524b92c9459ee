/* SPDX-License-Identifier: Apache-2.0 */
/* Confusion: counts by hand and against a plain matrix on random answers; the files' texts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "base/rng.h"
#include "metric/confusion.h"

static const char *const name[] = {"cat", "dog", "a,\"b\"", "<&\xc3\xa9>"};
static const uint32_t label[] = {0, 0, 0, 1, 1, 2, 2, 2}, answer[] = {0, 1, 1, 1, 0, 2, 2, 0};

static void counts(void **state)
{
    (void)state;
    struct confusion c;
    struct class_score s[4];
    struct confusion_cell worst[2];
    assert_int_equal(confusion_count(label, answer, 8, 4, &c, NULL), XC_OK);
    assert_int_equal(c.cells, 6);
    assert_int_equal(confusion_at(&c, 0, 1), 2);
    assert_int_equal(confusion_at(&c, 2, 2), 2);
    assert_int_equal(confusion_at(&c, 3, 3), 0);
    confusion_classes(&c, s);
    assert_int_equal(s[0].support, 3);
    assert_int_equal(s[0].predicted, 3);
    assert_true(fabs(s[0].recall - 1. / 3) < 1e-15 && fabs(s[2].f1 - 0.8) < 1e-15);
    assert_true(fabs(s[1].precision - 1. / 3) < 1e-15 && s[1].recall == 0.5);
    assert_true(s[2].precision == 1 && fabs(s[2].recall - 2. / 3) < 1e-15);
    assert_true(s[3].recall == 0 && s[3].precision == 0 && s[3].f1 == 0);
    assert_int_equal(confusion_worst(&c, worst, 2), 2);
    assert_int_equal(worst[0].count, 2);
    assert_int_equal(worst[1].label, 1); /* of two cells of 1 the one of the smaller label */
    confusion_free(&c);
    const uint32_t wrong[] = {4};
    struct error err;
    assert_int_equal(confusion_count(wrong, answer, 1, 4, &c, &err), XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "label 4"));
}

static void random_answers(void **state)
{
    (void)state;
    enum { N = 5000, CLASSES = 23 };
    uint32_t *l = malloc(2 * N * sizeof *l), *p = l + N;
    uint64_t plain[CLASSES][CLASSES] = {{0}};
    struct confusion c;
    struct confusion_cell worst[600];
    for (uint32_t i = 0; i < N; i++) {
        uint32_t random[4];
        rng_words(1, RNG_TEST, 0, 0, i, random);
        l[i] = random[0] % CLASSES;
        p[i] = random[1] % 3 ? l[i] : random[2] % CLASSES;
        plain[l[i]][p[i]]++;
    }
    assert_int_equal(confusion_count(l, p, N, CLASSES, &c, NULL), XC_OK);
    for (uint32_t i = 0; i < CLASSES; i++)
        for (uint32_t j = 0; j < CLASSES; j++)
            assert_int_equal(confusion_at(&c, i, j), plain[i][j]);
    const size_t all = confusion_worst(&c, worst, 600);
    for (size_t room = 1; room < 20; room++) { /* the first of few are the first of all */
        struct confusion_cell some[20];
        assert_int_equal(confusion_worst(&c, some, room), room);
        assert_memory_equal(some, worst, room * sizeof *some);
    }
    for (size_t i = 1; i < all; i++) assert_true(worst[i].count <= worst[i - 1].count);
    confusion_free(&c);
    free(l);
}

static void texts(void **state)
{
    (void)state;
    struct confusion c;
    struct text csv = {0}, svg = {0};
    assert_int_equal(confusion_count(label, answer, 8, 4, &c, NULL), XC_OK);
    confusion_csv(&c, name, &csv);
    assert_string_equal(csv.at, "label,cat,dog,\"a,\"\"b\"\"\",<&\xc3\xa9>\n"
                                "cat,1,2,0,0\ndog,1,1,0,0\n\"a,\"\"b\"\"\",1,0,2,0\n"
                                "<&\xc3\xa9>,0,0,0,0\n");
    confusion_svg(&c, name, "a & b", &svg);
    assert_non_null(strstr(svg.at, "a &amp; b"));
    assert_non_null(strstr(svg.at, "cat \xe2\x86\x92 dog: 2 of 3 (66.7 %)"));
    assert_null(strstr(svg.at, "<&"));
    free(csv.at);
    free(svg.at);
    confusion_free(&c);
}

static void many_classes(void **state)
{
    (void)state;
    enum { CLASSES = 2500, N = 3000 };
    static char word[CLASSES][8];
    static const char *many[CLASSES];
    static uint32_t l[N], p[N];
    struct confusion c;
    struct text csv = {0}, svg = {0};
    for (uint32_t i = 0; i < CLASSES; i++) {
        snprintf(word[i], sizeof word[i], "c%u", i);
        many[i] = word[i];
    }
    for (uint32_t i = 0; i < N; i++) {
        l[i] = i % CLASSES;
        p[i] = i < 3 ? 7 : l[i];
    }
    assert_int_equal(confusion_count(l, p, N, CLASSES, &c, NULL), XC_OK);
    confusion_csv(&c, many, &csv);
    assert_int_equal(strncmp(csv.at, "label,prediction,count\nc0,c0,1\nc0,c7,1\n", 39), 0);
    confusion_svg(&c, many, "many", &svg);
    assert_true(svg.size < 1000000);
    assert_non_null(strstr(svg.at, "c0 \xe2\x86\x92 c7"));
    free(csv.at);
    free(svg.at);
    confusion_free(&c);
}

RUN(cmocka_unit_test(counts), cmocka_unit_test(random_answers), cmocka_unit_test(texts),
    cmocka_unit_test(many_classes))
