/* SPDX-License-Identifier: Apache-2.0 */
/* What do the tests of weight files share? A failure with a sentence, and the files made by
 * make_fixtures.py. */
#ifndef XC_TESTS_WEIGHT_FIXTURE_H
#define XC_TESTS_WEIGHT_FIXTURE_H

#include <stdio.h>
#include <string.h>

#define FIXTURES XC_SOURCE_DIR "/tests/weight/fixtures/"

/* cmocka's fail_msg needs its macro fail, which hides ours */
#define FAIL(...)                                                                                  \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

#endif
