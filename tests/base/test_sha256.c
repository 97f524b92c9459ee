/* SPDX-License-Identifier: Apache-2.0 */
/* Is it SHA-256? The vectors of FIPS 180-4, and the same sum however the bytes are cut. */
#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* With the processor's instructions, if it has them, and without. */
static void check(const char *text, size_t repeat, const char *expected)
{
    for (int plain = 0; plain < 2; plain++) {
        struct sha256 s;
        char hex[65];
        sha256_init(&s);
        if (plain) s.fast = false;
        for (size_t i = 0; i < repeat; i++) sha256_add(&s, text, strlen(text));
        sha256_hex(&s, hex);
        assert_string_equal(hex, expected);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    check("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check("a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    unsigned char data[300];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7);
    for (size_t size = 0; size < sizeof data; size++) {
        struct sha256 whole, cut;
        char whole_hex[65], cut_hex[65];
        sha256_init(&whole);
        sha256_add(&whole, data, size);
        sha256_hex(&whole, whole_hex);
        sha256_init(&cut);
        for (size_t at = 0, step; at < size; at += step) {
            step = at % 71 + 1 < size - at ? at % 71 + 1 : size - at;
            sha256_add(&cut, data + at, step);
        }
        sha256_hex(&cut, cut_hex);
        assert_string_equal(cut_hex, whole_hex);
    }
}

RUN(cmocka_unit_test(test_vectors), cmocka_unit_test(test_cuts_do_not_matter))
