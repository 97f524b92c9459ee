/* SPDX-License-Identifier: Apache-2.0 */
/* Curves against their definitions, pair by pair; intervals and McNemar against known values. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "harness.h"
#include "metric/interval.h"
#include "metric/ranking.h"

enum { N = 300 };

/* Few different scores, so that many are equal. */
static void make(struct ranked *r, uint32_t seed, uint32_t values)
{
    for (uint32_t i = 0; i < N; i++) {
        r[i].score = floor((double)rng_uniform(seed, RNG_TEST, 0, 0, i) * values) / values;
        r[i].positive = (double)rng_uniform(seed, RNG_TEST, 1, 0, i) < 0.2 + 0.5 * r[i].score;
    }
}

static double pairs(const struct ranked *r)
{
    double won = 0, all = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            if (!r[i].positive || r[j].positive) continue;
            all++;
            won += r[i].score > r[j].score ? 1 : r[i].score == r[j].score ? 0.5 : 0;
        }
    return won / all;
}

static void curves(void **state)
{
    (void)state;
    struct ranked r[N];
    struct rank_point p[N];
    for (uint32_t seed = 0; seed < 20; seed++) {
        make(r, seed, seed % 2 ? 11 : 1000000);
        const double area = pairs(r);
        ranking_sort(r, N);
        assert_true(fabs(ranking_auc(r, N) - area) < 1e-12);
        const size_t n = ranking_points(r, N, p);
        double average = 0, before = 0;
        for (size_t i = 0; i < n; i++) {
            const double recall = (double)p[i].hits / (double)p[n - 1].hits;
            average += (recall - before) * (double)p[i].hits / (double)(p[i].hits + p[i].alarms);
            before = recall;
            assert_true(i == 0 || p[i].threshold < p[i - 1].threshold);
        }
        assert_true(fabs(ranking_average_precision(r, N) - average) < 1e-12);
        assert_int_equal(p[n - 1].hits + p[n - 1].alarms, N);
    }
}

static void degenerate(void **state)
{
    (void)state;
    struct ranked same[] = {{0.5, true}, {0.5, false}, {0.5, false}};
    struct ranked yes[] = {{0.5, true}, {0.1, true}};
    struct ranked nan[] = {{NAN, true}, {0.1, false}, {NAN, true}};
    assert_true(ranking_auc(same, 3) == 0.5);
    assert_true(isnan(ranking_auc(yes, 2)) && isnan(ranking_auc(NULL, 0)));
    assert_true(ranking_average_precision(yes, 2) == 1);
    assert_true(ranking_average_precision(NULL, 0) == 0);
    ranking_sort(nan, 3);
    assert_true(nan[0].score == 0.1 && ranking_auc(nan, 3) == 0);
}

static void rules(void **state)
{
    (void)state;
    /*                   hits 1          1              2              3              3 of 3 */
    const struct ranked r[] = {{.9, true}, {.8, false}, {.7, true}, {.6, true}, {.5, false}};
    const struct {
        const char *rule;
        double threshold; /* 0: none */
    } known[] = {{"f1", .6},       {"youden", .6},        {"recall=0.6", .7},
                 {"recall=1", .6}, {"precision=0.7", .6}, {"precision=1", .9},
                 {"fpr=0", .9},    {"fpr=1", .5}};
    struct threshold_rule rule;
    struct rank_point p;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(threshold_rule_parse(known[i].rule, &rule, NULL), XC_OK);
        assert_true(ranking_pick(r, 5, &rule, &p));
        assert_true(p.threshold == known[i].threshold);
    }
    const struct ranked long_tail[] = {{.9, true},  {.8, true},  {.7, false}, {.6, true},
                                       {.5, false}, {.4, false}, {.3, true}};
    assert_int_equal(threshold_rule_parse("f1", &rule, NULL), XC_OK);
    assert_true(ranking_pick(long_tail, 7, &rule, &p));
    assert_true(p.threshold == .6); /* F1: 2/5, 4/6, 4/7, 6/8, 6/9, 6/10, 8/11 */
    const struct ranked tie[] = {{.9, true}, {.8, false}, {.7, true}, {.6, false}};
    assert_int_equal(threshold_rule_parse("youden", &rule, NULL), XC_OK);
    assert_true(ranking_pick(tie, 4, &rule, &p));
    assert_true(p.threshold == .9); /* of 1/2 twice the first */
    const struct ranked bad[] = {{.9, false}, {.8, true}};
    assert_int_equal(threshold_rule_parse("precision=0.9", &rule, NULL), XC_OK);
    assert_false(ranking_pick(bad, 2, &rule, &p));
    struct error err;
    static const char *const wrong[] = {"",        "f2",         "f1=1", "recall",
                                        "recall=", "recall=1.5", "fpr=x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(threshold_rule_parse(wrong[i], &rule, &err), XC_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "youden"));
}

static void near(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-12)) print_error("%.17g, expected %.17g\n", got, expected);
    assert_true(fabs(got - expected) < 1e-12);
}

static void intervals(void **state)
{
    (void)state;
    double low, high, statistic;
    wilson_interval(8, 10, INTERVAL_Z95, &low, &high);
    const double ends[] = {low, high}; /* where (0.8 - p)^2 = z^2 p (1 - p) / n */
    for (int i = 0; i < 2; i++)
        near((0.8 - ends[i]) * (0.8 - ends[i]),
             INTERVAL_Z95 * INTERVAL_Z95 * ends[i] * (1 - ends[i]) / 10);
    assert_true(low < 0.8 && high > 0.8);
    wilson_interval(0, 7, INTERVAL_Z95, &low, &high);
    assert_true(low == 0 && high > 0.35 && high < 0.36);
    wilson_interval(7, 7, INTERVAL_Z95, &low, &high);
    assert_true(high == 1 && low > 0.64 && low < 0.65);
    wilson_interval(0, 0, INTERVAL_Z95, &low, &high);
    assert_true(low == 0 && high == 1);
    near(mcnemar_exact(2, 9), 2 * (1 + 11 + 55) / 2048.);
    near(mcnemar_exact(5, 5), 1);
    near(mcnemar_exact(0, 0), 1);
    near(mcnemar_chi2(30, 10, &statistic), erfc(sqrt(361 / 40. / 2)));
    near(statistic, 361 / 40.);
    near(mcnemar_chi2(0, 0, &statistic), 1);
    near(mcnemar_exact(2000, 2000), 1);
    /* exact up to a thousand, and then the few; chi-square above */
    near(mcnemar_test(9, 2, &statistic), mcnemar_exact(2, 9));
    near(statistic, 2);
    near(mcnemar_test(480, 520, &statistic), mcnemar_exact(480, 520));
    near(mcnemar_test(480, 521, &statistic), erfc(sqrt(1600 / 1001. / 2)));
    near(statistic, 1600 / 1001.);
}

RUN(cmocka_unit_test(curves), cmocka_unit_test(degenerate), cmocka_unit_test(rules),
    cmocka_unit_test(intervals))
