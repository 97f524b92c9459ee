/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has every network the size that it has in the world? Parameters, multiply-adds, map sides and
 * layer counts to the unit, against Keras, timm, the published files and the paper's tables. A
 * wrong stride, a missing batch norm or a bias too many changes one of these numbers.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/network.h"

static int side_of(const struct graph *g, const char *name)
{
    return g->node[node_of(g, name)].out.h;
}

/* ---- sums over the layers whose names begin with a prefix ------------------------------------ */

struct cost {
    uint64_t params, norm, fixed, macs, depthwise;
};

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void count_params(const struct graph *g, const struct node *n, struct cost *sum)
{
    for (int k = 0; k < n->params; k++) {
        const struct param *p = &g->param.at[n->param[k]];
        sum->params += p->count;
        if (n->kind == OP_BATCH_NORM) sum->norm += p->count;
        if (!param_trainable(p)) sum->fixed += p->count;
    }
}

static struct cost cost_of(const struct graph *g, const char *prefix)
{
    struct cost sum = {0};
    struct shape *shapes = calloc((size_t)g->all, sizeof *shapes);
    assert_non_null(shapes);
    assert_int_equal(graph_all_shapes(g, g->input, shapes, NULL), XC_OK);
    for (int i = 0; i < g->all; i++) {
        const struct node *n = &g->node[i];
        if (!begins(n->layer, prefix)) continue;
        uint64_t macs = graph_macs(g, i, shapes);
        count_params(g, n, &sum);
        sum.macs += macs;
        if (n->kind == OP_CONV && n->conv.groups == GROUPS_DEPTHWISE) sum.depthwise += macs;
    }
    free(shapes);
    return sum;
}

static int layers_of_graph(const struct graph *g)
{
    int count = 0;
    for (int i = 0; i < g->all; i++) {
        bool first = true;
        for (int j = 0; j < i; j++) first = first && strcmp(g->node[j].layer, g->node[i].layer);
        count += first;
    }
    return count;
}

/* ---- whole networks -------------------------------------------------------------------------- */

struct total {
    const char *spec;
    uint64_t params, trainable, macs; /* 0: not stated */
    int layers;                       /* 0: not stated */
};

static const struct total totals[] = {
    /* Keras Applications, at its input sizes */
    {"xception", 22910480, 22855952, 8357403496, 134},
    {"xception,head=none", 20861480, 20806952, 8355355496, 132},
    {"xception,input=224x224x3", 22910480, 22855952, 4552879072, 134},
    {"xception,input=150x150x3", 22910480, 22855952, 1926445456, 134},
    {"xception,input=71x71x3", 22910480, 22855952, 553174824, 134},
    {"xception,softmax=off", 22910480, 22855952, 8357403496, 134},
    {"xception,flavour=timm", 22910480, 22855952, 8357403496, 134},
    /* the paper: JFT, fully connected layers, no shortcuts */
    {"xception,fc=4096x2", 50132496, 0, 0, 136},
    {"xception,classes=17000", 55694480, 0, 0, 134},
    {"xception,classes=17000,fc=4096x2", 115684496, 0, 0, 136},
    {"xception,residual=off", 21878880 + 50256, 21878880, 0, 134 - 20},
    /* timm */
    {"legacy-xception", 22855952 + 54528, 22855952, 8357403496, 134},
    {"xception41", 26969560 + 115312, 26969560, 9204134312, 0},
    {"xception65", 39916312 + 185200, 39916312, 13852682216, 0},
    {"xception71", 42338736 + 198976, 42338736, 17946553928, 0},
    {"xception41p", 26907752 + 53504, 26907752, 9204134312, 0},
    {"xception65p", 39819560 + 88448, 39819560, 13852682216, 0},
    /* the rivals: Keras Applications, then torchvision */
    {"vgg16", 138357544, 138357544, 15470264320, 23},
    {"resnet50", 25636712, 25583592, 3857973248, 175},
    {"resnet101", 44707176, 44601832, 7570194432, 345},
    {"resnet152", 60419944, 60268520, 11282415616, 515},
    {"resnet50,head=none", 23587712, 23534592, 3855925248, 173},
    {"vgg16,head=none", 14714688, 14714688, 15346630656, 19},
    {"vgg16,bn=on,flavour=timm", 138365992 + 8448, 138365992, 15470264320, 0},
    {"inception-v3", 23851784, 23817352, 5713216096, 313},
    {"inception-v3,head=none", 21802784, 21768352, 5711168096, 311},
    {"inception-v3,stem-stride=1,input=32x32x3", 23809464, 23775256, 3590190080, 305},
    {"inception-v3,flavour=timm", 23869000, 23834568, 5713216096, 313},
    {"inception-v3,flavour=timm,aux=on", 27197488, 27161264, 5713216096 + 5683200, 313 + 9},
    {"inception-v3-2016", 23660968, 23626728, 5623817312, 313}, /* the paper's table 3 */
    {"googlenet", 6624904 + 14560, 6624904, 0, 0},
    {"resnet50,flavour=timm", 25557032 + 53120, 25557032, 4089184256, 0},
    {"resnet101,flavour=timm", 44549160 + 105344, 44549160, 7801405440, 0},
    {"resnet152,flavour=timm", 60192808 + 151424, 60192808, 11513626624, 0},
    {"resnet50,flavour=timm,channels=16/32/64,blocks=3/4/3,stem=16,stem-stride=1,input=32,"
     "classes=10",
     336250, 0, 0, 0},
    /* face_classification */
    {"mini-xception", 58423, 58423 - 1472, 10163392, 46},
    {"mini-xception,classes=2", 52658, 52658 - 1472, 10071232, 46},
    {"mini-xception,input=48x48x1,base=5/8,strides=2/2/2/1", 58168, 58168 - 1466, 5484052, 45},
    {"tiny-xception", 18314, 18314 - 740, 3404740, 46},
    {"big-xception", 208871, 208871 - 2496, 65768288, 0},
    /* face-api */
    {"tiny-xception-age-gender", 421731, 421731, 97230080, 0},
    /* small pictures: a stem that does not stride */
    {"xception,stem-stride=1,input=32x32x3,classes=10,stem=16/32,entry=32/64/182,exit=256/384/512",
     1373412, 0, 0, 134},
    {"xception,stem-stride=1,input=32x32x3,classes=10,stem=16/32,entry=64/128,middle=4,"
     "exit=192/256/384",
     495450, 0, 0, 0},
    {"xception,stem-stride=1,input=28x28x1,classes=10,stem=8/16,entry=32/64,middle=2,"
     "exit=96/128/192",
     104226, 0, 0, 0},
    {"xception,stem-stride=1,input=28x28x1,classes=10,stem=8/16,entry=16/32/64,middle=4,"
     "exit=96/128/192",
     135042, 0, 0, 0},
};

/* Is the network of this size? Says what differs. */
static bool agrees(const struct total *t)
{
    struct graph *g = build(t->spec);
    struct cost all = cost_of(g, "");
    uint64_t trainable = graph_trainable(g);
    int layers = layers_of_graph(g);
    bool right = all.params == t->params && graph_params(g) == t->params &&
                 (!t->trainable || trainable == t->trainable) &&
                 (!t->macs || all.macs == t->macs) && (!t->layers || layers == t->layers) &&
                 all.params - all.fixed == trainable;
    if (!right)
        print_message("%s: %zu parameters, %zu trainable, %zu multiply-adds, %d layers\n", t->spec,
                      (size_t)all.params, (size_t)trainable, (size_t)all.macs, layers);
    graph_free(g);
    return right;
}

static void whole_networks(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(totals); i++) assert_true(agrees(&totals[i]));
}

static void a_wrong_count_is_seen(void **state)
{
    (void)state;
    assert_false(agrees(&(struct total){"xception,input=71", 22910481, 0, 0, 0}));
    assert_false(agrees(&(struct total){"xception,input=71", 22910480, 22910480, 0, 0}));
    assert_false(agrees(&(struct total){"xception,input=75", 22910480, 0, 553174824, 0}));
    assert_false(agrees(&(struct total){"xception,input=71", 22910480, 0, 0, 135}));
    assert_false(agrees(&(struct total){"mini-xception,strides=2/2/2/1", 58423, 0, 10163392, 46}));
}

/* The paper's reference states these rounded: thousandths of a billion. */
static void rounded_macs(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        uint64_t millions;
    } row[] = {{"xception,input=71", 553},   {"xception,input=96", 828},
               {"xception,input=128", 1478}, {"xception,input=150", 1926},
               {"xception,input=224", 4553}, {"xception,input=32,stem-stride=1,classes=10", 375},
               {"googlenet", 1498},          {"resnet50,flavour=timm", 4089}};
    for (int i = 0; i < COUNT(row); i++) {
        struct graph *g = build(row[i].spec);
        assert_int_equal((cost_of(g, "").macs + 500000) / 1000000, row[i].millions);
        graph_free(g);
    }
}

/* ---- Xception, block by block ---------------------------------------------------------------- */

static const struct {
    const char *block;
    struct cost cost; /* params, BN, non-trainable, multiply-adds, depthwise ones */
} blocks[] = {
    {"block1_", {19680, 384, 192, 417478752, 0}},
    {"block2_", {36032, 1536, 768, 613262528, 37340352}},
    {"block3_", {137600, 3072, 1536, 602097152, 18925056}},
    {"block4_", {920312, 8736, 4368, 1060088600, 12123864}},
    {"block5_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block6_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block7_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block8_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block9_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block10_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block11_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block12_", {1618344, 8736, 4368, 581068488, 7095816}},
    {"block13_", {2045136, 11104, 5552, 539717360, 4730544}},
    {"block14_", {4755968, 14336, 7168, 474163200, 2304000}},
    {"predictions", {2049000, 0, 0, 2048000, 0}},
    {"", {22910480, 109056, 54528, 8357403496, 132190344}},
};

static void xception_blocks(void **state)
{
    (void)state;
    static const char *const specs[] = {"xception", "legacy-xception"};
    for (int s = 0; s < 2; s++) {
        struct graph *g = build(specs[s]);
        for (int i = 0; i < COUNT(blocks); i++) {
            struct cost is = cost_of(g, blocks[i].block);
            if (memcmp(&is, &blocks[i].cost, sizeof is) != 0)
                WRONG("%s %s: %zu %zu %zu %zu %zu", specs[s], blocks[i].block, (size_t)is.params,
                      (size_t)is.norm, (size_t)is.fixed, (size_t)is.macs, (size_t)is.depthwise);
        }
        graph_free(g);
    }
}

struct census {
    int conv, separable, norm, act, pool, add, dense;
};

static void xception_operators(void **state)
{
    (void)state;
    struct graph *g = build("xception");
    struct census has = {0};
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        bool depthwise = n->kind == OP_CONV && n->conv.groups == GROUPS_DEPTHWISE;
        has.conv += n->kind == OP_CONV && !depthwise;
        has.separable += depthwise;
        has.norm += n->kind == OP_BATCH_NORM;
        has.act += n->kind == OP_ACT;
        has.pool += n->kind == OP_POOL;
        has.add += n->kind == OP_ADD;
        has.dense += n->kind == OP_DENSE;
    }
    const struct census keras = {6 + 34, 34, 40, 35, 4, 12, 1}; /* a pointwise each */
    assert_memory_equal(&has, &keras, sizeof has);
    assert_int_equal(g->param.count, 236);
    graph_free(g);
}

/* Sides after conv1, conv2, blocks 2, 3, 4, 13, 14, in both flavours. */
static void xception_sides(void **state)
{
    (void)state;
    static const char *const tap[] = {"block1_conv1",        "block1_conv2", "block2_add",
                                      "block3_add",          "block4_add",   "block13_add",
                                      "block14_sepconv2_act"};
    static const int side[][8] = {
        {71, 35, 33, 17, 9, 5, 3, 3},        {96, 47, 45, 23, 12, 6, 3, 3},
        {128, 63, 61, 31, 16, 8, 4, 4},      {150, 74, 72, 36, 18, 9, 5, 5},
        {224, 111, 109, 55, 28, 14, 7, 7},   {256, 127, 125, 63, 32, 16, 8, 8},
        {299, 149, 147, 74, 37, 19, 10, 10}, {320, 159, 157, 79, 40, 20, 10, 10}};
    static const int channels[] = {32, 64, 128, 256, 728, 1024, 2048};
    for (int i = 0; i < COUNT(side); i++)
        for (int timm = 0; timm < 2; timm++) {
            char spec[64];
            snprintf(spec, sizeof spec, "xception,flavour=%s,input=%dx%dx3",
                     timm ? "timm" : "keras", side[i][0], side[i][0]);
            struct graph *g = build(spec);
            for (int t = 0; t < COUNT(tap); t++) {
                assert_int_equal(side_of(g, tap[t]), side[i][t + 1]);
                assert_int_equal(g->node[node_of(g, tap[t])].out.c, channels[t]);
            }
            graph_free(g);
        }
}

/* Where TensorFlow's "same" is lopsided: a bit a pool (blocks 2, 3, 4, 13). */
static void even_pools(void **state)
{
    (void)state;
    static const struct {
        int side;
        unsigned even;
    } row[] = {{71, 0},   {72, 0},   {103, 0}, {104, 0},  {135, 0},  {136, 0}, {167, 0}, {199, 0},
               {231, 0},  {263, 0},  {264, 0}, {295, 0},  {327, 0},  {328, 0}, {299, 2}, {224, 12},
               {256, 12}, {320, 12}, {150, 7}, {160, 12}, {128, 12}, {96, 12}};
    static const char *const last[] = {"block2_sepconv2_bn", "block3_sepconv2_bn",
                                       "block4_sepconv2_bn", "block13_sepconv2_bn"};
    struct graph *g = build("xception");
    struct shape *shapes = calloc((size_t)g->nodes, sizeof *shapes);
    assert_non_null(shapes);
    for (int i = 0; i < COUNT(row); i++) {
        unsigned even = 0;
        struct shape input = {1, row[i].side, row[i].side, 3};
        assert_int_equal(graph_shapes(g, input, shapes, NULL), XC_OK);
        for (int p = 0; p < 4; p++)
            if (shapes[node_of(g, last[p])].h % 2 == 0) even |= 1u << p;
        if (even != row[i].even) WRONG("side %d: %u", row[i].side, even);
    }
    free(shapes);
    graph_free(g);
}

/* ---- the others ------------------------------------------------------------------------------ */

struct sides {
    const char *spec;
    const char *tap[24];
    int side[24];
};

static const struct sides others[] = {
    {"xception41",
     {"stem_conv1", "stem_conv2", "block0_add", "block1_add", "block2_add", "block3_add",
      "block10_add", "block11_add", "block12_conv3_pw_act"},
     {150, 150, 75, 38, 19, 19, 19, 10, 10}},
    {"xception65p",
     {"stem_conv1", "stem_conv2", "block0_add", "block1_add", "block2_add", "block3_add",
      "block18_add", "block19_add", "block20_conv3_pw", "final_act"},
     {150, 150, 75, 38, 19, 19, 19, 10, 10, 10}},
    {"xception71",
     {"stem_conv1", "block0_add", "block1_add", "block2_add", "block3_add", "block4_add",
      "block5_add", "block20_add", "block21_add", "block22_conv3_pw_act"},
     {150, 75, 75, 38, 38, 19, 19, 19, 10, 10}},
    {"mini-xception",
     {"block1_conv1", "block1_conv2", "block2_add", "block3_add", "block4_add", "block5_add",
      "predictions"},
     {62, 60, 30, 15, 8, 4, 4}},
    {"mini-xception,input=48,base=5/8,strides=2/2/2/1",
     {"block1_conv1", "block1_conv2", "block2_add", "block3_add", "block4_add", "block5_add"},
     {46, 44, 22, 11, 6, 6}},
    {"big-xception", {"block1_conv1", "block1_conv2", "block2_add", "block3_add"}, {31, 29, 15, 8}},
    {"vgg16",
     {"block1_pool", "block2_pool", "block3_pool", "block4_pool", "block5_pool"},
     {112, 56, 28, 14, 7}},
    {"resnet50",
     {"conv1_relu", "pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
      "conv5_block3_out"},
     {112, 56, 56, 28, 14, 7}},
    {"googlenet",
     {"conv1", "maxpool1", "maxpool2", "inception3b", "maxpool3", "inception4e", "maxpool4",
      "inception5b"},
     {112, 56, 28, 28, 14, 14, 7, 7}},
    {"tiny-xception-age-gender",
     {"entry_flow_conv_in", "entry_flow_reduction_block_0_add", "entry_flow_reduction_block_1_add",
      "middle_flow_main_block_1_add", "exit_flow_reduction_block_add", "exit_flow_separable_conv",
      "avg_pool"},
     {56, 28, 14, 14, 7, 7, 1}},
};

static void other_sides(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(others); i++) {
        struct graph *g = build(others[i].spec);
        for (int t = 0; others[i].tap[t]; t++)
            if (side_of(g, others[i].tap[t]) != others[i].side[t])
                WRONG("%s %s: %d", others[i].spec, others[i].tap[t], side_of(g, others[i].tap[t]));
        graph_free(g);
    }
}

static void age_gender_stages(void **state)
{
    (void)state;
    static const struct {
        const char *stage;
        uint64_t params, macs;
    } row[] = {{"entry_flow_conv_in", 896, 2709504},
               {"entry_flow_reduction_block_0", 9248, 23582720},
               {"entry_flow_reduction_block_1", 34880, 22227968},
               {"middle_flow_main_block_0", 52992, 10311168},
               {"middle_flow_main_block_1", 52992, 10311168},
               {"exit_flow_reduction_block", 135296, 21550592},
               {"exit_flow_separable_conv", 133888, 6535424},
               {"fc_", 1539, 1536}};
    struct graph *g = build("tiny-xception-age-gender");
    for (int i = 0; i < COUNT(row); i++) {
        struct cost is = cost_of(g, row[i].stage);
        assert_int_equal(is.params, row[i].params);
        assert_int_equal(is.macs, row[i].macs);
    }
    graph_free(g);
}

static void smallest_sides(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int side;
    } row[] = {{"xception", 71},
               {"legacy-xception", 71},
               {"xception,middle=0,width=0.25", 71},
               {"xception,pools=2/3/4", 39},
               {"xception41", 65},
               {"resnet50", 32},
               {"inception-v3", 75},
               {"inception-v3,aux=on", 75},
               {"googlenet", 32},
               {"mini-xception", 37},
               {"big-xception", 23},
               {"tiny-xception-age-gender", 97},
               {"xception,stem-stride=1,input=28x30x1", 1}};
    for (int i = 0; i < COUNT(row); i++) {
        struct graph *g = build(row[i].spec);
        if (arch_min_side(g) != row[i].side) WRONG("%s: %d", row[i].spec, arch_min_side(g));
        graph_free(g);
    }
}

/* Stage by stage, as Keras has it. */
static void resnet_stages(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *stage;
        uint64_t params, tenths; /* of a million multiply-adds */
    } row[] = {{"resnet50", "conv1", 9728, 1180},      {"resnet50", "conv2", 220032, 6679},
               {"resnet50", "conv3", 1230336, 9505},   {"resnet50", "conv4", 7129088, 13873},
               {"resnet50", "conv5", 14998528, 7322},  {"resnet50", "predictions", 2049000, 20},
               {"resnet152", "conv3", 2359808, 18240}, {"resnet152", "conv4", 40782848, 79382}};
    for (int i = 0; i < COUNT(row); i++) {
        struct graph *g = build(row[i].spec);
        struct cost is = cost_of(g, row[i].stage);
        if (is.params != row[i].params || (is.macs + 50000) / 100000 != row[i].tenths)
            WRONG("%s %s: %zu %zu", row[i].spec, row[i].stage, (size_t)is.params, (size_t)is.macs);
        graph_free(g);
    }
}

/* Module by module, as Keras has it. */
static void inception_modules(void **state)
{
    (void)state;
    static const struct {
        const char *module;
        uint64_t params, tenths;
        int side, channels;
    } row[] = {{"stem_", 173072, 13408, 35, 192},    {"mixed0", 256368, 3123, 35, 256},
               {"mixed1", 277968, 3387, 35, 288},    {"mixed2", 285648, 3481, 35, 288},
               {"mixed3", 1153920, 4019, 17, 768},   {"mixed4", 1298944, 3741, 17, 768},
               {"mixed5", 1692736, 4877, 17, 768},   {"mixed6", 1692736, 4877, 17, 768},
               {"mixed7", 2143872, 6179, 17, 768},   {"mixed8", 1699584, 2910, 8, 1280},
               {"mixed9", 5047872, 3224, 8, 2048},   {"mixed10", 6080064, 3885, 8, 2048},
               {"predictions", 2049000, 20, 1, 1000}};
    struct graph *g = build("inception-v3");
    for (int i = 0; i < COUNT(row); i++) {
        const char *last = i ? row[i].module : "stem_pool2";
        struct cost is = cost_of(g, row[i].module);
        if (strcmp(row[i].module, "mixed1") == 0) { /* the prefix finds mixed10 too */
            struct cost ten = cost_of(g, "mixed10");
            is.params -= ten.params;
            is.macs -= ten.macs;
        }
        const struct node *n = &g->node[node_of(g, last)];
        if (is.params != row[i].params || (is.macs + 50000) / 100000 != row[i].tenths ||
            n->out.h != row[i].side || n->out.c != row[i].channels)
            WRONG("%s: %zu %zu, %dx%dx%d", row[i].module, (size_t)is.params, (size_t)is.macs,
                  n->out.h, n->out.w, n->out.c);
    }
    graph_free(g);
}

/* The modules of the paper's figures at 64 channels, without their batch norms. */
static void spectrum_modules(void **state)
{
    (void)state;
    static const struct {
        const char *knobs;
        uint64_t params;
        int channels;
        uint64_t macs; /* 0: any */
    } row[] = {
        {"module=separable,input=5x5x5,width=50,padding=valid", 45 + 250, 50, 405 + 2250},
        {"module=regular,input=5x5x5,width=50,padding=valid", 2250, 50, 20250},
        {"module=regular,input=10x10x100,width=10,kernel=5,padding=valid", 25000, 10, 900000},
        {"module=separable,input=7x7x3,width=4,kernel=5,stride=2", 75 + 12, 4, 16 * 87},
        {"module=naive,input=28x28x192,width=256", 387072, 416, 0},
        {"module=reduced,input=28x28x192,width=256", 163328, 256, 0},
        {"module=canonical,width=128", 52224, 128, 0},
        {"module=towers,segments=3", 33792, 96, 0},
        {"segments=3", 33792, 96, 0},
        {"segments=all", 7008, 96, 0},
        {"module=separable", 6720, 96, 0},
        {"module=regular", 55296, 96, 0},
        {"segments=1", 89088, 96, 0},
        {"segments=2", 47616, 96, 0},
        {"segments=4", 26880, 96, 0},
        {"segments=6", 19968, 96, 0},
        {"segments=8", 16512, 96, 0},
        {"segments=12", 13056, 96, 0},
        {"segments=16", 11328, 96, 0},
        {"segments=24", 9600, 96, 0},
        {"segments=32", 8736, 96, 0},
        {"segments=48", 7872, 96, 0},
        {"segments=96", 7008, 96, 0},
        {"input=28x28x728,width=728,segments=1", 5299840, 728, 0},
        {"input=28x28x728,width=728,segments=8", 1126216, 728, 0},
        {"input=28x28x728,width=728,segments=91", 582400, 728, 0},
        {"input=28x28x728,width=728,segments=728", 536536, 728, 0}};
    for (int i = 0; i < COUNT(row); i++) {
        char spec[128];
        snprintf(spec, sizeof spec, "inception-module,%s", row[i].knobs);
        struct graph *g = build(spec);
        const struct cost is = cost_of(g, "");
        if (is.params - is.norm != row[i].params ||
            g->node[g->output[0].node].out.c != row[i].channels ||
            (row[i].macs && is.macs != row[i].macs))
            WRONG("%s: %zu", spec, (size_t)(is.params - is.norm));
        graph_free(g);
    }
}

RUN(cmocka_unit_test(spectrum_modules), cmocka_unit_test(inception_modules),
    cmocka_unit_test(resnet_stages), cmocka_unit_test(whole_networks),
    cmocka_unit_test(a_wrong_count_is_seen), cmocka_unit_test(rounded_macs),
    cmocka_unit_test(xception_blocks), cmocka_unit_test(xception_operators),
    cmocka_unit_test(xception_sides), cmocka_unit_test(even_pools), cmocka_unit_test(other_sides),
    cmocka_unit_test(age_gender_stages), cmocka_unit_test(smallest_sides))
