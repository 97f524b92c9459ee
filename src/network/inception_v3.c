/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is Inception V3 (C. Szegedy and others, "Rethinking the Inception Architecture for Computer
 * Vision", 2015), module by module, as Keras Applications and torchvision have it? Towers of 1x1
 * and larger convolutions beside each other, joined by their channels.
 *
 * Layers are named after the module of Keras and the branch of torchvision: mixed0_5x5_2 is the
 * second convolution of the 5x5 tower. They are made in the order in which both number them.
 *
 * Three networks: Keras' (no gamma in its batch norms; the mean of a border window counts only what
 * is inside), torchvision's (gamma; padding counts), and inception-v3-2016, the first Keras graph,
 * whose size is the one in the paper's table 3: the ReLU before the batch norm, biases, narrower
 * pool towers. stem-stride=1 is a stem for small pictures: three 3x3, no pool.
 *
 * aux=on: with the second classifier behind mixed7 whose loss helps to train what stands before it,
 * as torchvision has it; its maps must be 17x17 at least.
 */
#include "network/head.h"
#include "network/name.h"

struct inception {
    struct graph *g;
    struct flavour flavour;
    bool first; /* the graph of 2016 */
    int stem_stride;
    bool aux;
    double width;
    struct head head;
};

/* ---- the boxes ------------------------------------------------------------------------------- */

struct filter {
    int channels, kh, kw, stride;
};

/* Channels to the nearest multiple of 8, unless width is 1. */
static int scaled(const struct inception *v, int channels)
{
    int eighths = (int)(channels * v->width / 8 + 0.5);
    if (v->width == 1) return channels;
    return eighths < 1 ? 8 : 8 * eighths;
}

/* Strided convolutions are "valid", the others keep the size. */
static int conv_padded(const struct inception *v, struct name n, int x, struct filter f,
                       enum pad_kind pad)
{
    const struct conv_attr attr = {.oc = scaled(v, f.channels),
                                   .kh = f.kh,
                                   .kw = f.kw,
                                   .sy = f.stride,
                                   .sx = f.stride,
                                   .pad = {.kind = pad},
                                   .bias = v->first};
    x = graph_conv(v->g, n.text, x, attr);
    if (v->first) x = graph_relu(v->g, name("%s_act", n.text).text, x);
    x = graph_batch_norm(v->g, name("%s_bn", n.text).text, x, v->flavour.norm);
    return v->first ? x : graph_relu(v->g, name("%s_act", n.text).text, x);
}

static int conv(const struct inception *v, struct name n, int x, struct filter f)
{
    return conv_padded(v, n, x, f, f.stride > 1 ? PAD_VALID : PAD_SAME);
}

/* Convolutions one after the other: MODULE_WORD, or MODULE_WORD_1, _2 and so on. */
static int tower(const struct inception *v, const char *module, const char *word, int x,
                 const struct filter *f)
{
    for (int i = 1; f[i - 1].channels; i++)
        x = conv(v, f[1].channels ? name("%s_%s_%d", module, word, i) : name("%s_%s", module, word),
                 x, f[i - 1]);
    return x;
}
#define TOWER(module, word, x, ...)                                                                \
    tower(v, module, word, x, (const struct filter[]){__VA_ARGS__, {0}})

static int pool_tower(const struct inception *v, const char *module, int x, int channels)
{
    const struct pool_attr mean = {.kind = POOL_AVERAGE,
                                   .kh = 3,
                                   .kw = 3,
                                   .sy = 1,
                                   .sx = 1,
                                   .pad = {.kind = PAD_SAME},
                                   .count_pad = v->flavour.timm};
    x = graph_pool(v->g, name("%s_mean", module).text, x, mean);
    return TOWER(module, "pool", x, {channels, 1, 1, 1});
}

static int halve(const struct inception *v, struct name n, int x, enum pool_kind kind)
{
    return graph_pool(v->g, n.text, x,
                      (struct pool_attr){.kind = kind, .kh = 3, .kw = 3, .sy = 2, .sx = 2});
}

static int join(const struct inception *v, const char *module, const int *x, int count)
{
    return graph_concat(v->g, module, x, count);
}

/* ---- the modules ----------------------------------------------------------------------------- */

/* 149 -> 147 -> 73 -> 71 -> 35x35x192; stem-stride=1: as large as the picture */
static int stem(const struct inception *v, int x)
{
    if (v->stem_stride == 1) {
        x = conv(v, name("stem_conv1"), x, (struct filter){32, 3, 3, 1});
        x = conv(v, name("stem_conv2"), x, (struct filter){64, 3, 3, 1});
        return conv(v, name("stem_conv3"), x, (struct filter){192, 3, 3, 1});
    }
    x = conv(v, name("stem_conv1"), x, (struct filter){32, 3, 3, 2});
    x = conv_padded(v, name("stem_conv2"), x, (struct filter){32, 3, 3, 1}, PAD_VALID);
    x = conv(v, name("stem_conv3"), x, (struct filter){64, 3, 3, 1});
    x = halve(v, name("stem_pool1"), x, POOL_MAX);
    x = conv_padded(v, name("stem_conv4"), x, (struct filter){80, 1, 1, 1}, PAD_VALID);
    x = conv_padded(v, name("stem_conv5"), x, (struct filter){192, 3, 3, 1}, PAD_VALID);
    return halve(v, name("stem_pool2"), x, POOL_MAX);
}

/* 35x35 */
static int mixed_5x5(const struct inception *v, const char *m, int x, int pool)
{
    int y[4];
    y[0] = TOWER(m, "1x1", x, {64, 1, 1, 1});
    y[1] = TOWER(m, "5x5", x, {48, 1, 1, 1}, {64, 5, 5, 1});
    y[2] = TOWER(m, "3x3dbl", x, {64, 1, 1, 1}, {96, 3, 3, 1}, {96, 3, 3, 1});
    y[3] = pool_tower(v, m, x, pool);
    return join(v, m, y, 4);
}

/* 35x35 -> 17x17x768 */
static int first_reduction(const struct inception *v, const char *m, int x)
{
    int y[3];
    y[0] = TOWER(m, "3x3", x, {384, 3, 3, 2});
    y[1] = TOWER(m, "3x3dbl", x, {64, 1, 1, 1}, {96, 3, 3, 1}, {96, 3, 3, 2});
    y[2] = halve(v, name("%s_pool", m), x, POOL_MAX);
    return join(v, m, y, 3);
}

/* 17x17: a 7x7 window as 1x7 and 7x1; c: channels inside the two towers, first: where the long one
 * begins. */
static int mixed_7x7(const struct inception *v, const char *m, int x, int c, int first)
{
    int y[4];
    y[0] = TOWER(m, "1x1", x, {192, 1, 1, 1});
    y[1] = TOWER(m, "7x7", x, {c, 1, 1, 1}, {c, 1, 7, 1}, {192, 7, 1, 1});
    y[2] = TOWER(m, "7x7dbl", x, {first, 1, 1, 1}, {c, 7, 1, 1}, {c, 1, 7, 1}, {c, 7, 1, 1},
                 {192, 1, 7, 1});
    y[3] = pool_tower(v, m, x, 192);
    return join(v, m, y, 4);
}

/* 17x17 -> 8x8x1280 */
static int second_reduction(const struct inception *v, const char *m, int x)
{
    int y[3];
    y[0] = TOWER(m, "3x3", x, {192, 1, 1, 1}, {320, 3, 3, 2});
    y[1] = TOWER(m, "7x7x3", x, {192, 1, 1, 1}, {192, 1, 7, 1}, {192, 7, 1, 1}, {192, 3, 3, 2});
    y[2] = halve(v, name("%s_pool", m), x, v->first ? POOL_AVERAGE : POOL_MAX);
    return join(v, m, y, 3);
}

/* 1x3 and 3x1 beside each other: MODULE_WORD_Na, _Nb. */
static int split(const struct inception *v, const char *m, const char *word, int n, int x)
{
    const int y[2] = {
        conv(v, name("%s_%s_%da", m, word, n), x, (struct filter){384, 1, 3, 1}),
        conv(v, name("%s_%s_%db", m, word, n), x, (struct filter){384, 3, 1, 1}),
    };
    return join(v, name("%s_%s", m, word).text, y, 2);
}

/* 8x8x2048 */
static int mixed_wide(const struct inception *v, const char *m, int x)
{
    int y[4];
    y[0] = TOWER(m, "1x1", x, {320, 1, 1, 1});
    y[1] = conv(v, name("%s_3x3_1", m), x, (struct filter){384, 1, 1, 1});
    y[1] = split(v, m, "3x3", 2, y[1]);
    y[2] = TOWER(m, "3x3dbl", x, {448, 1, 1, 1}, {384, 3, 3, 1});
    y[2] = split(v, m, "3x3dbl", 3, y[2]);
    y[3] = pool_tower(v, m, x, 192);
    return join(v, m, y, 4);
}

/* ---- the network ----------------------------------------------------------------------------- */

/* *middle: what the auxiliary classifier reads. */
static int trunk(const struct inception *v, int x, int *middle)
{
    static const int inside[] = {128, 160, 160, 192};
    x = stem(v, x);
    for (int i = 0; i < 3; i++)
        x = mixed_5x5(v, name("mixed%d", i).text, x, i > 0 && !v->first ? 64 : 32);
    x = first_reduction(v, "mixed3", x);
    for (int i = 0; i < 4; i++)
        x = mixed_7x7(v, name("mixed%d", 4 + i).text, x, inside[i],
                      v->first && i == 3 ? 160 : inside[i]);
    *middle = x;
    x = second_reduction(v, "mixed8", x);
    x = mixed_wide(v, "mixed9", x);
    return mixed_wide(v, "mixed10", x);
}

/* 17x17 -> 5x5 -> 1x1. 0.4: of torchvision's reference training; the paper says 0.3. */
static void auxiliary(const struct inception *v, int x, int classes)
{
    const struct pool_attr mean = {.kind = POOL_AVERAGE, .kh = 5, .kw = 5, .sy = 3, .sx = 3};
    graph_begin_auxiliary(v->g);
    x = graph_pool(v->g, "aux_pool", x, mean);
    x = conv(v, name("aux_conv1"), x, (struct filter){128, 1, 1, 1});
    x = conv_padded(v, name("aux_conv2"), x, (struct filter){768, 5, 5, 1}, PAD_VALID);
    x = graph_global_pool(v->g, "aux_avg_pool", x, POOL_AVERAGE);
    x = graph_dense(v->g, "aux_predictions", x, classes, true);
    graph_auxiliary(v->g, x, 0.4);
}

static void take_knobs(struct arch_opts *o, struct inception *v)
{
    v->width = opts_real(o, "width", 1, 0.01, 32);
    v->stem_stride = opts_int(o, "stem-stride", 2, 1, 2);
    o->any_side = v->stem_stride == 1;
    v->flavour = v->first ? flavour_take_own(o) : flavour_take(o);
    v->flavour.norm.epsilon = 1e-3;
    v->flavour.norm.no_gamma = !v->flavour.timm && !v->first;
    head_take(o, &v->flavour, HEAD_DROPOUT | HEAD_SOFTMAX, &v->head);
    v->aux = opts_switch(o, "aux", false);
    if (v->aux && v->head.custom) opts_bad(o, "aux", "beside head= there is no second classifier");
}

static xc_status inception_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                                 struct error *err)
{
    struct inception v = {.first = arch->variant != NULL};
    int x, middle;
    take_knobs(o, &v);
    TRY(opts_done(o, err));
    v.g = head_open(o, &v.head, &x);
    if (!v.g) return fail_memory(err, sizeof *v.g);
    x = trunk(&v, x, &middle);
    head_close(v.g, &v.head, x, o->input.classes);
    if (v.aux) auxiliary(&v, middle, o->input.classes);
    *out = v.g;
    return XC_OK;
}

const struct arch arch_inception_v3 = {.name = "inception-v3",
                                       .help =
                                           "Inception V3 (32x32: stem-stride=1,width=0.25; aux=on)",
                                       .side = 299,
                                       .least_side = 75,
                                       .channels = 3,
                                       .classes = 1000,
                                       .flavour = "keras",
                                       .keras = "keras",
                                       .timm = "torchvision-inception",
                                       .build = inception_build};

const struct arch arch_inception_v3_2016 = {.name = "inception-v3-2016",
                                            .help = "Inception V3 that Xception's paper measured",
                                            .side = 299,
                                            .least_side = 75,
                                            .channels = 3,
                                            .classes = 1000,
                                            .flavour = "keras",
                                            .keras = "keras",
                                            .variant = "first",
                                            .build = inception_build};
