/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules behind names.h. Where the other side's name follows from the name of our layer, it is a
 * row of a table: # stands for a number, which may be multiplied and shifted; blockL is the last
 * block, whatever its number. The first row that fits counts, and others with the same left side
 * are alternatives. Keras' numbered names (convolution2d_4, layers/conv2d_3) count the
 * layers of a class instead.
 *
 * Both kinds of numbers are traps: Keras 1 counts in order of creation (a block's residual
 * convolution first), .weights.h5 in the order of the layers (last).
 */
#include "foreign/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
    int times, plus;
};

struct rule {
    const char *ours, *theirs;
    struct number at[3];
};

static const struct rule cadene[] = {
    {"block1_conv#", "conv#", {{1, 0}}},
    {"block1_conv#_bn", "bn#", {{1, 0}}},
    {"block2_sepconv#", "block1.rep.#", {{3, -3}}},
    {"block2_sepconv#_bn", "block1.rep.#", {{3, -2}}},
    {"block#_sepconv#", "block#.rep.#", {{1, -1}, {3, -2}}},
    {"block#_sepconv#_bn", "block#.rep.#", {{1, -1}, {3, -1}}},
    {"block#_residual", "block#.skip", {{1, -1}}},
    {"block#_residual_bn", "block#.skipbn", {{1, -1}}},
    {"blockL_sepconv#", "conv#", {{1, 2}}},
    {"blockL_sepconv#_bn", "bn#", {{1, 2}}},
    {"predictions", "fc", {{0, 0}}},
    {"predictions", "last_linear", {{0, 0}}},
    {"predictions", "last_linear.1", {{0, 0}}}, /* behind a dropout */
    {NULL, NULL, {{0, 0}}},
};

static const struct rule aligned[] = {
    {"stem_conv1", "stem.0.conv", {{0, 0}}},
    {"stem_conv1_bn", "stem.0.bn", {{0, 0}}},
    {"stem_conv2", "stem.1.conv", {{0, 0}}},
    {"stem_conv2", "stem.1", {{0, 0}}},
    {"stem_conv2_bn", "stem.1.bn", {{0, 0}}},
    {"block#_shortcut", "blocks.#.shortcut.conv", {{1, 0}}},
    {"block#_shortcut", "blocks.#.shortcut", {{1, 0}}},
    {"block#_shortcut_bn", "blocks.#.shortcut.bn", {{1, 0}}},
    {"block#_norm", "blocks.#.norm", {{1, 0}}},
    {"block#_conv#_norm", "blocks.#.stack.conv#.norm", {{1, 0}, {1, 0}}},
    {"block#_conv#_dw", "blocks.#.stack.conv#.conv_dw", {{1, 0}, {1, 0}}},
    {"block#_conv#_dw_bn", "blocks.#.stack.conv#.bn_dw", {{1, 0}, {1, 0}}},
    {"block#_conv#_pw", "blocks.#.stack.conv#.conv_pw", {{1, 0}, {1, 0}}},
    {"block#_conv#_pw_bn", "blocks.#.stack.conv#.bn_pw", {{1, 0}, {1, 0}}},
    {"predictions", "head.fc", {{0, 0}}},
    {NULL, NULL, {{0, 0}}},
};

static const struct rule faceapi[] = {
    {"entry_flow_conv_in", "entry_flow/conv_in", {{0, 0}}},
    {"entry_flow_reduction_block_#_separable_conv#",
     "entry_flow/reduction_block_#/separable_conv#",
     {{1, 0}, {1, 0}}},
    {"entry_flow_reduction_block_#_expansion_conv",
     "entry_flow/reduction_block_#/expansion_conv",
     {{1, 0}}},
    {"middle_flow_main_block_#_separable_conv#",
     "middle_flow/main_block_#/separable_conv#",
     {{1, 0}, {1, 0}}},
    {"exit_flow_reduction_block_separable_conv#",
     "exit_flow/reduction_block/separable_conv#",
     {{1, 0}}},
    {"exit_flow_reduction_block_expansion_conv",
     "exit_flow/reduction_block/expansion_conv",
     {{0, 0}}},
    {"exit_flow_separable_conv", "exit_flow/separable_conv", {{0, 0}}},
    {"fc_age", "fc/age", {{0, 0}}},
    {"fc_gender", "fc/gender", {{0, 0}}},
    {NULL, NULL, {{0, 0}}},
};

static const struct rule resnet[] = {
    {"conv1_conv", "conv1", {{0, 0}}},
    {"conv1_bn", "bn1", {{0, 0}}},
    {"conv#_block#_0_conv", "layer#.#.downsample.0", {{1, -1}, {1, -1}}},
    {"conv#_block#_0_bn", "layer#.#.downsample.1", {{1, -1}, {1, -1}}},
    {"conv#_block#_#_conv", "layer#.#.conv#", {{1, -1}, {1, -1}, {1, 0}}},
    {"conv#_block#_#_bn", "layer#.#.bn#", {{1, -1}, {1, -1}, {1, 0}}},
    {"predictions", "fc", {{0, 0}}},
    {NULL, NULL, {{0, 0}}},
};

/* The numbers count ReLUs and pools, too. */
static const struct rule vgg[] = {
    {"block1_conv#", "features.#", {{2, -2}}}, {"block2_conv#", "features.#", {{2, 3}}},
    {"block3_conv#", "features.#", {{2, 8}}},  {"block4_conv#", "features.#", {{2, 15}}},
    {"block5_conv#", "features.#", {{2, 22}}}, {"fc1", "classifier.0", {{0, 0}}},
    {"fc1", "pre_logits.fc1", {{0, 0}}},       {"fc2", "classifier.3", {{0, 0}}},
    {"fc2", "pre_logits.fc2", {{0, 0}}},       {"predictions", "classifier.6", {{0, 0}}},
    {"predictions", "head.fc", {{0, 0}}},      {NULL, NULL, {{0, 0}}},
};

static const struct rule vgg_bn[] = {
    {"block1_conv#", "features.#", {{3, -3}}},
    {"block1_conv#_bn", "features.#", {{3, -2}}},
    {"block2_conv#", "features.#", {{3, 4}}},
    {"block2_conv#_bn", "features.#", {{3, 5}}},
    {"block3_conv#", "features.#", {{3, 11}}},
    {"block3_conv#_bn", "features.#", {{3, 12}}},
    {"block4_conv#", "features.#", {{3, 21}}},
    {"block4_conv#_bn", "features.#", {{3, 22}}},
    {"block5_conv#", "features.#", {{3, 31}}},
    {"block5_conv#_bn", "features.#", {{3, 32}}},
    {"fc1", "classifier.0", {{0, 0}}},
    {"fc1", "pre_logits.fc1", {{0, 0}}},
    {"fc2", "classifier.3", {{0, 0}}},
    {"fc2", "pre_logits.fc2", {{0, 0}}},
    {"predictions", "classifier.6", {{0, 0}}},
    {"predictions", "head.fc", {{0, 0}}},
    {NULL, NULL, {{0, 0}}},
};

/* What the part of our name after the slash is called; separable: the two kernels of a pair. */
static const struct {
    const char *ours, *torch, *torch_separable, *faceapi;
} parts[] = {
    {"kernel", "weight", "weight", "filters"},
    {"depthwise_kernel", "weight", "conv1.weight", "depthwise_filter"},
    {"pointwise_kernel", "weight", "pointwise.weight", "pointwise_filter"},
    {"bias", "bias", "bias", "bias"},
    {"gamma", "weight", "weight", NULL},
    {"beta", "bias", "bias", NULL},
    {"moving_mean", "running_mean", "running_mean", NULL},
    {"moving_variance", "running_var", "running_var", NULL},
};

static const struct {
    const char *text;
    const struct rule *rules;
    bool torch;
} schemes[NAMES_SCHEMES] = {
    [NAMES_OURS] = {"Keras' names of layers", NULL, false},
    [NAMES_KERAS1] = {"the names of the published Keras file", NULL, false},
    [NAMES_KERAS3] = {"Keras 3's numbers of layers", NULL, false},
    [NAMES_NESTED] = {"Keras 3's numbers of layers, the trunk a model of its own", NULL, false},
    [NAMES_CADENE] = {"the names of timm's legacy_xception", cadene, true},
    [NAMES_ALIGNED] = {"the names of timm's aligned Xception", aligned, true},
    [NAMES_RESNET] = {"the names of torchvision's ResNet", resnet, true},
    [NAMES_VGG] = {"the names of torchvision's VGG-16", vgg, true},
    [NAMES_VGG_BN] = {"the names of torchvision's VGG-16 with batch norm", vgg_bn, true},
    [NAMES_INCEPTION] = {"the names of torchvision's Inception V3", NULL, true},
    [NAMES_GOOGLENET] = {"the names of torchvision's GoogLeNet", NULL, true},
    [NAMES_KERAS_NUMBERS] = {"Keras' numbers of layers in order of creation", NULL, false},
    [NAMES_FACEAPI] = {"the names of face-api", faceapi, false},
};

const char *names_scheme_text(enum names_scheme scheme)
{
    return schemes[scheme].text;
}

bool names_scheme_is_torch(enum names_scheme scheme)
{
    return schemes[scheme].torch;
}

/* ---- our own names --------------------------------------------------------------------------- */

struct layer {
    const char *name;  /* not terminated: `length` bytes */
    int length, first; /* its first parameter */
};

static struct layer layer_of(const struct graph *g, int p)
{
    const char *name = g->param.at[p].name, *slash = strrchr(name, '/');
    struct layer l = {name, slash ? (int)(slash - name) : (int)strlen(name), p};
    while (l.first > 0 && strncmp(g->param.at[l.first - 1].name, name, (size_t)l.length + 1) == 0)
        l.first--;
    return l;
}

static const char *part_of(const struct graph *g, int p)
{
    const char *slash = strrchr(g->param.at[p].name, '/');
    return slash ? slash + 1 : "";
}

static int block_of(const struct layer *l)
{
    return strncmp(l->name, "block", 5) == 0 ? atoi(l->name + 5) : 0;
}

static bool is_residual(const struct layer *l)
{
    char name[NAMES_SIZE];
    snprintf(name, sizeof name, "%.*s", l->length, l->name);
    return strstr(name, "_residual") != NULL;
}

/* The block with the highest number. */
static int last_block(const struct graph *g)
{
    int last = 0;
    for (int p = 0; p < g->param.count; p++) {
        struct layer l = layer_of(g, p);
        if (block_of(&l) > last) last = block_of(&l);
    }
    return last;
}

/* ---- rules ----------------------------------------------------------------------------------- */

/* Reads text after a pattern; the numbers go to value. */
static bool matches(const char *pattern, const char *text, long value[3])
{
    int count = 0;
    for (; *pattern; pattern++) {
        char *end;
        if (*pattern != '#') {
            if (*text++ != *pattern) return false;
            continue;
        }
        if (*text < '0' || *text > '9' || count == 3) return false;
        value[count++] = strtol(text, &end, 10);
        text = end;
    }
    return !*text;
}

static void write_theirs(const struct rule *rule, const long value[3], char out[NAMES_SIZE])
{
    size_t at = 0;
    int count = 0;
    for (const char *s = rule->theirs; *s && at + 24 < NAMES_SIZE; s++) {
        if (*s != '#') {
            out[at++] = *s;
            continue;
        }
        const struct number *n = &rule->at[count];
        at += (size_t)snprintf(out + at, NAMES_SIZE - at, "%ld", value[count] * n->times + n->plus);
        count++;
    }
    out[at] = '\0';
}

static const char *their_part(enum names_scheme scheme, const struct graph *g, int p)
{
    const char *ours = part_of(g, p);
    if (scheme == NAMES_FACEAPI && g->param.at[p].rank == 2) return "weights";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(ours, parts[i].ours) != 0) continue;
        if (scheme == NAMES_FACEAPI) return parts[i].faceapi;
        return scheme == NAMES_CADENE ? parts[i].torch_separable : parts[i].torch;
    }
    return NULL;
}

static bool by_rule(enum names_scheme scheme, const struct graph *g, int p, int k,
                    char out[NAMES_SIZE])
{
    struct layer l = layer_of(g, p);
    char own[NAMES_SIZE], last[NAMES_SIZE], theirs[NAMES_SIZE];
    const char *part = their_part(scheme, g, p), *layer = own;
    snprintf(own, sizeof own, "%.*s", l.length, l.name);
    if (scheme == NAMES_CADENE && block_of(&l) > 0 && block_of(&l) == last_block(g)) {
        snprintf(last, sizeof last, "blockL%.200s", strchrnul(own, '_'));
        layer = last;
    }
    const struct rule *first = NULL;
    for (const struct rule *r = schemes[scheme].rules; r->ours && part; r++) {
        long value[3] = {0};
        if (!matches(r->ours, layer, value)) continue;
        if (!first) first = r;
        if (strcmp(r->ours, first->ours) != 0 || k-- > 0) continue;
        write_theirs(r, value, theirs);
        snprintf(out, NAMES_SIZE, "%.200s%c%s", theirs, scheme == NAMES_FACEAPI ? '/' : '.', part);
        return true;
    }
    return false;
}

static bool by_inception(enum names_scheme scheme, const struct graph *g, int p,
                         char out[NAMES_SIZE])
{
    struct layer l = layer_of(g, p);
    char own[NAMES_SIZE], theirs[NAMES_SIZE];
    const char *part = their_part(scheme, g, p);
    snprintf(own, sizeof own, "%.*s", l.length, l.name);
    if (!part || !names_of_inception(scheme, own, theirs)) return false;
    snprintf(out, NAMES_SIZE, "%.200s.%s", theirs, part);
    return true;
}

/* ---- numbers of layers ----------------------------------------------------------------------- */

enum layer_class { CLASS_CONV, CLASS_SEPARABLE, CLASS_NORM, CLASS_DENSE };

static const struct {
    const char *keras1, *keras3;
} class_words[] = {
    [CLASS_CONV] = {"convolution2d", "conv2d"},
    [CLASS_SEPARABLE] = {"separableconvolution2d", "separable_conv2d"},
    [CLASS_NORM] = {"batchnormalization", "batch_normalization"},
    [CLASS_DENSE] = {"dense", "dense"},
};

static enum layer_class class_of(const struct graph *g, int first)
{
    const struct param *p = &g->param.at[first];
    if (p->role == PARAM_DEPTHWISE) return CLASS_SEPARABLE;
    if (p->role == PARAM_KERNEL) return p->rank == 2 ? CLASS_DENSE : CLASS_CONV;
    return CLASS_NORM;
}

/* Was a made before b? Keras 1 makes the residual convolution of a block first. */
static bool made_before(const struct layer *a, const struct layer *b)
{
    int block = block_of(a);
    if (block == 0 || block != block_of(b) || is_residual(a) == is_residual(b))
        return a->first < b->first;
    return is_residual(a);
}

static bool in_trunk(const struct layer *l)
{
    return block_of(l) > 0;
}

/* How many layers of its class come before the layer. */
static int count_before(const struct graph *g, const struct layer *l, bool creation, bool own_model)
{
    int count = 0;
    for (int p = 0; p < g->param.count; p++) {
        struct layer other = layer_of(g, p);
        if (other.first != p || p == l->first || class_of(g, p) != class_of(g, l->first)) continue;
        if (own_model && in_trunk(&other) != in_trunk(l)) continue;
        count += creation ? made_before(&other, l) : p < l->first;
    }
    return count;
}

/* nested: the trunk is a model inside the model, and both count from the beginning. */
static bool by_keras3(const struct graph *g, int p, bool nested, char out[NAMES_SIZE])
{
    struct layer l = layer_of(g, p);
    int before = count_before(g, &l, false, nested);
    char number[16] = "";
    if (before) snprintf(number, sizeof number, "_%d", before);
    snprintf(out, NAMES_SIZE, "%slayers/%s%s/%d",
             nested && in_trunk(&l) ? "layers/functional/" : "",
             class_words[class_of(g, l.first)].keras3, number, p - l.first);
    return true;
}

/* The dense layer of the published file is dense_2: k counts on from dense_1. */
static bool by_keras1(const struct graph *g, int p, int k, char out[NAMES_SIZE])
{
    struct layer l = layer_of(g, p);
    enum layer_class class = class_of(g, l.first);
    if (k > (class == CLASS_DENSE)) return false;
    snprintf(out, NAMES_SIZE, "%s_%d/%s", class_words[class].keras1,
             1 + k + count_before(g, &l, true, false), part_of(g, p));
    return true;
}

/* The published file: conv2d_1 is the first; its dense layer has a name. */
static bool by_keras_numbers(const struct graph *g, int p, int k, char out[NAMES_SIZE])
{
    struct layer l = layer_of(g, p);
    enum layer_class class = class_of(g, l.first);
    if (k > 0) return false;
    if (class == CLASS_DENSE)
        snprintf(out, NAMES_SIZE, "%s", g->param.at[p].name);
    else
        snprintf(out, NAMES_SIZE, "%s_%d/%s", class_words[class].keras3,
                 1 + count_before(g, &l, false, false), part_of(g, p));
    return true;
}

bool names_of_param(enum names_scheme scheme, const struct graph *g, int p, int k,
                    char out[NAMES_SIZE])
{
    switch (scheme) {
    case NAMES_OURS:
        snprintf(out, NAMES_SIZE, "%s", g->param.at[p].name);
        return k == 0;
    case NAMES_KERAS1:
        return by_keras1(g, p, k, out);
    case NAMES_KERAS3:
    case NAMES_NESTED:
        return k == 0 && by_keras3(g, p, scheme == NAMES_NESTED, out);
    case NAMES_INCEPTION:
    case NAMES_GOOGLENET:
        return k == 0 && by_inception(scheme, g, p, out);
    case NAMES_KERAS_NUMBERS:
        return by_keras_numbers(g, p, k, out);
    default:
        return by_rule(scheme, g, p, k, out);
    }
}
