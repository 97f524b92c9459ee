/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the table of labels Keras' own? Written out as its imagenet_class_index.json (35,363 bytes,
 * md5 c2c37ea517e94d9795004a39431a14cb) it must have that file's SHA-256.
 */
#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "model/imagenet.h"

static void test_file_of_keras(void **state)
{
    (void)state;
    struct sha256 sum;
    size_t size = 0;
    char line[256], hex[65];
    sha256_init(&sum);
    for (uint32_t i = 0; i < IMAGENET_CLASSES; i++) {
        int n = snprintf(line, sizeof line, "%s\"%u\": [\"%s\", \"%s\"]%s", i ? ", " : "{", i,
                         imagenet_wnid(i), imagenet_label(i), i == IMAGENET_CLASSES - 1 ? "}" : "");
        assert_in_range(n, 1, sizeof line - 1);
        sha256_add(&sum, line, (size_t)n);
        size += (size_t)n;
    }
    sha256_hex(&sum, hex);
    assert_int_equal(size, 35363);
    assert_string_equal(hex, "a1e7a966a1f601d39e4b43e119b3e7dd4a2ad3ea08cf69847cbaf021013767bc");
}

static void test_ends(void **state)
{
    (void)state;
    assert_string_equal(imagenet_label(0), "tench");
    assert_string_equal(imagenet_wnid(999), "n15075141");
    assert_null(imagenet_label(1000));
    assert_null(imagenet_wnid(UINT32_MAX));
}

RUN(cmocka_unit_test(test_file_of_keras), cmocka_unit_test(test_ends))
