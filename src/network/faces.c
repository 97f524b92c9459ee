/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are mini-XCEPTION, tiny-XCEPTION and big-XCEPTION (O. Arriaga and others, 2017: emotion and
 * gender from grey faces)? Xception's boxes in the first two flows, then a convolution that gives a
 * map a class, whose mean is the logit.
 *
 * mini and tiny have no ReLU before a block's first separable convolution; big has, as Xception.
 * Published files of one name hold different networks, so what varies between them is a knob
 * (base=, blocks=, strides=). Names are Xception's: block1_conv1, block2_sepconv1, ...; the last
 * convolution is `predictions`, its mean `avg_pool`.
 */
#include "network/head.h"
#include "network/name.h"
#include "network/boxes.h"

struct face {
    struct int_list base, blocks; /* channels */
    int stem_stride;
    bool relu; /* before a block's first separable convolution, from block 3 on */
};

static const struct face mini = {{2, {8, 8}}, {4, {16, 32, 64, 128}}, 1, false};
static const struct face tiny = {{2, {5, 5}}, {4, {8, 16, 32, 64}}, 1, false};
static const struct face big = {{2, {32, 64}}, {2, {128, 256}}, 2, true};

struct knobs {
    struct face face;
    struct int_list strides; /* of the blocks; 1: no pool */
    struct head head;
};

static void take_knobs(struct arch_opts *o, struct knobs *k, struct boxes *boxes)
{
    opts_list(o, "base", &k->face.base, 2, 2, ARCH_MAX_CHANNELS);
    opts_list(o, "blocks", &k->face.blocks, 1, 8, ARCH_MAX_CHANNELS);
    int count = k->strides.count = k->face.blocks.count;
    for (int i = 0; i < count; i++) k->strides.at[i] = 2;
    opts_list(o, "strides", &k->strides, count, count, 2);
    boxes->flavour = flavour_take_own(o);
    head_take(o, &boxes->flavour, HEAD_SOFTMAX, &k->head);
}

/* A map a class, then its mean. */
static int scores(struct graph *g, int x, int classes)
{
    x = graph_conv(g, "predictions", x,
                   (struct conv_attr){
                       .oc = classes, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}, .bias = true});
    return graph_global_pool(g, "avg_pool", x, POOL_AVERAGE);
}

static xc_status face_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                            struct error *err)
{
    struct knobs k = {.face = *(const struct face *)arch->variant};
    struct boxes boxes = {0};
    const struct face *f = &k.face;
    int x;
    take_knobs(o, &k, &boxes);
    TRY(opts_done(o, err));
    struct graph *g = boxes.g = head_open(o, &k.head, &x);
    if (!g) return fail_memory(err, sizeof *g);

    x = box_conv(&boxes, 1, x, f->base.at[0], f->stem_stride, PAD_VALID);
    x = box_conv(&boxes, 2, x, f->base.at[1], 1, PAD_VALID);
    for (int i = 0; i < f->blocks.count; i++) {
        int channels = f->blocks.at[i];
        x = box_reduction(
            &boxes, 2 + i, x,
            (struct reduction){channels, channels, f->relu && i > 0, k.strides.at[i]});
    }
    if (k.head.custom)
        head_close_custom(g, &k.head, x);
    else
        head_predict(g, &k.head, scores(g, x, o->input.classes));
    *out = g;
    return XC_OK;
}

#define FACE(called, table, words)                                                                 \
    {                                                                                              \
        .name = called, .help = words, .side = 64, .channels = 1, .classes = 7,                    \
        .flavour = "keras", .keras = "face64", .variant = &table, .build = face_build              \
    }

const struct arch arch_mini_xception =
    FACE("mini-xception", mini, "emotion of a face, 58 thousand parameters (Arriaga)");
const struct arch arch_tiny_xception =
    FACE("tiny-xception", tiny, "emotion of a face, 18 thousand parameters (Arriaga)");
const struct arch arch_big_xception =
    FACE("big-xception", big, "emotion of a face, 209 thousand parameters (Arriaga)");
