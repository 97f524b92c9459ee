/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a plan compute what the graph says? Random networks against the plain formulas, with every
 * node tapped and with none; and the same bits for any number of threads, any batch, any position
 * in the batch, fused or not, in both precisions.
 */
#include "harness.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/plan_int.h"
#include "graph/subject.h"

#define NETS 60

/* ---- right numbers --------------------------------------------------------------------------- */

static void check_numbers(uint64_t seed, enum dtype type, double tolerance)
{
    struct subject s;
    subject_make(&s, net_random(seed), seed, type);
    s.band_bytes = seed % 2; /* random networks are too small for bands otherwise */
    assert_numbers(&s, 1 + (int)(seed % 3), tolerance);
    subject_free(&s);
}

static void random_networks(void **state)
{
    (void)state;
    uint64_t seed = subject_seed();
    print_message("seeds %llu and the next %d\n", (unsigned long long)seed, NETS - 1);
    for (uint64_t i = 0; i < NETS; i++) {
        check_numbers(seed + i, DTYPE_F64, 1e-12);
        check_numbers(seed + i, DTYPE_F32, 1e-4);
        check_numbers(seed + i, DTYPE_BF16, 0.1);
    }
}

/* ---- same bits ------------------------------------------------------------------------------- */

static void check_bits(uint64_t seed, enum dtype type, struct pool *const *pool, int pools)
{
    struct subject s;
    struct trial one, three, tapped, banded;
    int tap[SUBJECT_MAX_NODES];
    subject_make(&s, net_random(seed), seed, type);
    int taps = subject_taps(&s, tap);
    trial_make(&one, &s, 1, NULL, 0);
    trial_make(&three, &s, 3, NULL, 0);
    trial_make(&tapped, &s, 2, tap, taps);
    s.band_bytes = seed % 3 ? 1 : 2000;
    trial_make(&banded, &s, 3, NULL, 0);
    for (int image = 0; image < 3; image++) {
        trial_run(&one, &s, 1, image, NULL);
        for (int i = 0; i < pools; i++) {
            trial_run(&three, &s, 3, 0, pool[i]);
            trial_run(&banded, &s, 3, 0, pool[i]);
            assert_true(trial_same(&s, &one, 0, &three, image));
            assert_true(trial_same(&s, &one, 0, &banded, image));
            trial_run_busy(&banded, &s, 3, 0, pool[i]);
            assert_true(trial_same(&s, &one, 0, &banded, image));
        }
        trial_run(&tapped, &s, 2, image == 2 ? 1 : 0, pool[0]); /* another position */
        if (type == DTYPE_BF16) continue;                       /* taps are rounded */
        assert_true(trial_same(&s, &one, 0, &tapped, image == 0 ? 0 : 1));
    }
    trial_free(&one);
    trial_free(&three);
    trial_free(&tapped);
    trial_free(&banded);
    subject_free(&s);
}

static void same_bits(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 7};
    struct pool *pool[4];
    struct error err = {0};
    uint64_t seed = subject_seed();
    for (int i = 0; i < 4; i++) assert_int_equal(pool_new(threads[i], &pool[i], &err), XC_OK);
    print_message("seeds %llu and the next 11\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 12; i++) {
        check_bits(seed + i, DTYPE_F32, pool, 4);
        check_bits(seed + i, DTYPE_F64, pool, 4);
        check_bits(seed + i, DTYPE_BF16, pool, 4);
    }
    for (int i = 0; i < 4; i++) pool_free(pool[i]);
}

/* ---- separable convolutions ------------------------------------------------------------------ */

/* A depthwise convolution (node 1) of any kind and a pointwise one, large enough for blocks. */
static struct graph *separable_net(uint64_t seed)
{
    int c = net_pick(seed, 0, 2, 150);
    struct graph *g = graph_new(net_pick(seed, 1, 5, 43), net_pick(seed, 2, 5, 43), c);
    struct conv_attr a = attr_conv(c, net_pick(seed, 3, 1, 5), net_pick(seed, 4, 1, 3), PAD_SAME);
    a.groups = GROUPS_DEPTHWISE;
    a.dy = net_pick(seed, 5, 1, 2);
    a.dx = net_pick(seed, 6, 1, 3);
    int x = graph_conv(g, "d", 0, a);
    if (net_pick(seed, 7, 0, 1)) x = graph_relu(g, "r", x);
    graph_output(g, "y",
                 graph_conv(g, "p", x, attr_conv(net_pick(seed, 8, 1, 40), 1, 1, PAD_VALID)));
    return g;
}

/* fault: rows that the window of the depthwise convolution is shifted by. */
static bool same_as_apart(uint64_t seed, enum dtype type, struct pool *pool, int fault)
{
    struct subject s;
    struct trial together, apart;
    struct graph *g = separable_net(seed);
    int tap = g->node[g->output[0].node].input[0];
    subject_make(&s, g, seed, type);
    trial_make(&together, &s, 2, NULL, 0);
    trial_make(&apart, &s, 2, &tap, 1);
    assert_int_equal(together.plan->steps, 1);
    assert_int_equal(apart.plan->steps, 2);
    together.plan->slice[0].pad_top += fault;
    trial_run(&together, &s, 2, 0, pool);
    trial_run(&apart, &s, 2, 0, pool);
    bool same = trial_same(&s, &together, 0, &apart, 0) && trial_same(&s, &together, 1, &apart, 1);
    trial_free(&together);
    trial_free(&apart);
    subject_free(&s);
    return same;
}

static void separable_bits(void **state)
{
    (void)state;
    struct pool *pool[3] = {NULL};
    struct error err = {0};
    uint64_t seed = subject_seed();
    assert_int_equal(pool_new(2, &pool[1], &err), XC_OK);
    assert_int_equal(pool_new(5, &pool[2], &err), XC_OK);
    print_message("seeds %llu and the next 59\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 60; i++)
        assert_true(same_as_apart(seed + i, i % 4 ? DTYPE_F32 : DTYPE_F64, pool[i % 3], 0));
    assert_false(same_as_apart(1, DTYPE_F32, NULL, 1));
    pool_free(pool[1]);
    pool_free(pool[2]);
}

/* ---- bands ----------------------------------------------------------------------------------- */

enum fault { NO_FAULT, NOT_KEPT, NOT_BEGUN };

/* A row that the next band reads is not kept; or a thread's first band does not begin with what it
 * needs. */
static void plant(const struct plan *p, enum fault fault)
{
    for (int i = 0; fault == NOT_KEPT && i < p->slices; i++)
        if (p->slice[i].kept_bytes) {
            p->slice[i].kept_bytes = 0;
            return;
        }
    for (int i = 0; fault == NOT_BEGUN && i < p->stages; i++)
        for (int band = 1; band < p->stage[i].bands; band++)
            p->slice[stage_band(&p->stage[i], (size_t)band, (size_t)band)[0]].per_image = 0;
}

static bool same_in_bands_of(struct graph *g, uint64_t seed, enum dtype type, size_t band_bytes,
                             struct pool *pool, enum fault fault)
{
    struct subject s;
    struct trial whole, banded;
    subject_make(&s, g, seed, type);
    trial_make(&whole, &s, 2, NULL, 0);
    s.band_bytes = band_bytes;
    trial_make(&banded, &s, 2, NULL, 0);
    plant(banded.plan, fault);
    trial_run(&whole, &s, 2, 0, NULL);
    trial_run(&banded, &s, 2, 0, pool);
    bool same = trial_same(&s, &whole, 0, &banded, 0) && trial_same(&s, &whole, 1, &banded, 1);
    trial_free(&whole);
    trial_free(&banded);
    subject_free(&s);
    return same;
}

static bool same_in_bands(uint64_t seed, size_t band_bytes, struct pool *pool, enum fault fault)
{
    return same_in_bands_of(net_tower(seed), seed, DTYPE_F32, band_bytes, pool, fault);
}

static void banded_bits(void **state)
{
    (void)state;
    struct pool *pool;
    struct error err = {0};
    uint64_t seed = subject_seed();
    assert_int_equal(pool_new(3, &pool, &err), XC_OK);
    print_message("seeds %llu and the next 119\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 120; i++)
        assert_true(same_in_bands(seed + i, i % 3 ? 1 : 40000, i % 2 ? pool : NULL, NO_FAULT));
    bool kept = false, begun = false;
    for (uint64_t i = 0; i < 10; i++) {
        kept |= !same_in_bands(i, 1, NULL, NOT_KEPT);
        begun |= !same_in_bands(i, 1, pool, NOT_BEGUN);
    }
    assert_true(kept && begun);
    pool_free(pool);
}

/* Pointwise convolutions alone: a band of theirs has fewer rows than the map that it reads, and the
 * rows of the next image do not lie behind it. */
static void pointwise_bands(void **state)
{
    (void)state;
    for (int type = 0; type < 2; type++) {
        struct graph *g = graph_new(9, 7, 8);
        const int x = graph_conv(g, "a", 0, attr_conv(16, 1, 1, PAD_VALID));
        graph_output(g, "y", graph_conv(g, "b", x, attr_conv(8, 1, 1, PAD_VALID)));
        assert_true(same_in_bands_of(g, 1, type ? DTYPE_BF16 : DTYPE_F32, 1, NULL, NO_FAULT));
    }
}

/* One plan, one pool, several threads, each with an arena. */

struct runner {
    struct trial trial;
    struct pool *pool;
};

static void *run_often(void *user)
{
    struct runner *r = user;
    struct view in;
    (void)plan_view(r->trial.plan, 0, r->trial.arena, &in);
    xc_status status = XC_OK;
    for (int i = 0; i < 20 && status == XC_OK; i++) {
        memset(in.data, 0, (size_t)in.image); /* the input's memory may have been used again */
        status = plan_run(r->trial.plan, r->trial.arena, r->trial.scratch, r->pool, NULL);
    }
    return status == XC_OK ? r : NULL;
}

static void plan_is_shared(void **state)
{
    (void)state;
    struct subject s;
    struct runner r[3];
    pthread_t thread[3];
    struct pool *pool;
    subject_make(&s, net_small(), 2, DTYPE_F32);
    assert_int_equal(pool_new(2, &pool, &s.err), XC_OK);
    trial_make(&r[0].trial, &s, 1, NULL, 0);
    for (int i = 0; i < 3; i++) {
        r[i].pool = pool;
        r[i].trial.plan = r[0].trial.plan;
        if (i > 0) {
            r[i].trial.arena = aligned_new(plan_arena_bytes(r[0].trial.plan));
            r[i].trial.scratch = aligned_new(2 * plan_scratch_bytes(r[0].trial.plan));
        }
        assert_int_equal(pthread_create(&thread[i], NULL, run_often, &r[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        void *result = NULL;
        pthread_join(thread[i], &result);
        assert_ptr_equal(result, &r[i]);
        assert_true(trial_same(&s, &r[0].trial, 0, &r[i].trial, 0));
    }
    for (int i = 1; i < 3; i++) {
        free(r[i].trial.arena);
        free(r[i].trial.scratch);
    }
    trial_free(&r[0].trial);
    pool_free(pool);
    subject_free(&s);
}

/* ---- the checks are alive -------------------------------------------------------------------- */

/* A step that writes where another value lies must show in the numbers. */
static void clobber_is_seen(void **state)
{
    (void)state;
    struct subject s;
    struct trial t;
    struct graph *g = graph_new(9, 9, 3);
    int x = graph_conv(g, "a", 0, attr_conv(8, 3, 1, PAD_SAME));
    int y = graph_conv(g, "b", x, attr_conv(8, 3, 1, PAD_SAME));
    y = graph_add(g, "sum", graph_conv(g, "c", y, attr_conv(8, 3, 1, PAD_SAME)), x);
    graph_output(g, "y", y);
    subject_make(&s, g, 5, DTYPE_F32);
    trial_make(&t, &s, 1, NULL, 0);
    trial_run(&t, &s, 1, 0, NULL);
    size_t bytes;
    void *before = trial_read(&t, &s, y, 0, &bytes);
    assert_int_equal(t.plan->steps, 3);
    t.plan->slice[1].out = t.plan->slice[2].in = t.plan->slice[2].add; /* "b" over "a" */
    trial_run(&t, &s, 1, 0, NULL);
    void *after = trial_read(&t, &s, y, 0, &bytes);
    assert_memory_not_equal(before, after, bytes);
    free(before);
    free(after);
    trial_free(&t);
    subject_free(&s);
}

static void cancel_is_seen(void **state)
{
    (void)state;
    struct subject s;
    struct trial t;
    atomic_bool cancel = true;
    subject_make(&s, net_random(1), 1, DTYPE_F32);
    trial_make(&t, &s, 1, NULL, 0);
    assert_int_equal(plan_run(t.plan, t.arena, t.scratch, NULL, &cancel), XC_ERR_CANCELLED);
    atomic_store(&cancel, false);
    assert_int_equal(plan_run(t.plan, t.arena, t.scratch, NULL, &cancel), XC_OK);
    trial_free(&t);
    subject_free(&s);
}

RUN(cmocka_unit_test(random_networks), cmocka_unit_test(same_bits),
    cmocka_unit_test(separable_bits), cmocka_unit_test(banded_bits),
    cmocka_unit_test(pointwise_bands), cmocka_unit_test(plan_is_shared),
    cmocka_unit_test(clobber_is_seen), cmocka_unit_test(cancel_is_seen))
