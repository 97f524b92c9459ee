/* SPDX-License-Identifier: Apache-2.0 */
/* Scores through the public interface: small tables whose numbers are reckoned by hand. How they
 * compare with scikit-learn is the oracle's subject. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "model/setup.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static xc_scores *table(xc_scores_kind kind, uint32_t classes)
{
    xc_scores *s = NULL;
    xc_scores_opts opts = XC_SCORES_OPTS_INIT;
    opts.kind = kind;
    opts.classes = classes;
    opts.top = 2;
    opts.bins = 4;
    CHECK(xc_scores_new(&opts, &s));
    return s;
}

static void add(xc_scores *s, uint64_t id, uint32_t label, const double *score)
{
    const xc_scores_row row = {.id = id, .score = score, .label = label};
    CHECK(xc_scores_add(s, &row));
}

/* Four pictures of three classes: right, right, wrong (second), wrong (third). */
static xc_scores *four(void)
{
    static const double row[4][3] = {
        {0.7, 0.2, 0.1}, {0.1, 0.6, 0.3}, {0.5, 0.4, 0.1}, {0.6, 0.3, 0.1}};
    static const uint32_t label[4] = {0, 1, 1, 2};
    xc_scores *s = table(XC_SCORES_PROBABILITIES, 3);
    for (uint32_t i = 0; i < 4; i++) add(s, 10 + i, label[i], row[i]);
    return s;
}

static void sums(void **state)
{
    (void)state;
    xc_scores *s = four();
    xc_scores_summary sum;
    xc_class_scores of[3];
    xc_scored one;
    CHECK(xc_scores_sum(s, &sum));
    assert_int_equal(sum.rows, 4);
    assert_int_equal(xc_scores_count(s), 4);
    NEAR(sum.top1.value, 0.5);
    NEAR(sum.topk.value, 0.75);
    assert_true(sum.top1.low < 0.5 && sum.top1.high > 0.5);
    NEAR(sum.loss, -(log(0.7) + log(0.6) + log(0.4) + log(0.1)) / 4);
    NEAR(sum.brier, (0.14 + 0.26 + 0.62 + 1.26) / 4);
    NEAR(sum.temperature, 1);
    CHECK(xc_scores_classes(s, of));
    assert_int_equal(of[0].support, 1);
    assert_int_equal(of[0].predicted, 3);
    assert_int_equal(of[0].hits, 1);
    NEAR(of[0].precision, 1.0 / 3);
    NEAR(of[0].recall, 1);
    NEAR(of[1].recall, 0.5);
    NEAR(of[2].f1, 0);
    CHECK(xc_scores_get(s, 2, &one));
    assert_int_equal(one.id, 12);
    assert_int_equal(one.answer, 0);
    assert_int_equal(one.place, 1);
    NEAR(one.probability, 0.5);
    REFUSED(xc_scores_get(s, 4, &one), XC_ERR_ARGUMENT, "4");
    xc_scores_free(s);
}

/* Confidences 0.7, 0.6, 0.5, 0.6 in four bins: (0.25, 0.5] has one, (0.5, 0.75] three. */
static void bins(void **state)
{
    (void)state;
    xc_scores *s = four();
    xc_bin bin[4];
    xc_scores_summary sum;
    CHECK(xc_scores_bins(s, bin));
    assert_int_equal(bin[0].count, 0);
    assert_int_equal(bin[1].count, 1);
    assert_int_equal(bin[1].hits, 0);
    assert_int_equal(bin[2].count, 3);
    assert_int_equal(bin[2].hits, 2);
    assert_int_equal(bin[3].count, 0);
    NEAR(bin[2].confidence, 1.9 / 3);
    CHECK(xc_scores_sum(s, &sum));
    NEAR(sum.ece, (1 * 0.5 + 3 * fabs(2.0 / 3 - 1.9 / 3)) / 4);
    xc_scores_free(s);
}

static void curves(void **state)
{
    (void)state;
    xc_scores *s = four();
    xc_threshold point[8], best;
    size_t count = 0;
    CHECK(xc_scores_curve(s, 1, point, 8, &count)); /* yes: 0.6, 0.4; no: 0.2, 0.3 */
    assert_true(count >= 2 && count <= 8);
    for (size_t i = 1; i < count; i++) {
        assert_true(point[i].threshold < point[i - 1].threshold);
        assert_true(point[i].recall >= point[i - 1].recall);
    }
    CHECK(xc_scores_pick(s, 1, "f1", &best));
    NEAR(best.threshold, 0.4);
    NEAR(best.precision, 1);
    NEAR(best.recall, 1);
    CHECK(xc_scores_pick(s, 1, "recall=0.5", &best));
    NEAR(best.threshold, 0.6);
    REFUSED(xc_scores_pick(s, 1, "luck", &best), XC_ERR_ARGUMENT, "luck");
    REFUSED(xc_scores_pick(s, 3, "f1", &best), XC_ERR_ARGUMENT, "3");
    REFUSED(xc_scores_curve(s, 3, point, 8, &count), XC_ERR_ARGUMENT, "3");
    xc_scores_free(s);
}

/* Two classes, logits +-a, three of four right: the best temperature makes 3/4 of them. */
static void temperature(void **state)
{
    (void)state;
    static const double row[2] = {4, 0};
    xc_scores *s = table(XC_SCORES_LOGITS, 2);
    double t = 0;
    xc_scores_summary sum;
    for (uint32_t i = 0; i < 4; i++) add(s, i, i == 3, row);
    CHECK(xc_scores_fit_temperature(s, &t));
    assert_true(fabs(t - 4 / log(3)) < 1e-4);
    CHECK(xc_scores_set_temperature(s, t));
    CHECK(xc_scores_sum(s, &sum));
    assert_true(fabs(sum.loss - -(0.75 * log(0.75) + 0.25 * log(0.25))) < 1e-6);
    REFUSED(xc_scores_set_temperature(s, 0), XC_ERR_ARGUMENT, "temperature");
    xc_scores_free(s);
}

static void compared(void **state)
{
    (void)state;
    static const double right[2] = {0.9, 0.1}, wrong[2] = {0.2, 0.8};
    xc_scores *a = table(XC_SCORES_PROBABILITIES, 2), *b = table(XC_SCORES_PROBABILITIES, 2);
    xc_comparison c;
    for (uint32_t i = 0; i < 10; i++) {
        add(a, i, 0, i < 8 ? right : wrong);
        add(b, i, 0, i < 2 || i == 9 ? right : wrong);
    }
    CHECK(xc_scores_compare(a, b, &c));
    assert_int_equal(c.rows, 10);
    assert_int_equal(c.both, 2);
    assert_int_equal(c.only_a, 6);
    assert_int_equal(c.only_b, 1);
    assert_int_equal(c.neither, 1);
    NEAR(c.p, 2 * (1 + 7) / 128.0); /* at most one of seven tosses */
    xc_scores_free(a);
    xc_scores_free(b);
}

static void rejected(void **state)
{
    (void)state;
    xc_scores *known = table(XC_SCORES_LOGITS, 2), *unknown = table(XC_SCORES_LOGITS, 2);
    xc_rejection r;
    for (uint32_t i = 0; i < 10; i++) {
        const double high[2] = {5 + i, 0}, low[2] = {i < 2 ? 5.5 : 1, 0};
        add(known, i, 0, high);
        add(unknown, i, 0, low);
    }
    CHECK(xc_scores_reject(known, unknown, XC_REJECT_MAX_LOGIT, 0.9, &r));
    NEAR(r.threshold, 6);
    NEAR(r.tpr, 0.9);
    NEAR(r.fpr, 0);
    NEAR(r.auc, (8 * 10 + 2 * 9) / 100.0);
    REFUSED(xc_scores_reject(known, NULL, XC_REJECT_MAX_LOGIT, 0.9, &r), XC_ERR_ARGUMENT, "NULL");
    xc_scores_free(known);
    xc_scores_free(unknown);
}

static void confusion(void **state)
{
    (void)state;
    static const char *const name[] = {"a", "b,c", "d"};
    char folder[] = "/tmp/xception-scores-XXXXXX", csv[64], svg[64], text[256] = "";
    xc_scores *s = four();
    assert_non_null(mkdtemp(folder));
    snprintf(csv, sizeof csv, "%s/c.csv", folder);
    snprintf(svg, sizeof svg, "%s/c.svg", folder);
    CHECK(xc_scores_confusion(s, name, "four", csv, svg));
    FILE *f = fopen(csv, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "label,a,\"b,c\",d\na,1,0,0\n\"b,c\",1,1,0\nd,1,0,0\n");
    assert_int_equal(access(svg, R_OK), 0);
    remove(csv);
    remove(svg);
    assert_int_equal(rmdir(folder), 0);
    xc_scores_free(s);
}

static void refused(void **state)
{
    (void)state;
    static const double row[3] = {0.5, 0.25, 0.25}, bad[3] = {NAN, 0, 0};
    xc_scores *s = NULL;
    xc_scores_opts opts = XC_SCORES_OPTS_INIT;
    static const int32_t more = 1;
    xc_scores_row one = {.score = row};
    xc_scores_summary sum;
    REFUSED(xc_scores_new(NULL, &s), XC_ERR_ARGUMENT, "");
    REFUSED(xc_scores_new(&opts, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_scores_new(&opts, &s), XC_ERR_ARGUMENT, "classes");
    opts.classes = 3;
    opts.bins = 1001;
    REFUSED(xc_scores_new(&opts, &s), XC_ERR_ARGUMENT, "1001 bins, expected at most");
    s = four();
    one.extra = &more;
    one.extra_count = 1;
    REFUSED(xc_scores_add(s, &one), XC_ERR_ARGUMENT, "1 further labels");
    one.extra_count = 0;
    one.label = 3;
    REFUSED(xc_scores_add(s, &one), XC_ERR_ARGUMENT, "3");
    one.label = 0;
    one.score = bad;
    REFUSED(xc_scores_add(s, &one), XC_ERR_NUMBER, "");
    one.score = NULL;
    REFUSED(xc_scores_add(s, &one), XC_ERR_ARGUMENT, "has no scores");
    REFUSED(xc_scores_add(s, NULL), XC_ERR_ARGUMENT, "row is NULL");
    REFUSED(xc_scores_add(NULL, &one), XC_ERR_ARGUMENT, "scores is NULL");
    REFUSED(xc_scores_sum(NULL, &sum), XC_ERR_ARGUMENT, "scores is NULL");
    REFUSED(xc_scores_sum(s, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_scores_classes(s, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_scores_bins(s, NULL), XC_ERR_ARGUMENT, "out is NULL");
    REFUSED(xc_scores_fit_temperature(s, NULL), XC_ERR_ARGUMENT, "out is NULL");
    assert_int_equal(xc_scores_count(s), 4);
    assert_int_equal(xc_scores_count(NULL), 0);
    xc_scores_free(s);
    xc_scores_free(NULL);
}

RUN(cmocka_unit_test(sums), cmocka_unit_test(bins), cmocka_unit_test(curves),
    cmocka_unit_test(temperature), cmocka_unit_test(compared), cmocka_unit_test(rejected),
    cmocka_unit_test(confusion), cmocka_unit_test(refused))
