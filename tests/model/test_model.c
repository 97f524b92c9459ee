/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a model say what it is? Counts, layers, the recipe that suits the input, and weights that
 * are a function of the seed. Every number of every network is checked in test_arch_counts; here it
 * is the way from the graph to what a program sees.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/model.h"
#include "model/setup.h"

static xc_context *context;

static int set_up(void **state)
{
    (void)state;
    context = make_context(2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xc_context_free(context);
    return 0;
}

static xc_layer layer_called(const xc_model *model, const char *name)
{
    xc_layer layer;
    for (uint32_t i = 0; i < xc_model_get_info(model)->layers; i++) {
        CHECK(xc_model_layer(model, i, &layer));
        if (strcmp(layer.name, name) == 0) return layer;
    }
    _fail(name, __LINE__);
    return layer;
}

static void test_info(void **state)
{
    (void)state;
    xc_model *model = make_model(context, "xception", 0, XC_WEIGHTS_NONE);
    const xc_model_info *info = xc_model_get_info(model);
    uint64_t params = 0, trainable = 0, macs = 0;
    assert_int_equal(info->params, 22910480);
    assert_int_equal(info->trainable, 22855952);
    assert_int_equal(info->macs, 8357403496);
    assert_int_equal(info->min_side, 71);
    assert_int_equal(info->layers, 134);
    assert_int_equal(info->classes, 1000);
    assert_int_equal(info->weight_bytes, 4 * 22910480);
    assert_true(info->activation_bytes > 4 << 20 && info->activation_bytes < 8 << 20);
    assert_true(info->has_softmax && !info->has_weights && !info->has_labels);
    assert_string_equal(info->flavour, "keras");
    for (uint32_t i = 0; i < info->layers; i++) {
        xc_layer layer;
        CHECK(xc_model_layer(model, i, &layer));
        params += layer.params;
        trainable += layer.trainable;
        macs += layer.macs;
    }
    assert_int_equal(params, info->params);
    assert_int_equal(trainable, info->trainable);
    assert_int_equal(macs, info->macs);
    xc_model_unref(model);
}

static void check_layer(const xc_model *model, const char *name, const char *kind,
                        const char *detail, const char *inputs)
{
    xc_layer layer = layer_called(model, name);
    assert_string_equal(layer.kind, kind);
    assert_string_equal(layer.detail, detail);
    assert_string_equal(layer.inputs, inputs);
}

static void test_layers(void **state)
{
    (void)state;
    xc_model *model = make_model(context, "xception", 0, XC_WEIGHTS_NONE);
    xc_layer first = layer_called(model, "block4_sepconv1");
    assert_int_equal(first.params, 9 * 256 + 256 * 728);
    assert_int_equal(first.channels, 728);
    assert_int_equal(first.height, 37);
    check_layer(model, "input", "Input", "", "");
    check_layer(model, "block1_conv1", "Conv", "3x3/2 valid", "input");
    check_layer(model, "block1_conv1_bn", "BatchNorm", "epsilon 0.001", "block1_conv1");
    check_layer(model, "block4_sepconv1", "SepConv", "3x3 same", "block4_sepconv1_act");
    check_layer(model, "block4_pool", "MaxPool", "3x3/2 same", "block4_sepconv2_bn");
    check_layer(model, "block5_add", "Add", "", "block5_sepconv3_bn,block4_add");
    check_layer(model, "avg_pool", "GlobalAvgPool", "", "block14_sepconv2_act");
    check_layer(model, "predictions", "Dense", "Softmax", "avg_pool");
    xc_model_unref(model);

    model = make_model(context, "xception,flavour=timm,order=pw-dw,act=elu", 0, XC_WEIGHTS_NONE);
    check_layer(model, "block4_pool", "MaxPool", "3x3/2 pad 1", "block4_sepconv2_bn");
    check_layer(model, "block4_sepconv1", "SepConv", "3x3 same", "block4_sepconv1_act");
    assert_string_equal(xc_model_get_info(model)->flavour, "timm");
    xc_model_unref(model);
}

static xc_preprocess recipe_of(const char *arch)
{
    xc_model *model = make_model(context, arch, 0, XC_WEIGHTS_NONE);
    xc_preprocess p = xc_model_get_info(model)->preprocess;
    xc_model_unref(model);
    return p;
}

static void test_recipes(void **state)
{
    (void)state;
    xc_preprocess named;
    CHECK(xc_preprocess_named("keras", &named));
    xc_preprocess p = recipe_of("xception");
    assert_memory_equal(&p, &named, sizeof p);
    CHECK(xc_preprocess_named("timm-legacy", &named));
    p = recipe_of("xception,flavour=timm");
    assert_memory_equal(&p, &named, sizeof p);
    CHECK(xc_preprocess_named("torchvision", &named));
    p = recipe_of("resnet50,flavour=timm");
    assert_memory_equal(&p, &named, sizeof p);
    CHECK(xc_preprocess_named("torchvision-inception", &named));
    assert_true(named.mean[1] == 0.5F && named.std[1] == 0.5F && named.divisor == 255);
    p = recipe_of("googlenet");
    assert_memory_equal(&p, &named, sizeof p);
    p = recipe_of("inception-v3,flavour=timm");
    assert_memory_equal(&p, &named, sizeof p);
    assert_int_equal(recipe_of("xception,input=71x71x1").colour, XC_COLOUR_GREY);
    assert_int_equal(recipe_of("mini-xception").colour, XC_COLOUR_GREY);
    assert_int_equal(recipe_of("mini-xception,input=64x64x3").colour, XC_COLOUR_RGB);
    p = recipe_of("xception,pre=affine:0.0078125:-1"); /* scales what it gets */
    assert_true(p.divisor == 1 && p.mean[0] == 0 && p.std[0] == 1);
}

static xc_model *seeded(xc_context *with, uint64_t seed)
{
    xc_model *model = NULL;
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    opts.weights = XC_WEIGHTS_RANDOM;
    opts.seed = seed;
    opts.height = opts.width = 71;
    CHECK(xc_model_create(with, SMALL_ARCH, &opts, &model));
    return model;
}

static void test_random_is_a_function_of_the_seed(void **state)
{
    (void)state;
    xc_context *many = make_context(3);
    xc_model *a = seeded(context, 5), *b = seeded(many, 5), *c = seeded(many, 6);
    size_t bytes = a->graph->param.total * sizeof(float);
    assert_memory_equal(a->block, b->block, bytes);
    assert_true(memcmp(a->block, c->block, bytes) != 0);
    for (int i = 0; i < a->graph->param.count; i++) {
        const struct param *p = &a->graph->param.at[i];
        const float *x = a->data[i];
        double sum = 0;
        for (size_t k = 0; k < p->count; k++) sum += (double)x[k] * (double)x[k];
        if (p->role == PARAM_GAMMA || p->role == PARAM_VARIANCE)
            assert_true(sum == (double)p->count);
        else if (p->role != PARAM_KERNEL && p->role != PARAM_DEPTHWISE)
            assert_true(sum == 0);
        else if (p->role == PARAM_KERNEL && p->count > 10000) { /* variance 2 / fan-in */
            double fan = (double)(p->count / (size_t)p->dim[p->rank - 1]);
            assert_true(fabs(sum / (double)p->count * fan / 2 - 1) < 0.1);
        }
    }
    xc_model_unref(a);
    xc_model_unref(b);
    xc_model_unref(c);
    xc_context_free(many);
}

static void test_golden_pattern(void **state)
{
    (void)state;
    xc_model *model = make_model(context, "xception", 71, XC_WEIGHTS_GOLDEN);
    const struct param_table *table = &model->graph->param;
    const struct param *last = &table->at[table->count - 1];
    assert_true(model->data[0][0] == (float)-0.45216870307922363);
    assert_string_equal(last->name, "predictions/bias");
    assert_true(model->data[table->count - 1][last->count - 1] == (float)0.02745530568063259);
    xc_model_unref(model);
}

static void test_references(void **state)
{
    (void)state;
    xc_model *model = make_model(context, SMALL_ARCH, 71, XC_WEIGHTS_RANDOM);
    assert_ptr_equal(xc_model_ref(model), model);
    xc_model_unref(model);
    xc_session *session = make_session(model, 1, XC_PRECISION_F32, NULL);
    xc_model_unref(model);
    float *input = make_input(1, 71, 3); /* the session keeps it alive */
    CHECK(xc_run(session, input, 1));
    free(input);
    xc_session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_info),
                                       cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_recipes),
                                       cmocka_unit_test(test_random_is_a_function_of_the_seed),
                                       cmocka_unit_test(test_golden_pattern),
                                       cmocka_unit_test(test_references)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
