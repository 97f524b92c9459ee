/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is VGG-16 (K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale
 * Image Recognition", 2014, column D)? Thirteen 3x3 convolutions in five blocks, each block ended
 * by a pool, then two layers of 4096. Layer names are Keras'.
 *
 * Nine tenths of its parameters are in fc1, whose size depends on the input side. bn=on is
 * torchvision's vgg16_bn. The flattened map is in (h, w, c) order as in Keras; torchvision's fc1
 * has (c, h, w).
 */
#include "network/head.h"
#include "network/name.h"

struct vgg {
    struct int_list channels; /* of the blocks */
    bool bn;
    struct flavour flavour;
    struct head head;
};

static int conv(struct graph *g, const struct vgg *v, const char *layer, int x, int channels)
{
    const struct conv_attr attr = {
        .oc = channels, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}, .bias = true};
    graph_layer(g, v->bn ? NULL : layer); /* Keras' layer has its ReLU inside */
    x = graph_conv(g, layer, x, attr);
    if (v->bn) x = graph_batch_norm(g, name("%s_bn", layer).text, x, v->flavour.norm);
    x = graph_relu(g, name("%s_relu", layer).text, x);
    graph_layer(g, NULL);
    return x;
}

static int trunk(struct graph *g, const struct vgg *v, int x)
{
    static const int convs[] = {2, 2, 3, 3, 3};
    const struct pool_attr pool = {.kind = POOL_MAX, .kh = 2, .kw = 2, .sy = 2, .sx = 2};
    for (int b = 0; b < 5; b++) {
        for (int i = 1; i <= convs[b]; i++)
            x = conv(g, v, name("block%d_conv%d", b + 1, i).text, x, v->channels.at[b]);
        x = graph_pool(g, name("block%d_pool", b + 1).text, x, pool);
    }
    return x;
}

static xc_status vgg_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                           struct error *err)
{
    (void)arch;
    struct vgg v = {.channels = {5, {64, 128, 256, 512, 512}}};
    int x;
    opts_list(o, "channels", &v.channels, 5, 5, ARCH_MAX_CHANNELS);
    v.bn = opts_switch(o, "bn", false);
    v.flavour = flavour_take(o);
    head_take(o, &v.flavour, HEAD_FLATTEN | HEAD_FC | HEAD_DROPOUT | HEAD_SOFTMAX, &v.head);
    TRY(opts_done(o, err));
    struct graph *g = head_open(o, &v.head, &x);
    if (!g) return fail_memory(err, sizeof *g);
    head_close(g, &v.head, trunk(g, &v, x), o->input.classes);
    *out = g;
    return XC_OK;
}

const struct arch arch_vgg16 = {.name = "vgg16",
                                .help = "VGG-16 (32x32: channels=16/32/64/128/128,bn=on,fc=128)",
                                .side = 224,
                                .least_side = 32,
                                .channels = 3,
                                .classes = 1000,
                                .flavour = "keras",
                                .keras = "keras-caffe",
                                .timm = "torchvision",
                                .build = vgg_build};
