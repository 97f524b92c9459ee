/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Keras layers does this program know, and what is each in our graph? One function a kind,
 * one table of class names. What is not in the table is refused by name; what is in it is refused
 * when its config asks for more than we have.
 *
 * An augmentation layer gives back what it got: it does nothing at inference.
 */
#include <string.h>

#include "foreign/keras_read.h"

#define MAX_FILTERS (1 << 16)
#define MAX_WINDOW (1 << 12)

static struct keras_value value_of(int node)
{
    return (struct keras_value){.node = node};
}

/* ---- activations ----------------------------------------------------------------------------- */

static const struct {
    const char *word;
    struct activation act;
} activations[] = {
    {"linear", {ACT_NONE, 0, 0}},     {"relu", {ACT_RELU, 0, 0}},       {"relu6", {ACT_CLIP, 0, 6}},
    {"elu", {ACT_ELU, 1, 0}},         {"sigmoid", {ACT_SIGMOID, 0, 0}}, {"tanh", {ACT_TANH, 0, 0}},
    {"hard_tanh", {ACT_CLIP, -1, 1}},
};

/* The name of a function, or an object with its name as "config". */
static const char *activation_word(struct keras_reader *r)
{
    const json_t *json = keras_member(r, "activation");
    if (!json) return "linear";
    if (json_is_object(json)) json = json_object_get(json, "config");
    const char *word = keras_name(json);
    if (!word) keras_refuse(r, "its activation is not one this program knows");
    return word ? word : "linear";
}

static int activated(struct keras_reader *r, int x, const char *node_name)
{
    const char *word = activation_word(r);
    struct graph *g = r->graph;
    if (strcmp(word, "softmax") == 0) return graph_softmax(g, node_name, x);
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(word, activations[i].word) != 0) continue;
        if (activations[i].act.kind == ACT_NONE) return x;
        return graph_act(g, node_name, x, activations[i].act);
    }
    keras_refuse(r, "activation '%s' is not one this program knows", word);
    return -1;
}

/* The activation that a layer with weights brings along. */
static struct keras_value and_activated(struct keras_reader *r, int x)
{
    return value_of(activated(r, x, keras_text(r, "%s/activation", r->node_name)));
}

static struct keras_value activation(struct keras_reader *r, struct keras_operand *in)
{
    return value_of(activated(r, keras_plain(r, in->value), r->node_name));
}

static struct keras_value relu(struct keras_reader *r, struct keras_operand *in)
{
    struct activation act = {.kind = ACT_RELU};
    if (keras_member(r, "max_value")) {
        act.kind = ACT_CLIP;
        act.beta = keras_number(r, "max_value", 0);
    }
    if (keras_number(r, "negative_slope", 0) != 0 || keras_number(r, "threshold", 0) != 0 ||
        act.beta < 0)
        keras_refuse(r, "only a plain ReLU, or one cut at a maximum");
    int x = keras_plain(r, in->value);
    return value_of(graph_act(r->graph, r->node_name, x, act));
}

static struct keras_value elu(struct keras_reader *r, struct keras_operand *in)
{
    struct activation act = {.kind = ACT_ELU, .alpha = keras_number(r, "alpha", 1)};
    int x = keras_plain(r, in->value);
    return value_of(graph_act(r->graph, r->node_name, x, act));
}

/* Over channels, the only axis we have. */
static struct keras_value softmax(struct keras_reader *r, struct keras_operand *in)
{
    int x = keras_plain(r, in->value), axis = keras_int(r, "axis", -1, -1, 3);
    struct shape s = keras_shape(r, x);
    if (axis != -1 && axis != 3 && !(axis == 1 && s.h == 1 && s.w == 1))
        keras_refuse(r, "axis %d is not the channels", axis);
    return value_of(graph_softmax(r->graph, r->node_name, x));
}

/* ---- windows --------------------------------------------------------------------------------- */

static void channels_last(struct keras_reader *r)
{
    const char *order = keras_word(r, "data_format", "channels_last");
    if (strcmp(order, "channels_last") != 0)
        keras_refuse(r, "data_format '%s', expected channels_last", order);
}

static struct padding padding_of(struct keras_reader *r)
{
    const char *word = keras_word(r, "padding", "valid");
    if (strcmp(word, "valid") != 0 && strcmp(word, "same") != 0)
        keras_refuse(r, "padding '%s', expected valid or same", word);
    return (struct padding){.kind = strcmp(word, "same") == 0 ? PAD_SAME : PAD_VALID};
}

/* Everything of a convolution but its filters and groups. */
static struct conv_attr conv_attr(struct keras_reader *r)
{
    int kernel[2], stride[2], dilation[2];
    keras_pair(r, "kernel_size", 0, 1, MAX_WINDOW, kernel);
    keras_pair(r, "strides", 1, 1, MAX_WINDOW, stride);
    keras_pair(r, "dilation_rate", 1, 1, MAX_WINDOW, dilation);
    if (kernel[0] == 0) keras_refuse(r, "kernel_size is missing");
    channels_last(r);
    return (struct conv_attr){.kh = kernel[0],
                              .kw = kernel[1],
                              .sy = stride[0],
                              .sx = stride[1],
                              .dy = dilation[0],
                              .dx = dilation[1],
                              .pad = padding_of(r),
                              .bias = keras_bool(r, "use_bias", true)};
}

/* The input of a window that nobody else moves: a border of zeros becomes its padding. */
static int bordered_input(struct keras_reader *r, struct keras_value *v, struct padding *pad)
{
    if (!v->padded || pad->kind != PAD_VALID) return keras_plain(r, v);
    struct keras_value inner = *v;
    inner.padded = false;
    *pad = v->pad;
    return keras_plain(r, &inner);
}

static struct keras_value conv(struct keras_reader *r, struct keras_operand *in)
{
    struct conv_attr a = conv_attr(r);
    a.oc = keras_int(r, "filters", 0, 1, MAX_FILTERS);
    a.groups = keras_int(r, "groups", 1, 1, MAX_FILTERS);
    int x = bordered_input(r, in->value, &a.pad);
    return and_activated(r, graph_conv(r->graph, r->node_name, x, a));
}

static void multiplier_is_one(struct keras_reader *r)
{
    int multiplier = keras_int(r, "depth_multiplier", 1, 1, MAX_FILTERS);
    if (multiplier != 1) keras_refuse(r, "depth_multiplier %d, expected 1", multiplier);
}

static struct keras_value separable(struct keras_reader *r, struct keras_operand *in)
{
    struct conv_attr a = conv_attr(r);
    a.oc = keras_int(r, "filters", 0, 1, MAX_FILTERS);
    multiplier_is_one(r);
    int x = bordered_input(r, in->value, &a.pad);
    return and_activated(r, graph_sepconv(r->graph, r->node_name, x, a));
}

static struct keras_value depthwise(struct keras_reader *r, struct keras_operand *in)
{
    struct conv_attr a = conv_attr(r);
    a.groups = GROUPS_DEPTHWISE;
    multiplier_is_one(r);
    int x = bordered_input(r, in->value, &a.pad);
    return and_activated(r, graph_conv(r->graph, r->node_name, x, a));
}

static bool is_rectified(const struct graph *g, int node)
{
    return node >= 0 && g->node[node].kind == OP_ACT && g->node[node].act.kind == ACT_RELU;
}

static struct keras_value pool(struct keras_reader *r, struct keras_operand *in,
                               enum pool_kind kind)
{
    int size[2], stride[2];
    keras_pair(r, "pool_size", 2, 1, MAX_WINDOW, size);
    keras_pair(r, "strides", 0, 1, MAX_WINDOW, stride);
    channels_last(r);
    struct pool_attr a = {.kind = kind,
                          .kh = size[0],
                          .kw = size[1],
                          .sy = stride[0] ? stride[0] : size[0],
                          .sx = stride[1] ? stride[1] : size[1],
                          .pad = padding_of(r)};
    /* Where nothing is below 0, a border of zeros is none to a maximum. */
    bool rectified = kind == POOL_MAX && is_rectified(r->graph, in->value->node);
    int x = rectified ? bordered_input(r, in->value, &a.pad) : keras_plain(r, in->value);
    return value_of(graph_pool(r->graph, r->node_name, x, a));
}

static struct keras_value max_pool(struct keras_reader *r, struct keras_operand *in)
{
    return pool(r, in, POOL_MAX);
}

static struct keras_value average_pool(struct keras_reader *r, struct keras_operand *in)
{
    return pool(r, in, POOL_AVERAGE);
}

static struct keras_value global(struct keras_reader *r, struct keras_operand *in,
                                 enum pool_kind kind)
{
    channels_last(r);
    int x = keras_plain(r, in->value);
    return value_of(graph_global_pool(r->graph, r->node_name, x, kind));
}

static struct keras_value global_average(struct keras_reader *r, struct keras_operand *in)
{
    return global(r, in, POOL_AVERAGE);
}

static struct keras_value global_max(struct keras_reader *r, struct keras_operand *in)
{
    return global(r, in, POOL_MAX);
}

/* [[top, bottom], [left, right]], [rows, columns] or one number */
static struct keras_value zero_padding(struct keras_reader *r, struct keras_operand *in)
{
    struct keras_value v = *in->value;
    const json_t *json = keras_member(r, "padding");
    bool list = json_is_array(json);
    int row[2], column[2];
    keras_pair_of(r, list ? json_array_get(json, 0) : json, "padding", 1, 0, MAX_WINDOW, row);
    keras_pair_of(r, list ? json_array_get(json, 1) : json, "padding", 1, 0, MAX_WINDOW, column);
    channels_last(r);
    if (v.padded) keras_refuse(r, "reads another ZeroPadding2D");
    v.padded = true;
    v.pad = (struct padding){PAD_EXPLICIT, row[0], column[0], row[1], column[1]};
    return v;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static struct keras_value dense(struct keras_reader *r, struct keras_operand *in)
{
    int units = keras_int(r, "units", 0, 1, MAX_FILTERS);
    bool bias = keras_bool(r, "use_bias", true);
    int x = keras_plain(r, in->value);
    struct shape s = keras_shape(r, x);
    if (s.h > 1 || s.w > 1)
        keras_refuse(r, "reads a %dx%d map: a pooling or Flatten layer must come first", s.h, s.w);
    return and_activated(r, graph_dense(r->graph, r->node_name, x, units, bias));
}

/* -1, or the last axis of a map or of a vector; older files write a list of one. */
void keras_axis_is_channels(struct keras_reader *r, int x)
{
    const json_t *json = keras_member(r, "axis");
    if (json_is_array(json) && json_array_size(json) == 1) json = json_array_get(json, 0);
    if (!json) return;
    json_int_t axis = json_is_integer(json) ? json_integer_value(json) : -2;
    struct shape s = keras_shape(r, x);
    if (axis != -1 && axis != 3 && !(axis == 1 && s.h == 1 && s.w == 1))
        keras_refuse(r, "its axis is not the channels");
}

static struct keras_value batch_norm(struct keras_reader *r, struct keras_operand *in)
{
    int x = keras_plain(r, in->value);
    struct batch_norm_attr a = {.epsilon = keras_number(r, "epsilon", 1e-3),
                                .momentum = keras_number(r, "momentum", 0.99),
                                .no_gamma = r->bare && !keras_bool(r, "scale", true),
                                .no_beta = r->bare && !keras_bool(r, "center", true)};
    keras_axis_is_channels(r, x);
    return value_of(graph_batch_norm(r->graph, r->node_name, x, a));
}

static struct keras_value add(struct keras_reader *r, struct keras_operand *in)
{
    if (r->inputs != 2) keras_refuse(r, "adds %d maps, expected 2", r->inputs);
    if (r->inputs == 2 && (!in[0].from || !in[1].from)) return keras_plus(r, in);
    if (keras_failed(r)) return value_of(-1);
    int x = keras_plain(r, in[0].value), y = keras_plain(r, in[1].value);
    return value_of(graph_add(r->graph, r->node_name, x, y));
}

static struct keras_value concatenate(struct keras_reader *r, struct keras_operand *in)
{
    int x[KERAS_MAX_INPUTS] = {0};
    const json_t *axis = keras_member(r, "axis");
    if (axis && json_integer_value(axis) != -1 && json_integer_value(axis) != 3)
        keras_refuse(r, "its axis is not the channels");
    for (int i = 0; i < r->inputs; i++) x[i] = in[i].from ? keras_plain(r, in[i].value) : -1;
    return value_of(graph_concat(r->graph, r->node_name, x, r->inputs));
}

static struct keras_value flatten(struct keras_reader *r, struct keras_operand *in)
{
    channels_last(r);
    int x = keras_plain(r, in->value);
    return value_of(graph_flatten(r->graph, r->node_name, x));
}

static struct keras_value dropout(struct keras_reader *r, struct keras_operand *in)
{
    double rate = keras_number(r, "rate", 0);
    int x = keras_plain(r, in->value);
    return value_of(graph_dropout(r->graph, r->node_name, x, rate));
}

static struct keras_value identity(struct keras_reader *r, struct keras_operand *in)
{
    (void)r;
    return *in->value;
}

/* Maps are float32 already. */
static struct keras_value cast(struct keras_reader *r, struct keras_operand *in)
{
    if (!in[0].from) keras_refuse(r, "reads no map");
    return in[0].from ? *in->value : value_of(-1);
}

/* Resizing and cropping change nothing where the map has that size already. */
static struct keras_value same_size(struct keras_reader *r, struct keras_operand *in)
{
    struct shape s = keras_shape(r, in->value->node);
    int h = keras_int(r, "height", 0, 1, MAX_FILTERS), w = keras_int(r, "width", 0, 1, MAX_FILTERS);
    if (h != s.h || w != s.w)
        keras_refuse(r, "gives %dx%d from %dx%d: the size must not change", h, w, s.h, s.w);
    return *in->value;
}

/* ---- the table ------------------------------------------------------------------------------- */

static keras_layer_fn lambda_op;

static const struct {
    const char *class_name;
    keras_layer_fn *read;
    bool constants; /* takes numbers and several maps; the others take one map */
} known[] = {
    {"Activation", activation, false},
    {"ActivityRegularization", identity, false},
    {"Add", add, true},
    {"AlphaDropout", identity, false},
    {"AveragePooling2D", average_pool, false},
    {"BatchNormalization", batch_norm, false},
    {"CenterCrop", same_size, false},
    {"Concatenate", concatenate, true},
    {"Conv2D", conv, false},
    {"Convolution2D", conv, false},
    {"Dense", dense, false},
    {"DepthwiseConv2D", depthwise, false},
    {"Divide", keras_divided, true},
    {"Dropout", dropout, false},
    {"ELU", elu, false},
    {"Flatten", flatten, false},
    {"GaussianDropout", identity, false},
    {"GaussianNoise", identity, false},
    {"GlobalAveragePooling2D", global_average, false},
    {"GlobalMaxPooling2D", global_max, false},
    {"MaxPooling2D", max_pool, false},
    {"Multiply", keras_times, true},
    {"Normalization", keras_normalization, false},
    {"RandomBrightness", identity, false},
    {"RandomColorDegeneration", identity, false},
    {"RandomColorJitter", identity, false},
    {"RandomContrast", identity, false},
    {"RandomCrop", same_size, false},
    {"RandomErasing", identity, false},
    {"RandomFlip", identity, false},
    {"RandomGaussianBlur", identity, false},
    {"RandomGrayscale", identity, false},
    {"RandomHue", identity, false},
    {"RandomPerspective", identity, false},
    {"RandomPosterization", identity, false},
    {"RandomRotation", identity, false},
    {"RandomSaturation", identity, false},
    {"RandomSharpness", identity, false},
    {"RandomShear", identity, false},
    {"RandomTranslation", identity, false},
    {"RandomZoom", identity, false},
    {"ReLU", relu, false},
    {"Rescaling", keras_rescaling, false},
    {"Resizing", same_size, false},
    {"SeparableConv2D", separable, false},
    {"SeparableConvolution2D", separable, false},
    {"Softmax", softmax, false},
    {"SpatialDropout2D", dropout, false},
    {"Subtract", keras_minus, true},
    {"TFOpLambda", lambda_op, true},
    {"TrueDivide", keras_divided, true},
    {"ZeroPadding2D", zero_padding, false},
};

/* Keras 2 records an operator of TensorFlow under its name. */
static const struct {
    const char *function;
    keras_layer_fn *read;
} operators[] = {
    {"math.truediv", keras_divided},
    {"math.divide", keras_divided},
    {"math.subtract", keras_minus},
    {"math.multiply", keras_times},
    {"math.add", add},
    {"__operators__.add", add},
    {"cast", cast},
};

static struct keras_value lambda_op(struct keras_reader *r, struct keras_operand *in)
{
    const char *function = keras_word(r, "function", "");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(function, operators[i].function) == 0) return operators[i].read(r, in);
    keras_refuse(r, "operator '%s' is not one this program knows", function);
    return value_of(-1);
}

struct keras_value keras_layer_read(struct keras_reader *r, struct keras_operand *in)
{
    size_t i = 0, count = sizeof known / sizeof *known;
    while (i < count && strcmp(known[i].class_name, r->class_name) != 0) i++;
    if (i == count)
        keras_refuse(r, "not a layer this program knows");
    else if (!known[i].constants && (r->inputs != 1 || !in[0].from))
        keras_refuse(r, "reads %d values, expected one map", r->inputs);
    return keras_failed(r) ? value_of(-1) : known[i].read(r, in);
}
