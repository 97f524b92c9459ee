/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every operator's backward pass against central differences, at odd shapes. Before the operator
 * stands a trained convolution, so that the gradient of its input is checked, too; behind it the
 * values go through a flatten, so that every output counts with a weight of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradient.h"
#include "harness.h"

#define BOUND 2e-7
#define ROUNDED_BOUND 1e-2
#define ROUNDED_AT_CORNERS 1e-1

struct lane { /* a network in the making */
    struct graph *g;
    int x;
    bool corners; /* where rounding changes the slope */
};

static struct lane open_lane(int h, int w, int c)
{
    struct lane l = {graph_new(h, w, 3), 0, false};
    assert_non_null(l.g);
    l.x = graph_conv(l.g, "before", 0, (struct conv_attr){.oc = c, .kh = 1, .kw = 1, .bias = true});
    return l;
}

static void close_lane(struct lane l, int classes)
{
    struct error err = {0};
    int x = graph_flatten(l.g, "flatten", l.x);
    x = graph_dense(l.g, "predictions", x, classes, true);
    graph_output(l.g, "predictions", x);
    if (graph_finish(l.g, &err) != XC_OK) print_error("%s\n", err.text);
    assert_int_equal(err.status, XC_OK);
}

static uint64_t seed_of_run(void)
{
    const char *text = getenv("XC_TEST_SEED");
    return text ? strtoull(text, NULL, 0) : 20;
}

static double error_of(const struct graph *g, enum loss_kind loss, const bool *frozen,
                       const struct training_kernels *training, const char **where)
{
    struct lesson lesson;
    int worst = -1;
    lesson_open(&lesson, g, 3, loss, frozen, training, seed_of_run());
    const double error = lesson_error(&lesson, 1, &worst);
    *where = worst < 0 ? "all parameters" : g->param.at[worst].name;
    lesson_close(&lesson);
    return error;
}

/* In brain floats, against float64. */
static void check_rounded(const struct lane *l, const char *what)
{
    const double bound = l->corners ? ROUNDED_AT_CORNERS : ROUNDED_BOUND;
    struct lesson lesson;
    lesson_open(&lesson, l->g, 3, LOSS_SOFTMAX, NULL, NULL, seed_of_run());
    const double error = lesson_rounded_error(&lesson);
    lesson_close(&lesson);
    if (!(error <= bound))
        print_error("%s, bf16: off by %g (seed %llu)\n", what, error,
                    (unsigned long long)seed_of_run());
    assert_true(error <= bound);
}

/* Closes, checks and frees. */
static void check(struct lane l, const char *what)
{
    const char *where;
    close_lane(l, 4);
    const double error = error_of(l.g, LOSS_SOFTMAX, NULL, NULL, &where);
    if (!(error <= BOUND))
        print_error("%s: %s is off by %g (seed %llu)\n", what, where, error,
                    (unsigned long long)seed_of_run());
    assert_true(error <= BOUND);
    check_rounded(&l, what);
    graph_free(l.g);
}

static void convolutions(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct conv_attr a;
    } trial[] = {
        {"3x3 valid", {.oc = 5, .kh = 3, .kw = 3}},
        {"3x3 same, bias", {.oc = 7, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}, .bias = true}},
        {"3x2 stride 2x3",
         {.oc = 5, .kh = 3, .kw = 2, .sy = 2, .sx = 3, .pad = {.kind = PAD_SAME}}},
        {"3x3 dilation 2x1",
         {.oc = 4, .kh = 3, .kw = 3, .dy = 2, .dx = 1, .pad = {PAD_EXPLICIT, 2, 1, 0, 3}}},
        {"stride and dilation",
         {.oc = 4,
          .kh = 2,
          .kw = 3,
          .sy = 2,
          .sx = 2,
          .dy = 3,
          .dx = 2,
          .pad = {.kind = PAD_SAME}}},
        {"padding wider than the window",
         {.oc = 4, .kh = 2, .kw = 1, .pad = {PAD_EXPLICIT, 3, 2, 1, 1}}},
        {"the same, stride 2x3",
         {.oc = 4, .kh = 2, .kw = 3, .sy = 2, .sx = 3, .pad = {PAD_EXPLICIT, 5, 4, 6, 1}}},
        {"7x4 stride 2, padding 3x1",
         {.oc = 3, .kh = 7, .kw = 4, .sy = 2, .sx = 2, .pad = {PAD_EXPLICIT, 3, 1, 3, 1}}},
        {"strides beyond the window",
         {.oc = 4, .kh = 1, .kw = 2, .sy = 3, .sx = 4, .pad = {PAD_EXPLICIT, 1, 0, 2, 0}}},
        {"strides that dilations share nothing with",
         {.oc = 2,
          .kh = 4,
          .kw = 3,
          .sy = 3,
          .sx = 4,
          .dy = 2,
          .dx = 6,
          .pad = {PAD_EXPLICIT, 4, 7, 3, 9}}},
        {"1x1", {.oc = 9, .kh = 1, .kw = 1, .bias = true}},
        {"1x1 padded behind", {.oc = 9, .kh = 1, .kw = 1, .pad = {PAD_EXPLICIT, 0, 0, 1, 2}}},
        {"1x1 stride 2", {.oc = 9, .kh = 1, .kw = 1, .sy = 2, .sx = 2, .pad = {.kind = PAD_SAME}}},
        {"groups", {.oc = 9, .kh = 3, .kw = 3, .groups = 3, .pad = {.kind = PAD_SAME}}},
        {"groups stride 2", {.oc = 3, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .groups = 3}},
        {"depthwise",
         {.kh = 3, .kw = 3, .groups = GROUPS_DEPTHWISE, .pad = {.kind = PAD_SAME}, .bias = true}},
        {"depthwise stride 2x1 dilation 1x2",
         {.kh = 3,
          .kw = 3,
          .sy = 2,
          .dx = 2,
          .groups = GROUPS_DEPTHWISE,
          .pad = {.kind = PAD_SAME}}},
    };
    for (size_t i = 0; i < sizeof trial / sizeof *trial; i++) {
        struct lane l = open_lane(7, 9, 6);
        l.x = graph_conv(l.g, "conv", l.x, trial[i].a);
        check(l, trial[i].what);
    }
}

/* Two readers of the same map: the second gradient is added to the first. */
static void shared_inputs(void **state)
{
    (void)state;
    static const struct conv_attr kinds[] = {
        {.oc = 6, .kh = 1, .kw = 1},
        {.oc = 6, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}},
        {.kh = 3, .kw = 3, .groups = GROUPS_DEPTHWISE, .pad = {.kind = PAD_SAME}},
    };
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            struct lane l = open_lane(5, 7, 6);
            const int y = graph_conv(l.g, "one", l.x, kinds[i]);
            const int z = graph_conv(l.g, "two", l.x, kinds[j]);
            l.x = graph_add(l.g, "add", graph_add(l.g, "sum", y, z), l.x);
            check(l, "shared inputs");
        }
    struct lane l = open_lane(5, 7, 6);
    const struct conv_attr half = {
        .oc = 4, .kh = 1, .kw = 1, .sy = 2, .sx = 2, .pad = {.kind = PAD_SAME}};
    const int y = graph_conv(l.g, "one", l.x, half), z = graph_conv(l.g, "two", l.x, half);
    l.x = graph_add(l.g, "add", y, z);
    check(l, "two strided readers");
    l = open_lane(7, 6, 3);
    const struct conv_attr third = {.oc = 4, .kh = 3, .kw = 2, .sy = 3, .sx = 2};
    const int one = graph_conv(l.g, "one", l.x, third), two = graph_conv(l.g, "two", l.x, third);
    l.x = graph_add(l.g, "add", one, two);
    check(l, "two strided windows");
}

static void pools(void **state)
{
    (void)state;
    static const struct pool_attr trial[] = {
        {.kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = {.kind = PAD_SAME}},
        {.kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = {PAD_EXPLICIT, 1, 1, 1, 1}},
        {.kind = POOL_MAX, .kh = 2, .kw = 3, .sy = 1, .sx = 3},
        {.kind = POOL_AVERAGE, .kh = 3, .kw = 3, .sy = 2, .sx = 1, .pad = {.kind = PAD_SAME}},
        {.kind = POOL_AVERAGE,
         .kh = 3,
         .kw = 2,
         .sy = 1,
         .sx = 2,
         .pad = {PAD_EXPLICIT, 1, 1, 1, 0},
         .count_pad = true},
    };
    for (size_t i = 0; i < sizeof trial / sizeof *trial; i++) {
        struct lane l = open_lane(8, 7, 5);
        const int y = graph_pool(l.g, "pool", l.x, trial[i]);
        const int z = graph_pool(l.g, "again", l.x, trial[i]);
        l.x = graph_add(l.g, "add", y, graph_relu(l.g, "act", z));
        check(l, "pool");
    }
    for (int kind = POOL_MAX; kind <= POOL_AVERAGE; kind++) {
        struct lane l = open_lane(5, 6, 7);
        const int y = graph_global_pool(l.g, "pool", l.x, (enum pool_kind)kind);
        const int z = graph_global_pool(l.g, "again", l.x, (enum pool_kind)kind);
        l.x = graph_add(l.g, "add", y, graph_relu(l.g, "act", z));
        check(l, "global pool");
    }
}

static void activations(void **state)
{
    (void)state;
    static const struct activation trial[] = {{ACT_RELU, 0, 0},    {ACT_ELU, 0.7, 0},
                                              {ACT_SIGMOID, 0, 0}, {ACT_CLIP, -0.4, 0.6},
                                              {ACT_TANH, 0, 0},    {ACT_NONE, 0, 0}};
    const struct batch_norm_attr norm = {.epsilon = 1e-3, .momentum = 0.9};
    for (size_t i = 0; i < sizeof trial / sizeof *trial; i++) {
        struct lane l = open_lane(5, 4, 6);
        const int y = graph_act(l.g, "one", l.x, trial[i]);
        const int z = graph_act(l.g, "two", y, trial[i]); /* of an activation */
        l.x = graph_add(l.g, "add", y, z);
        l.corners = trial[i].kind == ACT_CLIP;
        check(l, "activation");
        l = open_lane(5, 4, 6);
        l.corners = trial[i].kind == ACT_CLIP;
        l.x = graph_batch_norm(l.g, "bn", l.x, norm);
        l.x = graph_act(l.g, "act", l.x, trial[i]);
        check(l, "batch norm and activation");
        l = open_lane(5, 4, 6);
        l.x = graph_batch_norm(l.g, "bn", l.x, norm);
        l.x = graph_add(l.g, "add", l.x, graph_act(l.g, "act", l.x, trial[i]));
        check(l, "batch norm that others read");
    }
}

static void norms(void **state)
{
    (void)state;
    for (int bits = 0; bits < 8; bits++) {
        struct lane l = open_lane(9, 11, 6);
        const struct batch_norm_attr a = {.epsilon = bits & 4 ? 1e-5 : 1e-3,
                                          .momentum = 0.9,
                                          .no_gamma = bits & 1,
                                          .no_beta = bits & 2,
                                          .torch_momentum = bits & 4};
        const int y = graph_batch_norm(l.g, "one", l.x, a);
        const int z = graph_batch_norm(l.g, "two", l.x, a);
        l.x = graph_add(l.g, "add", graph_relu(l.g, "act", y), z);
        check(l, "batch norm");
    }
}

static void joins(void **state)
{
    (void)state;
    struct lane l = open_lane(4, 5, 3);
    const float scale[3] = {0.5f, -2, 1.25f}, shift[3] = {1, 0, -3};
    const int a = graph_affine(l.g, "affine", l.x, scale, shift, 3);
    const int b = graph_relu(l.g, "relu", a);
    const int c = graph_dropout(l.g, "drop", b, 0.4);
    const int d = graph_softmax(l.g, "softmax", c);
    const int parts[] = {a, d, b, l.x, c};
    l.x = graph_concat(l.g, "concat", parts, 5);
    check(l, "affine, dropout, softmax, concat");
    l = open_lane(4, 5, 4);
    l.x = graph_add(l.g, "twice", l.x, l.x);
    check(l, "x + x");
    l = open_lane(4, 5, 4);
    l.x = graph_dense(l.g, "wide", graph_flatten(l.g, "row", l.x), 6, false);
    check(l, "dense without bias");
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void losses(void **state)
{
    (void)state;
    const struct activation sigmoid = {.kind = ACT_SIGMOID};
    for (int ends = 0; ends < 2; ends++)
        for (int kind = LOSS_SOFTMAX; kind <= LOSS_SIGMOID; kind++) {
            struct lesson lesson;
            int worst;
            struct error err = {0};
            struct graph *g = graph_new(1, 1, 5);
            int x = graph_dense(g, "fc", graph_flatten(g, "flatten", 0), 4, true);
            if (ends)
                x = kind == LOSS_SOFTMAX ? graph_softmax(g, "end", x)
                                         : graph_act(g, "end", x, sigmoid);
            graph_output(g, "end", x);
            assert_int_equal(graph_finish(g, &err), XC_OK);
            lesson_open(&lesson, g, 5, (enum loss_kind)kind, NULL, NULL, seed_of_run());
            const double rows[] = {1, 0.5, 0, 2, 0.25}, classes[] = {1, 3, 0.5, 2};
            lesson.io.row_weight = rows;
            lesson.io.class_weight = classes;
            assert_true(lesson_error(&lesson, 1, &worst) < BOUND);
            lesson_close(&lesson);
            graph_free(g);
        }
}

/* By hand: p = softmax(log 1, log 2, log 5). */
static void known_losses(void **state)
{
    (void)state;
    struct training_kernels k;
    training_kernels_init(&k, DTYPE_F64, cpu_flags());
    double in[3] = {0, 0.69314718055994530942, 1.6094379124341003746}, din[3], loss;
    const double target[3] = {0, 1, 0}, scale = 0.5;
    const struct view v = {in, 1, 1, 1, 3, 24, 24, 24, DTYPE_F64};
    struct loss_call call = {.type = DTYPE_F64,
                             .in = v,
                             .din = v,
                             .target = target,
                             .scale = &scale,
                             .weight = 1,
                             .loss = &loss};
    call.din.data = din;
    k.loss_softmax(&call, 0, 1);
    assert_true(fabs(loss - 0.5 * 1.3862943611198906188) < 1e-15); /* -log(2 / 8) / 2 */
    assert_true(fabs(din[0] - 0.0625) < 1e-15 && fabs(din[1] + 0.375) < 1e-15);
    k.loss_sigmoid(&call, 0, 1);
    /* log 2 + log(1 + 1/2) + log 6, halved */
    assert_true(fabs(loss - 0.5 * 2.8903717578961646922) < 1e-15);
    assert_true(fabs(din[2] - 0.5 * 5 / 6) < 1e-15);
    const double of_class[3] = {1, 3, 0.5}, of_row = 2; /* q = 6 at the target */
    call.class_weight = of_class;
    call.row_weight = &of_row;
    k.loss_softmax(&call, 0, 1);
    assert_true(fabs(loss - 0.5 * 6 * 1.3862943611198906188) < 1e-14);
    assert_true(fabs(din[0] - 0.375) < 1e-15 && fabs(din[1] + 2.25) < 1e-15);
    k.loss_sigmoid(&call, 0, 1);
    /* 2 (log 2 + 3 log(1 + 1/2) + log(6) / 2), halved */
    assert_true(fabs(loss - (0.6931471805599453094 + 3 * 0.4054651081081643820 +
                             0.5 * 1.7917594692280550008)) < 1e-14);
    call.class_weight = call.row_weight = NULL;
    k.loss_sigmoid(&call, 0, 1);
    call.weight = 0.4;
    call.add = true;
    k.loss_softmax(&call, 0, 1);
    assert_true(fabs(loss - 0.5 * (2.8903717578961646922 + 0.4 * 1.3862943611198906188)) < 1e-15);
    assert_true(fabs(din[0] - 0.4 * 0.0625) < 1e-15);
}

/* Logits in the middle: their loss is added, and what stands before them learns from both. */
static void auxiliary_losses(void **state)
{
    (void)state;
    const struct conv_attr conv = {.oc = 5, .kh = 3, .kw = 3};
    const struct batch_norm_attr norm = {.epsilon = 1e-3, .momentum = 0.9};
    struct lane l = open_lane(7, 6, 4);
    const int middle = l.x = graph_batch_norm(l.g, "norm", l.x, norm);
    l.x = graph_relu(l.g, "act", graph_conv(l.g, "conv", l.x, conv));
    l.x = graph_flatten(l.g, "flatten", l.x);
    l.x = graph_dense(l.g, "predictions", l.x, 3, true);
    graph_output(l.g, "predictions", graph_softmax(l.g, "softmax", l.x));
    graph_begin_auxiliary(l.g);
    int aux = graph_batch_norm(l.g, "aux_norm", graph_conv(l.g, "aux", middle, conv), norm);
    aux = graph_dense(l.g, "aux_fc", graph_global_pool(l.g, "mean", aux, POOL_AVERAGE), 3, true);
    graph_auxiliary(l.g, aux, 0.7);
    struct error err = {0};
    assert_int_equal(graph_finish(l.g, &err), XC_OK);
    assert_int_equal(l.g->all - l.g->nodes, 4);
    const char *where;
    assert_true(error_of(l.g, LOSS_SOFTMAX, NULL, NULL, &where) < BOUND);

    double sum[3]; /* without it, with it, with twice its weight */
    for (int i = 0; i < 3; i++) {
        struct lesson lesson;
        l.g->auxiliaries = i > 0;
        l.g->auxiliary[0].weight = 0.7 * i;
        lesson_open(&lesson, l.g, 3, LOSS_SOFTMAX, NULL, NULL, seed_of_run());
        sum[i] = lesson_run(&lesson);
        lesson_close(&lesson);
    }
    assert_true(sum[1] > sum[0] && fabs(sum[2] - 2 * sum[1] + sum[0]) < 1e-12);
    graph_free(l.g);
}

/* ---- freezing, and what must be seen --------------------------------------------------------- */

static struct lane two_norms(void)
{
    struct lane l = open_lane(5, 5, 4);
    const struct batch_norm_attr a = {.epsilon = 1e-3, .momentum = 0.9};
    l.x = graph_relu(l.g, "act", graph_batch_norm(l.g, "one", l.x, a));
    l.x = graph_conv(l.g, "conv", l.x, (struct conv_attr){.oc = 5, .kh = 3, .kw = 3});
    l.x = graph_batch_norm(l.g, "two", l.x, a);
    close_lane(l, 3);
    return l;
}

static void frozen_layers(void **state)
{
    (void)state;
    struct lane l = two_norms();
    const char *where;
    bool frozen[16] = {0};
    frozen[graph_find(l.g, "one")] = true;
    assert_true(error_of(l.g, LOSS_SOFTMAX, frozen, NULL, &where) < BOUND);
    frozen[graph_find(l.g, "conv")] = true;
    assert_true(error_of(l.g, LOSS_SOFTMAX, frozen, NULL, &where) < BOUND);

    struct lesson lesson;
    frozen[graph_find(l.g, "before")] = true;
    lesson_open(&lesson, l.g, 3, LOSS_SOFTMAX, frozen, NULL, seed_of_run());
    double *before = calloc(l.g->param.total, sizeof *before);
    memcpy(before, lesson.param, l.g->param.total * sizeof *before);
    lesson_run(&lesson);
    for (int i = 0; i < l.g->param.count; i++) {
        const struct param *p = &l.g->param.at[i];
        const bool two = strncmp(p->name, "two/moving", 10) == 0;
        const bool same =
            memcmp(before + p->offset, lesson.param + p->offset, p->count * sizeof *before) == 0;
        assert_true(same == !two); /* moving statistics of what is not frozen, and nothing else */
    }
    free(before);
    lesson_close(&lesson);
    graph_free(l.g);
}

/* By hand: four values 1, 2, 3, 6: mean 3, variance 3.5 (biased), 14/3. */
static void moving_statistics(void **state)
{
    (void)state;
    for (int torch = 0; torch < 2; torch++) {
        struct error err = {0};
        struct graph *g = graph_new(2, 2, 1);
        int x = graph_batch_norm(g, "bn", 0,
                                 (struct batch_norm_attr){.epsilon = 1e-3,
                                                          .momentum = torch ? 0.25 : 0.75,
                                                          .torch_momentum = torch});
        x = graph_dense(g, "fc", graph_flatten(g, "flatten", x), 2, true);
        graph_output(g, "fc", x);
        assert_int_equal(graph_finish(g, &err), XC_OK);
        struct lesson l;
        lesson_open(&l, g, 1, LOSS_SOFTMAX, NULL, NULL, 1);
        const double values[] = {1, 2, 3, 6};
        memcpy(l.input, values, sizeof values);
        double *mean = &l.param[g->param.at[param_find(&g->param, "bn/moving_mean")].offset];
        double *variance =
            &l.param[g->param.at[param_find(&g->param, "bn/moving_variance")].offset];
        *mean = 1, *variance = 2;
        lesson_run(&l);
        assert_true(fabs(*mean - 1.5) < 1e-14);
        assert_true(fabs(*variance - (1.5 + 0.25 * (torch ? 14.0 / 3 : 3.5))) < 1e-14);
        lesson_close(&l);
        graph_free(g);
    }
}

/* Errors that are easily made, each planted into the plain kernels. */
static struct training_kernels honest;

static void forgets_variance(const struct norm_dx_call *call, size_t from, size_t to)
{
    struct norm_dx_call wrong = *call;
    wrong.b = call->k;
    honest.norm_dx(&wrong, from, to);
}

static void forgets_slope(const struct norm_dsums_call *call, size_t from, size_t to)
{
    struct norm_dsums_call wrong = *call;
    wrong.prologue.act.kind = ACT_NONE;
    honest.norm_dsums(&wrong, from, to);
}

static void forgets_prologue(const struct conv_dw_call *call, size_t from, size_t to)
{
    struct conv_dw_call wrong = *call;
    wrong.prologue = (struct prologue){0};
    honest.conv_dw(&wrong, from, to);
}

static void forgets_to_turn(const struct pack_call *call, size_t from, size_t to)
{
    struct pack_call wrong = *call;
    if (call->backward && call->k == call->o) wrong.backward = false;
    honest.pack(&wrong, from, to);
}

static void planted_errors(void **state)
{
    (void)state;
    training_kernels_init(&honest, DTYPE_F64, cpu_flags());
    struct lane l = open_lane(6, 5, 4);
    const struct batch_norm_attr a = {.epsilon = 1e-3, .momentum = 0.9};
    l.x = graph_relu(l.g, "act", graph_batch_norm(l.g, "one", l.x, a));
    l.x = graph_conv(l.g, "conv", l.x,
                     (struct conv_attr){.oc = 4, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}});
    l.x = graph_relu(l.g, "act_2", graph_batch_norm(l.g, "two", l.x, a));
    l.x = graph_conv(l.g, "point", l.x, (struct conv_attr){.oc = 4, .kh = 1, .kw = 1});
    close_lane(l, 3);
    for (int fault = 0; fault < 5; fault++) {
        struct training_kernels k = honest;
        const char *where;
        if (fault == 1) k.norm_dx = forgets_variance;
        if (fault == 2) k.norm_dsums = forgets_slope;
        if (fault == 3) k.conv_dw = forgets_prologue;
        if (fault == 4) k.pack = forgets_to_turn;
        const double error = error_of(l.g, LOSS_SOFTMAX, NULL, &k, &where);
        assert_true(fault == 0 ? error < BOUND : error > 1000 * BOUND);
    }
    graph_free(l.g);
}

RUN(cmocka_unit_test(convolutions), cmocka_unit_test(shared_inputs), cmocka_unit_test(pools),
    cmocka_unit_test(activations), cmocka_unit_test(norms), cmocka_unit_test(joins),
    cmocka_unit_test(losses), cmocka_unit_test(known_losses), cmocka_unit_test(auxiliary_losses),
    cmocka_unit_test(frozen_layers), cmocka_unit_test(moving_statistics),
    cmocka_unit_test(planted_errors))
