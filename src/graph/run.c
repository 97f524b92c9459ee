/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a plan run? A loop over its steps. A step's call is copied to the stack, its views get
 * the arena's address, and the pool hands ranges of its units to the kernel: so one plan serves any
 * number of threads, each with an arena, and nothing is allocated or locked here.
 *
 * Units are counted image by image, so the first images of a batch are the first units of every
 * step.
 */
#include "base/clock.h"
#include "graph/plan_int.h"

struct work {
    union kernel_fn kernel;
    union call call;
};

static void run_conv(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.conv(&w->call.conv, from, to);
}

static void run_pool(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.pool(&w->call.pool, from, to);
}

static void run_global_pool(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.global_pool(&w->call.global_pool, from, to);
}

static void run_map(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.map(&w->call.map, from, to);
}

static void run_dense(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.dense(&w->call.dense, from, to);
}

static void run_softmax(void *ctx, size_t from, size_t to)
{
    const struct work *w = ctx;
    w->kernel.softmax(&w->call.softmax, from, to);
}

static pool_fn *const run_kind[] = {
    [CALL_CONV] = run_conv, [CALL_POOL] = run_pool,   [CALL_GLOBAL_POOL] = run_global_pool,
    [CALL_MAP] = run_map,   [CALL_DENSE] = run_dense, [CALL_SOFTMAX] = run_softmax,
};

static void run_step(const struct step *step, size_t images, char *arena, struct pool *pool)
{
    struct work w = {step->kernel, step->call};
    w.call.io.in.data = arena + step->in;
    w.call.io.out.data = arena + step->out;
    if (step->add != NOWHERE) call_epilogue(step->kind, &w.call)->add.data = arena + step->add;
    pool_for(pool, images * step->per_image, step->grain, run_kind[step->kind], &w);
}

xc_status plan_run_images(const struct plan *p, int images, void *arena, struct pool *pool,
                          const atomic_bool *cancel, double *seconds)
{
    if (!p->runs || images < 1 || images > p->batch) return XC_ERR_ARGUMENT;
    for (int i = 0; i < p->steps; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) return XC_ERR_CANCELLED;
        const double start = seconds ? clock_seconds() : 0;
        run_step(&p->step[i], (size_t)images, arena, pool);
        if (seconds) seconds[i] += clock_seconds() - start;
    }
    return XC_OK;
}

xc_status plan_run(const struct plan *p, void *arena, struct pool *pool, const atomic_bool *cancel)
{
    return plan_run_images(p, p->batch, arena, pool, cancel, NULL);
}
