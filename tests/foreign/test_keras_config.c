/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a Keras config become the graph that Keras would run? Configs of real Keras 2.15 and 3.15
 * models (data/, written by Keras, then rid of initializers), small ones written here with ' for ",
 * and wrong ones: each is one sentence that names the layer.
 */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign/keras_config.h"

#define FAIL(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))

/* ---- help ------------------------------------------------------------------------------------ */

static xc_status read_text(const char *quoted, struct keras_config *out, struct error *err)
{
    size_t size = strlen(quoted);
    char *text = strdup(quoted);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\'') text[i] = '"';
    xc_status status = keras_config_read(text, size, NULL, out, err);
    free(text);
    return status;
}

static struct keras_config must_read(const char *quoted)
{
    struct keras_config config;
    struct error err = {XC_OK, ""};
    if (read_text(quoted, &config, &err) != XC_OK) FAIL("%s", err.text);
    return config;
}

static struct keras_config read_fixture(const char *name)
{
    char path[512];
    struct file_view view;
    struct keras_config config = {0};
    struct error err = {XC_OK, ""};
    snprintf(path, sizeof path, XC_SOURCE_DIR "/tests/foreign/data/%s", name);
    if (file_read(path, 1 << 20, &view, &err) != XC_OK ||
        keras_config_read((const char *)view.data, view.size, NULL, &config, &err) != XC_OK)
        FAIL("%s", err.text);
    file_release(&view);
    return config;
}

#define INPUT(shape) "{'class_name':'InputLayer','config':{'name':'in','batch_shape':" shape "}}"
#define LAYER(class, config) ",{'class_name':'" class "','config':{" config "}}"
#define SEQUENTIAL(layers)                                                                         \
    "{'class_name':'Sequential','config':{'name':'s','layers':[" INPUT("[null,8,8,3]") layers "]}" \
                                                                                              "}"

/* ---- whole files ----------------------------------------------------------------------------- */

static void test_real_files(void **state)
{
    static const struct {
        const char *name;
        float scale, shift;
    } files[] = {{"keras2_transfer.json", 1 / 127.5f, -1},
                 {"keras3_transfer.json", 1 / 127.5f, -1},
                 {"keras2_sequential.json", 0.00784313725490196f, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct keras_config config = read_fixture(files[i].name);
        const struct graph *g = config.graph;
        assert_int_equal(graph_params(g), 20861480 + 2048 * 3 + 3);
        assert_int_equal(g->input.h, 96);
        assert_int_equal(g->node[1].kind, OP_AFFINE);
        assert_true(g->node[1].affine.scale[2] == files[i].scale);
        assert_true(g->node[1].affine.shift[0] == files[i].shift);
        assert_int_equal(config.layers, 6 + 34 + 40 + 1);
        keras_config_free(&config);
    }
}

static const struct keras_layer *layer_of(const struct keras_config *config, const char *name)
{
    for (int i = 0; i < config->layers; i++)
        if (strcmp(config->layer[i].name, name) == 0) return &config->layer[i];
    FAIL("no layer %s", name);
    return NULL;
}

/* The group of `layers/conv2d` is block1_conv1; the layer that is named conv2d is another. */
static void test_names_of_weights(void **state)
{
    (void)state;
    struct keras_config config = read_fixture("keras3_transfer.json");
    assert_string_equal(layer_of(&config, "block1_conv1")->path, "layers/functional/layers/conv2d");
    assert_string_equal(layer_of(&config, "conv2d")->path, "layers/functional/layers/conv2d_2");
    assert_string_equal(layer_of(&config, "batch_normalization")->path,
                        "layers/functional/layers/batch_normalization_4");
    assert_string_equal(layer_of(&config, "block14_sepconv2")->path,
                        "layers/functional/layers/separable_conv2d_33");
    assert_string_equal(layer_of(&config, "block14_sepconv2")->scoped, "xception/block14_sepconv2");
    assert_string_equal(layer_of(&config, "dense")->path, "layers/dense");
    assert_string_equal(layer_of(&config, "dense")->scoped, "dense/dense");
    keras_config_free(&config);
}

/* ---- small ones ------------------------------------------------------------------------------ */

static void test_layers(void **state)
{
    (void)state;
    struct keras_config config = must_read(SEQUENTIAL(
        LAYER("ZeroPadding2D", "'name':'pad','padding':[[0,1],[2,3]]") LAYER(
            "Conv2D", "'name':'c','filters':4,'kernel_size':[3,3],'strides':[2,2],"
                      "'padding':'valid','activation':'relu','use_bias':false")
            LAYER("SeparableConv2D", "'name':'s1','filters':8,'kernel_size':3,'padding':'same',"
                                     "'groups':1,'kernel_constraint':null")
                LAYER("BatchNormalization", "'name':'bn','axis':[3],'epsilon':0.002,'scale':false")
                    LAYER("ELU", "'name':'e','alpha':0.5")
                        LAYER("MaxPooling2D",
                              "'name':'p','pool_size':[2,2],'strides':null,'padding':'same'")
                            LAYER("Flatten", "'name':'f'")
                                LAYER("Dense", "'name':'d','units':5,'activation':'softmax'")));
    const struct graph *g = config.graph;
    static const enum op_kind kinds[] = {OP_INPUT,   OP_CONV,       OP_ACT,    OP_CONV,
                                         OP_CONV,    OP_BATCH_NORM, OP_ACT,    OP_POOL,
                                         OP_FLATTEN, OP_DENSE,      OP_SOFTMAX};
    assert_int_equal(g->nodes, (int)(sizeof kinds / sizeof *kinds));
    for (int i = 0; i < g->nodes; i++) assert_int_equal(g->node[i].kind, kinds[i]);
    assert_int_equal(g->node[1].conv.pad.kind, PAD_EXPLICIT);
    assert_int_equal(g->node[1].conv.pad.bottom, 1);
    assert_int_equal(g->node[1].conv.pad.left, 2);
    assert_int_equal(g->node[1].out.h, 4);
    assert_int_equal(g->node[1].out.w, 6);
    assert_true(g->node[5].norm.epsilon == 0.002);
    assert_true(layer_of(&config, "bn")->no_gamma && !layer_of(&config, "bn")->no_beta);
    assert_true(g->node[6].act.alpha == 0.5);
    assert_int_equal(g->node[7].pool.sy, 2);
    assert_int_equal(g->node[9].out.c, 5);
    keras_config_free(&config);
}

static void test_arithmetic(void **state)
{
    (void)state;
    struct keras_config config = must_read(SEQUENTIAL(
        LAYER("Normalization", "'name':'n','axis':[-1],'mean':[1,2,3],'variance':[4,16,0.25]")
            LAYER("Rescaling", "'name':'r','scale':[1,2,3],'offset':1") LAYER(
                "RandomFlip", "'name':'flip'") LAYER("Resizing", "'name':'z','height':8,'width':8")
                LAYER("GlobalMaxPooling2D", "'name':'p'")));
    const struct node *n = &config.graph->node[1];
    assert_int_equal(config.graph->nodes, 3);
    assert_int_equal(n->kind, OP_AFFINE);
    assert_true(n->affine.scale[0] == 0.5f && n->affine.shift[0] == 0.5f);
    assert_true(n->affine.scale[1] == 0.5f && n->affine.shift[1] == 0.0f);
    assert_true(n->affine.scale[2] == 6.0f && n->affine.shift[2] == -17.0f);
    keras_config_free(&config);
}

/* Keras 2 operators, a constant that comes first, layers written down in the wrong order. */
static void test_functional(void **state)
{
    (void)state;
    struct keras_config config = must_read(
        "{'class_name':'Model','config':{'name':'m','layers':["
        "{'class_name':'Add','name':'sum','config':{'name':'sum'},"
        "'inbound_nodes':[[['a',0,0,{}],['b',0,0,{}]]]},"
        "{'class_name':'InputLayer','name':'x','config':{'name':'x',"
        "'batch_input_shape':[null,null,null,1]},'inbound_nodes':[]},"
        "{'class_name':'TFOpLambda','name':'t','config':{'name':'t','function':'math.subtract'},"
        "'inbound_nodes':[['_CONSTANT_VALUE',-1,1.0,{'y':['x',0,0],'name':null}]]},"
        "{'class_name':'Activation','name':'a','config':{'name':'a','activation':'tanh'},"
        "'inbound_nodes':[[['t',0,0,{}]]]},"
        "{'class_name':'Activation','name':'b','config':{'name':'b','activation':'sigmoid'},"
        "'inbound_nodes':[[['t',0,0,{}]]]}],"
        "'input_layers':[['x',0,0]],'output_layers':[['sum',0,0]]}}");
    const struct graph *g = config.graph;
    assert_true(config.any_size);
    assert_int_equal(g->nodes, 5);
    assert_int_equal(g->input.h, KERAS_SIDE);
    assert_true(g->node[1].affine.scale[0] == -1 && g->node[1].affine.shift[0] == 1);
    assert_int_equal(g->node[g->output[0].node].kind, OP_ADD);
    keras_config_free(&config);
}

#define KERAS3(class, name, config, args)                                                          \
    ",{'class_name':'" class "','config':{'name':'" name "'" config                                \
                             "},'inbound_nodes':[{'args':[" args                                   \
                             "],'kwargs':{'training':false}}]}"
#define TENSOR(from) "{'class_name':'__keras_tensor__','config':{'keras_history':['" from "',0,0]}}"

/* Operators of Keras 3, constants on either side and as records of arrays; layers of rarer kinds.
 */
static void test_operators(void **state)
{
    (void)state;
    struct keras_config config = must_read(
        "{'class_name':'Functional','config':{'name':'f','layers':[" INPUT("[null,8,8,2]") KERAS3(
            "Multiply", "times", "", "2.0," TENSOR("in")) KERAS3("Add", "plus", "",
                                                                 TENSOR("times") ",[1.0,3.0]")
            KERAS3("Subtract", "minus", "",
                   TENSOR("plus") ",{'class_name':'__numpy__','config':{'value':[[[1.0,1.0]]]}}")
                KERAS3("TrueDivide", "by", "", TENSOR("minus") ",4")
                    KERAS3("DepthwiseConv2D", "dw", ",'kernel_size':3,'use_bias':false",
                           TENSOR("by")) KERAS3("ReLU", "cut", ",'max_value':6.0", TENSOR("dw"))
                        KERAS3("AveragePooling2D", "mean", "", TENSOR("cut"))
                            KERAS3("Concatenate", "both", ",'axis':-1",
                                   "[" TENSOR("mean") "," TENSOR("mean") "]")
                                KERAS3("SpatialDropout2D", "drop", ",'rate':0.5", TENSOR("both"))
                                    KERAS3("GlobalAveragePooling2D", "pool", ",'keepdims':true",
                                           TENSOR("drop"))
                                        KERAS3("BatchNormalization", "bn",
                                               ",'axis':[1],'center':false", TENSOR("pool"))
                                            KERAS3("Softmax", "end", ",'axis':-1",
                                                   TENSOR("bn")) "],'input_layers':[['in',0,0]],'"
                                                                 "output_layers':[['end',0,0]]}}");
    const struct graph *g = config.graph;
    static const enum op_kind kinds[] = {OP_INPUT,      OP_AFFINE, OP_CONV,    OP_ACT,
                                         OP_POOL,       OP_CONCAT, OP_DROPOUT, OP_GLOBAL_POOL,
                                         OP_BATCH_NORM, OP_SOFTMAX};
    assert_int_equal(g->nodes, (int)(sizeof kinds / sizeof *kinds));
    for (int i = 0; i < g->nodes; i++) assert_int_equal(g->node[i].kind, kinds[i]);
    assert_true(g->node[1].affine.scale[1] == 0.5f);
    assert_true(g->node[1].affine.shift[0] == 0 && g->node[1].affine.shift[1] == 0.5f);
    assert_int_equal(g->node[2].conv.groups, GROUPS_DEPTHWISE);
    assert_int_equal(g->node[3].act.kind, ACT_CLIP);
    assert_true(g->node[3].act.beta == 6);
    assert_int_equal(g->node[4].pool.sy, 2);
    assert_true(layer_of(&config, "bn")->no_beta);
    keras_config_free(&config);
}

/* Statistics of Normalization that are weights of the file. */
static void test_adapted(void **state)
{
    static const float mean[3] = {1, 2, 3}, variance[3] = {4, 0, 16};
    struct weight_tensor tensor[2] = {
        {.name = "layers/normalization/0", .rank = 1, .dim = {3}, .count = 3},
        {.name = "layers/normalization/1", .rank = 1, .dim = {3}, .count = 3}};
    const struct weight_file file = {.tensor = tensor, .tensors = 2};
    struct keras_config config;
    struct error err = {XC_OK, ""};
    (void)state;
    tensor[0].data = (const uint8_t *)mean;
    tensor[1].data = (const uint8_t *)variance;
    char text[] = SEQUENTIAL(LAYER("Normalization", "'name':'n','mean':null,'variance':null")
                                 LAYER("GlobalMaxPooling2D", "'name':'p'"));
    for (size_t i = 0; text[i]; i++)
        if (text[i] == '\'') text[i] = '"';
    if (keras_config_read(text, strlen(text), &file, &config, &err) != XC_OK)
        FAIL("%s\n", err.text);
    const struct node *n = &config.graph->node[1];
    assert_true(n->affine.scale[0] == 0.5f && n->affine.shift[0] == -0.5f);
    assert_true(n->affine.scale[1] == 1e7f && n->affine.shift[1] == -2e7f);
    keras_config_free(&config);
}

/* ---- wrong ones ------------------------------------------------------------------------------ */

#define CONV(more) LAYER("Conv2D", "'name':'c','filters':4,'kernel_size':[3,3]" more)
#define FUNCTIONAL(layers, last)                                                                   \
    "{'class_name':'Functional','config':{'name':'f','layers':[" INPUT("[null,8,8,3]") layers      \
        "],'input_layers':['in',0,0],'output_layers':['" last "',0,0]}}"
#define NODE(class, name, inbound)                                                                 \
    ",{'class_name':'" class "','config':{'name':'" name "'},'inbound_nodes':" inbound "}"

static const struct {
    const char *text;
    xc_status status;
    const char *says;
} wrong[] = {
    {"", XC_ERR_FORMAT, "model config: line"},
    {"[1,2", XC_ERR_FORMAT, "model config: line"},
    {"{'class_name':'Sequential','class_name':'x'}", XC_ERR_FORMAT, "duplicate"},
    {"{'class_name':'MyModel','config':{}}", XC_ERR_UNSUPPORTED, "'MyModel' is not a model"},
    {"{'class_name':'Sequential','config':{'layers':[]}}", XC_ERR_UNSUPPORTED, "not one picture"},
    {"{'class_name':'Sequential','config':{'layers':[" INPUT("[null,8,8]") "]}}",
     XC_ERR_UNSUPPORTED, "not one picture"},
    {"{'class_name':'Sequential','config':{'layers':[" INPUT("[null,8,8,-3]") "]}}",
     XC_ERR_UNSUPPORTED, "not one picture"},
    {SEQUENTIAL(LAYER("Lambda", "'name':'lambda_1','function':['code']")), XC_ERR_UNSUPPORTED,
     "layer 'lambda_1' (Lambda): not a layer this program knows"},
    {SEQUENTIAL(CONV(",'data_format':'channels_first'")), XC_ERR_UNSUPPORTED,
     "layer 'c' (Conv2D): data_format 'channels_first'"},
    {SEQUENTIAL(CONV(",'activation':'swish'")), XC_ERR_UNSUPPORTED, "activation 'swish'"},
    {SEQUENTIAL(CONV(",'strides':[0,1]")), XC_ERR_UNSUPPORTED, "strides"},
    {SEQUENTIAL(CONV(",'padding':'causal'")), XC_ERR_UNSUPPORTED, "padding 'causal'"},
    {SEQUENTIAL(CONV(",'filters ':1e9")), XC_OK, NULL}, /* not a key of ours */
    {SEQUENTIAL(LAYER("Conv2D", "'name':'c','filters':99999999999,'kernel_size':3")),
     XC_ERR_UNSUPPORTED, "filters is not a whole number"},
    {SEQUENTIAL(LAYER("Conv2D", "'name':'c','filters':4")), XC_ERR_UNSUPPORTED, "kernel_size"},
    {SEQUENTIAL(LAYER("Conv2D", "'name':'c','filters':4,'kernel_size':[9,9]")), XC_ERR_SHAPE, "c:"},
    {SEQUENTIAL(LAYER("Conv2D", "'name':'c','kernel_size':[3,3]")), XC_ERR_ARCH, "0 filters"},
    {SEQUENTIAL(
         LAYER("SeparableConv2D", "'name':'s','filters':4,'kernel_size':3,'depth_multiplier':2")),
     XC_ERR_UNSUPPORTED, "depth_multiplier 2"},
    {SEQUENTIAL(LAYER("Dense", "'name':'d','units':4")), XC_ERR_UNSUPPORTED, "reads a 8x8 map"},
    {SEQUENTIAL(LAYER("ZeroPadding2D", "'name':'z'") LAYER("Flatten", "'name':'f'")),
     XC_ERR_UNSUPPORTED, "layer 'f' (Flatten): reads a ZeroPadding2D"},
    {SEQUENTIAL(LAYER("BatchNormalization", "'name':'b','axis':[1]")), XC_ERR_UNSUPPORTED, "axis"},
    {SEQUENTIAL(LAYER("Rescaling", "'name':'r','scale':[1,2]")), XC_ERR_UNSUPPORTED,
     "2 numbers for 3 channels"},
    {SEQUENTIAL(LAYER("Rescaling", "'name':'r','scale':1e300")), XC_ERR_UNSUPPORTED, "float32"},
    {SEQUENTIAL(LAYER("Normalization", "'name':'n'")), XC_ERR_UNSUPPORTED, "mean"},
    {SEQUENTIAL(LAYER("Dropout", "'name':'d','rate':1.5")), XC_ERR_ARCH, "dropout rate 1.5"},
    {SEQUENTIAL(LAYER("Flatten", "'name':'a'") LAYER("Flatten", "'name':'a'")), XC_ERR_UNSUPPORTED,
     "another layer of this name"},
    {SEQUENTIAL(LAYER("Flatten", "'name':'a\\u0007'")), XC_ERR_UNSUPPORTED, "no name"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['b',0,0,{}]]]") NODE("Flatten", "b", "[[['a',0,0,{}]]]"),
                "a"),
     XC_ERR_UNSUPPORTED, "layer 'a' (Flatten): reads itself"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['nobody',0,0,{}]]]"), "a"), XC_ERR_UNSUPPORTED,
     "reads 'nobody', which is not there"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['in',0,0,{}]],[['in',0,0,{}]]]"), "a"), XC_ERR_UNSUPPORTED,
     "called 2 times"},
    {FUNCTIONAL(NODE("Add", "a", "[[['in',0,0,{}]]]"), "a"), XC_ERR_UNSUPPORTED, "adds 1 maps"},
    {FUNCTIONAL(NODE("Multiply", "a", "[[['in',0,0,{}],['in',0,0,{}]]]"), "a"), XC_ERR_UNSUPPORTED,
     "layer 'a' (Multiply): only arithmetic of a map with a constant"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['in',0,1,{}]]]"), "a"), XC_ERR_UNSUPPORTED,
     "another than the first output of 'in'"},
    {FUNCTIONAL(NODE("Divide", "a", "[['_CONSTANT_VALUE',-1,1.0,{'y':['in',0,0]}]]"), "a"),
     XC_ERR_UNSUPPORTED, "only arithmetic of a map with a constant"},
    {FUNCTIONAL(NODE("Multiply", "a", "[['in',0,0,{'y':'two'}]]"), "a"), XC_ERR_UNSUPPORTED,
     "neither a map nor up to four numbers"},
    {FUNCTIONAL(NODE("TFOpLambda", "a", "[['in',0,0,{'y':2}]]"), "a"), XC_ERR_UNSUPPORTED,
     "operator '' is not one"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[[7,0,0,{}]]]"), "a"), XC_ERR_UNSUPPORTED,
     "its inputs are not written as Keras writes them"},
    {SEQUENTIAL(LAYER("ReLU", "'name':'r','negative_slope':0.2")), XC_ERR_UNSUPPORTED,
     "only a plain ReLU"},
    {SEQUENTIAL(LAYER("Softmax", "'name':'s','axis':1")), XC_ERR_UNSUPPORTED, "axis 1"},
    {SEQUENTIAL(LAYER("Resizing", "'name':'z','height':9,'width':8")), XC_ERR_UNSUPPORTED,
     "gives 9x8 from 8x8"},
    {SEQUENTIAL(LAYER("Activation", "'name':'z','activation':{'config':{}}")), XC_ERR_UNSUPPORTED,
     "activation"},
    {SEQUENTIAL(LAYER("BatchNormalization", "'name':'b','epsilon':'x'")), XC_ERR_UNSUPPORTED,
     "epsilon is not a number"},
    {SEQUENTIAL(CONV(",'use_bias':1")), XC_ERR_UNSUPPORTED, "use_bias is neither true nor false"},
    {SEQUENTIAL(CONV(",'padding':3")), XC_ERR_UNSUPPORTED, "padding is not a word"},
    {SEQUENTIAL(LAYER("Normalization", "'name':'n','mean':1,'variance':-1")), XC_ERR_UNSUPPORTED,
     "variance -1 is negative"},
    {SEQUENTIAL(LAYER("ZeroPadding2D", "'name':'z'") LAYER("ZeroPadding2D", "'name':'y'")),
     XC_ERR_UNSUPPORTED, "reads another ZeroPadding2D"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['in',0,0,{}]]]"), "b"), XC_ERR_UNSUPPORTED,
     "input or output is not one of its layers"},
    {FUNCTIONAL(NODE("Flatten", "a", "[[['in',0,0,{}]]]") NODE("ReLU", "b", "[[['in',0,0,{}]]]"),
                "b"),
     XC_ERR_ARCH, "a: nobody reads it"},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct keras_config config;
        struct error err = {XC_OK, ""};
        xc_status status = read_text(wrong[i].text, &config, &err);
        if (status == XC_OK) keras_config_free(&config);
        if (status != wrong[i].status || (wrong[i].says && !strstr(err.text, wrong[i].says)))
            FAIL("%s\ngives %d \"%s\", expected %d \"%s\"", wrong[i].text, status, err.text,
                 wrong[i].status, wrong[i].says ? wrong[i].says : "");
    }
}

/* A model in a model in a model ... */
static void test_depth(void **state)
{
    (void)state;
    char text[4096] = "";
    for (int i = 0; i < 20; i++)
        strcat(text, "{'class_name':'Sequential','config':{'name':'s','layers':[" INPUT(
                         "[null,8,8,3]") ",");
    strcat(text, "{'class_name':'Flatten','config':{'name':'f'}}");
    for (int i = 0; i < 20; i++) strcat(text, "]}}");
    struct keras_config config;
    struct error err = {XC_OK, ""};
    assert_int_equal(read_text(text, &config, &err), XC_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "models inside each other"));
}

RUN(cmocka_unit_test(test_real_files), cmocka_unit_test(test_names_of_weights),
    cmocka_unit_test(test_layers), cmocka_unit_test(test_arithmetic),
    cmocka_unit_test(test_functional), cmocka_unit_test(test_operators),
    cmocka_unit_test(test_adapted), cmocka_unit_test(test_wrong), cmocka_unit_test(test_depth))
