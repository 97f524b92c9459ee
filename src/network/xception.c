/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is Xception, block by block? Figure 5 of F. Chollet, "Xception: Deep Learning with Depthwise
 * Separable Convolutions" (CVPR 2017), with the layer names and the order of layers that Keras
 * gives. Read xception_build beside the figure; the boxes it calls stand above it.
 *
 * Easy to get wrong: a shortcut starts before its block's first ReLU; block 2 has no such ReLU
 * (what it reads is rectified already); in block 13 the first separable convolution keeps the width
 * and the second one widens; block 14 rectifies after its convolutions and has no shortcut.
 */
#include "network/boxes.h"

#include "network/head.h"
#include "network/name.h"

/* ---- the boxes ------------------------------------------------------------------------------- */

int box_conv(const struct boxes *b, int k, int x, int channels, int stride, enum pad_kind pad)
{
    x = graph_conv(
        b->g, name("block1_conv%d", k).text, x,
        (struct conv_attr){
            .oc = channels, .kh = 3, .kw = 3, .sy = stride, .sx = stride, .pad = {.kind = pad}});
    x = graph_batch_norm(b->g, name("block1_conv%d_bn", k).text, x, b->flavour.norm);
    return graph_relu(b->g, name("block1_conv%d_act", k).text, x);
}

/* The pair, in the order and with the activation between that figures 4 and 10 ask about. */
static int pair(const struct boxes *b, const char *layer, int x, int channels)
{
    const struct conv_attr depthwise = {
        .kh = 3, .kw = 3, .groups = GROUPS_DEPTHWISE, .pad = {.kind = PAD_SAME}};
    const struct conv_attr pointwise = {.oc = channels, .kh = 1, .kw = 1};
    const struct conv_attr both = {.oc = channels, .kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}};
    struct graph *g = b->g;
    if (!b->pointwise_first && b->between.kind == ACT_NONE) return graph_sepconv(g, layer, x, both);
    graph_layer(g, layer);
    x = graph_conv(g, name("%s/%s", layer, b->pointwise_first ? "pointwise" : "depthwise").text, x,
                   b->pointwise_first ? pointwise : depthwise);
    if (b->between.kind != ACT_NONE)
        x = graph_act(g, name("%s/between", layer).text, x, b->between);
    x = graph_conv(g, layer, x, b->pointwise_first ? depthwise : pointwise);
    graph_layer(g, NULL);
    return x;
}

/* [ReLU,] SeparableConv 3x3, BN: blockN_sepconvK_act, blockN_sepconvK, blockN_sepconvK_bn. */
static int separable(const struct boxes *b, int block, int k, int x, int channels, bool relu)
{
    if (relu) x = graph_relu(b->g, name("block%d_sepconv%d_act", block, k).text, x);
    x = pair(b, name("block%d_sepconv%d", block, k).text, x, channels);
    return graph_batch_norm(b->g, name("block%d_sepconv%d_bn", block, k).text, x, b->flavour.norm);
}

int box_reduction(const struct boxes *b, int block, int x, struct reduction r)
{
    struct graph *g = b->g;
    const struct conv_attr shortcut = {.oc = r.second,
                                       .kh = 1,
                                       .kw = 1,
                                       .sy = r.stride,
                                       .sx = r.stride,
                                       .pad = {.kind = PAD_SAME}};
    const struct pool_attr pool = {
        .kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = b->flavour.pool};
    int y = separable(b, block, 1, x, r.first, r.relu);
    y = separable(b, block, 2, y, r.second, true);
    if (!b->no_residual) x = graph_conv(g, name("block%d_residual", block).text, x, shortcut);
    if (r.stride > 1) y = graph_pool(g, name("block%d_pool", block).text, y, pool);
    if (b->no_residual) return y;
    x = graph_batch_norm(g, name("block%d_residual_bn", block).text, x, b->flavour.norm);
    return graph_add(g, name("block%d_add", block).text, y, x);
}

/* Three separable convolutions beside an identity. */
static int middle_block(const struct boxes *b, int block, int x, int channels)
{
    int y = x;
    for (int k = 1; k <= 3; k++) y = separable(b, block, k, y, channels, true);
    return b->no_residual ? y : graph_add(b->g, name("block%d_add", block).text, y, x);
}

/* Rectified after, not before; no shortcut. */
static int last_block(const struct boxes *b, int block, int x, const int channels[2])
{
    for (int k = 1; k <= 2; k++) {
        x = separable(b, block, k, x, channels[k - 1], false);
        x = graph_relu(b->g, name("block%d_sepconv%d_act", block, k).text, x);
    }
    return x;
}

/* ---- the knobs ------------------------------------------------------------------------------- */

struct knobs {
    struct int_list stem, entry, exit; /* channels */
    struct int_list pools;             /* blocks that halve the map */
    int middle, stem_stride;
    struct boxes boxes;
    struct head head;
};

/* To the nearest multiple of 8. */
static int scaled(int channels, double width)
{
    int eighths = (int)(channels * width / 8 + 0.5);
    return eighths < 1 ? 8 : 8 * eighths;
}

static void take_channels(struct arch_opts *o, struct knobs *k)
{
    double width = opts_real(o, "width", 1, 0.01, 32);
    k->stem = (struct int_list){2, {scaled(32, width), scaled(64, width)}};
    k->entry = (struct int_list){3, {scaled(128, width), scaled(256, width), scaled(728, width)}};
    k->exit = (struct int_list){3, {scaled(1024, width), scaled(1536, width), scaled(2048, width)}};
    opts_list(o, "stem", &k->stem, 2, 2, ARCH_MAX_CHANNELS);
    opts_list(o, "entry", &k->entry, 1, 8, ARCH_MAX_CHANNELS);
    k->middle = opts_int(o, "middle", 8, 0, ARCH_MAX_REPEATS);
    opts_list(o, "exit", &k->exit, 3, 3, ARCH_MAX_CHANNELS);
}

static bool is_in(const struct int_list *list, int value)
{
    for (int i = 0; i < list->count; i++)
        if (list->at[i] == value) return true;
    return false;
}

/* Blocks 2.. of the entry flow and the first of the exit flow; "none" leaves the size alone. */
static void take_pools(struct arch_opts *o, struct knobs *k)
{
    struct int_list could = {0};
    for (int i = 0; i < k->entry.count; i++) could.at[could.count++] = 2 + i;
    could.at[could.count++] = 2 + k->entry.count + k->middle;
    k->pools = could;
    if (opts_is(o, "pools", "none")) {
        k->pools.count = 0;
        return;
    }
    opts_list(o, "pools", &k->pools, 1, could.count, could.at[could.count - 1]);
    for (int i = 0; i < k->pools.count; i++)
        if (!is_in(&could, k->pools.at[i]) || (i > 0 && k->pools.at[i] <= k->pools.at[i - 1]))
            opts_bad(o, "pools", "expected none, or blocks out of 2 to %d and %d, in this order",
                     1 + k->entry.count, could.at[could.count - 1]);
}

static void take_knobs(struct arch_opts *o, struct knobs *k)
{
    static const struct activation between[] = {
        {ACT_NONE, 0, 0}, {ACT_RELU, 0, 0}, {ACT_ELU, 1, 0}};
    take_channels(o, k);
    k->stem_stride = opts_int(o, "stem-stride", 2, 1, 2);
    take_pools(o, k);
    k->boxes.no_residual = !opts_switch(o, "residual", true);
    k->boxes.between = between[opts_choice(o, "act", "none|relu|elu", 0)];
    k->boxes.pointwise_first = opts_choice(o, "order", "dw-pw|pw-dw", 0) == 1;
    k->boxes.flavour = flavour_take(o);
    head_take(o, &k->boxes.flavour, HEAD_FC | HEAD_DROPOUT | HEAD_SOFTMAX, &k->head);
    /* Nets for tiny pictures end in maps smaller than their windows, and are meant to. */
    o->any_side = k->stem_stride == 1;
}

/* ---- the network ----------------------------------------------------------------------------- */

static int stride_of(const struct knobs *k, int block)
{
    return is_in(&k->pools, block) ? 2 : 1;
}

/* Block 1: two plain convolutions. A stem that does not stride keeps the border, too. */
static int stem(const struct knobs *k, int x)
{
    enum pad_kind pad = k->stem_stride == 1 ? PAD_SAME : PAD_VALID;
    x = box_conv(&k->boxes, 1, x, k->stem.at[0], k->stem_stride, pad);
    return box_conv(&k->boxes, 2, x, k->stem.at[1], 1, pad);
}

static xc_status xception_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                                struct error *err)
{
    (void)arch;
    struct knobs k = {0};
    int x;
    take_knobs(o, &k);
    TRY(opts_done(o, err));
    struct graph *g = k.boxes.g = head_open(o, &k.head, &x);
    if (!g) return fail_memory(err, sizeof *g);

    /* Entry flow: 299x299x3 -> 147x147x64 -> 74x74x128 -> 37x37x256 -> 19x19x728 */
    int block = 1;
    x = stem(&k, x);
    for (int i = 0; i < k.entry.count; i++) {
        int channels = k.entry.at[i];
        block++;
        x = box_reduction(&k.boxes, block, x,
                          (struct reduction){channels, channels, i > 0, stride_of(&k, block)});
    }
    int width = k.entry.at[k.entry.count - 1];

    /* Middle flow: 19x19x728, eight times */
    for (int i = 0; i < k.middle; i++) x = middle_block(&k.boxes, ++block, x, width);

    /* Exit flow: 10x10x1024 -> 10x10x2048 */
    block++;
    x = box_reduction(&k.boxes, block, x,
                      (struct reduction){width, k.exit.at[0], true, stride_of(&k, block)});
    x = last_block(&k.boxes, ++block, x, &k.exit.at[1]);

    head_close(g, &k.head, x, o->input.classes);
    *out = g;
    return XC_OK;
}

const struct arch arch_xception = {.name = "xception",
                                   .help = "Xception of the paper, as in Keras Applications",
                                   .side = 299,
                                   .channels = 3,
                                   .classes = 1000,
                                   .flavour = "keras",
                                   .keras = "keras",
                                   .timm = "timm-legacy",
                                   .build = xception_build};

const struct arch arch_legacy_xception = {.name = "legacy-xception",
                                          .help = "the same in timm's flavour, ending in logits",
                                          .side = 299,
                                          .channels = 3,
                                          .classes = 1000,
                                          .flavour = "timm",
                                          .keras = "keras",
                                          .timm = "timm-legacy",
                                          .build = xception_build};
