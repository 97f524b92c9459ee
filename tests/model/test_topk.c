/* SPDX-License-Identifier: Apache-2.0 */
/* Are the best scores found, ties in index order and NaN last? */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "harness.h"

static void expect(const float *score, uint32_t count, const uint32_t *want, uint32_t k)
{
    uint32_t got[16];
    memset(got, 0xee, sizeof got);
    topk(score, count, k, got);
    for (uint32_t i = 0; i < k; i++) assert_int_equal(got[i], want[i]);
    assert_int_equal(got[k], 0xeeeeeeeeu); /* nothing is written past k */
}

static void test_order(void **state)
{
    (void)state;
    const float score[] = {0.1f, 0.5f, 0.2f, 0.9f};
    expect(score, 4, (const uint32_t[]){3, 1, 2, 0}, 4);
    expect(score, 4, (const uint32_t[]){3, 1}, 2);
    expect(score, 4, (const uint32_t[]){3}, 1);
    expect(score, 4, NULL, 0);
}

static void test_ties_in_index_order(void **state)
{
    (void)state;
    const float score[] = {1, 2, 1, 2, 0.0f, -0.0f, 2};
    expect(score, 7, (const uint32_t[]){1, 3, 6, 0, 2, 4, 5}, 7);
    expect(score, 7, (const uint32_t[]){1, 3, 6, 0}, 4);
}

static void test_nan_is_last(void **state)
{
    (void)state;
    const float score[] = {NAN, -INFINITY, NAN, 1, INFINITY};
    expect(score, 5, (const uint32_t[]){4, 3, 1, 0, 2}, 5);
    expect(score, 5, (const uint32_t[]){4, 3}, 2);
    const float none[] = {NAN, NAN, NAN};
    expect(none, 3, (const uint32_t[]){0, 1}, 2);
}

static const float *sorted_by;

static int by_score(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (sorted_by[i] != sorted_by[j]) return sorted_by[i] < sorted_by[j] ? 1 : -1;
    return i < j ? -1 : 1;
}

static void test_agrees_with_a_sort(void **state)
{
    (void)state;
    enum { COUNT = 257 };
    float score[COUNT];
    uint32_t want[COUNT], got[COUNT];
    for (uint32_t round = 0; round < 200; round++) {
        for (uint32_t i = 0; i < COUNT; i++) { /* few values: many ties */
            score[i] = floorf(rng_uniform(7, RNG_TEST, round, 0, i) * 40);
            want[i] = i;
        }
        sorted_by = score;
        qsort(want, COUNT, sizeof *want, by_score);
        uint32_t k = 1 + round % COUNT;
        topk(score, COUNT, k, got);
        assert_memory_equal(got, want, k * sizeof *got);
    }
}

RUN(cmocka_unit_test(test_order), cmocka_unit_test(test_ties_in_index_order),
    cmocka_unit_test(test_nan_is_last), cmocka_unit_test(test_agrees_with_a_sort))
