/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the gradients of watched nodes what central differences say? The network has what makes it
 * hard: a map with two readers, batch norm behind which only an activation stands, a depthwise part
 * that is computed twice, sums that hold one gradient for both parts, dropout. A node that the rest
 * hangs on alone can be given as input, so that the difference quotient needs no arithmetic of the
 * test's own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "graph/learn.h"
#include "harness.h"

#define SEED 5
#define BATCH 2
#define CLASSES 3
#define STEP 1e-6
#define BOUND 2e-6

static struct graph *network(void)
{
    struct error err = {0};
    struct graph *g = graph_new(9, 8, 3);
    assert_non_null(g);
    const struct batch_norm_attr norm = {.epsilon = 1e-3, .momentum = 0.99};
    const struct conv_attr three = {.oc = 6, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}};
    const struct pool_attr most = {
        .kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = {.kind = PAD_SAME}};
    const struct activation elu = {.kind = ACT_ELU, .alpha = 1};
    const float scale[] = {0.5f}, shift[] = {-0.25f};
    int x = graph_affine(g, "scale", 0, scale, shift, 1);
    x = graph_conv(g, "conv", x, three);
    x = graph_batch_norm(g, "bn", x, norm);
    x = graph_act(g, "elu", x, elu);
    x = graph_sepconv(g, "sep1", x, three);
    x = graph_batch_norm(g, "sep1_bn", x, norm);
    const int a = graph_relu(g, "sep1_act", x);
    x = graph_sepconv(g, "sep2", a, three);
    const int sum = graph_add(g, "add", x, a);
    const int parts[] = {sum, graph_act(g, "elu2", sum, elu)};
    x = graph_concat(g, "concat", parts, 2);
    x = graph_pool(g, "pool", x, most);
    x = graph_dropout(g, "dropout", x, 0.5);
    x = graph_global_pool(g, "gap", x, POOL_AVERAGE);
    x = graph_dense(g, "dense", x, CLASSES, true);
    x = graph_softmax(g, "softmax", x);
    graph_output(g, "softmax", x);
    assert_int_equal(graph_finish(g, &err), XC_OK);
    return g;
}

struct run { /* of the network, or of what stands behind node `from` */
    struct learn *learn;
    char *arena;
};

static struct kernels kernels;
static struct training_kernels training;

static xc_status open_run(struct run *r, const struct graph *g, int from, const int *watch,
                          int watches, struct error *err)
{
    const struct shape in = {BATCH, g->input.h, g->input.w, g->input.c};
    const struct learn_opts opts = {.input = in,
                                    .from = from,
                                    .loss = LOSS_GIVEN,
                                    .inference = true,
                                    .watch = watch,
                                    .watches = watches};
    const xc_status status = learn_new(g, &kernels, &training, &opts, &r->learn, err);
    if (status == XC_OK) r->arena = aligned_new(learn_arena_bytes(r->learn));
    return status;
}

static void close_run(struct run *r)
{
    learn_free(r->learn);
    free(r->arena);
}

/* A view's numbers without gaps. */
static double *dense(struct view v, size_t *count)
{
    *count = (size_t)v.n * (size_t)v.h * (size_t)v.w * (size_t)v.c;
    double *to = calloc(*count, sizeof *to), *at = to;
    assert_non_null(to);
    for (int i = 0; i < v.n * v.h * v.w; i++, at += v.c)
        memcpy(at,
               (char *)v.data + i / (v.h * v.w) * v.image + i / v.w % v.h * v.row +
                   i % v.w * v.pixel,
               (size_t)v.c * sizeof *at);
    return to;
}

/* The sum that the target weighs the logits with. */
static double score(const struct run *r, const struct learn_io *io)
{
    double sum = 0;
    size_t count;
    assert_int_equal(learn_run(r->learn, io, r->arena, NULL, NULL), XC_OK);
    double *logit = dense(learn_logits(r->learn, r->arena), &count);
    for (size_t i = 0; i < count; i++) sum += logit[i] * ((const double *)io->target)[i];
    free(logit);
    return sum;
}

static double normal(uint32_t stream, size_t i)
{
    return rng_normal(SEED, RNG_TEST, stream, 0, (uint32_t)i);
}

/* Difference quotient along a random direction of `value`, and what `gradient` says it is. */
static double difference(const struct run *r, struct learn_io io, const double *value,
                         const double *gradient, size_t count)
{
    double expected = 0, slope[2], *moved = calloc(count, sizeof *moved);
    assert_non_null(moved);
    io.input = moved;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            moved[i] = value[i] + (side ? STEP : -STEP) * normal(9, i);
        slope[side] = score(r, &io);
    }
    for (size_t i = 0; i < count; i++) expected += gradient[i] * normal(9, i);
    free(moved);
    return fabs((slope[1] - slope[0]) / (2 * STEP) - expected) / (fabs(expected) + 1e-3);
}

/* Of node i, watched beside another one; -1: more than it leads to the classes. */
static double error_at(const struct graph *g, int i, struct learn_io io)
{
    struct error err = {0};
    struct run whole = {0}, rest = {0};
    const int watch[] = {i, i == 3 ? 4 : 3};
    size_t count;
    if (open_run(&rest, g, i, &i, 1, &err) != XC_OK) return -1;
    assert_int_equal(open_run(&whole, g, 0, watch, 2, &err), XC_OK);
    score(&whole, &io);
    double *gradient = dense(learn_gradient(whole.learn, 0, whole.arena), &count);
    double *value = i == 0 ? NULL : dense(learn_value(whole.learn, 0, whole.arena), &count);
    assert_true(i > 0 || !learn_value(whole.learn, 0, whole.arena).data);
    const double error = difference(&rest, io, i ? value : io.input, gradient, count);
    free(gradient);
    free(value);
    close_run(&whole);
    close_run(&rest);
    return error;
}

static void every_node(void **state)
{
    (void)state;
    struct graph *g = network();
    const size_t pixels = BATCH * 9 * 8 * 3;
    double *param = calloc(g->param.total, sizeof *param), *input = calloc(pixels, sizeof *input);
    double target[BATCH * CLASSES];
    int checked = 0;
    assert_true(param && input);
    for (size_t i = 0; i < g->param.total; i++) param[i] = 0.5 * normal(1, i);
    for (int i = 0; i < g->param.count; i++)
        for (size_t j = 0; g->param.at[i].role == PARAM_VARIANCE && j < g->param.at[i].count; j++)
            param[g->param.at[i].offset + j] = 0.5 + fabs(normal(1, j));
    for (size_t i = 0; i < pixels; i++) input[i] = normal(2, i);
    for (size_t i = 0; i < BATCH * CLASSES; i++) target[i] = normal(3, i);
    const struct learn_io io = {.input = input, .param = param, .target = target};
    for (int i = 0; i < g->nodes - 2; i++) {
        const double error = error_at(g, i, io);
        if (error > BOUND) print_error("%s is off by %g\n", g->node[i].name, error);
        assert_true(error <= BOUND);
        if (error >= 0) checked++;
    }
    assert_int_equal(checked, 14); /* all but the branches and the logits */
    free(param);
    free(input);
    graph_free(g);
}

/* A node behind the logits, or beside them, has no gradient. */
static void no_gradient(void **state)
{
    (void)state;
    struct run r = {0};
    struct error err = {0};
    struct graph *g = network();
    const int last = g->nodes - 1;
    assert_int_equal(open_run(&r, g, 0, &last, 1, &err), XC_ERR_ARGUMENT);
    assert_string_equal(err.text, "softmax: no class depends on it");
    assert_null(r.learn);
    graph_free(g);
}

int main(void)
{
    kernels_init(&kernels, DTYPE_F64, cpu_flags());
    training_kernels_init(&training, DTYPE_F64, cpu_flags());
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_node), cmocka_unit_test(no_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
