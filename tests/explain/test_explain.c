/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Explanations through the public interface, on small networks with random weights: sums that must
 * come out, gradients against difference quotients of sessions, what is drawn where. How the
 * methods compare with the packages of others is the oracles' subject.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model/model.h"
#include "model/setup.h"

#define SIDE 75

static xc_explainer *explainer(xc_model *model, xc_explain_opts opts)
{
    xc_explainer *e = NULL;
    CHECK(xc_explainer_new(model, &opts, &e));
    return e;
}

static xc_explain_opts method(xc_explain_method m)
{
    xc_explain_opts o = XC_EXPLAIN_OPTS_INIT;
    o.method = m;
    return o;
}

static double logit_of(xc_model *model, const float *input, uint32_t index)
{
    size_t count;
    xc_session_opts o = XC_SESSION_OPTS_INIT;
    o.precision = XC_PRECISION_F64;
    xc_session *s = NULL;
    CHECK(xc_session_new(model, &o, &s));
    CHECK(xc_run(s, input, 1));
    CHECK(xc_session_read_f64(s, "logits", NULL, 0, &count));
    double *logit = calloc(count, sizeof *logit);
    CHECK(xc_session_read_f64(s, "logits", logit, count, &count));
    const double value = logit[index];
    free(logit);
    xc_session_free(s);
    return value;
}

/* The maps of integrated gradients add up to what the picture changes; every kind of network. */
static void adds_up(void **state)
{
    static const char *const arch[] = {
        "xception,width=0.125,middle=1,input=75x75x3,classes=7",
        "xception,width=0.125,middle=1,input=75x75x3,classes=7,flavour=timm,act=elu",
        "mini-xception",
        "tiny-xception",
        "resnet50,input=33x33x3,classes=7,channels=16/32/64/128,stem=16",
        "googlenet,input=33x33x3,classes=7",
        "inception-v3,input=75x75x3,classes=7,width=0.25",
    };
    xc_context *context = *state;
    for (size_t i = 0; i < sizeof arch / sizeof *arch; i++) {
        xc_create_opts create = XC_CREATE_OPTS_INIT;
        xc_model *model = NULL;
        xc_heatmap heat;
        create.weights = XC_WEIGHTS_RANDOM;
        create.seed = 3;
        CHECK(xc_model_create(context, arch[i], &create, &model));
        const xc_model_info *info = xc_model_get_info(model);
        xc_explain_opts opts = method(XC_INTEGRATED_GRADIENTS);
        opts.steps = 16;
        xc_explainer *e = explainer(model, opts);
        const size_t count = (size_t)info->height * info->width * info->channels;
        float *input = make_input(1, info->height, info->channels), *grey = calloc(count, 4);
        for (size_t p = 0; p < count; p++) input[p] *= 0.05f; /* few kinks on such a short way */
        CHECK(xc_explain_input(e, input, 2, &heat));
        const double all = logit_of(model, input, 2) - logit_of(model, grey, 2);
        double sum = 0;
        for (size_t p = 0; p < (size_t)heat.height * heat.width; p++) sum += (double)heat.value[p];
        if (!(fabs(sum - all) <= 0.03 * fabs(all)))
            print_error("%s: the map adds up to %g, the logit changes by %g\n", arch[i], sum, all);
        assert_true(fabs(sum - all) <= 0.03 * fabs(all));
        free(input);
        free(grey);
        xc_explainer_free(e);
        xc_model_unref(model);
    }
}

/* Gradients in float64 are those in float32, without its rounding. */
static void in_double(void **state)
{
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    float *input = make_input(1, SIDE, 3), kept[SIDE * SIDE];
    xc_heatmap heat;
    xc_explain_opts opts = method(XC_INTEGRATED_GRADIENTS);
    opts.steps = 2;
    xc_explainer *single = explainer(model, opts);
    opts.precision = XC_PRECISION_F64;
    xc_explainer *wide = explainer(model, opts);
    for (int i = 0; i < SIDE * SIDE * 3; i++) input[i] *= 0.05f; /* few kinks on the way */
    CHECK(xc_explain_input(single, input, 2, &heat));
    memcpy(kept, heat.value, sizeof kept);
    CHECK(xc_explain_input(wide, input, 2, &heat));
    int apart = 0;
    for (int p = 0; p < SIDE * SIDE; p++) {
        assert_true(fabsf(heat.value[p] - kept[p]) <= 1e-4f * heat.top);
        apart += heat.value[p] != kept[p];
    }
    assert_true(apart > 0);
    free(input);
    xc_explainer_free(single);
    xc_explainer_free(wide);
    xc_model_unref(model);
}

static const float *parameter(const xc_model *model, const char *name)
{
    const struct param_table *table = &model->graph->param;
    for (int i = 0; i < table->count; i++)
        if (strcmp(table->at[i].name, name) == 0) return model->data[i];
    _fail(name, 0);
    return NULL;
}

/* Behind a mean and a dense layer: of a pixel the sum over channels of weight times value, by the
 * number of pixels, where that is positive. HiResCAM's numbers are those, and so are Grad-CAM's. */
static void head_is_linear(void **state)
{
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    float *input = make_input(1, SIDE, 3);
    xc_heatmap heat;
    xc_explainer *grad = explainer(model, method(XC_GRADCAM));
    xc_explainer *hires = explainer(model, method(XC_HIRESCAM));
    CHECK(xc_explain_input(hires, input, XC_CLASS_TOP, &heat));
    assert_string_equal(heat.layer, "block7_sepconv2_act");
    const uint32_t n = heat.map_height * heat.map_width, index = heat.class_index;
    assert_int_equal(n, 9);
    float *kept = calloc(n, sizeof *kept);
    memcpy(kept, heat.map, n * sizeof *kept);
    const char *const taps[] = {heat.layer, NULL};
    xc_session *session = make_session(model, 1, XC_PRECISION_F32, taps);
    const float *weight = parameter(model, "predictions/kernel");
    const uint32_t classes = xc_model_get_info(model)->classes;
    size_t count;
    CHECK(xc_run(session, input, 1));
    float *value = read_result(session, heat.layer, &count);
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < count / n; k++)
            sum += (double)weight[k * classes + index] * (double)value[i * (count / n) + k];
        assert_true(fabs(fmax(sum, 0) / n - (double)kept[i]) <= 1e-4 * (double)heat.top);
    }
    free(value);
    xc_session_free(session);
    CHECK(xc_explain_input(grad, input, index, &heat));
    for (uint32_t i = 0; i < n; i++) assert_true(fabsf(heat.map[i] - kept[i]) < 1e-4f * heat.top);
    free(kept);
    free(input);
    xc_explainer_free(grad);
    xc_explainer_free(hires);
    xc_model_unref(model);
}

/* Same numbers for any number of threads, and from a picture or its prepared numbers. */
static void same_numbers(void **state)
{
    (void)state;
    enum { METHODS = XC_CENTRE };
    float *kept[METHODS] = {0};
    uint8_t pixels[40 * 30 * 3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 13 % 251);
    for (int threads = 1; threads <= 3; threads++) {
        xc_context *context = make_context(threads);
        xc_model *model = make_model(context, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
        xc_session *session = make_session(model, 1, XC_PRECISION_F32, NULL);
        xc_image *image = NULL;
        CHECK(xc_image_wrap(pixels, 40, 30, 120, XC_RGB8, &image));
        float *input = calloc(SIDE * SIDE * 3, sizeof *input);
        CHECK(xc_prepare(session, image, input));
        for (int m = 0; m < METHODS; m++) {
            xc_explain_opts opts = method((xc_explain_method)m);
            xc_heatmap heat;
            opts.steps = 3;
            opts.channels = 20;
            xc_explainer *e = explainer(model, opts);
            if (threads == 2)
                CHECK(xc_explain_input(e, input, 5, &heat));
            else
                CHECK(xc_explain(e, image, 5, &heat));
            assert_int_equal(heat.class_index, 5);
            assert_true(heat.top > 0);
            const size_t size = heat.height * heat.width * sizeof(float);
            if (!kept[m]) {
                kept[m] = malloc(size);
                memcpy(kept[m], heat.value, size);
            }
            assert_memory_equal(kept[m], heat.value, size);
            xc_explainer_free(e);
        }
        free(input);
        xc_image_free(image);
        xc_session_free(session);
        xc_model_unref(model);
        xc_context_free(context);
    }
    for (int m = 0; m < METHODS; m++) free(kept[m]);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static int warmth(const xc_image *image, uint32_t y, uint32_t x)
{
    const uint8_t *p = xc_image_row(image, y) + 3 * x;
    return p[0] + p[1] + p[2];
}

/* The upper left corner of the input is hot; the picture is stored turned by a quarter. */
static void drawn_upright(void **state)
{
    (void)state;
    float value[8 * 8] = {0};
    uint8_t pixels[60 * 30 * 3] = {0};
    xc_image *stored = NULL, *out = NULL;
    xc_heat_opts opts = XC_HEAT_OPTS_INIT;
    xc_image_info info;
    value[0] = 2;
    xc_heatmap heat = {.height = 8,
                       .width = 8,
                       .value = value,
                       .map = value,
                       .top = 2,
                       .right = 60,
                       .lower = 30,
                       .layer = "x",
                       .method = XC_GRADCAM};
    CHECK(xc_image_wrap(pixels, 60, 30, 180, XC_RGB8, &stored));
    opts.side = 120;
    opts.legend = false;
    opts.style = XC_HEAT_ALONE;
    CHECK(xc_heatmap_draw(&heat, stored, &opts, &out));
    xc_image_get_info(out, &info);
    assert_int_equal(info.width, 120);
    assert_int_equal(info.height, 60);
    assert_true(warmth(out, 2, 2) > 600);
    assert_true(warmth(out, 58, 2) < 100 && warmth(out, 2, 118) < 100);
    xc_image_free(out);

    heat.left = -30, heat.right = 90; /* padded: half of the input is beside the picture */
    heat.upper = 10, heat.lower = 40; /* and a strip of the picture was not shown */
    opts.style = XC_HEAT_SIDE_BY_SIDE;
    opts.legend = true;
    CHECK(xc_heatmap_draw(&heat, stored, &opts, &out));
    xc_image_get_info(out, &info);
    assert_int_equal(info.width, 248);
    assert_int_equal(info.height, 86);
    assert_int_equal(warmth(out, 2, 130), 0); /* untouched */
    assert_true(warmth(out, 30, 130) > 0);
    xc_image_free(out);
    heat.height = 0;
    REFUSED(xc_heatmap_draw(&heat, stored, &opts, &out), XC_ERR_ARGUMENT, "");
    xc_image_free(stored);
}

static void sheets(void **state)
{
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    xc_image *sheet = NULL;
    xc_image_info info;
    float map[4 * 5 * 3];
    for (int i = 0; i < 60; i++) map[i] = (float)((i % 3 + 1) * (i / 3));
    CHECK(xc_map_sheet(map, 4, 5, 3, 0, &sheet));
    xc_image_get_info(sheet, &info); /* two columns of 5 x 15, two rows of 4 x 15 with captions */
    assert_int_equal(info.width, 4 + 2 * 79);
    assert_int_equal(info.height, 4 + 2 * 75);
    xc_image_free(sheet);
    CHECK(xc_filter_sheet(model, &sheet));
    xc_image_free(sheet);
    REFUSED(xc_map_sheet(map, 4000, 4000, 3, 0, &sheet), XC_ERR_LIMIT, "4000x4000");
    xc_model_unref(model);
}

/* ---- trust ----------------------------------------------------------------------------------- */

static void curves(void **state)
{
    enum { STEPS = 11 };
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    float *input = make_input(1, SIDE, 3), deleted[STEPS + 1], inserted[STEPS + 1];
    xc_explainer *e = explainer(model, method(XC_CENTRE));
    xc_heatmap heat, grey;
    xc_faithfulness f;
    CHECK(xc_explain_input(e, input, XC_CLASS_TOP, &heat));
    CHECK(xc_explain_check(e, &heat, STEPS, deleted, inserted, &f));
    xc_explainer *other = explainer(model, method(XC_CENTRE));
    REFUSED(xc_explain_check(other, &heat, STEPS, NULL, NULL, &f), XC_ERR_ARGUMENT, "nothing yet");
    xc_explainer_free(other);
    assert_true(fabsf(deleted[0] - heat.prob) < 1e-5f &&
                fabsf(inserted[STEPS] - heat.prob) < 1e-5f);
    const uint32_t index = heat.class_index;
    double area = 0;
    for (int i = 0; i < STEPS; i++) area += ((double)deleted[i] + (double)deleted[i + 1]) / 2;
    assert_true(fabs(area / STEPS - f.deletion) < 1e-6);
    memset(input, 0, SIDE * SIDE * 3 * sizeof *input);
    CHECK(xc_explain_input(e, input, index, &grey));
    assert_true(fabsf(deleted[STEPS] - grey.prob) < 1e-5f);
    REFUSED(xc_explain_check(e, &grey, 1, NULL, NULL, &f), XC_ERR_ARGUMENT, "steps: 1");
    free(input);
    xc_explainer_free(e);
    xc_model_unref(model);
}

static void forgetting(void **state)
{
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM), *copy = NULL;
    float *input = make_input(1, SIDE, 3);
    const double before = logit_of(model, input, 1);
    static const struct {
        double part;
        const char *changed, *same;
    } trial[] = {
        {0, NULL, "logits"}, {1e-9, "logits", "block7_sepconv2_act"}, {1, "block2_pool", NULL}};
    for (size_t i = 0; i < 3; i++) {
        const char *const taps[] = {"block2_pool", "block7_sepconv2_act", NULL};
        CHECK(xc_model_randomise(model, trial[i].part, 99, &copy));
        xc_session *a = make_session(model, 1, XC_PRECISION_F32, taps);
        xc_session *b = make_session(copy, 1, XC_PRECISION_F32, taps);
        CHECK(xc_run(a, input, 1));
        CHECK(xc_run(b, input, 1));
        for (int same = 0; same < 2; same++) {
            const char *name = same ? trial[i].same : trial[i].changed;
            size_t count;
            if (!name) continue;
            float *x = read_result(a, name, &count), *y = read_result(b, name, &count);
            assert_int_equal(memcmp(x, y, count * sizeof *x) == 0, same);
            free(x);
            free(y);
        }
        xc_session_free(a);
        xc_session_free(b);
        xc_model_unref(copy);
    }
    assert_true(before == logit_of(model, input, 1));
    free(input);
    xc_model_unref(model);
}

static void feature_layers(void **state)
{
    static const struct {
        const char *arch, *layer;
    } trial[] = {{SMALL_ARCH, "avg_pool"},
                 {SMALL_ARCH ",dropout=0.5,fc=32x1", "avg_pool"},
                 {"mini-xception", "block5_add"}, /* a convolution gives the classes */
                 {"vgg16,input=64x64x3,fc=64x2,classes=7", "fc2_relu"}};
    for (size_t i = 0; i < sizeof trial / sizeof *trial; i++) {
        xc_create_opts opts = XC_CREATE_OPTS_INIT;
        xc_model *model = NULL;
        CHECK(xc_model_create(*state, trial[i].arch, &opts, &model));
        assert_string_equal(xc_model_feature_layer(model), trial[i].layer);
        xc_model_unref(model);
    }
}

/* A convolution that runs with its batch norm, which only divides here, is as that up to a factor.
 */
static void folded_layers(void **state)
{
    static const xc_explain_method trial[] = {XC_EIGENCAM, XC_SCORECAM};
    static const char *const layer[] = {"block3_sepconv2", "block3_sepconv2_bn"};
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    float *input = make_input(1, SIDE, 3);
    for (int m = 0; m < 2; m++) {
        xc_explainer *e[2];
        xc_heatmap heat[2];
        for (int i = 0; i < 2; i++) {
            xc_explain_opts o = method(trial[m]);
            o.layer = layer[i];
            e[i] = explainer(model, o);
            CHECK(xc_explain_input(e[i], input, 0, &heat[i]));
        }
        assert_string_equal(heat[0].layer, layer[0]);
        assert_int_equal(heat[0].map_height, heat[1].map_height);
        assert_true(heat[0].top > 0);
        const uint32_t pixels = heat[0].map_height * heat[0].map_width;
        for (uint32_t p = 0; p < pixels; p++)
            assert_float_equal(heat[0].map[p] / heat[0].top, heat[1].map[p] / heat[1].top, 1e-4);
        xc_explainer_free(e[0]);
        xc_explainer_free(e[1]);
    }
    free(input);
    xc_model_unref(model);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static bool never(void *user, uint64_t done, uint64_t all)
{
    (void)user, (void)done, (void)all;
    return false;
}

static void refused(void **state)
{
    xc_model *model = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_RANDOM);
    xc_model *empty = make_model(*state, SMALL_ARCH, SIDE, XC_WEIGHTS_NONE);
    xc_model *features = make_model(*state, SMALL_ARCH ",head=avg", SIDE, XC_WEIGHTS_RANDOM);
    float *input = make_input(1, SIDE, 3);
    xc_explainer *e = NULL;
    xc_heatmap heat;
    xc_explain_opts o = XC_EXPLAIN_OPTS_INIT;
    REFUSED(xc_explainer_new(empty, NULL, &e), XC_ERR_ARGUMENT, "no weights");
    REFUSED(xc_explainer_new(features, NULL, &e), XC_ERR_UNSUPPORTED, "no class to explain");
    o.layer = "nowhere";
    REFUSED(xc_explainer_new(model, &o, &e), XC_ERR_ARGUMENT, "nowhere: no layer has this name");
    o.layer = "avg_pool";
    REFUSED(xc_explainer_new(model, &o, &e), XC_ERR_ARGUMENT, "has one pixel");
    o = method((xc_explain_method)77);
    REFUSED(xc_explainer_new(model, &o, &e), XC_ERR_ARGUMENT, "method: 77");
    o = method(XC_OCCLUSION);
    o.window = 80;
    REFUSED(xc_explainer_new(model, &o, &e), XC_ERR_ARGUMENT, "window: 80");
    o.window = 8, o.stride = 9;
    REFUSED(xc_explainer_new(model, &o, &e), XC_ERR_ARGUMENT, "leaves gaps");
    o.stride = 8, o.progress = never;
    e = explainer(model, o);
    REFUSED(xc_explain_input(e, input, 0, &heat), XC_ERR_CANCELLED, "cancelled");
    REFUSED(xc_explain_input(e, input, 1000, &heat), XC_ERR_ARGUMENT, "class 1000");
    input[7] = NAN;
    xc_explainer_free(e);
    e = explainer(model, method(XC_GRADCAM));
    REFUSED(xc_explain_input(e, input, 0, &heat), XC_ERR_NUMBER, "not finite");
    xc_explainer_free(e);
    free(input);
    xc_model_unref(model);
    xc_model_unref(empty);
    xc_model_unref(features);
}

static int open_context(void **state)
{
    *state = make_context(2);
    return 0;
}

static int close_context(void **state)
{
    xc_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up),        cmocka_unit_test(in_double),
        cmocka_unit_test(head_is_linear), cmocka_unit_test(same_numbers),
        cmocka_unit_test(drawn_upright),  cmocka_unit_test(sheets),
        cmocka_unit_test(curves),         cmocka_unit_test(forgetting),
        cmocka_unit_test(feature_layers), cmocka_unit_test(folded_layers),
        cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, open_context, close_context);
}
