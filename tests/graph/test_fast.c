/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the fast algorithms compute what the graph says? Networks whose convolutions they take
 * (windows of three columns with anything else odd; large pointwise ones) against the plain
 * formulas; and the same bits for any number of threads, any batch, in bands or not.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "graph/plan_int.h"
#include "graph/subject.h"

enum { NETS = 24, IMAGES = 2 };

static uint64_t first_seed(void)
{
    const char *given = getenv("XC_TEST_SEED");
    return given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
}

static int pick(uint64_t seed, uint32_t which, int low, int high)
{
    return low + (int)(rng_uniform(seed, RNG_TEST, 3, which, 0) * (float)(high - low + 1));
}

/* A window of three columns and one to five rows. */
static struct conv_attr odd_window(uint64_t seed, uint32_t which, int oc)
{
    struct conv_attr a = attr_conv(oc, 3, 1, pick(seed, which, 0, 2) ? PAD_SAME : PAD_VALID);
    a.kh = pick(seed, which + 1, 1, 5);
    a.sy = pick(seed, which + 2, 1, 2);
    a.dy = a.sy > 1 ? 1 : pick(seed, which + 3, 1, 2);
    a.bias = pick(seed, which + 4, 0, 1);
    if (pick(seed, which + 5, 0, 3) == 0)
        a.pad =
            (struct padding){PAD_EXPLICIT, pick(seed, which + 6, 0, 2), pick(seed, which + 7, 0, 4),
                             pick(seed, which + 8, 0, 2), pick(seed, which + 9, 0, 4)};
    return a;
}

/* An activation that is applied on load (two convolutions read it), an odd window, an addition. */
static struct graph *odd_net(uint64_t seed)
{
    const int c = pick(seed, 0, 16, 40), oc = pick(seed, 1, 32, 70);
    struct graph *g = graph_new(pick(seed, 2, 43, 60), pick(seed, 3, 24, 42), c);
    const int relu = pick(seed, 4, 0, 1) ? graph_relu(g, "relu", 0) : 0;
    int x = graph_conv(g, "a", relu, odd_window(seed, 10, oc));
    const int skip = x;
    struct conv_attr same = attr_conv(oc, 3, 1, PAD_SAME);
    same.kh = 1 + 2 * pick(seed, 5, 0, 2);
    x = graph_conv(g, "b", x, same);
    if (pick(seed, 6, 0, 1))
        x = graph_batch_norm(g, "norm", x, (struct batch_norm_attr){.epsilon = 1e-3});
    if (pick(seed, 7, 0, 1)) x = graph_add(g, "sum", x, skip);
    x = graph_act(g, "act", x, (struct activation){pick(seed, 8, 0, 1) ? ACT_RELU : ACT_ELU, 1, 0});
    x = graph_conv(g, "c", x, odd_window(seed, 30, 32));
    graph_output(g, "y", x);
    return g;
}

/* Pointwise convolutions of the other algorithm, an odd number of pixels. */
static struct graph *deep_net(uint64_t seed)
{
    struct graph *g = graph_new(pick(seed, 0, 1, 7), pick(seed, 1, 1, 7), 512);
    const int relu = graph_relu(g, "relu", 0);
    int x = graph_conv(g, "a", relu, attr_conv(pick(seed, 2, 512, 600), 1, 1, PAD_VALID));
    graph_output(g, "y", graph_relu(g, "act", x));
    return g;
}

static int count_winograd(const struct plan *p)
{
    int count = 0;
    for (int i = 0; i < p->steps; i++) count += p->step[i].kind == CALL_WINOGRAD;
    return count;
}

/* ---- right numbers --------------------------------------------------------------------------- */

static int check_numbers(struct graph *g, uint64_t seed, enum dtype type, double tolerance)
{
    struct subject s;
    struct trial t;
    subject_make(&s, g, seed, type);
    subject_make_fast(&s);
    s.band_bytes = seed % 2;
    assert_numbers(&s, 1 + (int)(seed % 2), tolerance);
    trial_make(&t, &s, 1, NULL, 0);
    const int taken = count_winograd(t.plan);
    trial_free(&t);
    subject_free(&s);
    return taken;
}

static void right_numbers(void **state)
{
    (void)state;
    const uint64_t seed = first_seed();
    int taken = 0;
    print_message("seeds %llu and the next %d\n", (unsigned long long)seed, NETS - 1);
    for (uint64_t i = 0; i < NETS; i++) {
        taken += check_numbers(odd_net(seed + i), seed + i, DTYPE_F64, 1e-12);
        taken += check_numbers(odd_net(seed + i), seed + i, DTYPE_F32, 1e-4);
        if (i % 4 == 0) check_numbers(deep_net(seed + i), seed + i, DTYPE_F32, 1e-4);
    }
    assert_true(taken >= 3 * NETS); /* of three in each net: small maps are left to others */
}

/* ---- same bits ------------------------------------------------------------------------------- */

static bool same_outputs(const struct subject *s, const struct trial *a, int image_a,
                         const struct trial *b, int image_b)
{
    size_t bytes, other;
    void *x = trial_read(a, s, s->g->output[0].node, image_a, &bytes);
    void *y = trial_read(b, s, s->g->output[0].node, image_b, &other);
    const bool same = bytes == other && memcmp(x, y, bytes) == 0;
    free(x);
    free(y);
    return same;
}

/* Image by image on one thread, and all at once in bands on those of the pool. rows: of a piece in
 * the second, where that is not 0; shift: a fault, of what is read. */
static bool same_in_pieces(struct graph *g, uint64_t seed, struct pool *pool, int rows, int shift)
{
    struct subject s;
    struct trial one, all;
    bool same = true;
    subject_make(&s, g, seed, DTYPE_F32);
    subject_make_fast(&s);
    trial_make(&one, &s, 1, NULL, 0);
    s.band_bytes = seed % 2;
    trial_make(&all, &s, IMAGES, NULL, 0);
    for (int i = 0; i < all.plan->steps; i++) {
        struct step *step = &all.plan->step[i];
        if (step->kind != CALL_WINOGRAD) continue;
        if (rows && rows < step->call.winograd.rows) step->call.winograd.rows = rows;
        step->call.winograd.conv.window.pad_left += shift;
    }
    trial_run(&all, &s, IMAGES, 0, pool);
    for (int i = 0; i < IMAGES; i++) {
        trial_run(&one, &s, 1, i, NULL);
        same = same && same_outputs(&s, &one, 0, &all, i);
    }
    trial_free(&one);
    trial_free(&all);
    subject_free(&s);
    return same;
}

static void same_bits(void **state)
{
    (void)state;
    const int threads[] = {2, 3, MOST_THREADS - 1};
    struct pool *pool[3];
    struct error err = {0};
    const uint64_t seed = first_seed();
    for (int i = 0; i < 3; i++) assert_int_equal(pool_new(threads[i], &pool[i], &err), XC_OK);
    print_message("seeds %llu and the next %d\n", (unsigned long long)seed, NETS - 1);
    for (uint64_t i = 0; i < NETS; i++) {
        assert_true(same_in_pieces(odd_net(seed + i), seed + i, pool[i % 3], (int)(i % 4), 0));
        assert_true(same_in_pieces(deep_net(seed + i), seed + i, pool[i % 3], 0, 0));
    }
    assert_false(same_in_pieces(odd_net(1), 1, NULL, 0, 1));
    for (int i = 0; i < 3; i++) pool_free(pool[i]);
}

RUN(cmocka_unit_test(right_numbers), cmocka_unit_test(same_bits))
