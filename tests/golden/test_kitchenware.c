/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published ImageNet trunk of Keras inside a whole .keras model: does the command's road
 * (import, decode, prepare, run) give Keras' own numbers on real photographs?
 *
 * Pictures at 299x299 take seconds with the plain kernels, so FEATURE_PICTURES of the twelve are
 * run there; XC_ALL_PICTURES=1 in the environment runs all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <xception.h>

#define FOLDER XC_SHARED_DIR "/data/kitchenware/"
#define MODEL FOLDER "kitchenware_xception_model_val-acc_0.901.keras"
#define CLASSES 6
#define FEATURES 2048
#define FEATURE_PICTURES 2
#define NPY_HEADER 128

struct fixture {
    xc_context *context;
    xc_model *model;
    json_t *golden;
};

/* NaN is the worst, and stays. */
static double worse(double worst, double difference)
{
    return isnan(worst) || difference <= worst ? worst : difference;
}

static void must(xc_status status)
{
    if (status != XC_OK) fail_msg("%s", xc_error());
}

static int set_up(void **state)
{
    static struct fixture f;
    xc_import_opts opts = XC_IMPORT_OPTS_INIT;
    *state = &f;
    if (access(MODEL, R_OK) != 0) return 0;
    opts.helper = XC_IMPORT_HELPER;
    must(xc_context_new(NULL, &f.context));
    must(xc_model_import(f.context, MODEL, &opts, &f.model));
    f.golden = json_load_file(FOLDER "golden.json", 0, NULL);
    return f.golden ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_decref(f->golden);
    xc_model_unref(f->model);
    xc_context_free(f->context);
    return 0;
}

static void need_data(const struct fixture *f)
{
    if (f->model) return;
    print_message("skipped: %s is absent\n", FOLDER);
    skip();
}

static void run_path(xc_session *session, const char *path)
{
    xc_image *image = NULL;
    uint32_t h, w, c;
    xc_session_size(session, &h, &w, &c);
    float *input = calloc((size_t)h * w * c, sizeof *input);
    assert_non_null(input);
    must(xc_image_load(path, NULL, &image));
    must(xc_prepare(session, image, input));
    must(xc_run(session, input, 1));
    xc_image_free(image);
    free(input);
}

static void run_picture(xc_session *session, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, FOLDER "pictures/%s", name);
    run_path(session, path);
}

static int order(const double *value, int rank)
{
    for (int i = 0; i < CLASSES; i++) {
        int above = 0;
        for (int j = 0; j < CLASSES; j++) above += value[j] > value[i];
        if (above == rank) return i;
    }
    return -1;
}

static void logits_are_keras(void **state)
{
    struct fixture *f = *state;
    xc_session *session = NULL;
    const char *name;
    json_t *picture;
    double worst = 0;
    need_data(f);
    assert_string_equal(xc_model_get_info(f->model)->flavour, "keras");
    must(xc_session_new(f->model, NULL, &session));
    json_object_foreach(json_object_get(f->golden, "pictures"), name, picture)
    {
        float got[CLASSES];
        double ours[CLASSES], theirs[CLASSES];
        size_t written;
        run_picture(session, name);
        must(xc_session_read(session, "logits", got, CLASSES, &written));
        assert_int_equal(written, CLASSES);
        for (int i = 0; i < CLASSES; i++) {
            theirs[i] =
                json_number_value(json_array_get(json_object_get(picture, "logits"), (size_t)i));
            ours[i] = (double)got[i];
            if (fabs(ours[i] - theirs[i]) > worst) worst = fabs(ours[i] - theirs[i]);
        }
        for (int rank = 0; rank < CLASSES; rank++)
            assert_int_equal(order(ours, rank), order(theirs, rank));
    }
    xc_session_free(session);
    print_message("largest difference of a logit: %.2e\n", worst);
    assert_true(worst <= 1e-4);
}

/* row: which of the twelve pictures in name order */
static void check_features(xc_session *session, const char *name, int row)
{
    static float ours[FEATURES], theirs[FEATURES];
    size_t written;
    double worst = 0, largest = 0;
    FILE *file = fopen(FOLDER "features.npy", "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, NPY_HEADER + (long)row * (long)sizeof theirs, SEEK_SET), 0);
    assert_int_equal(fread(theirs, sizeof theirs, 1, file), 1);
    fclose(file);
    run_picture(session, name);
    must(xc_session_read(session, "avg_pool", ours, FEATURES, &written));
    assert_int_equal(written, FEATURES);
    for (int i = 0; i < FEATURES; i++) {
        worst = worse(worst, fabs((double)ours[i] - (double)theirs[i]));
        largest = fmax(largest, fabs((double)theirs[i]));
    }
    print_message("%s: largest difference %.2e of %.3f\n", name, worst, largest);
    assert_true(worst <= 1e-4 * largest);
}

static void features_are_keras(void **state)
{
    struct fixture *f = *state;
    static const char *const taps[] = {"avg_pool"};
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_session *session = NULL;
    const char *name;
    json_t *picture;
    int row = 0, rows = getenv("XC_ALL_PICTURES") ? 12 : FEATURE_PICTURES;
    need_data(f);
    opts.height = opts.width = 299;
    opts.taps = taps;
    opts.tap_count = 1;
    must(xc_session_new(f->model, &opts, &session));
    json_object_foreach(json_object_get(f->golden, "pictures"), name, picture)
    {
        if (row < rows) check_features(session, name, row);
        row++;
    }
    xc_session_free(session);
}

/* ---- bf16 ------------------------------------------------------------------------------------ */

/* One picture through sessions of float32 and of bf16. */
struct pair {
    xc_session *session[2];
    double error, largest, margin; /* margin: of the best class of float32 before the second */
    bool agree;                    /* on the best class */
};

static void open_pair(struct pair *p, xc_model *model)
{
    static const xc_precision precision[] = {XC_PRECISION_F32, XC_PRECISION_BF16};
    for (int i = 0; i < 2; i++) {
        xc_session_opts opts = XC_SESSION_OPTS_INIT;
        opts.precision = precision[i];
        must(xc_session_new(model, &opts, &p->session[i]));
    }
}

static void run_pair(struct pair *p, const char *path)
{
    double logit[2][CLASSES];
    size_t written;
    for (int i = 0; i < 2; i++) {
        run_path(p->session[i], path);
        must(xc_session_read_f64(p->session[i], "logits", logit[i], CLASSES, &written));
    }
    p->error = p->largest = 0;
    for (int i = 0; i < CLASSES; i++) {
        p->error = worse(p->error, fabs(logit[0][i] - logit[1][i]));
        p->largest = fmax(p->largest, fabs(logit[0][i]));
    }
    const int first = order(logit[0], 0), second = order(logit[0], 1);
    p->margin = logit[0][first] - logit[0][second];
    p->agree = first == order(logit[1], 0);
}

static void close_pair(struct pair *p)
{
    for (int i = 0; i < 2; i++) xc_session_free(p->session[i]);
}

static void bf16_is_near(void **state)
{
    struct fixture *f = *state;
    struct pair p;
    const char *name;
    json_t *picture;
    double error = 0, largest = 0;
    need_data(f);
    open_pair(&p, f->model);
    json_object_foreach(json_object_get(f->golden, "pictures"), name, picture)
    {
        char path[512];
        snprintf(path, sizeof path, FOLDER "pictures/%s", name);
        run_pair(&p, path);
        error = worse(error, p.error);
        largest = fmax(largest, p.largest);
        print_message("%s %g of %g\n", name, p.error, p.largest);
        assert_true(p.agree);
    }
    close_pair(&p);
    print_message("largest difference of a logit: %.4f, the largest is %.3f\n", error, largest);
    assert_true(error <= 2e-2 * largest);
}

/* Photographs of something else, some of them hard to tell: where float32 is sure by more than
 * twice the largest error, bf16 says the same. */
static void bf16_is_sure(void **state)
{
    struct fixture *f = *state;
    enum { PICTURES = 300, STEP = 10 };
    static double margin[PICTURES];
    static bool agree[PICTURES];
    struct pair p;
    glob_t found = {0};
    double error = 0;
    int same = 0, sure = 0;
    need_data(f);
    glob(XC_SHARED_DIR "/data/clothing/train/*/*.jpg", 0, NULL, &found);
    if (!getenv("XC_ALL_PICTURES") || found.gl_pathc < (size_t)PICTURES * STEP) {
        globfree(&found);
        print_message("skipped: XC_ALL_PICTURES is not set, or clothing is absent\n");
        skip();
    }
    open_pair(&p, f->model);
    for (int i = 0; i < PICTURES; i++) {
        run_pair(&p, found.gl_pathv[(size_t)i * STEP]);
        error = worse(error, p.error);
        margin[i] = p.margin;
        agree[i] = p.agree;
    }
    close_pair(&p);
    globfree(&found);
    for (int i = 0; i < PICTURES; i++) {
        same += agree[i];
        sure += margin[i] > 2 * error;
        assert_true(agree[i] || margin[i] <= 2 * error);
    }
    print_message("largest difference %.4f; of %d pictures %d agree, %d of them surely\n", error,
                  PICTURES, same, sure);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_keras),
        cmocka_unit_test(features_are_keras),
        cmocka_unit_test(bf16_is_near),
        cmocka_unit_test(bf16_is_sure),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
