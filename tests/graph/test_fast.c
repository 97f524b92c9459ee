/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the fast algorithms compute what the graph says? Networks whose convolutions they take
 * (windows of three columns with anything else odd; large pointwise ones) and some that they must
 * not, against the plain formulas; and the same bits for any number of threads, any batch, in bands
 * or not. Which layers they take is a function of the network, whatever size is asked for.
 */
#include "harness.h"

#include <stdlib.h>

#include "graph/plan_int.h"
#include "graph/subject.h"

enum { NETS = HARNESS_ASAN || HARNESS_TSAN ? 4 : 12 }; /* each takes seconds with those */
enum { IMAGES = 2, THREE = 3 };

/* A window of three columns and one to five rows; one of four is not for Winograd's algorithm. */
static struct conv_attr odd_window(uint64_t seed, uint32_t which, int oc)
{
    struct conv_attr a = attr_conv(oc, 3, 1, net_pick(seed, which, 0, 2) ? PAD_SAME : PAD_VALID);
    const int other = net_pick(seed, which + 1, 0, 11);
    a.kh = net_pick(seed, which + 2, 1, 5);
    a.sy = net_pick(seed, which + 3, 1, 2);
    a.dy = a.sy > 1 ? 1 : net_pick(seed, which + 4, 1, 2);
    a.bias = net_pick(seed, which + 5, 0, 1);
    a.sx = other == 0 ? 2 : 1;
    a.dx = other == 1 ? 2 : 1;
    a.groups = other == 2 ? 2 : 1;
    if (net_pick(seed, which + 6, 0, 3) == 0)
        a.pad = (struct padding){PAD_EXPLICIT, net_pick(seed, which + 7, 0, 6),
                                 net_pick(seed, which + 8, 2, 9), net_pick(seed, which + 9, 0, 6),
                                 net_pick(seed, which + 10, 2, 9)};
    return a;
}

/* An activation on load; two results side by side, of which one is read alone, too; an addition. */
static struct graph *odd_net(uint64_t seed)
{
    const bool narrow = net_pick(seed, 0, 0, 3) == 0;
    const int c = 2 * net_pick(seed, 1, 8, 20), oc = 2 * net_pick(seed, 2, 16, 35);
    const int h = narrow ? net_pick(seed, 3, 80, 110) : net_pick(seed, 3, 43, 60);
    const int w = narrow ? net_pick(seed, 4, 5, 9) : net_pick(seed, 4, 24, 42);
    struct graph *g = graph_new(h, w, c);
    const int relu = net_pick(seed, 5, 0, 1) ? graph_relu(g, "relu", 0) : 0;
    struct conv_attr window = odd_window(seed, 20, oc);
    const int a = graph_conv(g, "a", relu, window);
    window.oc = 32;
    const int beside = graph_conv(g, "beside", relu, window);
    const int both = graph_concat(g, "both", (int[]){a, beside}, 2);
    struct conv_attr same = attr_conv(oc, 3, 1, PAD_SAME), last = odd_window(seed, 40, 32);
    same.kh = 1 + 2 * net_pick(seed, 6, 0, 2);
    int x = graph_conv(g, "b", a, same);
    if (net_pick(seed, 7, 0, 1))
        x = graph_batch_norm(g, "norm", x, (struct batch_norm_attr){.epsilon = 1e-3});
    if (net_pick(seed, 8, 0, 1)) x = graph_add(g, "sum", x, a);
    const enum act act = net_pick(seed, 9, 0, 1) ? ACT_RELU : ACT_ELU;
    graph_output(g, "y", graph_act(g, "act", x, (struct activation){act, 1, 0}));
    if (narrow) last.pad.kind = PAD_SAME; /* that may be two columns */
    graph_output(g, "z", graph_conv(g, "c", both, last));
    return g;
}

/* Three convolutions one behind the other, which run in bands. */
static struct graph *tall_net(uint64_t seed)
{
    struct graph *g = graph_new(net_pick(seed, 0, 40, 70), net_pick(seed, 1, 16, 30), 16);
    int x = graph_conv(g, "a", 0, odd_window(seed, 20, 32));
    x = graph_relu(g, "act", graph_conv(g, "b", x, attr_conv(48, 3, 1, PAD_SAME)));
    graph_output(g, "y", graph_conv(g, "c", x, attr_conv(32, 3, 1, PAD_VALID)));
    return g;
}

/* More weights than there are numbers in the map: threads share panels where they come out even. */
static struct graph *wide_net(uint64_t seed)
{
    const int oc = 32 * net_pick(seed, 0, 2, 7) - net_pick(seed, 1, 0, 7);
    struct graph *g = graph_new(net_pick(seed, 2, 14, 18), net_pick(seed, 3, 14, 18), 32);
    struct conv_attr first = attr_conv(oc, 3, 1, PAD_SAME);
    first.bias = true;
    const int a = graph_conv(g, "a", 0, first);
    const int b = graph_conv(g, "b", a, attr_conv(oc, 3, 1, PAD_SAME));
    graph_output(g, "y", graph_relu(g, "act", graph_add(g, "sum", b, a)));
    return g;
}

/* Pointwise convolutions of the other algorithm, the second one with a shortcut; at times an odd
 * number of pixels. */
static struct graph *deep_net(uint64_t seed)
{
    struct graph *g = graph_new(net_pick(seed, 0, 1, 7), net_pick(seed, 1, 1, 7), 512);
    const int relu = graph_relu(g, "relu", 0);
    struct conv_attr window = attr_conv(2 * net_pick(seed, 2, 256, 300), 1, 1, PAD_VALID);
    const enum act act = net_pick(seed, 3, 0, 1) ? ACT_RELU : ACT_ELU;
    window.bias = net_pick(seed, 4, 0, 1);
    const int a = graph_conv(g, "a", relu, window);
    const int sum = graph_add(g, "sum", graph_conv(g, "b", a, window), a);
    graph_output(g, "y", graph_act(g, "act", sum, (struct activation){act, 1, 0}));
    return g;
}

struct counts { /* of steps */
    int winograd, in_bands, by_panels, strassen;
};

static void count(struct counts *c, const struct plan *p)
{
    for (int i = 0; i < p->steps; i++) {
        const struct step *step = &p->step[i];
        const bool winograd = step->kind == CALL_WINOGRAD;
        c->winograd += winograd;
        c->in_bands += winograd && step->group >= 0;
        c->by_panels += winograd && step->panels > 0;
        c->strassen += step->kind == CALL_SEPARABLE && step->call.separable.fast;
    }
}

static void subject_make_in(struct subject *s, struct graph *g, uint64_t seed, enum dtype type)
{
    subject_make(s, g, seed, type);
    subject_make_fast(s);
    s->band_bytes = seed % 2;
}

/* ---- right numbers --------------------------------------------------------------------------- */

static void check_numbers(struct counts *c, struct graph *g, uint64_t seed, enum dtype type,
                          double tolerance)
{
    struct subject s;
    struct trial t;
    subject_make_in(&s, g, seed, type);
    assert_numbers(&s, 1 + (int)(seed % 2), tolerance);
    trial_make(&t, &s, 1, NULL, 0);
    count(c, t.plan);
    trial_free(&t);
    subject_free(&s);
}

static void right_numbers(void **state)
{
    (void)state;
    const uint64_t seed = subject_seed();
    struct counts c = {0};
    print_message("seeds %llu and the next %d\n", (unsigned long long)seed, NETS - 1);
    for (uint64_t i = seed; i < seed + NETS; i++) {
        check_numbers(&c, odd_net(i), i, DTYPE_F64, 1e-12);
        check_numbers(&c, odd_net(i), i, DTYPE_F32, 1e-4);
        check_numbers(&c, tall_net(i), i, DTYPE_F32, 1e-4);
        if (i % 4) continue;
        check_numbers(&c, deep_net(i), i, DTYPE_F64, 1e-12);
        check_numbers(&c, deep_net(i), i, DTYPE_F32, 1e-4);
    }
    print_message("Winograd %d, %d of them in bands; Strassen %d\n", c.winograd, c.in_bands,
                  c.strassen);
    assert_true(c.winograd >= 5 * NETS && c.in_bands >= NETS / 2 && c.strassen == NETS);
}

/* ---- same bits ------------------------------------------------------------------------------- */

/* Image by image on one thread, and all at once in bands on those of the pool, idle or busy. rows:
 * of a piece in the second, where that is not 0; shift: a fault, of what is read. */
static bool same_in_pieces(struct counts *c, struct graph *g, uint64_t seed, struct pool *pool,
                           int rows, int shift)
{
    struct subject s;
    struct trial one, all;
    bool same = true;
    subject_make_in(&s, g, seed, DTYPE_F32);
    trial_make(&all, &s, IMAGES, NULL, 0);
    s.band_bytes = 0;
    trial_make(&one, &s, 1, NULL, 0);
    count(c, all.plan);
    for (int i = 0; i < all.plan->steps; i++) {
        struct step *step = &all.plan->step[i];
        if (step->kind != CALL_WINOGRAD) continue;
        if (rows && rows < step->call.winograd.rows) step->call.winograd.rows = rows;
        step->call.winograd.conv.window.pad_left += shift;
    }
    for (int busy = 0; busy < 2; busy++) {
        (busy ? trial_run_busy : trial_run)(&all, &s, IMAGES, 0, pool);
        for (int i = 0; i < IMAGES; i++) {
            trial_run(&one, &s, 1, i, NULL);
            same = same && trial_same(&s, &one, 0, &all, i);
        }
    }
    trial_free(&one);
    trial_free(&all);
    subject_free(&s);
    return same;
}

static void same_bits(void **state)
{
    (void)state;
    const int threads[THREE] = {2, 3, MOST_THREADS - 1};
    struct pool *pool[THREE];
    struct error err = {0};
    struct counts c = {0};
    const uint64_t seed = subject_seed();
    for (int i = 0; i < THREE; i++) assert_int_equal(pool_new(threads[i], &pool[i], &err), XC_OK);
    print_message("seeds %llu and the next %d\n", (unsigned long long)seed, NETS - 1);
    for (uint64_t i = seed; i < seed + NETS; i++) {
        struct pool *some = pool[i % THREE];
        assert_true(same_in_pieces(&c, odd_net(i), i, some, (int)(i % 4), 0));
        assert_true(same_in_pieces(&c, tall_net(i), i, some, (int)(i % 5), 0));
        assert_true(same_in_pieces(&c, wide_net(i), i, some, 0, 0));
        assert_true(same_in_pieces(&c, deep_net(i), i, some, 0, 0));
    }
    print_message("Winograd %d, %d of them in bands, %d by panels; Strassen %d\n", c.winograd,
                  c.in_bands, c.by_panels, c.strassen);
    assert_true(c.in_bands >= NETS / 2 && c.strassen == 2 * NETS);
    struct kernels k;
    kernels_init(&k, DTYPE_F32, cpu_flags());
    assert_true(c.by_panels >= NETS || k.conv_packing == PACK_PLAIN);
    assert_false(same_in_pieces(&c, tall_net(1), 1, NULL, 0, 1));
    for (int i = 0; i < THREE; i++) pool_free(pool[i]);
}

/* ---- another size ---------------------------------------------------------------------------- */

/* Of a network that has been made for `side`, at size `asked`. */
static struct counts taken_at(int side, int asked)
{
    struct subject s;
    struct trial t;
    struct counts c = {0};
    struct graph *g = graph_new(side, side, 16);
    graph_output(g, "y", graph_conv(g, "a", 0, attr_conv(32, 3, 1, PAD_SAME)));
    subject_make(&s, g, 1, DTYPE_F32);
    subject_make_fast(&s);
    g->input.h = g->input.w = asked;
    assert_numbers(&s, 1, 1e-4);
    trial_make(&t, &s, 1, NULL, 0);
    count(&c, t.plan);
    trial_free(&t);
    subject_free(&s);
    return c;
}

static void the_network_decides(void **state)
{
    (void)state;
    assert_int_equal(taken_at(14, 14).winograd, 1);
    assert_int_equal(taken_at(14, 5).winograd, 1);
    assert_int_equal(taken_at(13, 13).winograd, 0);
    assert_int_equal(taken_at(13, 30).winograd, 0);
    const struct window window = {3, 3, 1, 1, 1, 1, 0, 0}, strided = {3, 3, 1, 2, 1, 1, 0, 0};
    const struct window dilated = {3, 3, 1, 1, 1, 2, 0, 0}, wider = {3, 5, 1, 1, 1, 1, 0, 0};
    const struct shape large = {1, 65532, 65532, 64};
    assert_true(winograd_takes(&window, 1, 16, large));
    assert_false(winograd_takes(&window, 2, 16, large));
    assert_false(winograd_takes(&strided, 1, 16, large));
    assert_false(winograd_takes(&dilated, 1, 16, large));
    assert_false(winograd_takes(&wider, 1, 16, large));
}

RUN(cmocka_unit_test(right_numbers), cmocka_unit_test(same_bits),
    cmocka_unit_test(the_network_decides))
