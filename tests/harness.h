/* SPDX-License-Identifier: Apache-2.0 */
/* What every test program includes: cmocka with what it needs before it. */
#ifndef XC_TESTS_HARNESS_H
#define XC_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail /* cmocka's macro; ours is a function of base/status.h */

#define RUN(...)                                                                                   \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#ifdef __has_feature
#define HARNESS_TSAN __has_feature(thread_sanitizer)
#define HARNESS_ASAN __has_feature(address_sanitizer)
#else
#ifdef __SANITIZE_THREAD__
#define HARNESS_TSAN 1
#else
#define HARNESS_TSAN 0
#endif
#ifdef __SANITIZE_ADDRESS__
#define HARNESS_ASAN 1
#else
#define HARNESS_ASAN 0
#endif
#endif

/* The first line of a test that starts no thread: ThreadSanitizer has nothing to see in it. */
#define STARTS_NO_THREAD() harness_no_thread(__func__)
static inline void harness_no_thread(const char *test)
{
    if (!HARNESS_TSAN) return;
    print_message("skipped: %s starts no thread\n", test);
    skip();
}

/* The larger difference; NaN is the worst of all, and stays. */
static inline double worse(double worst, double difference)
{
    return worst != worst || difference <= worst ? worst : difference;
}

#endif
