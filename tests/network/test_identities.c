/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the modules of the spectrum what the paper says of each other? Each identity takes the random
 * weights of one network, turns them into weights of another, and compares what both compute with
 * the fastest float32 kernels, on a hundred random shapes. A weight that is one per cent off must
 * be seen.
 */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/net.h"
#include "graph/plan.h"
#include "network/network.h"

enum { TRIALS = 100 };
static const double bound = 4e-6; /* of the largest value: the order of float32 sums differs */

/* ---- a network and its numbers --------------------------------------------------------------- */

struct net {
    struct graph *g;
    float **data;
};

static struct net net_of(struct graph *g, uint64_t seed)
{
    struct error err = {XC_OK, ""};
    if (graph_finish(g, &err) != XC_OK) WRONG("%s", err.text);
    return (struct net){g, net_data(g, seed)};
}

static struct net net_of_arch(const char *arch, uint64_t seed)
{
    struct graph *g = build(arch);
    return (struct net){g, net_data(g, seed)};
}

static void net_free(struct net *n)
{
    net_data_free(n->data);
    graph_free(n->g);
}

static float *param(const struct net *n, const char *name)
{
    int i = param_find(&n->g->param, name);
    if (i < 0) WRONG("no parameter %s", name);
    return n->data[i];
}

/* What the network makes of the input of this seed; free(). */
static float *answer(const struct net *n, uint64_t seed, size_t *count)
{
    struct kernels k;
    struct weights *w;
    struct plan *p;
    struct error err = {XC_OK, ""};
    struct view in, out;
    const struct weights_source from = {.data = (const float *const *)n->data};
    const struct plan_opts opts = {.input = n->g->input};
    kernels_init(&k, DTYPE_F32, cpu_flags());
    assert_int_equal(weights_new(n->g, &from, &k, NULL, &w, &err), XC_OK);
    assert_int_equal(plan_new(n->g, w, &k, &opts, &p, &err), XC_OK);
    void *arena = aligned_new(plan_arena_bytes(p)), *scratch = aligned_new(plan_scratch_bytes(p));
    assert_non_null(arena);
    assert_non_null(scratch);
    assert_true(plan_view(p, 0, arena, &in));
    size_t at = 0;
    for (int y = 0; y < in.h; y++)
        for (int x = 0; x < in.w; x++)
            for (int c = 0; c < in.c; c++)
                ((float *)(void *)((char *)in.data + y * in.row + x * in.pixel))[c] =
                    (float)net_input(seed, at++);
    assert_int_equal(plan_run(p, arena, scratch, NULL, NULL), XC_OK);
    assert_true(plan_view(p, n->g->output[0].node, arena, &out));
    *count = (size_t)(out.h * out.w) * (size_t)out.c;
    float *values = malloc(*count * sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < out.h * out.w; i++)
        memcpy(values + i * out.c, (char *)out.data + i / out.w * out.row + i % out.w * out.pixel,
               (size_t)out.c * sizeof *values);
    free(scratch);
    free(arena);
    plan_free(p);
    weights_free(w);
    return values;
}

/* The largest difference of what the two compute, as a part of the largest value. */
static double distance(const struct net *a, const struct net *b, uint64_t seed)
{
    size_t count, other;
    float *x = answer(a, seed, &count), *y = answer(b, seed, &other);
    double worst = 0, largest = 1e-30;
    assert_int_equal(count, other);
    for (size_t i = 0; i < count; i++) {
        worst = worse(worst, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    free(x);
    free(y);
    return worst / largest;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

struct shapes {
    int h, w, c;              /* the input */
    int segments, of_segment; /* channels of one */
};

static int between(uint64_t seed, uint32_t i, int low, int high)
{
    float u = rng_uniform(seed, RNG_TEST, 0, 0, i);
    return low + (int)(u * (float)(high - low + 1));
}

static struct shapes shapes_of(uint64_t seed)
{
    return (struct shapes){between(seed, 0, 1, 12), between(seed, 1, 1, 12),
                           between(seed, 2, 1, 40), between(seed, 3, 1, 8),
                           between(seed, 4, 1, 20)};
}

/* ---- the identities ----------------------------------------------------------------------------
 *
 * Each makes both networks; the second one's weights come from the first one's.
 */

typedef void identity_fn(uint64_t seed, const struct shapes *s, struct net *a, struct net *b);

static void join_norm(const struct net *a, const struct net *b, int tower, const char *of, int each)
{
    static const char *const vector[] = {"gamma", "beta", "moving_mean", "moving_variance"};
    for (int v = 0; v < 4; v++) {
        char from[80], to[80];
        snprintf(from, sizeof from, "module_%d_%s_bn/%s", tower, of, vector[v]);
        snprintf(to, sizeof to, "module_%s_bn/%s", of, vector[v]);
        memcpy(param(b, to) + tower * each, param(a, from), (size_t)each * sizeof(float));
    }
}

/* Rows of `each` columns side by side with those of the other towers. */
static void join_columns(const float *from, float *to, int rows, int each, int tower, int towers)
{
    for (int r = 0; r < rows; r++)
        memcpy(to + (r * towers + tower) * each, from + r * each, (size_t)each * sizeof *to);
}

/* Figure 2 is figure 3: towers of 1x1 and 3x3 are one 1x1 and a 3x3 on each segment. */
static void towers_are_segments(uint64_t seed, const struct shapes *s, struct net *a, struct net *b)
{
    const int n = s->segments, each = s->of_segment;
    char arch[160];
    snprintf(arch, sizeof arch,
             "inception-module,module=towers,input=%dx%dx%d,segments=%d,width=%d", s->h, s->w, s->c,
             n, n * each);
    *a = net_of_arch(arch, seed);
    snprintf(arch, sizeof arch, "inception-module,input=%dx%dx%d,segments=%d,width=%d", s->h, s->w,
             s->c, n, n * each);
    *b = net_of_arch(arch, seed + 1);
    for (int i = 0; i < n; i++) {
        char name_1x1[40], name_3x3[40];
        snprintf(name_1x1, sizeof name_1x1, "module_%d_1x1/pointwise_kernel", i);
        snprintf(name_3x3, sizeof name_3x3, "module_%d_3x3/kernel", i);
        if (param_find(&a->g->param, name_1x1) < 0)
            snprintf(name_1x1, sizeof name_1x1, "module_%d_1x1/kernel", i);
        join_columns(param(a, name_1x1), param(b, "module_1x1/kernel"), s->c, each, i, n);
        join_columns(param(a, name_3x3), param(b, "module_3x3/kernel"), 9 * each, each, i, n);
        join_norm(a, b, i, "1x1", each);
        join_norm(a, b, i, "3x3", each);
    }
}

static struct graph *one_conv(const struct shapes *s, int channels, int groups)
{
    struct graph *g = graph_new(s->h, s->w, channels);
    assert_non_null(g);
    struct conv_attr attr = attr_conv(channels, 3, 1, PAD_SAME);
    attr.groups = groups;
    graph_output(g, "map", graph_conv(g, "conv", 0, attr));
    return g;
}

/* Figure 3's segments are a grouped convolution: a regular one with zeros between segments. */
static void segments_are_blocks(uint64_t seed, const struct shapes *s, struct net *a, struct net *b)
{
    const int n = s->segments, each = s->of_segment, c = n * each;
    *a = net_of(one_conv(s, c, n), seed);
    *b = net_of(one_conv(s, c, 1), seed + 1);
    const float *from = param(a, "conv/kernel"); /* (9, each, c) */
    float *to = param(b, "conv/kernel");         /* (9, c, c) */
    memset(to, 0, (size_t)(9 * c * c) * sizeof *to);
    for (int tap = 0; tap < 9; tap++)
        for (int i = 0; i < each; i++)
            for (int o = 0; o < c; o++)
                to[(tap * c + o / each * each + i) * c + o] = from[(tap * each + i) * c + o];
}

/* Figure 4: one segment a channel is the depthwise convolution. */
static void channels_are_depthwise(uint64_t seed, const struct shapes *s, struct net *a,
                                   struct net *b)
{
    const int c = s->segments * s->of_segment;
    *a = net_of(one_conv(s, c, GROUPS_DEPTHWISE), seed);
    *b = net_of(one_conv(s, c, 1), seed + 1);
    const float *from = param(a, "conv/depthwise_kernel"); /* (9, c) */
    float *to = param(b, "conv/kernel");
    memset(to, 0, (size_t)(9 * c * c) * sizeof *to);
    for (int tap = 0; tap < 9; tap++)
        for (int i = 0; i < c; i++) to[(tap * c + i) * c + i] = from[tap * c + i];
}

/* n extreme modules in a row: a pointwise, n - 1 separable convolutions, a depthwise. */
static void stack_is_separable(uint64_t seed, const struct shapes *s, struct net *a, struct net *b)
{
    const int n = 1 + s->segments % 4, c = s->of_segment + 2;
    struct graph *x = graph_new(s->h, s->w, s->c), *y = graph_new(s->h, s->w, s->c);
    struct conv_attr depthwise = attr_conv(0, 3, 1, PAD_SAME);
    depthwise.groups = GROUPS_DEPTHWISE;
    int p = 0, q = graph_conv(y, "pw", 0, attr_conv(c, 1, 1, PAD_VALID));
    for (int i = 0; i < n; i++) {
        char pw[16], dw[16], sep[16];
        snprintf(pw, sizeof pw, "pw%d", i);
        snprintf(dw, sizeof dw, "dw%d", i);
        snprintf(sep, sizeof sep, "sep%d", i);
        p = graph_conv(x, pw, p, attr_conv(c, 1, 1, PAD_VALID));
        p = graph_conv(x, dw, p, depthwise);
        if (i > 0) q = graph_sepconv(y, sep, q, attr_conv(c, 3, 1, PAD_SAME));
    }
    q = graph_conv(y, "dw", q, depthwise);
    graph_output(x, "map", p);
    graph_output(y, "map", q);
    *a = net_of(x, seed);
    *b = net_of(y, seed + 1);
    const size_t column = (size_t)(c * c) * sizeof(float), taps = (size_t)(9 * c) * sizeof(float);
    memcpy(param(b, "pw/kernel"), param(a, "pw0/kernel"), (size_t)(s->c * c) * sizeof(float));
    for (int i = 0; i < n; i++) {
        char from[40], to[40];
        snprintf(from, sizeof from, "dw%d/depthwise_kernel", i);
        snprintf(to, sizeof to, "sep%d/depthwise_kernel", i + 1);
        memcpy(param(b, i + 1 < n ? to : "dw/depthwise_kernel"), param(a, from), taps);
        snprintf(from, sizeof from, "pw%d/kernel", i);
        snprintf(to, sizeof to, "sep%d/pointwise_kernel", i);
        if (i > 0) memcpy(param(b, to), param(a, from), column);
    }
}

/* A separable convolution is a regular one whose kernels have rank one. */
static void separable_is_rank_one(uint64_t seed, const struct shapes *s, struct net *a,
                                  struct net *b)
{
    const int oc = s->segments * s->of_segment;
    struct graph *x = graph_new(s->h, s->w, s->c), *y = graph_new(s->h, s->w, s->c);
    graph_output(x, "map", graph_sepconv(x, "conv", 0, attr_conv(oc, 3, 1, PAD_SAME)));
    graph_output(y, "map", graph_conv(y, "conv", 0, attr_conv(oc, 3, 1, PAD_SAME)));
    *a = net_of(x, seed);
    *b = net_of(y, seed + 1);
    const float *dw = param(a, "conv/depthwise_kernel"), *pw = param(a, "conv/pointwise_kernel");
    float *to = param(b, "conv/kernel");
    for (int tap = 0; tap < 9; tap++)
        for (int c = 0; c < s->c; c++)
            for (int o = 0; o < oc; o++)
                to[(tap * s->c + c) * oc + o] = dw[tap * s->c + c] * pw[c * oc + o];
}

static identity_fn *const identities[] = {towers_are_segments, segments_are_blocks,
                                          channels_are_depthwise, stack_is_separable,
                                          separable_is_rank_one};

/* ---- the tests ------------------------------------------------------------------------------- */

static void identity_holds(int i)
{
    for (uint64_t t = 0; t < TRIALS; t++) {
        const uint64_t seed = 1000 * (uint64_t)i + t;
        const struct shapes s = shapes_of(seed);
        struct net a, b;
        identities[i](seed, &s, &a, &b);
        double d = distance(&a, &b, seed);
        if (!(d <= bound))
            WRONG("identity %d, seed %llu (%dx%dx%d, %d segments of %d): off by %g", i,
                  (unsigned long long)seed, s.h, s.w, s.c, s.segments, s.of_segment, d);
        net_free(&a);
        net_free(&b);
    }
}

static void figure_2_is_figure_3(void **state)
{
    (void)state;
    identity_holds(0);
}

static void segments_are_groups(void **state)
{
    (void)state;
    identity_holds(1);
}

static void figure_4_is_depthwise(void **state)
{
    (void)state;
    identity_holds(2);
}

static void order_is_unimportant_in_a_stack(void **state)
{
    (void)state;
    identity_holds(3);
}

static void separable_is_regular(void **state)
{
    (void)state;
    identity_holds(4);
}

/* The largest weight of the second network, one per cent off. */
static void a_wrong_weight_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        const struct shapes s = {5, 6, 9, 3, 4};
        struct net a, b;
        identities[i](i, &s, &a, &b);
        float *kernel = b.data[0];
        size_t largest = 0;
        for (size_t k = 0; k < b.g->param.at[0].count; k++)
            if (fabsf(kernel[k]) > fabsf(kernel[largest])) largest = k;
        kernel[largest] *= 1.01f;
        assert_true(distance(&a, &b, i) > 10 * bound);
        net_free(&a);
        net_free(&b);
    }
}

RUN(cmocka_unit_test(figure_2_is_figure_3), cmocka_unit_test(segments_are_groups),
    cmocka_unit_test(figure_4_is_depthwise), cmocka_unit_test(order_is_unimportant_in_a_stack),
    cmocka_unit_test(separable_is_regular), cmocka_unit_test(a_wrong_weight_is_seen))
