/* SPDX-License-Identifier: Apache-2.0 */
/* Does the table give dense offsets, keep its names, and refuse impossible shapes? */
#include "tensor/param.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

static void test_offsets_are_dense(void **state)
{
    (void)state;
    struct param_table t = {0};
    struct arena a = {0};
    struct error err;
    int index;
    size_t expected = 0;
    for (int i = 0; i < 300; i++) { /* grows more than once */
        char name[32];
        snprintf(name, sizeof name, "conv%d/kernel", i);
        const int dim[4] = {3, 3, i + 1, 2};
        assert_int_equal(param_add(&t, &a, name, PARAM_KERNEL, 4, dim, &index, &err), XC_OK);
        assert_int_equal(index, i);
        assert_int_equal(t.at[i].offset, expected);
        expected += t.at[i].count;
    }
    assert_int_equal(t.total, expected);
    assert_int_equal(t.at[7].count, 3 * 3 * 8 * 2);
    assert_int_equal(t.at[7].dim[2], 8);
    assert_int_equal(param_find(&t, "conv123/kernel"), 123);
    assert_int_equal(param_find(&t, "conv300/kernel"), -1);
    arena_free(&a);
}

static void test_impossible_shapes(void **state)
{
    (void)state;
    struct param_table t = {0};
    struct arena a = {0};
    struct error err;
    int index = -1;
    const int zero[1] = {0}, huge[4] = {INT_MAX, INT_MAX, INT_MAX, INT_MAX},
              five[5] = {1, 1, 1, 1, 1};
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 1, zero, &index, &err), XC_ERR_SHAPE);
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 4, huge, &index, &err), XC_ERR_SHAPE);
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 5, five, &index, &err), XC_ERR_SHAPE);
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 0, five, &index, &err), XC_ERR_SHAPE);
    assert_int_equal(t.count, 0);
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 1, five, &index, &err), XC_OK);
    assert_int_equal(param_add(&t, &a, "p", PARAM_BIAS, 1, five, &index, &err), XC_ERR_TENSOR);
    assert_string_equal(err.text, "p: two parameters have this name");
    assert_int_equal(t.total, 1);
    arena_free(&a);
}

static void test_roles(void **state)
{
    (void)state;
    for (int role = PARAM_KERNEL; role <= PARAM_VARIANCE; role++) {
        struct param p = {.role = (enum param_role)role};
        assert_int_equal(param_trainable(&p), role != PARAM_MEAN && role != PARAM_VARIANCE);
        assert_non_null(param_role_name(p.role));
    }
    assert_string_equal(param_role_name(PARAM_DEPTHWISE), "depthwise_kernel");
    assert_string_equal(param_role_name(PARAM_VARIANCE), "moving_variance");
}

RUN(cmocka_unit_test(test_offsets_are_dense), cmocka_unit_test(test_impossible_shapes),
    cmocka_unit_test(test_roles))
