/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does every layer read the right one, with the right attributes? What counts cannot see: where a
 * shortcut starts, where a ReLU stands, which flavour's padding and epsilon, the order of layers.
 */
#include "harness.h"

#include <string.h>

#include "graph/plan.h"
#include "network/network.h"

static const struct node *at(const struct graph *g, const char *name)
{
    return &g->node[node_of(g, name)];
}

/* Reads `name` these, in this order? With "" for the second: one input only. */
static bool reads(const struct graph *g, const char *name, const char *first, const char *second)
{
    const struct node *n = at(g, name);
    if (n->inputs != (*second ? 2 : 1)) return false;
    return strcmp(g->node[n->input[0]].name, first) == 0 &&
           (!*second || strcmp(g->node[n->input[1]].name, second) == 0);
}

struct edge {
    const char *name, *first, *second;
};

static void check_edges(const char *spec, const struct edge *edge, int count)
{
    struct graph *g = build(spec);
    for (int i = 0; i < count; i++)
        if (!reads(g, edge[i].name, edge[i].first, edge[i].second))
            WRONG("%s: %s does not read %s %s", spec, edge[i].name, edge[i].first, edge[i].second);
    graph_free(g);
}

static void xception_edges(void **state)
{
    (void)state;
    static const struct edge edge[] = {
        {"block1_conv1", "input", ""},
        {"block2_sepconv1/depthwise", "block1_conv2_act", ""}, /* no ReLU of its own */
        {"block2_sepconv1", "block2_sepconv1/depthwise", ""},  /* nothing between */
        {"block2_residual", "block1_conv2_act", ""},
        {"block2_residual_bn", "block2_residual", ""},
        {"block2_add", "block2_pool", "block2_residual_bn"}, /* main, shortcut */
        {"block3_sepconv1_act", "block2_add", ""},
        {"block3_residual", "block2_add", ""}, /* before the ReLU */
        {"block5_add", "block5_sepconv3_bn", "block4_add"},
        {"block12_add", "block12_sepconv3_bn", "block11_add"},
        {"block13_residual", "block12_add", ""},
        {"block14_sepconv1/depthwise", "block13_add", ""}, /* no ReLU before */
        {"block14_sepconv1_act", "block14_sepconv1_bn", ""},
        {"block14_sepconv2_act", "block14_sepconv2_bn", ""},
        {"avg_pool", "block14_sepconv2_act", ""},
        {"predictions", "avg_pool", ""},
        {"predictions_softmax", "predictions", ""},
    };
    static const struct edge plain[] = {{"block3_sepconv1_act", "block2_pool", ""},
                                        {"block6_sepconv1_act", "block5_sepconv3_bn", ""}};
    check_edges("xception", edge, COUNT(edge));
    check_edges("xception,residual=off", plain, COUNT(plain));
}

static void a_wrong_edge_is_seen(void **state)
{
    (void)state;
    struct graph *g = build("xception,input=71");
    assert_false(reads(g, "block3_residual", "block3_sepconv1_act", ""));
    assert_false(reads(g, "block2_add", "block2_residual_bn", "block2_pool"));
    assert_false(reads(g, "block2_add", "block2_pool", ""));
    graph_free(g);
}

static void between_the_pair(void **state)
{
    (void)state;
    static const struct edge elu[] = {{"block5_sepconv2/between", "block5_sepconv2/depthwise", ""},
                                      {"block5_sepconv2", "block5_sepconv2/between", ""}};
    static const struct edge turned[] = {{"block5_sepconv2/pointwise", "block5_sepconv2_act", ""},
                                         {"block5_sepconv2", "block5_sepconv2/pointwise", ""}};
    check_edges("xception,act=elu", elu, COUNT(elu));
    check_edges("xception,order=pw-dw", turned, COUNT(turned));
    struct graph *g = build("xception,order=pw-dw,act=relu");
    assert_int_equal(at(g, "block5_sepconv2/between")->act.kind, ACT_RELU);
    assert_string_equal(at(g, "block5_sepconv2/between")->layer, "block5_sepconv2");
    assert_int_equal(at(g, "block5_sepconv2")->conv.groups, GROUPS_DEPTHWISE);
    assert_true(param_find(&g->param, "block5_sepconv2/depthwise_kernel") >= 0);
    graph_free(g);
}

static void ends(void **state)
{
    (void)state;
    static const struct edge fc[] = {{"fc1", "avg_pool", ""},
                                     {"fc1_relu", "fc1", ""},
                                     {"fc2", "fc1_relu", ""},
                                     {"dropout", "fc2_relu", ""},
                                     {"predictions", "dropout", ""}};
    static const struct edge head[] = {{"rescaling", "input", ""},
                                       {"rescaling_1", "rescaling", ""},
                                       {"block1_conv1", "rescaling_1", ""},
                                       {"avg_pool", "block14_sepconv2_act", ""},
                                       {"dense", "avg_pool", ""},
                                       {"dense_relu", "dense", ""},
                                       {"batch_norm", "dense_relu", ""},
                                       {"dense_1", "batch_norm", ""},
                                       {"tanh", "dense_1", ""},
                                       {"dropout", "tanh", ""},
                                       {"predictions", "dropout", ""},
                                       {"predictions_softmax", "predictions", ""}};
    check_edges("xception,fc=4096x2,dropout=0.5", fc, COUNT(fc));
    check_edges("xception,pre=affine:2:0/affine:1+2+3:-1,"
                "head=avg/dense:100:relu/bn/dense:50/tanh/dropout:0.2/dense:6/softmax",
                head, COUNT(head));
    struct graph *g = build("xception,pre=affine:2:0/affine:1+2+3:-1,head=max/bn:0.01:0.9/relu");
    assert_true(at(g, "rescaling")->affine.scale[2] == 2);
    assert_true(at(g, "rescaling_1")->affine.scale[2] == 3);
    assert_true(at(g, "rescaling_1")->affine.shift[2] == -1);
    assert_true(at(g, "batch_norm")->norm.epsilon == 0.01);
    assert_true(at(g, "batch_norm")->norm.momentum == 0.9);
    assert_int_equal(at(g, "max_pool")->global, POOL_MAX);
    assert_string_equal(g->node[g->output[0].node].name, "relu");
    graph_free(g);
}

/* The order of Keras' model.layers, which is the order of every file. */
static void order_of_layers(void **state)
{
    (void)state;
    static const char *const order[] = {"block2_sepconv2_bn", "block2_residual", "block2_pool",
                                        "block2_residual_bn", "block2_add"};
    static const char *const specs[] = {"xception", "mini-xception", "big-xception"};
    for (int s = 0; s < COUNT(specs); s++) {
        struct graph *g = build(specs[s]);
        int first = graph_find(g, order[0]);
        for (int i = 0; i < COUNT(order); i++)
            assert_string_equal(g->node[first + i].name, order[i]);
        graph_free(g);
    }
    struct graph *g = build("xception");
    assert_string_equal(g->param.at[0].name, "block1_conv1/kernel");
    assert_string_equal(g->param.at[1].name, "block1_conv1_bn/gamma");
    assert_string_equal(g->param.at[4].name, "block1_conv1_bn/moving_variance");
    assert_string_equal(g->param.at[10].name, "block2_sepconv1/depthwise_kernel");
    assert_string_equal(g->param.at[11].name, "block2_sepconv1/pointwise_kernel");
    assert_string_equal(g->param.at[235].name, "predictions/bias");
    graph_free(g);
}

static void flavours(void **state)
{
    (void)state;
    struct graph *keras = build("xception"), *timm = build("legacy-xception");
    const struct node *k = at(keras, "block3_pool"), *t = at(timm, "block3_pool");
    assert_int_equal(k->pool.pad.kind, PAD_SAME);
    assert_int_equal(t->pool.pad.kind, PAD_EXPLICIT);
    assert_int_equal(t->pool.pad.top + t->pool.pad.left + t->pool.pad.bottom + t->pool.pad.right,
                     4);
    assert_true(at(keras, "block3_sepconv1_bn")->norm.epsilon == 1e-3);
    assert_true(at(keras, "block3_sepconv1_bn")->norm.momentum == 0.99);
    assert_true(at(timm, "block3_sepconv1_bn")->norm.epsilon == 1e-5);
    assert_true(at(timm, "block3_sepconv1_bn")->norm.torch_momentum);
    assert_int_equal(graph_find(timm, "predictions_softmax"), -1);
    graph_free(keras);
    graph_free(timm);
    static const struct {
        const char *spec, *norm;
        double epsilon;
    } row[] = {
        {"xception41", "block5_conv2_dw_bn", 1e-3}, {"xception65", "block5_conv2_dw_bn", 1e-3},
        {"xception71", "block5_shortcut_bn", 1e-3}, {"xception41p", "block5_norm", 1e-5},
        {"xception65p", "block5_conv2_norm", 1e-3}, {"mini-xception", "block2_sepconv1_bn", 1e-3}};
    for (int i = 0; i < COUNT(row); i++) {
        struct graph *g = build(row[i].spec);
        if (i == 2)
            assert_int_equal(graph_find(g, row[i].norm), -1); /* identity */
        else
            assert_true(at(g, row[i].norm)->norm.epsilon == row[i].epsilon);
        graph_free(g);
    }
}

static void aligned_edges(void **state)
{
    (void)state;
    static const struct edge edge[] = {
        {"block0_conv1_act", "stem_conv2_act", ""},
        {"block0_conv1_dw", "block0_conv1_act", ""},
        {"block0_conv1_dw_bn", "block0_conv1_dw", ""},
        {"block0_conv1_pw", "block0_conv1_dw_bn", ""},
        {"block0_conv2_act", "block0_conv1_pw_bn", ""},
        {"block0_shortcut", "stem_conv2_act", ""},
        {"block0_add", "block0_conv3_pw_bn", "block0_shortcut_bn"},
        {"block3_add", "block3_conv3_pw_bn", "block2_add"},
        {"block12_conv1_dw", "block11_add", ""},
        {"block12_conv1_dw_act", "block12_conv1_dw_bn", ""},
        {"block12_conv1_pw", "block12_conv1_dw_act", ""},
        {"avg_pool", "block12_conv3_pw_act", ""},
    };
    static const struct edge preact[] = {
        {"block0_norm", "stem_conv2", ""},
        {"block0_conv1_act", "block0_norm", ""},
        {"block0_conv1_dw", "block0_conv1_act", ""},
        {"block0_conv1_pw", "block0_conv1_dw", ""},
        {"block0_conv2_norm", "block0_conv1_pw", ""},
        {"block0_shortcut", "block0_conv1_act", ""},
        {"block0_add", "block0_conv3_pw", "block0_shortcut"},
        {"block3_add", "block3_conv3_pw", "block3_conv1_act"},
        {"final_act", "block12_conv3_pw", ""},
        {"avg_pool", "final_act", ""},
    };
    check_edges("xception41", edge, COUNT(edge));
    check_edges("xception41p", preact, COUNT(preact));
}

/* Entry module 2, middle module 3, exit modules 11 and 12 of xception41, as DeepLab has them. */
static void output_strides(void **state)
{
    (void)state;
    static const char *const name[] = {"block1_conv3_dw", "block2_conv3_dw", "block3_conv1_dw",
                                       "block11_conv3_dw", "block12_conv1_dw"};
    static const struct {
        const char *spec;
        int stride[5], dilation[5], side;
    } row[] = {{"xception41", {2, 2, 1, 2, 1}, {1, 1, 1, 1, 1}, 10},
               {"xception41,output-stride=16", {2, 2, 1, 1, 1}, {1, 1, 1, 1, 2}, 19},
               {"xception41,output-stride=8", {2, 1, 1, 1, 1}, {1, 1, 2, 2, 4}, 38}};
    for (int i = 0; i < COUNT(row); i++) {
        struct graph *g = build(row[i].spec);
        for (int k = 0; k < COUNT(name); k++) {
            const struct conv_attr *a = &at(g, name[k])->conv;
            assert_int_equal(a->sy, row[i].stride[k]);
            assert_int_equal(a->dx, row[i].dilation[k]);
            assert_int_equal(a->pad.top, row[i].dilation[k]);
            assert_int_equal(a->pad.right, row[i].dilation[k]);
        }
        assert_int_equal(at(g, "block12_conv3_pw")->out.h, row[i].side);
        graph_free(g);
    }
}

static void faces(void **state)
{
    (void)state;
    static const struct edge small[] = {
        {"block2_sepconv1/depthwise", "block1_conv2_act", ""},
        {"block3_sepconv1/depthwise", "block2_add", ""}, /* no ReLU, unlike Xception */
        {"predictions", "block5_add", ""},
        {"avg_pool", "predictions", ""},
        {"predictions_softmax", "avg_pool", ""},
    };
    static const struct edge large[] = {{"block2_sepconv1/depthwise", "block1_conv2_act", ""},
                                        {"block3_sepconv1_act", "block2_add", ""},
                                        {"block3_residual", "block2_add", ""}};
    static const struct edge unpooled[] = {
        {"block5_add", "block5_sepconv2_bn", "block5_residual_bn"}};
    static const struct edge two[] = {
        {"entry_flow_reduction_block_0_separable_conv0/depthwise", "entry_flow_conv_in_relu", ""},
        {"entry_flow_reduction_block_1_expansion_conv", "entry_flow_reduction_block_0_add", ""},
        {"fc_age", "flatten", ""},
        {"fc_gender", "flatten", ""},
        {"predictions_softmax", "fc_gender", ""}};
    check_edges("mini-xception", small, COUNT(small));
    check_edges("tiny-xception", small, COUNT(small));
    check_edges("big-xception", large, COUNT(large));
    check_edges("mini-xception,strides=2/2/2/1", unpooled, COUNT(unpooled));
    check_edges("tiny-xception-age-gender", two, COUNT(two));
    struct graph *g = build("tiny-xception-age-gender");
    assert_int_equal(g->outputs, 2);
    assert_string_equal(g->node[g->output[0].node].name, "predictions_softmax");
    assert_string_equal(g->output[1].name, "age");
    assert_string_equal(g->node[g->output[1].node].name, "fc_age");
    graph_free(g);
}

static const char *dump(const struct graph *g, struct arena *a)
{
    struct kernels k;
    struct plan *plan = NULL;
    struct error err = {0};
    const struct plan_opts opts = {.input = {1, 75, 83, 3}};
    kernels_init(&k, DTYPE_F32, cpu_flags());
    assert_int_equal(plan_new(g, NULL, &k, &opts, &plan, &err), XC_OK);
    const char *text = plan_dump(plan, a);
    plan_free(plan);
    assert_non_null(text);
    return text;
}

/* Training has them, and no plan: at a size, too, for which they are too large. */
static void auxiliary_layers(void **state)
{
    (void)state;
    static const struct edge edge[] = {
        {"aux_pool", "mixed7", ""},
        {"aux_conv1", "aux_pool", ""},
        {"aux_conv2", "aux_conv1_act", ""},
        {"aux_predictions", "aux_avg_pool", ""},
    };
    struct arena a = {0};
    struct graph *with = build("inception-v3,aux=on"), *without = build("inception-v3");
    check_edges("inception-v3,aux=on", edge, COUNT(edge));
    assert_int_equal(with->auxiliaries, 1);
    assert_string_equal(with->node[with->auxiliary[0].node].name, "aux_predictions");
    assert_true(with->auxiliary[0].weight > 0.39 && with->auxiliary[0].weight < 0.41);
    assert_int_equal(with->nodes, without->nodes);
    assert_true(graph_find(with, "aux_conv1") >= with->nodes);
    assert_int_equal(graph_find_layer(with, "aux_conv1"), -1);
    assert_string_equal(dump(with, &a), dump(without, &a));
    arena_free(&a);
    graph_free(with);
    graph_free(without);
}

RUN(cmocka_unit_test(xception_edges), cmocka_unit_test(a_wrong_edge_is_seen),
    cmocka_unit_test(between_the_pair), cmocka_unit_test(ends), cmocka_unit_test(order_of_layers),
    cmocka_unit_test(flavours), cmocka_unit_test(aligned_edges), cmocka_unit_test(output_strides),
    cmocka_unit_test(faces), cmocka_unit_test(auxiliary_layers))
