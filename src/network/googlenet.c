/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is GoogLeNet (C. Szegedy and others, "Going Deeper with Convolutions", CVPR 2015), the first
 * Inception? As torchvision has it: batch norms, and a 3x3 where the paper has a 5x5 (the published
 * weights were trained like that). Without the auxiliary towers, which only help to train it and
 * have no published weights.
 *
 * Layer names are torchvision's with _ for the dots: inception3a_branch2_1 is branch2.1. Pools
 * round their size up ("ceil mode"): a border of one after the end.
 */
#include "network/head.h"
#include "network/name.h"

struct build {
    struct graph *g;
    struct batch_norm_attr norm;
};

static int conv(const struct build *b, struct name n, int x, int channels, int side, int stride)
{
    const int pad = side / 2;
    const struct conv_attr attr = {.oc = channels,
                                   .kh = side,
                                   .kw = side,
                                   .sy = stride,
                                   .sx = stride,
                                   .pad = {PAD_EXPLICIT, pad, pad, pad, pad}};
    x = graph_conv(b->g, n.text, x, attr);
    x = graph_batch_norm(b->g, name("%s_bn", n.text).text, x, b->norm);
    return graph_relu(b->g, name("%s_act", n.text).text, x);
}

static int halve(const struct build *b, const char *layer, int x, int side)
{
    const struct pool_attr pool = {.kind = POOL_MAX,
                                   .kh = side,
                                   .kw = side,
                                   .sy = 2,
                                   .sx = 2,
                                   .pad = {PAD_EXPLICIT, 0, 0, 1, 1}};
    return graph_pool(b->g, layer, x, pool);
}

/* ---- the modules ----------------------------------------------------------------------------- */

struct module {
    const char *name;
    int one, reduce3, three, reduce5, five, pool;
    int halved_by; /* the pool that follows, or 0 */
};

static const struct module modules[] = {
    {"inception3a", 64, 96, 128, 16, 32, 32, 0},     /* 28x28 */
    {"inception3b", 128, 128, 192, 32, 96, 64, 3},   /* */
    {"inception4a", 192, 96, 208, 16, 48, 64, 0},    /* 14x14 */
    {"inception4b", 160, 112, 224, 24, 64, 64, 0},   /* */
    {"inception4c", 128, 128, 256, 24, 64, 64, 0},   /* */
    {"inception4d", 112, 144, 288, 32, 64, 64, 0},   /* */
    {"inception4e", 256, 160, 320, 32, 128, 128, 2}, /* */
    {"inception5a", 256, 160, 320, 32, 128, 128, 0}, /* 7x7 */
    {"inception5b", 384, 192, 384, 48, 128, 128, 0}, /* */
};

static int inception(const struct build *b, const struct module *m, int x)
{
    const struct pool_attr pool = {
        .kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 1, .sx = 1, .pad = {PAD_EXPLICIT, 1, 1, 1, 1}};
    int y[4];
    y[0] = conv(b, name("%s_branch1", m->name), x, m->one, 1, 1);
    y[1] = conv(b, name("%s_branch2_0", m->name), x, m->reduce3, 1, 1);
    y[1] = conv(b, name("%s_branch2_1", m->name), y[1], m->three, 3, 1);
    y[2] = conv(b, name("%s_branch3_0", m->name), x, m->reduce5, 1, 1);
    y[2] = conv(b, name("%s_branch3_1", m->name), y[2], m->five, 3, 1);
    y[3] = graph_pool(b->g, name("%s_branch4_0", m->name).text, x, pool);
    y[3] = conv(b, name("%s_branch4_1", m->name), y[3], m->pool, 1, 1);
    return graph_concat(b->g, m->name, y, 4);
}

/* ---- the network ----------------------------------------------------------------------------- */

static int trunk(const struct build *b, int x)
{
    x = conv(b, name("conv1"), x, 64, 7, 2);
    x = halve(b, "maxpool1", x, 3);
    x = conv(b, name("conv2"), x, 64, 1, 1);
    x = conv(b, name("conv3"), x, 192, 3, 1);
    x = halve(b, "maxpool2", x, 3);
    for (size_t i = 0, pools = 3; i < sizeof modules / sizeof modules[0]; i++) {
        x = inception(b, &modules[i], x);
        if (modules[i].halved_by)
            x = halve(b, name("maxpool%zu", pools++).text, x, modules[i].halved_by);
    }
    return x;
}

static xc_status googlenet_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                                 struct error *err)
{
    (void)arch;
    struct head head;
    int x;
    struct flavour flavour = flavour_take_own(o);
    flavour.norm.epsilon = 1e-3;
    head_take(o, &flavour, HEAD_DROPOUT | HEAD_SOFTMAX, &head);
    TRY(opts_done(o, err));
    struct build b = {head_open(o, &head, &x), flavour.norm};
    if (!b.g) return fail_memory(err, sizeof *b.g);
    head_close(b.g, &head, trunk(&b, x), o->input.classes);
    *out = b.g;
    return XC_OK;
}

const struct arch arch_googlenet = {.name = "googlenet",
                                    .help = "GoogLeNet, the first Inception (torchvision)",
                                    .side = 224,
                                    .least_side = 32,
                                    .channels = 3,
                                    .classes = 1000,
                                    .flavour = "timm",
                                    .timm = "torchvision-inception",
                                    .build = googlenet_build};
