/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a residual network (K. He and others, "Deep Residual Learning for Image Recognition",
 * CVPR 2016)? A 7x7 stem and four stages of blocks, each added to what it read. Layer names are
 * Keras': conv3_block1_2_conv is the second convolution of the first block of stage 3.
 *
 * Two networks go by one name. Keras': every convolution has a bias, the first 1x1 of a stage
 * strides, epsilon 1.001e-5. torchvision's and timm's ("v1.5"): no biases, the 3x3 strides, epsilon
 * 1e-5. stem-stride=1 is the stem for small pictures: 3x3, no pool.
 */
#include "network/head.h"
#include "network/name.h"

struct resnet {
    struct graph *g;
    struct int_list channels, blocks; /* by stage; a bottleneck widens four times */
    int stem, stem_stride;
    bool basic; /* two 3x3 instead of 1x1, 3x3, 1x1 */
    struct flavour flavour;
    struct head head;
};

/* ---- the boxes ------------------------------------------------------------------------------- */

/* Convolution and batch norm: NAME_conv, NAME_bn. */
static int conv(const struct resnet *r, struct name n, int x, int channels, int side, int stride)
{
    const int pad = side / 2;
    struct conv_attr attr = {.oc = channels,
                             .kh = side,
                             .kw = side,
                             .sy = stride,
                             .sx = stride,
                             .bias = !r->flavour.timm};
    if (side > 1) attr.pad = (struct padding){PAD_EXPLICIT, pad, pad, pad, pad};
    if (side > 1 && stride == 1) attr.pad = (struct padding){.kind = PAD_SAME};
    x = graph_conv(r->g, name("%s_conv", n.text).text, x, attr);
    return graph_batch_norm(r->g, name("%s_bn", n.text).text, x, r->flavour.norm);
}

static int conv_relu(const struct resnet *r, struct name n, int x, int channels, int side,
                     int stride)
{
    x = conv(r, n, x, channels, side, stride);
    return graph_relu(r->g, name("%s_relu", n.text).text, x);
}

static int bottleneck(const struct resnet *r, const char *block, int x, int channels, int stride)
{
    const bool late = r->flavour.timm;
    x = conv_relu(r, name("%s_1", block), x, channels, 1, late ? 1 : stride);
    x = conv_relu(r, name("%s_2", block), x, channels, 3, late ? stride : 1);
    return conv(r, name("%s_3", block), x, 4 * channels, 1, 1);
}

static int basic(const struct resnet *r, const char *block, int x, int channels, int stride)
{
    x = conv_relu(r, name("%s_1", block), x, channels, 3, stride);
    return conv(r, name("%s_2", block), x, channels, 3, 1);
}

/* The shortcut has a convolution of its own only where the shape changes. */
static int block(const struct resnet *r, const char *name_of, int x, int channels, int stride)
{
    const int wide = r->basic ? channels : 4 * channels;
    int y = x;
    if (x >= 0 && (stride > 1 || r->g->node[x].out.c != wide))
        y = conv(r, name("%s_0", name_of), x, wide, 1, stride);
    x = r->basic ? basic(r, name_of, x, channels, stride)
                 : bottleneck(r, name_of, x, channels, stride);
    y = graph_add(r->g, name("%s_add", name_of).text, y, x);
    return graph_relu(r->g, name("%s_out", name_of).text, y);
}

/* ---- the network ----------------------------------------------------------------------------- */

static int stem(const struct resnet *r, int x)
{
    const struct pool_attr pool = {
        .kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = {PAD_EXPLICIT, 1, 1, 1, 1}};
    if (r->stem_stride == 1) return conv_relu(r, name("conv1"), x, r->stem, 3, 1);
    x = conv_relu(r, name("conv1"), x, r->stem, 7, 2);
    return graph_pool(r->g, "pool1_pool", x, pool);
}

static int trunk(const struct resnet *r, int x)
{
    for (int s = 0; s < r->channels.count; s++)
        for (int i = 1; i <= r->blocks.at[s]; i++)
            x = block(r, name("conv%d_block%d", s + 2, i).text, x, r->channels.at[s],
                      s > 0 && i == 1 ? 2 : 1);
    return x;
}

static void take_knobs(struct arch_opts *o, struct resnet *r)
{
    opts_list(o, "channels", &r->channels, 1, 4, ARCH_MAX_CHANNELS / 4);
    const int stages = r->blocks.count = r->channels.count;
    opts_list(o, "blocks", &r->blocks, stages, stages, ARCH_MAX_REPEATS);
    r->basic = opts_choice(o, "block", "bottleneck|basic", 0) == 1;
    r->stem = opts_int(o, "stem", 64, 1, ARCH_MAX_CHANNELS);
    r->stem_stride = opts_int(o, "stem-stride", 2, 1, 2);
    r->flavour = flavour_take(o);
    if (!r->flavour.timm) r->flavour.norm.epsilon = 1.001e-5;
    head_take(o, &r->flavour, HEAD_DROPOUT | HEAD_SOFTMAX, &r->head);
    o->any_side = r->stem_stride == 1;
}

static xc_status resnet_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                              struct error *err)
{
    struct resnet r = {.channels = {4, {64, 128, 256, 512}},
                       .blocks = *(const struct int_list *)arch->variant};
    int x;
    take_knobs(o, &r);
    TRY(opts_done(o, err));
    r.g = head_open(o, &r.head, &x);
    if (!r.g) return fail_memory(err, sizeof *r.g);
    x = trunk(&r, stem(&r, x));
    head_close(r.g, &r.head, x, o->input.classes);
    *out = r.g;
    return XC_OK;
}

static const struct int_list blocks_50 = {4, {3, 4, 6, 3}};
static const struct int_list blocks_101 = {4, {3, 4, 23, 3}};
static const struct int_list blocks_152 = {4, {3, 8, 36, 3}};

#define RESNET(called, table, words)                                                               \
    {                                                                                              \
        .name = called, .help = words, .side = 224, .least_side = 32, .channels = 3,               \
        .classes = 1000, .flavour = "keras", .keras = "keras-caffe", .timm = "torchvision",        \
        .variant = &table, .build = resnet_build                                                   \
    }

const struct arch arch_resnet50 =
    RESNET("resnet50", blocks_50,
           "ResNet-50 (32x32: stem-stride=1,channels=16/32/64,blocks=3/4/3,stem=16)");
const struct arch arch_resnet101 = RESNET("resnet101", blocks_101, "the same with 33 blocks");
const struct arch arch_resnet152 = RESNET("resnet152", blocks_152, "the same with 50 blocks");
