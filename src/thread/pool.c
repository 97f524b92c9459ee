/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is one loop spread over cores? Each helper has its own ticket: the caller writes the job,
 * bumps the tickets of as many helpers as there are ranges, takes the first range, and waits until
 * `pending` is zero. Whoever waits spins for about 50 us and then sleeps on its bell; after the
 * first moment the spin yields, since the awaited thread may be queued for this very core. Where
 * there are more threads than processors it is, and nobody spins.
 *
 *   1. job fields are written only while `busy` is held and `pending` is zero;
 *   2. a helper reads them only between its ticket and its count-down of `pending`.
 */
#include "thread/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rounding.h"
#include "thread/cpus.h"
#include "thread/start.h"

enum { SPIN_NS = 50000, SPINS_PER_LOOK = 64, LOOKS_BEFORE_YIELD = 1, LINE = 64 };
enum {
    STACK = 4 << 20
}; /* whatever `ulimit -s` says; kernels keep 350 KB there, sanitizers more */

/* Wakes one sleeper. Both sides use sequentially consistent order: either the sleeper sees the new
 * value, or the ringer sees the sleeper. */
struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    atomic_bool sleeping;
};

struct helper {
    _Alignas(LINE) atomic_uint ticket; /* jobs given so far; STOP ends the thread */
    struct bell bell;
    struct pool *pool;
    size_t index;
    pthread_t thread;
};

enum { STOP = 0 }; /* tickets start at 1 and skip it */

struct pool {
    pthread_mutex_t busy;
    size_t threads;
    int64_t spin_ns;
    pool_fn *fn;
    void *ctx;
    size_t n, grain, ranges;
    atomic_uint pending;
    struct bell done;
    struct helper helpers[];
};

static void bell_init(struct bell *bell)
{
    pthread_mutex_init(&bell->mutex, NULL);
    pthread_cond_init(&bell->cond, NULL);
    atomic_init(&bell->sleeping, false);
}

static void bell_destroy(struct bell *bell)
{
    pthread_cond_destroy(&bell->cond);
    pthread_mutex_destroy(&bell->mutex);
}

static void bell_ring(struct bell *bell)
{
    if (!atomic_load(&bell->sleeping)) return;
    pthread_mutex_lock(&bell->mutex);
    pthread_cond_signal(&bell->cond);
    pthread_mutex_unlock(&bell->mutex);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Returns the value once it is not `old` any more. */
static unsigned await_change(struct bell *bell, atomic_uint *value, unsigned old, int64_t spin_ns)
{
    unsigned seen = atomic_load(value);
    int64_t end = now_ns() + spin_ns;
    for (int look = 0; seen == old && now_ns() < end; look++) {
        if (look >= LOOKS_BEFORE_YIELD) sched_yield();
        for (int i = 0; i < SPINS_PER_LOOK && seen == old; i++) {
            relax();
            seen = atomic_load(value);
        }
    }
    if (seen != old) return seen;
    pthread_mutex_lock(&bell->mutex);
    atomic_store(&bell->sleeping, true);
    while ((seen = atomic_load(value)) == old) pthread_cond_wait(&bell->cond, &bell->mutex);
    atomic_store(&bell->sleeping, false);
    pthread_mutex_unlock(&bell->mutex);
    return seen;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct range range_part(size_t n, size_t grain, size_t parts, size_t i)
{
    size_t grains = n / grain + (n % grain != 0);
    size_t each = grains / parts, longer = grains % parts;
    size_t first = i * each + smaller(i, longer), last = first + each + (i < longer);
    return (struct range){first == grains ? n : first * grain, last == grains ? n : last * grain};
}

static void work(const struct pool *pool, size_t index)
{
    struct range r = range_part(pool->n, pool->grain, pool->ranges, index);
    pool->fn(pool->ctx, r.from, r.to);
}

static void *help(void *argument)
{
    struct helper *self = argument;
    const int64_t spin = self->pool->spin_ns;
    rounding_rules();
    unsigned ticket = STOP + 1;
    while ((ticket = await_change(&self->bell, &self->ticket, ticket, spin)) != STOP) {
        work(self->pool, self->index);
        if (atomic_fetch_sub(&self->pool->pending, 1) == 1) bell_ring(&self->pool->done);
    }
    return NULL;
}

static void give_ticket(struct helper *helper, unsigned ticket)
{
    atomic_store(&helper->ticket, ticket);
    bell_ring(&helper->bell);
}

xc_status pool_new(int threads, struct pool **out, struct error *err)
{
    if (threads < 1 || threads > POOL_MAX_THREADS)
        return fail(err, XC_ERR_ARGUMENT, "threads: %d is not in 1..%d", threads, POOL_MAX_THREADS);
    size_t bytes = sizeof(struct pool) + (size_t)threads * sizeof(struct helper);
    bytes = (bytes + LINE - 1) / LINE * LINE;
    struct pool *pool = aligned_alloc(LINE, bytes);
    if (!pool) return fail_memory(err, bytes);
    memset(pool, 0, bytes);
    pthread_mutex_init(&pool->busy, NULL);
    bell_init(&pool->done);
    pool->threads = 1;
    pool->spin_ns = threads > cpus_affinity() ? 0 : SPIN_NS;
    for (size_t i = 0; i + 1 < (size_t)threads; i++) {
        struct helper *helper = &pool->helpers[i];
        atomic_init(&helper->ticket, STOP + 1);
        bell_init(&helper->bell);
        helper->pool = pool;
        helper->index = i + 1;
        int code = thread_start(&helper->thread, STACK, help, helper);
        if (code != 0) {
            bell_destroy(&helper->bell);
            pool_free(pool);
            return fail(err, XC_ERR_MEMORY, "cannot start thread %zu of %d: %s", i + 2, threads,
                        strerror(code));
        }
        pool->threads++;
    }
    *out = pool;
    return XC_OK;
}

void pool_free(struct pool *pool)
{
    if (!pool) return;
    for (size_t i = 0; i + 1 < pool->threads; i++) {
        struct helper *helper = &pool->helpers[i];
        give_ticket(helper, STOP);
        pthread_join(helper->thread, NULL);
        bell_destroy(&helper->bell);
    }
    bell_destroy(&pool->done);
    pthread_mutex_destroy(&pool->busy);
    free(pool);
}

int pool_threads(const struct pool *pool)
{
    return pool ? (int)pool->threads : 1;
}

static void call_helpers(struct pool *pool)
{
    atomic_store(&pool->pending, (unsigned)(pool->ranges - 1));
    for (size_t i = 0; i + 1 < pool->ranges; i++) {
        unsigned next = atomic_load_explicit(&pool->helpers[i].ticket, memory_order_relaxed) + 1;
        give_ticket(&pool->helpers[i], next == STOP ? STOP + 1 : next);
    }
}

static void await_helpers(struct pool *pool)
{
    unsigned pending = atomic_load(&pool->pending);
    while (pending != 0)
        pending = await_change(&pool->done, &pool->pending, pending, pool->spin_ns);
}

void pool_for(struct pool *pool, size_t n, size_t grain, pool_fn *fn, void *ctx)
{
    if (n == 0) return;
    if (grain == 0) grain = 1;
    if (!pool || pool->threads == 1 || n <= grain || pthread_mutex_trylock(&pool->busy) != 0) {
        fn(ctx, 0, n);
        return;
    }
    pool->fn = fn;
    pool->ctx = ctx;
    pool->n = n;
    pool->grain = grain;
    pool->ranges = smaller(pool->threads, n / grain + (n % grain != 0));
    call_helpers(pool);
    work(pool, 0);
    await_helpers(pool);
    pthread_mutex_unlock(&pool->busy);
}
