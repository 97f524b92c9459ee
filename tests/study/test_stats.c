/* SPDX-License-Identifier: Apache-2.0 */
/* Do intervals, bootstrap and verdicts say what they should, on numbers whose answer is known? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"
#include "stats.h"

static void near_to(double got, double want, double by)
{
    if (fabs(got - want) <= by) return;
    print_error("got %.10g, want %.10g\n", got, want);
    assert_true(false);
}

static void test_interval(void **state)
{
    (void)state;
    const double v[] = {0.70, 0.72, 0.74};
    struct interval i = stats_interval(v, 3);
    near_to(i.mean, 0.72, 1e-12);
    near_to(i.high - i.mean, 4.3027 * 0.02 / sqrt(3), 1e-6); /* scipy.stats.t.interval: 0.049683 */
    near_to(i.mean - i.low, 0.049683, 1e-5);
    i = stats_interval(v, 1);
    near_to(i.mean, 0.70, 0);
    assert_true(isnan(i.low) && isnan(i.high));
    assert_true(isnan(stats_interval(v, 0).mean));
    near_to(stats_t95(30), 2.0423, 1e-3); /* of a printed table */
    near_to(stats_t95(100), 1.9840, 1e-3);
}

static void test_average_precision(void **state)
{
    (void)state;
    const bool some[] = {true, false, true, false, false};
    near_to(stats_average_precision(some, 5, 2, 5), (1 + 2.0 / 3) / 2, 1e-12);
    near_to(stats_average_precision(some, 5, 2, 1), 1, 1e-12); /* one place, and it is right */
    near_to(stats_average_precision(some, 5, 4, 5), (1 + 2.0 / 3) / 4, 1e-12);
    near_to(stats_average_precision(some + 1, 4, 1, 4), 0.5, 1e-12);
    near_to(stats_average_precision(some, 5, 0, 5), 0, 0);
}

static void test_draw(void **state)
{
    (void)state;
    uint32_t count[7] = {0};
    for (uint64_t i = 0; i < 70000; i++) count[stats_draw(3, i, 7)]++;
    for (int i = 0; i < 7; i++) assert_in_range(count[i], 9600, 10400); /* 4 sigma: 370 */
    assert_int_equal(stats_draw(1, 5, 1000), stats_draw(1, 5, 1000));
    assert_int_equal(stats_draw(9, 9, 1), 0);
}

enum { SEEDS = 3, PICTURES = 2000 };

struct arms {
    float a[SEEDS][PICTURES], b[SEEDS][PICTURES];
    const float *pa[SEEDS], *pb[SEEDS];
};

/* Right answers with chances in thousandths; b gets a's luck in `shared` of 100 pictures. */
static void fill(struct arms *t, uint32_t chance_a, uint32_t chance_b, uint32_t shared)
{
    for (uint32_t s = 0; s < SEEDS; s++) {
        t->pa[s] = t->a[s];
        t->pb[s] = t->b[s];
        for (uint32_t i = 0; i < PICTURES; i++) {
            const uint64_t at = (uint64_t)s * PICTURES + i;
            const uint32_t luck = stats_draw(1, at, 1000), other = stats_draw(2, at, 1000);
            const bool same = stats_draw(3, at, 100) < shared;
            t->a[s][i] = luck < chance_a;
            t->b[s][i] = (same ? luck : other) < chance_b;
        }
    }
}

static void test_bootstrap(void **state)
{
    (void)state;
    struct arms *t = malloc(sizeof *t);
    assert_non_null(t);
    fill(t, 750, 650, 0);
    struct paired d = stats_paired(t->pa, t->pb, SEEDS, PICTURES, 1000, 0);
    near_to(d.seeds.mean, 0.1, 0.03);
    assert_true(d.p < 0.003 && d.both.low > 0 && d.both.high < 0.15);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_REPRODUCED);
    /* swapped, it is the opposite of the claim */
    struct paired swapped = stats_paired(t->pb, t->pa, SEEDS, PICTURES, 1000, 0);
    near_to(swapped.both.low, -d.both.high, 1e-12);
    assert_int_equal(verdict_of(&swapped, CLAIM_MORE, 0), VERDICT_NOT_REPRODUCED);
    assert_int_equal(verdict_of(&swapped, CLAIM_EQUAL, 0.01), VERDICT_NOT_REPRODUCED);
    /* the same again, bit for bit */
    struct paired again = stats_paired(t->pa, t->pb, SEEDS, PICTURES, 1000, 0);
    assert_memory_equal(&again.both, &d.both, sizeof d.both);
    /* no difference in chance */
    fill(t, 700, 700, 0);
    d = stats_paired(t->pa, t->pb, SEEDS, PICTURES, 1000, 0);
    assert_true(d.p > 0.02);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_NOISE);
    /* pairing counts: the more pictures share their luck, the narrower */
    struct paired apart = d;
    fill(t, 700, 700, 90);
    d = stats_paired(t->pa, t->pb, SEEDS, PICTURES, 1000, 0);
    assert_true(d.both.high - d.both.low < 0.7 * (apart.both.high - apart.both.low));
    free(t);
}

/* The seed's own luck is larger than the pictures': pictures alone would call it an effect. */
static void test_seeds_count(void **state)
{
    (void)state;
    struct arms *t = malloc(sizeof *t);
    assert_non_null(t);
    fill(t, 500, 500, 100);
    for (uint32_t i = 0; i < PICTURES; i++) {
        t->a[0][i] = i % 10 < 9; /* one lucky seed */
        t->b[0][i] = i % 10 < 5;
    }
    struct paired d = stats_paired(t->pa, t->pb, SEEDS, PICTURES, 1000, 0);
    assert_true(d.seeds.mean > 0.1);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_NOISE);
    d = stats_paired(t->pa, t->pb, 1, PICTURES, 1000, 0); /* that seed alone */
    assert_true(d.p < 0.01);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_NOISE);
    d = stats_paired(t->pa, t->pb, 0, PICTURES, 1000, 0);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_NOT_RUN);
    free(t);
}

static void test_values(void **state)
{
    (void)state;
    const double a[] = {10, 11, 10}, b[] = {5, 5, 6};
    struct paired d = stats_paired_values(a, b, 3);
    assert_true(isnan(d.p));
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_REPRODUCED);
    d = stats_paired_values(b, a, 3);
    assert_int_equal(verdict_of(&d, CLAIM_MORE, 0), VERDICT_NOT_REPRODUCED);
    const double close[] = {0.700, 0.702, 0.701}, to[] = {0.701, 0.702, 0.700};
    d = stats_paired_values(close, to, 3);
    assert_int_equal(verdict_of(&d, CLAIM_EQUAL, 0.01), VERDICT_REPRODUCED);
    assert_int_equal(verdict_of(&d, CLAIM_EQUAL, 0.0001), VERDICT_NOISE);
    assert_string_equal(verdict_name(VERDICT_NOISE), "inside the noise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval),    cmocka_unit_test(test_average_precision),
        cmocka_unit_test(test_draw),        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_seeds_count), cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
