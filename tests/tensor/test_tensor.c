/* SPDX-License-Identifier: Apache-2.0 */
/* Are shapes counted without overflow, and are all 65536 half and brain floats widened exactly? */
#include "tensor/tensor.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "harness.h"

static void test_types(void **state)
{
    (void)state;
    assert_int_equal(dtype_size(DTYPE_F32), 4);
    assert_int_equal(dtype_size(DTYPE_F64), 8);
    assert_int_equal(dtype_size(DTYPE_BF16), 2);
    assert_int_equal(dtype_size(DTYPE_I64), 8);
    assert_string_equal(dtype_name(DTYPE_F32), "F32");
    assert_string_equal(dtype_name(DTYPE_U8), "U8");
}

static void test_counts(void **state)
{
    (void)state;
    size_t count = 0;
    assert_true(shape_count((struct shape){2, 299, 299, 3}, &count));
    assert_int_equal(count, 2 * 299 * 299 * 3);
    assert_true(shape_count((struct shape){0, 299, 299, 3}, &count));
    assert_int_equal(count, 0);
    assert_false(shape_count((struct shape){1, -1, 2, 3}, &count));
    assert_false(shape_count((struct shape){INT_MAX, INT_MAX, INT_MAX, INT_MAX}, &count));
    assert_true(shape_equal((struct shape){1, 2, 3, 4}, (struct shape){1, 2, 3, 4}));
    assert_false(shape_equal((struct shape){1, 2, 3, 4}, (struct shape){1, 3, 2, 4}));
}

/* The value of a half float from its definition. */
static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        double expected = half_value((uint16_t)bits);
        float value = f32_from_f16((uint16_t)bits);
        assert_int_equal(!!signbit(value), bits >> 15);
        if (isnan(expected))
            assert_true(isnan(value));
        else
            assert_true((double)value == expected);
    }
}

static void test_every_brain_float(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        float value = f32_from_bf16((uint16_t)bits);
        uint32_t wide;
        memcpy(&wide, &value, sizeof wide);
        assert_int_equal(wide, bits << 16);
    }
}

/* Every half comes back; between two neighbours the nearest is taken, in the middle the even one.
 */
static void test_narrowing(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7C00; bits++) {
        const float low = f32_from_f16((uint16_t)bits);
        const float high = bits == 0x7BFF ? 65536 : f32_from_f16((uint16_t)(bits + 1));
        const float middle = low + (high - low) / 2; /* exact */
        const uint16_t even = (uint16_t)(bits & 1 ? bits + 1 : bits);
        assert_int_equal(f16_from_f32(low), bits);
        assert_int_equal(f16_from_f32(-low), bits | 0x8000);
        assert_int_equal(f16_from_f32(middle), even);
        assert_int_equal(f16_from_f32(nextafterf(middle, 0)), bits);
        assert_int_equal(f16_from_f32(nextafterf(middle, INFINITY)), bits + 1);
    }
    assert_int_equal(f16_from_f32(INFINITY), 0x7C00);
    assert_int_equal(f16_from_f32(-1e30f), 0xFC00);
    assert_true(isnan(f32_from_f16(f16_from_f32(NAN))));
}

RUN(cmocka_unit_test(test_types), cmocka_unit_test(test_counts), cmocka_unit_test(test_every_half),
    cmocka_unit_test(test_every_brain_float), cmocka_unit_test(test_narrowing))
