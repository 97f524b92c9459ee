/* SPDX-License-Identifier: Apache-2.0 */
/* Does the arena give zeroed, aligned, separate places, and refuse what cannot be? */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "harness.h"

static void test_places_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = {0};
    unsigned char *place[400];
    for (size_t i = 0; i < 400; i++) {
        place[i] = arena_push(&a, i + 1, 3);
        assert_non_null(place[i]);
        assert_int_equal((uintptr_t)place[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < 3 * (i + 1); j++) assert_int_equal(place[i][j], 0);
        memset(place[i], (int)(i % 255 + 1), 3 * (i + 1));
    }
    for (size_t i = 0; i < 400; i++)
        for (size_t j = 0; j < 3 * (i + 1); j++) assert_int_equal(place[i][j], i % 255 + 1);
    arena_free(&a);
    assert_null(a.last);
}

static void test_large_request_gets_its_own_block(void **state)
{
    (void)state;
    struct arena a = {0};
    char *small = arena_push(&a, 1, 1);
    char *large = arena_push(&a, 5, 1 << 20);
    assert_non_null(large);
    large[5 * (1 << 20) - 1] = 1;
    *small = 1;
    arena_free(&a);
}

static void test_overflow_is_refused(void **state)
{
    (void)state;
    struct arena a = {0};
    assert_null(arena_push(&a, SIZE_MAX / 2, 3));
    assert_null(arena_push(&a, SIZE_MAX, 1));
    assert_null(aligned_new(SIZE_MAX - 3));
    assert_non_null(arena_push(&a, 0, 8));
    arena_free(&a);
}

static void test_text(void **state)
{
    (void)state;
    struct arena a = {0};
    assert_string_equal(arena_strdup(&a, "block4_sepconv1"), "block4_sepconv1");
    assert_string_equal(arena_printf(&a, "block%d_%s", 14, "bn"), "block14_bn");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    arena_free(&a);
}

static void test_aligned_numbers(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 200; bytes += 33) {
        unsigned char *place = aligned_new(bytes);
        assert_non_null(place);
        assert_int_equal((uintptr_t)place % 64, 0);
        for (size_t i = 0; i < bytes; i++) assert_int_equal(place[i], 0);
        free(place);
    }
}

static void test_checked_sizes(void **state)
{
    (void)state;
    size_t out;
    assert_true(size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_false(size_mul(SIZE_MAX, 2, &out));
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_true(size_align(65, 64, &out));
    assert_int_equal(out, 128);
    assert_true(size_align(0, 64, &out));
    assert_int_equal(out, 0);
    assert_false(size_align(SIZE_MAX - 5, 64, &out));
}

RUN(cmocka_unit_test(test_places_are_zeroed_aligned_and_apart),
    cmocka_unit_test(test_large_request_gets_its_own_block),
    cmocka_unit_test(test_overflow_is_refused), cmocka_unit_test(test_text),
    cmocka_unit_test(test_aligned_numbers), cmocka_unit_test(test_checked_sizes))
