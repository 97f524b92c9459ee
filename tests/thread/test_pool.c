/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is every element of a loop visited once, in ranges that are whole grains, whatever the number of
 * threads and of callers? Run under ThreadSanitizer too.
 */
#include "thread/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

static const int THREADS[] = {1, 2, 3, 7};
enum { CASES = sizeof THREADS / sizeof *THREADS, MOST = 1200 };

struct visits {
    unsigned char seen[MOST];
    size_t n, grain;
    atomic_int ranges, bad;
};

static void visit(void *ctx, size_t from, size_t to)
{
    struct visits *v = ctx;
    if (from >= to || to > v->n || from % v->grain || (to % v->grain && to != v->n))
        atomic_fetch_add(&v->bad, 1);
    atomic_fetch_add(&v->ranges, 1);
    for (size_t i = from; i < to; i++) v->seen[i]++; /* no two ranges share an element */
}

static void check_loop(struct pool *pool, size_t n, size_t grain)
{
    struct visits v = {.n = n, .grain = grain};
    pool_for(pool, n, grain, visit, &v);
    size_t grains = (n + grain - 1) / grain, threads = (size_t)pool_threads(pool);
    assert_int_equal(v.bad, 0);
    assert_int_equal(v.ranges, grains < threads ? grains : threads);
    for (size_t i = 0; i < n; i++) assert_int_equal(v.seen[i], 1);
}

static struct pool *new_pool(int threads)
{
    struct pool *pool;
    struct error err;
    assert_int_equal(pool_new(threads, &pool, &err), XC_OK);
    assert_int_equal(pool_threads(pool), threads);
    return pool;
}

struct blocked {
    atomic_int sent, own;
};

static void look_at_mask(void *ctx, size_t from, size_t to)
{
    struct blocked *b = ctx;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (from == 0) return; /* the caller's */
    atomic_fetch_add(&b->sent, sigismember(&mask, SIGTERM) * (int)(to - from));
    atomic_fetch_add(&b->own, sigismember(&mask, SIGBUS) + sigismember(&mask, SIGSEGV));
}

/* Helpers leave signals to the program, but for those of their own faults. */
static void test_signals(void **state)
{
    (void)state;
    struct pool *pool = new_pool(3);
    struct blocked b = {0};
    pool_for(pool, 3, 1, look_at_mask, &b);
    assert_int_equal(b.sent, 2);
    assert_int_equal(b.own, 0);
    pool_free(pool);
}

static void test_every_element_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 5, 6, 7, 8, 16, 17, 361, 1000, MOST};
    for (int t = 0; t < CASES; t++) {
        struct pool *pool = new_pool(THREADS[t]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t grain = 1; grain < 20; grain += 6) check_loop(pool, sizes[i], grain);
        pool_free(pool);
    }
    check_loop(NULL, 100, 7);
    pool_free(NULL);
    assert_int_equal(pool_threads(NULL), 1);
}

struct sum {
    const double *value;
    double part[64]; /* fixed chunks: the same sum for any number of threads */
};

enum { CHUNK = 1 << 10 };

static void add_chunks(void *ctx, size_t from, size_t to)
{
    struct sum *s = ctx;
    for (size_t chunk = from; chunk < to; chunk++) {
        double total = 0;
        for (size_t i = 0; i < CHUNK; i++) total += s->value[chunk * CHUNK + i];
        s->part[chunk] = total;
    }
}

static double total_with(int threads, const double *value)
{
    struct pool *pool = new_pool(threads);
    struct sum s = {.value = value};
    pool_for(pool, 64, 1, add_chunks, &s);
    pool_free(pool);
    double total = 0;
    for (int i = 0; i < 64; i++) total += s.part[i];
    return total;
}

static void test_sums_do_not_depend_on_threads(void **state)
{
    (void)state;
    double *value = malloc(64 * CHUNK * sizeof *value);
    assert_non_null(value);
    for (int i = 0; i < 64 * CHUNK; i++) value[i] = 1.0 / (i + 1);
    double expected = total_with(1, value);
    for (int t = 1; t < CASES; t++) {
        double total = total_with(THREADS[t], value);
        assert_memory_equal(&total, &expected, sizeof total);
    }
    free(value);
}

static void rest(long microseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

/* Pauses around the 50 us of spinning: helpers are met awake, asleep, and in between. */
static void test_helpers_that_sleep(void **state)
{
    (void)state;
    struct pool *pool = new_pool(3);
    for (long i = 0; i < 300; i++) {
        check_loop(pool, 100, 1);
        if (i % 3 == 1) rest(i);
    }
    rest(2000);
    check_loop(pool, 100, 1);
    pool_free(pool);
    pool = new_pool(7); /* freed without work, while helpers start */
    pool_free(pool);
}

struct caller {
    struct pool *pool;
    size_t expected;
    atomic_size_t total;
    pthread_t thread;
};

static void count(void *ctx, size_t from, size_t to)
{
    atomic_fetch_add(&((struct caller *)ctx)->total, to - from);
}

static void *call_often(void *argument)
{
    struct caller *caller = argument;
    for (size_t i = 0; i < 2000; i++) {
        pool_for(caller->pool, i, 3, count, caller);
        caller->expected += i;
    }
    return NULL;
}

static void test_concurrent_callers(void **state)
{
    (void)state;
    struct pool *pool = new_pool(3);
    struct caller callers[4] = {{0}};
    for (int i = 0; i < 4; i++) {
        callers[i].pool = pool;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].total, callers[i].expected);
    }
    pool_free(pool);
}

static void call_again(void *ctx, size_t from, size_t to)
{
    struct caller *caller = ctx;
    for (size_t i = from; i < to; i++) pool_for(caller->pool, 10, 1, count, caller);
}

static void test_loop_inside_a_loop(void **state)
{
    (void)state;
    struct caller caller = {.pool = new_pool(3)};
    pool_for(caller.pool, 30, 1, call_again, &caller);
    assert_int_equal(caller.total, 300);
    pool_free(caller.pool);
}

static void test_numbers_of_threads(void **state)
{
    (void)state;
    struct pool *pool;
    struct error err;
    assert_int_equal(pool_new(0, &pool, &err), XC_ERR_ARGUMENT);
    assert_int_equal(pool_new(POOL_MAX_THREADS + 1, &pool, &err), XC_ERR_ARGUMENT);
    pool = new_pool(POOL_MAX_THREADS);
    check_loop(pool, MOST, 1);
    pool_free(pool);
}

RUN(cmocka_unit_test(test_every_element_once), cmocka_unit_test(test_signals),
    cmocka_unit_test(test_sums_do_not_depend_on_threads), cmocka_unit_test(test_helpers_that_sleep),
    cmocka_unit_test(test_concurrent_callers), cmocka_unit_test(test_loop_inside_a_loop),
    cmocka_unit_test(test_numbers_of_threads))
