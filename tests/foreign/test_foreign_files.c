/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do real trained files give the published numbers? Emotion nets of face_classification (Keras
 * 2.0.5 .hdf5) and face-api's age and gender net (manifest and shard), through the importer. The
 * expected values are float64, so the double kernels must agree to all printed digits.
 */
#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/setup.h"

#define FAIL(...) (print_error(__VA_ARGS__), _fail(__FILE__, __LINE__))
#define FACES XC_SHARED_DIR "/data/faces/"
#define AGE_GENDER XC_SHARED_DIR "/data/age_gender/age_gender_model-weights_manifest.json"

static xc_context *context;

static int set_up(void **state)
{
    (void)state;
    context = make_context(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xc_context_free(context);
    return 0;
}

static xc_model *import(const char *path)
{
    xc_import_opts opts = XC_IMPORT_OPTS_INIT;
    xc_model *model = NULL;
    if (access(path, R_OK) != 0) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    opts.helper = XC_IMPORT_HELPER;
    CHECK(xc_model_import(context, path, &opts, &model));
    return model;
}

static void check_near(const char *what, double got, double want, double most)
{
    if (!(fabs(got - want) <= most)) FAIL("%s: %.9f, expected %.9f\n", what, got, want);
}

/* ---- emotion --------------------------------------------------------------------------------- */

enum picture { ZEROS, RAMP };

static const struct {
    const char *file, *arch;
    enum picture picture;
    double probs[7];
} emotions[] = {
    {"fer2013_mini_XCEPTION.102-0.66.hdf5",
     "mini-xception,input=64x64x1,classes=7",
     ZEROS,
     {0.14888178, 0.00000113, 0.12648770, 0.04051944, 0.01231102, 0.04016944, 0.63162949}},
    {"fer2013_mini_XCEPTION.102-0.66.hdf5",
     "mini-xception,input=64x64x1,classes=7",
     RAMP,
     {0.78885167, 0.00000390, 0.05086619, 0.00150003, 0.06092781, 0.00026102, 0.09758938}},
    {"fer2013_big_XCEPTION.54-0.66.hdf5",
     "big-xception,input=64x64x1,classes=7",
     ZEROS,
     {0.08654234, 0.02555713, 0.14107853, 0.08607825, 0.17611766, 0.11548786, 0.36913824}},
    {"fer2013_big_XCEPTION.54-0.66.hdf5",
     "big-xception,input=64x64x1,classes=7",
     RAMP,
     {0.00251263, 0.00000004, 0.00006378, 0.01716584, 0.75049365, 0.00001608, 0.22974798}},
    {"tiny_XCEPTION_KDEF.hdf5",
     "tiny-xception,input=64x64x1,classes=7",
     RAMP,
     {0.16907612, 0.08187063, 0.10996192, 0.21849184, 0.12244168, 0.12378650, 0.17437130}},
};

static float *grey(enum picture picture)
{
    float *input = calloc(64 * 64, sizeof *input);
    assert_non_null(input);
    for (int i = 0; i < 64 * 64 && picture == RAMP; i++) {
        int pixel = (3 * (i % 64) + 5 * (i / 64)) % 256;
        input[i] = ((float)pixel / 255 - 0.5f) * 2;
    }
    return input;
}

static void check_emotion(size_t row, xc_model *model, xc_precision precision, double most)
{
    xc_session *session = make_session(model, 1, precision, NULL);
    float *input = grey(emotions[row].picture);
    double probs[7];
    size_t count;
    CHECK(xc_run(session, input, 1));
    CHECK(xc_session_read_f64(session, "probs", probs, 7, &count));
    assert_int_equal(count, 7);
    for (int i = 0; i < 7; i++)
        check_near(emotions[row].file, probs[i], emotions[row].probs[i], most);
    free(input);
    xc_session_free(session);
}

static void test_emotion(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof emotions / sizeof *emotions; i++) {
        char path[512];
        snprintf(path, sizeof path, FACES "%s", emotions[i].file);
        xc_model *model = import(path);
        assert_string_equal(xc_model_get_info(model)->arch, emotions[i].arch);
        assert_string_equal(xc_model_get_info(model)->source, emotions[i].file);
        assert_null(strstr(xc_model_import_report(model), "unused"));
        check_emotion(i, model, XC_PRECISION_F32, 1e-5);
        check_emotion(i, model, XC_PRECISION_F64, 2e-7); /* its input is float32 */
        xc_model_unref(model);
    }
}

static void test_taps(void **state)
{
    static const char *const taps[] = {"block1_conv2_act", "block2_add", "block3_add",
                                       "block4_add",       "block5_add", NULL};
    static const double sum[] = {22060.67140, 849.06285, 2284.76277, 1042.89449, -78.80062};
    static const double largest[] = {6.02698473, 12.14388041, 13.48377693, 7.04535141, 2.41523198};
    static const double logits[] = {4.14611930, -8.07193577, 1.40473937};
    (void)state;
    xc_model *model = import(FACES "fer2013_mini_XCEPTION.102-0.66.hdf5");
    xc_session *session = make_session(model, 1, XC_PRECISION_F64, taps);
    float *input = grey(RAMP);
    static double values[60 * 60 * 8];
    size_t count;
    CHECK(xc_run(session, input, 1));
    for (int t = 0; taps[t]; t++) {
        double total = 0, most = 0;
        CHECK(
            xc_session_read_f64(session, taps[t], values, sizeof values / sizeof *values, &count));
        for (size_t i = 0; i < count; i++) {
            total += values[i];
            most = fmax(most, fabs(values[i]));
        }
        check_near(taps[t], total, sum[t], 2e-3);
        check_near(taps[t], most, largest[t], 2e-6);
    }
    CHECK(xc_session_read_f64(session, "logits", values, 7, &count));
    for (int i = 0; i < 3; i++) check_near("logits", values[i], logits[i], 2e-6);
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
}

/* ---- age and gender -------------------------------------------------------------------------- */

static const struct {
    int pixel; /* -1: ramp */
    float divisor;
    double age, male;
} persons[] = {
    {-1, 255, 9.66669177, 0.34274634},
    {-1, 256, 9.64079734, 0.34348182},
    {0, 255, 16.53809050, 0.76803646},
    {128, 255, 15.26956987, 0.99899090},
};

static void test_age_gender(void **state)
{
    static const float mean[3] = {122.782f, 117.001f, 104.298f};
    (void)state;
    xc_model *model = import(AGE_GENDER);
    xc_session *session = make_session(model, 1, XC_PRECISION_F32, NULL);
    float *input = calloc(112 * 112 * 3, sizeof *input);
    assert_non_null(input);
    for (size_t p = 0; p < sizeof persons / sizeof *persons; p++) {
        for (int i = 0; i < 112 * 112 * 3; i++) {
            int x = i / 3 % 112, y = i / 3 / 112, c = i % 3;
            int pixel = persons[p].pixel < 0 ? (3 * x + 5 * y + 7 * c) % 256 : persons[p].pixel;
            input[i] = ((float)pixel - mean[c]) / persons[p].divisor;
        }
        float probs[2], age;
        size_t count;
        CHECK(xc_run(session, input, 1));
        CHECK(xc_session_read(session, "probs", probs, 2, &count));
        CHECK(xc_session_read(session, "age", &age, 1, &count));
        check_near("male", (double)probs[0], persons[p].male, 1e-5);
        check_near("age", (double)age, persons[p].age, 1e-4);
    }
    free(input);
    xc_session_free(session);
    xc_model_unref(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_emotion),
        cmocka_unit_test(test_taps),
        cmocka_unit_test(test_age_gender),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
