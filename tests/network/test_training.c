/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole networks in training: gradients against central differences, the same bits for any number
 * of threads and on every level of kernels (bf16: but for tile registers), and the memory that a
 * step takes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/gradient.h"
#include "harness.h"
#include "kernel/levels.h"
#include "network/arch.h"

#define BOUND 2e-7

static struct graph *network(const char *spec)
{
    struct graph *g = NULL;
    struct error err = {0};
    if (arch_build(spec, NULL, &g, NULL, &err) != XC_OK) print_error("%s: %s\n", spec, err.text);
    assert_non_null(g);
    return g;
}

static void gradients(void **state)
{
    (void)state;
    STARTS_NO_THREAD();
    static const struct {
        const char *spec;
        int batch; /* from 17 and 9 on: groups of two images, the last one of one, and of one */
    } row[] = {
        {"xception,input=15x15x3,classes=5,width=0.02,middle=1,stem-stride=1", 3},
        {"xception,input=12x17x3,classes=5,width=0.02,middle=2,stem-stride=1,flavour=timm", 3},
        {"xception,input=15x15x3,classes=5,width=0.02,middle=1,stem-stride=1,residual=off", 3},
        {"xception,input=15x15x3,classes=5,width=0.02,middle=1,stem-stride=1,act=elu,order=pw-dw",
         3},
        {"xception,input=15x15x3,classes=5,width=0.02,middle=1,stem-stride=1,dropout=0.5,fc=12x2",
         3},
        {"xception,input=15x15x3,classes=5,width=0.02,middle=1,stem-stride=1,pools=none", 3},
        {"xception,input=21x23x3,classes=5,width=0.02,middle=1,stem-stride=1", 17},
        {"xception,input=22x21x3,classes=5,width=0.02,middle=1,stem-stride=1,flavour=timm", 17},
        {"xception,input=27x27x3,classes=5,width=0.02,middle=1,stem-stride=1", 9},
        {"mini-xception,input=37x37x1,classes=4", 3},
        {"tiny-xception", 3},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct graph *g = network(row[i].spec);
        struct lesson lesson;
        int worst = -1;
        lesson_open(&lesson, g, row[i].batch, LOSS_SOFTMAX, NULL, NULL, 40 + i);
        const double error = lesson_error(&lesson, row[i].batch > 3 ? 61 : 7, &worst);
        if (!(error < BOUND))
            print_error("%s, batch %d: %s is off by %g\n", row[i].spec, row[i].batch,
                        worst < 0 ? "the whole" : g->param.at[worst].name, error);
        assert_true(error < BOUND);
        lesson_close(&lesson);
        graph_free(g);
    }
}

/* ---- the same bits --------------------------------------------------------------------------- */

enum { BATCH = 8 }; /* enough for chains of slices */

struct result { /* everything that a step writes */
    float *param, *grad;
    double loss[BATCH];
};

/* As a network begins, but for biases. */
static void fill_params(const struct graph *g, float *param)
{
    for (int i = 0; i < g->param.count; i++) {
        const struct param *p = &g->param.at[i];
        const size_t fan = p->rank > 1 ? p->count / (size_t)p->dim[p->rank - 1] : 1;
        for (size_t j = p->offset; j < p->offset + p->count; j++) {
            const double v = rng_normal(1, RNG_TEST, 0, 0, (uint32_t)j);
            const bool one = p->role == PARAM_GAMMA || p->role == PARAM_VARIANCE;
            param[j] = (float)(p->rank > 1 ? v * sqrt(2 / (double)fan) : one ? 1 : 0.1 * v);
        }
    }
}

static struct result step(const struct graph *g, enum dtype type, unsigned flags, int threads,
                          size_t memory)
{
    struct kernels k;
    struct training_kernels t;
    struct learn *learn;
    struct pool *pool;
    struct error err = {0};
    const struct shape in = {BATCH, g->input.h, g->input.w, g->input.c};
    const size_t total = g->param.total, classes = (size_t)g->node[g->output[0].node].out.c;
    const size_t pixels = BATCH * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    const struct learn_opts opts = {.input = in, .memory = memory, .threads = threads};
    kernels_init(&k, type, flags);
    training_kernels_init(&t, type, flags);
    assert_int_equal(learn_new(g, &k, &t, &opts, &learn, &err), XC_OK);
    assert_int_equal(pool_new(threads, &pool, &err), XC_OK);
    struct result r = {.param = calloc(total, sizeof(float)), .grad = calloc(total, sizeof(float))};
    float *input = calloc(pixels, sizeof *input), *target = calloc(BATCH * classes, sizeof *target);
    void *arena = aligned_new(learn_arena_bytes(learn));
    fill_params(g, r.param);
    for (size_t i = 0; i < pixels; i++) input[i] = rng_uniform(1, RNG_TEST, 1, 0, (uint32_t)i);
    for (size_t n = 0; n < BATCH; n++) target[n * classes + n % classes] = 1;
    const struct learn_io io = {.input = input,
                                .target = target,
                                .param = r.param,
                                .grad = r.grad,
                                .loss = r.loss,
                                .scale = 0.25};
    assert_int_equal(learn_run(learn, &io, arena, pool, NULL), XC_OK);
    pool_free(pool);
    learn_free(learn);
    free(arena);
    free(input);
    free(target);
    return r;
}

static void drop(struct result *r)
{
    free(r->param);
    free(r->grad);
}

static bool same(const struct graph *g, const struct result *a, const struct result *b)
{
    const size_t bytes = g->param.total * sizeof(float);
    return memcmp(a->param, b->param, bytes) == 0 && memcmp(a->grad, b->grad, bytes) == 0 &&
           memcmp(a->loss, b->loss, sizeof a->loss) == 0;
}

/* Where sums have the order of tile registers the other levels have other bits. */
static bool in_blocks(enum dtype type, unsigned flags)
{
    struct kernels k;
    kernels_init(&k, type, flags);
    return k.in_blocks;
}

/* On the levels from `lowest` on. */
static void same_bits_of(const char *spec, enum dtype type, unsigned flags, size_t lowest)
{
    struct graph *g = network(spec);
    struct result first = step(g, type, flags, 1, 0);
    size_t gone = 0;
    for (size_t i = 0; i < g->param.total; i++) gone += isfinite((double)first.grad[i]) ? 0 : 1;
    assert_int_equal(gone, 0);
    for (int threads = 2; threads <= 5; threads++) {
        struct result r = step(g, type, flags, threads, (size_t)threads % 2);
        assert_true(same(g, &first, &r));
        drop(&r);
    }
    for (size_t i = lowest; cpu_level(i) && !HARNESS_TSAN; i++) { /* the threads are the same */
        unsigned allowed = 0;
        assert_true(cpu_level_flags(cpu_level(i), &allowed));
        if (!level_differs(i, type, flags)) continue;
        if (in_blocks(type, flags & allowed) != in_blocks(type, flags)) continue;
        struct result r = step(g, type, flags & allowed, 2, 0);
        if (!same(g, &first, &r))
            print_error("%s, %s: other bits on level %s\n", spec, dtype_name(type), cpu_level(i));
        assert_true(same(g, &first, &r));
        drop(&r);
    }
    drop(&first);
    graph_free(g);
}

static const char *const networks[] = {
    "xception,input=39x35x3,classes=7,width=0.05,middle=1,stem-stride=1,dropout=0.3",
    "xception,input=71x72x3,classes=5,width=0.04,middle=1,flavour=timm,fc=12x2",
    "mini-xception,input=48x48x1,classes=4",
    "xception,input=33x35x3,classes=5,width=0.05,middle=1,stem-stride=1,act=elu,pools=none",
    "resnet50,input=32x32x3,classes=5,stem-stride=1,stem=8,channels=8/12,blocks=1/1,block=basic",
};
enum { NETWORKS = sizeof networks / sizeof *networks };

/* "ref" multiplies and adds in software, which takes most of the time, and tests/kernel has its
 * bits for every kernel: one network is enough. */
static void same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < NETWORKS; i++) {
        const size_t lowest = i > 0;
        same_bits_of(networks[i], DTYPE_F32, cpu_flags(), lowest);
        same_bits_of(networks[i], DTYPE_BF16, cpu_flags() & ~(unsigned)CPU_AMX, lowest);
        if (in_blocks(DTYPE_BF16, cpu_flags()))
            same_bits_of(networks[i], DTYPE_BF16, cpu_flags(), lowest);
    }
}

/* ---- brain floats ---------------------------------------------------------------------------- */

static double length(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* How far is a gradient in brain floats from that in float32, as a part of its length? Rounding
 * turns ReLUs and maxima over, and batch norm of a few pixels makes the most of it: each operator
 * by itself is within 1 % (tests/graph). */
static void close_gradients(void **state)
{
    static const double most[NETWORKS] = {0.4, 0.4, 0.25, 0.15, 0.4};
    (void)state;
    for (int i = 0; i < NETWORKS; i++) {
        struct graph *g = network(networks[i]);
        struct result exact = step(g, DTYPE_F32, cpu_flags(), 2, 0);
        struct result rounded = step(g, DTYPE_BF16, cpu_flags(), 2, 0);
        for (size_t j = 0; j < g->param.total; j++) rounded.grad[j] -= exact.grad[j];
        const double off =
            length(rounded.grad, g->param.total) / length(exact.grad, g->param.total);
        if (!(off <= most[i])) print_error("%s: off by %g\n", networks[i], off);
        assert_true(off <= most[i]);
        drop(&exact);
        drop(&rounded);
        graph_free(g);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t arena_bytes(const char *spec, int batch, size_t limit)
{
    struct graph *g = network(spec);
    struct kernels k;
    struct training_kernels t;
    struct learn *learn;
    struct error err = {0};
    const struct learn_opts opts = {
        .input = {batch, g->input.h, g->input.w, g->input.c}, .memory = limit, .threads = 2};
    kernels_init(&k, DTYPE_F32, 0);
    training_kernels_init(&t, DTYPE_F32, 0);
    assert_int_equal(learn_new(g, &k, &t, &opts, &learn, &err), XC_OK);
    const size_t bytes = learn_arena_bytes(learn);
    if (getenv("XC_TEST_DUMP")) {
        struct arena a = {0};
        print_message("%s", learn_dump(learn, &a));
        arena_free(&a);
    }
    learn_free(learn);
    graph_free(g);
    return bytes;
}

/* A number that moves is looked at. Weights, their gradients and momentum come to these: 262 MiB.
 * The promise is 1900 MiB for batch 16, and batch 32 within 2 GiB, with convolutions done again. */
static void memory(void **state)
{
    static const struct {
        int batch;
        size_t limit, bytes;
    } expected[] = {{16, 0, 1648974720},
                    {16, (size_t)1200 << 20, 1245964800},
                    {16, 1, 902366976},
                    {32, (size_t)1700 << 20, 1760209664}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const size_t bytes = arena_bytes("xception", expected[i].batch, expected[i].limit);
        if (bytes != expected[i].bytes)
            print_error("batch %d, limit %zu: %zu bytes\n", expected[i].batch, expected[i].limit,
                        bytes);
        assert_int_equal(bytes, expected[i].bytes);
    }
}

RUN(cmocka_unit_test(gradients), cmocka_unit_test(same_bits), cmocka_unit_test(close_gradients),
    cmocka_unit_test(memory))
