/* SPDX-License-Identifier: Apache-2.0 */
/* Does the cursor read both byte orders, stop at the end, and stay stopped? */
#include "base/bytes.h"

#include "harness.h"

static const uint8_t DATA[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xF8};

static void test_byte_orders(void **state)
{
    (void)state;
    struct bytes b = bytes_of(DATA, sizeof DATA);
    assert_int_equal(bytes_u8(&b), 0x01);
    bytes_seek(&b, 0);
    assert_int_equal(bytes_u16le(&b), 0x0201);
    assert_int_equal(bytes_u16be(&b), 0x0304);
    assert_int_equal(bytes_u32be(&b), 0x050607F8);
    bytes_seek(&b, 4);
    assert_int_equal(bytes_u32le(&b), 0xF8070605);
    bytes_seek(&b, 0);
    assert_true(bytes_u64le(&b) == 0xF807060504030201);
    assert_int_equal(bytes_left(&b), 0);
    assert_false(b.failed);
}

static void test_end_is_sticky(void **state)
{
    (void)state;
    struct bytes b = bytes_of(DATA, 3);
    assert_int_equal(bytes_u32le(&b), 0);
    assert_true(b.failed);
    assert_int_equal(bytes_left(&b), 0);
    assert_int_equal(bytes_u8(&b), 0);
    assert_null(bytes_take(&b, 0));
    bytes_seek(&b, 0);
    assert_true(b.failed);
    assert_int_equal(b.at, 0);
}

static void test_lengths_that_wrap(void **state)
{
    (void)state;
    struct bytes b = bytes_of(DATA, sizeof DATA);
    bytes_skip(&b, 5);
    assert_null(bytes_take(&b, SIZE_MAX - 2));
    assert_true(b.failed);
    b = bytes_of(DATA, sizeof DATA);
    bytes_seek(&b, sizeof DATA);
    assert_false(b.failed);
    assert_non_null(bytes_take(&b, 0));
    bytes_seek(&b, sizeof DATA + 1);
    assert_true(b.failed);
    b = bytes_of(NULL, 0);
    assert_int_equal(bytes_u8(&b), 0);
    assert_true(b.failed);
}

RUN(cmocka_unit_test(test_byte_orders), cmocka_unit_test(test_end_is_sticky),
    cmocka_unit_test(test_lengths_that_wrap))
