/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes memory, and when? Every allocation of the program passes through here (ld --wrap).
 * Running takes none; making fails cleanly when the n-th one fails, for every n.
 */
#include "harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "graph/subject.h"

static size_t calls, fail_at; /* fail_at 0: never */

static bool refuse(void)
{
    return ++calls >= fail_at && fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refuse() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **out, size_t alignment, size_t size)
{
    return refuse() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}

static void running_takes_none(void **state)
{
    (void)state;
    struct subject s;
    struct trial t;
    struct pool *pool;
    assert_int_equal(pool_new(3, &pool, &s.err), XC_OK);
    subject_make(&s, net_random(11), 11, DTYPE_F32);
    trial_make(&t, &s, 2, NULL, 0);
    trial_run(&t, &s, 2, 0, pool);
    size_t bytes;
    void *before = trial_read(&t, &s, s.g->output[0].node, 0, &bytes);
    calls = 0;
    fail_at = 1; /* from here on everything is refused */
    trial_run(&t, &s, 2, 0, pool);
    fail_at = 0;
    assert_int_equal(calls, 0);
    void *after = trial_read(&t, &s, s.g->output[0].node, 0, &bytes);
    assert_true(calls > 0); /* the counter counts */
    assert_memory_equal(before, after, bytes);
    free(before);
    free(after);
    trial_free(&t);
    subject_free(&s);
    pool_free(pool);
}

/* Everything up to a finished plan; every object is freed whatever happens. */
static xc_status make_all(float *const *data)
{
    struct error err = {0};
    struct kernels k;
    const struct weights_source from = {.data = (const float *const *)data};
    struct weights *w = NULL;
    struct plan *p = NULL;
    kernels_init(&k, DTYPE_F64, 0);
    struct graph *g = net_small();
    if (!g) return XC_ERR_MEMORY;
    struct plan_opts opts = {.input = {1, 12, 12, 3}};
    xc_status status = graph_finish(g, &err);
    if (status == XC_OK) status = weights_new(g, &from, &k, NULL, &w, &err);
    if (status == XC_OK) status = plan_new(g, w, &k, &opts, &p, &err);
    plan_free(p);
    weights_free(w);
    graph_free(g);
    return status;
}

static void every_failure_is_clean(void **state)
{
    (void)state;
    struct graph *g = net_small();
    float **data = net_data(g, 1);
    xc_status status = XC_ERR_MEMORY;
    size_t n = 0;
    while (status == XC_ERR_MEMORY && n < 10000) {
        calls = 0;
        fail_at = ++n;
        status = make_all(data);
        fail_at = 0;
    }
    assert_int_equal(status, XC_OK);
    assert_true(n > 10);
    net_data_free(data);
    graph_free(g);
}

RUN(cmocka_unit_test(running_takes_none), cmocka_unit_test(every_failure_is_clean))
