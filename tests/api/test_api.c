/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does every public call refuse what it cannot take, with a status, a sentence and nothing changed?
 * And do the calls that cannot fail live with NULL?
 */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "harness.h"
#include "model/setup.h"

struct handles {
    xc_context *context;
    xc_model *model;
    xc_session *session;
    xc_image *image;
};

static struct handles all;
static uint8_t pixels[64 * 64 * 3];

static int set_up(void **state)
{
    (void)state;
    all.context = make_context(1);
    all.model = make_model(all.context, SMALL_ARCH ",classes=4", 71, XC_WEIGHTS_RANDOM);
    all.session = make_session(all.model, 2, XC_PRECISION_F32, NULL);
    CHECK(xc_image_wrap(pixels, 64, 64, 192, XC_RGB8, &all.image));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    xc_image_free(all.image);
    xc_session_free(all.session);
    xc_model_unref(all.model);
    xc_context_free(all.context);
    return 0;
}

/* ---- option structs -------------------------------------------------------------------------- */

static void test_option_sizes(void **state)
{
    (void)state;
    xc_context *context = NULL;
    xc_context_opts c = XC_CONTEXT_OPTS_INIT;
    c.size = 0;
    REFUSED(xc_context_new(&c, &context), XC_ERR_ARGUMENT, "xc_context_opts.size is 0");
    c.size = 3;
    REFUSED(xc_context_new(&c, &context), XC_ERR_ARGUMENT, "xc_context_opts.size is 3");
    c.size = sizeof c + 1;
    REFUSED(xc_context_new(&c, &context), XC_ERR_ARGUMENT, "_INIT");
    assert_null(context);

    c = (xc_context_opts)XC_CONTEXT_OPTS_INIT; /* an older caller: what follows is not read */
    c.size = 8;
    c.threads = 1;
    c.cpu = (const char *)(uintptr_t)1;
    CHECK(xc_context_new(&c, &context));
    assert_int_equal(xc_context_threads(context), 1);
    xc_context_free(context);

    xc_image_limits l = XC_IMAGE_LIMITS_INIT;
    xc_image *image = NULL;
    l.size = 0;
    REFUSED(xc_image_decode("x", 1, &l, &image), XC_ERR_ARGUMENT, "xc_image_limits.size");
    xc_load_opts load = {0};
    xc_model *model = NULL;
    REFUSED(xc_model_load(all.context, "x", &load, &model), XC_ERR_ARGUMENT, "xc_load_opts.size");
    xc_import_opts import = {0};
    REFUSED(xc_model_import(all.context, "x", &import, &model), XC_ERR_ARGUMENT,
            "xc_import_opts.size");
    xc_create_opts create = {0};
    REFUSED(xc_model_create(all.context, "xception", &create, &model), XC_ERR_ARGUMENT,
            "xc_create_opts.size");
    xc_save_opts save = {0};
    REFUSED(xc_model_save(all.model, "x", &save), XC_ERR_ARGUMENT, "xc_save_opts.size");
    xc_session *session = NULL;
    xc_session_opts s = {0};
    REFUSED(xc_session_new(all.model, &s, &session), XC_ERR_ARGUMENT, "xc_session_opts.size");
    xc_preprocess p = xc_model_get_info(all.model)->preprocess;
    p.size = 0;
    s = (xc_session_opts)XC_SESSION_OPTS_INIT;
    s.preprocess = &p;
    REFUSED(xc_session_new(all.model, &s, &session), XC_ERR_ARGUMENT, "xc_preprocess.size");
}

/* ---- NULL ------------------------------------------------------------------------------------ */

#define NULL_IS_REFUSED(call, name) REFUSED(call, XC_ERR_ARGUMENT, name)

static void test_null_when_making(void **state)
{
    (void)state;
    xc_context *context = NULL;
    xc_model *model = NULL;
    xc_session *session = NULL;
    xc_image *image = NULL;
    xc_preprocess p;
    NULL_IS_REFUSED(xc_context_new(NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_image_decode(NULL, 0, NULL, &image), "bytes is NULL");
    NULL_IS_REFUSED(xc_image_decode("x", 1, NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_image_load(NULL, NULL, &image), "path is NULL");
    NULL_IS_REFUSED(xc_image_load("x", NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_image_wrap(NULL, 1, 1, 3, XC_RGB8, &image), "pixels is NULL");
    NULL_IS_REFUSED(xc_image_wrap(pixels, 1, 1, 3, XC_RGB8, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_preprocess_named(NULL, &p), "name is NULL");
    NULL_IS_REFUSED(xc_preprocess_named("keras", NULL), "out is NULL");
    NULL_IS_REFUSED(xc_model_load(NULL, "x", NULL, &model), "context is NULL");
    NULL_IS_REFUSED(xc_model_load(all.context, NULL, NULL, &model), "path is NULL");
    NULL_IS_REFUSED(xc_model_load(all.context, "x", NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_model_load_memory(NULL, "x", 1, &model), "context is NULL");
    NULL_IS_REFUSED(xc_model_load_memory(all.context, NULL, 1, &model), "bytes is NULL");
    NULL_IS_REFUSED(xc_model_load_memory(all.context, "x", 1, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_model_import(NULL, "x", NULL, &model), "context is NULL");
    NULL_IS_REFUSED(xc_model_import(all.context, NULL, NULL, &model), "path is NULL");
    NULL_IS_REFUSED(xc_model_import(all.context, "x", NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_model_create(NULL, "xception", NULL, &model), "context is NULL");
    NULL_IS_REFUSED(xc_model_create(all.context, NULL, NULL, &model), "arch is NULL");
    NULL_IS_REFUSED(xc_model_create(all.context, "xception", NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_model_save(NULL, "x", NULL), "model is NULL");
    NULL_IS_REFUSED(xc_model_save(all.model, NULL, NULL), "path is NULL");
    NULL_IS_REFUSED(xc_session_new(NULL, NULL, &session), "model is NULL");
    NULL_IS_REFUSED(xc_session_new(all.model, NULL, NULL), "out is NULL");
    assert_true(!context && !model && !session && !image);
}

static void test_null_when_using(void **state)
{
    (void)state;
    xc_layer layer;
    xc_answer answer;
    xc_step step;
    float x[1];
    double wide[1];
    const xc_image *const none[1] = {NULL};
    NULL_IS_REFUSED(xc_model_layer(NULL, 0, &layer), "model is NULL");
    NULL_IS_REFUSED(xc_model_layer(all.model, 0, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_prepare(NULL, all.image, x), "session is NULL");
    NULL_IS_REFUSED(xc_prepare(all.session, NULL, x), "image is NULL");
    NULL_IS_REFUSED(xc_prepare(all.session, all.image, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_run(NULL, x, 1), "session is NULL");
    NULL_IS_REFUSED(xc_run(all.session, NULL, 1), "input is NULL");
    NULL_IS_REFUSED(xc_run_timed(NULL, x, 1, wide), "session is NULL");
    NULL_IS_REFUSED(xc_run_timed(all.session, NULL, 1, wide), "input is NULL");
    NULL_IS_REFUSED(xc_run_timed(all.session, x, 1, NULL), "seconds is NULL");
    NULL_IS_REFUSED(xc_context_peak(NULL, XC_PRECISION_F32, 0, wide), "context is NULL");
    NULL_IS_REFUSED(xc_context_peak(all.context, XC_PRECISION_F32, 0, NULL), "out is NULL");
    xc_practice *practice;
    NULL_IS_REFUSED(xc_practice_new(NULL, "xception", NULL, &practice), "context is NULL");
    NULL_IS_REFUSED(xc_practice_new(all.context, NULL, NULL, &practice), "arch is NULL");
    NULL_IS_REFUSED(xc_practice_new(all.context, "xception", NULL, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_practice_step(NULL), "practice is NULL");
    NULL_IS_REFUSED(xc_session_step(NULL, 0, &step), "session is NULL");
    NULL_IS_REFUSED(xc_session_step(all.session, 0, NULL), "out is NULL");
    NULL_IS_REFUSED(xc_session_read(NULL, "logits", x, 1, NULL), "session is NULL");
    NULL_IS_REFUSED(xc_session_read(all.session, NULL, x, 1, NULL), "name is NULL");
    NULL_IS_REFUSED(xc_session_read_f64(NULL, "logits", wide, 1, NULL), "session is NULL");
    NULL_IS_REFUSED(xc_session_read_f64(all.session, NULL, wide, 1, NULL), "name is NULL");
    NULL_IS_REFUSED(xc_classify(NULL, none, 1, 1, &answer), "session is NULL");
    NULL_IS_REFUSED(xc_classify(all.session, NULL, 1, 1, &answer), "images is NULL");
    NULL_IS_REFUSED(xc_classify(all.session, none, 1, 1, NULL), "answers is NULL");
    NULL_IS_REFUSED(xc_classify(all.session, none, 1, 1, &answer), "image 0 is NULL");
}

static void test_null_where_nothing_fails(void **state)
{
    (void)state;
    xc_context_free(NULL);
    xc_model_unref(NULL);
    xc_session_free(NULL);
    xc_session_cancel(NULL);
    xc_image_free(NULL);
    xc_image_get_info(NULL, NULL);
    xc_session_size(all.session, NULL, NULL, NULL);
    assert_null(xc_model_ref(NULL));
    assert_null(xc_model_get_info(NULL));
    assert_null(xc_model_label(NULL, 0));
    assert_null(xc_image_row(NULL, 0));
    assert_string_equal(xc_model_import_report(NULL), "");
    assert_string_equal(xc_context_cpu(NULL, XC_PRECISION_F32), "");
    assert_int_equal(xc_context_threads(NULL), 0);
    assert_int_equal(xc_session_arena_bytes(NULL), 0);
    assert_int_equal(xc_session_steps(NULL), 0);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static void refused_context(int threads, const char *cpu, const char *text)
{
    xc_context *context = NULL;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.threads = threads;
    opts.cpu = cpu;
    REFUSED(xc_context_new(&opts, &context), XC_ERR_ARGUMENT, text);
    assert_null(context);
}

static void refused_image(uint32_t width, uint32_t height, ptrdiff_t stride, int format,
                          const char *text)
{
    xc_image *image = NULL;
    REFUSED(xc_image_wrap(pixels, width, height, stride, (xc_pixel_format)format, &image),
            XC_ERR_ARGUMENT, text);
    assert_null(image);
}

static void refused_session(uint32_t batch, uint32_t height, int precision, uint32_t taps,
                            const char *text)
{
    xc_session *session = NULL;
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    opts.max_batch = batch;
    opts.height = height;
    opts.precision = (xc_precision)precision;
    opts.tap_count = taps;
    REFUSED(xc_session_new(all.model, &opts, &session), XC_ERR_ARGUMENT, text);
    assert_null(session);
}

static void test_ranges(void **state)
{
    (void)state;
    refused_context(-1, NULL, "threads: -1");
    refused_context(257, NULL, "threads: 257");
    refused_context(1, "mmx", "cpu: \"mmx\"");
    refused_image(0, 1, 3, XC_RGB8, "0x1 pixels");
    refused_image(1, 0, 3, XC_RGB8, "1x0 pixels");
    refused_image(0x80000000u, 1, 3, XC_RGB8, "pixels");
    refused_image(64, 64, 191, XC_RGB8, "stride 191");
    refused_image(64, 64, -191, XC_RGB8, "stride -191");
    refused_image(64, 64, 192, 2, "format 2");
    refused_session(1025, 0, 0, 0, "max_batch: 1025");
    refused_session(1, 0x80000000u, 0, 0, "too large");
    refused_session(1, 0, 4, 0, "precision: 4");
    refused_session(1, 0, 0, 1, "taps is NULL");
    xc_model *model = NULL;
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    create.weights = (xc_weights)3;
    REFUSED(xc_model_create(all.context, "xception", &create, &model), XC_ERR_ARGUMENT,
            "weights: 3");
    create = (xc_create_opts)XC_CREATE_OPTS_INIT;
    create.classes = UINT32_MAX;
    REFUSED(xc_model_create(all.context, "xception", &create, &model), XC_ERR_ARGUMENT, "above");
    REFUSED(xc_model_create(all.context, "xcpetion", NULL, &model), XC_ERR_ARCH, "xcpetion");
    xc_layer layer;
    REFUSED(xc_model_layer(all.model, 10000, &layer), XC_ERR_ARGUMENT, "layer 10000 of");
    xc_answer answer;
    const xc_image *image = all.image;
    REFUSED(xc_classify(all.session, &image, 1, 0, &answer), XC_ERR_ARGUMENT, "k: 0");
    REFUSED(xc_classify(all.session, &image, 3, 1, &answer), XC_ERR_ARGUMENT, "n: 3");
    xc_step step;
    REFUSED(xc_session_step(all.session, 10000, &step), XC_ERR_ARGUMENT, "step 10000 of");
    xc_practice *practice = NULL;
    xc_practice_opts opts = XC_PRACTICE_OPTS_INIT;
    opts.batch = 0;
    REFUSED(xc_practice_new(all.context, "mini-xception", &opts, &practice), XC_ERR_ARGUMENT,
            "batch: 0");
    opts.batch = 2;
    opts.memory = 1;
    REFUSED(xc_practice_new(all.context, "mini-xception", &opts, &practice), XC_ERR_LIMIT,
            "a step of batch 2 takes at least");
    double peak = 0;
    REFUSED(xc_context_peak(all.context, XC_PRECISION_F32, -1, &peak), XC_ERR_ARGUMENT, "seconds");
    REFUSED(xc_context_peak(all.context, XC_PRECISION_F32, NAN, &peak), XC_ERR_ARGUMENT, "seconds");
    REFUSED(xc_context_peak(all.context, (xc_precision)99, 0, &peak), XC_ERR_ARGUMENT,
            "precision: 99");
    xc_preprocess p;
    REFUSED(xc_preprocess_named("caffe", &p), XC_ERR_ARGUMENT, "keras");
}

/* What could not be read back, or means nothing. */
static void test_refused_files(void **state)
{
    (void)state;
    xc_preprocess grey = xc_model_get_info(all.model)->preprocess;
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    save.label_count = 4;
    REFUSED(xc_model_save(all.model, "refused", &save), XC_ERR_ARGUMENT, "labels is NULL");
    save.label_count = 0;
    grey.colour = XC_COLOUR_GREY;
    save.preprocess = &grey;
    REFUSED(xc_model_save(all.model, "refused", &save), XC_ERR_SHAPE, "3");
    assert_int_not_equal(access("refused", F_OK), 0);
}

/* 1/13 and 7/13 of 255 are no whole numbers. */
static void decodes_alike(void)
{
    static const char pnm[] = "P2 2 1 13 1 7";
    xc_image *image = NULL;
    CHECK(xc_image_decode(pnm, strlen(pnm), NULL, &image));
    assert_int_equal(xc_image_row(image, 0)[0], 20);  /* 19.6 */
    assert_int_equal(xc_image_row(image, 0)[1], 137); /* 137.3 */
    xc_image_free(image);
}

static void answers_of(int threads, float *logits)
{
    decodes_alike();
    xc_context *context = make_context(threads);
    xc_model *model = make_model(context, SMALL_ARCH ",classes=4", 71, XC_WEIGHTS_RANDOM);
    xc_session *session = make_session(model, 2, XC_PRECISION_F32, NULL);
    const xc_image *image[] = {all.image, all.image};
    xc_answer answer[2];
    size_t written;
    CHECK(xc_classify(session, image, 2, 1, answer));
    CHECK(xc_session_read(session, "logits", logits, 8, &written));
    assert_int_equal(written, 8);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
}

/* Whatever a program has set for its own numbers is not ours, and stays. */
static void test_rounding_of_the_program(void **state)
{
    (void)state;
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    float usual[8], here[8];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 7 % 251);
    answers_of(1, usual);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fesetround(modes[i]), 0);
        answers_of(1 + i, here);
        assert_int_equal(fegetround(), modes[i]);
        assert_memory_equal(here, usual, sizeof usual);
    }
    fesetround(FE_TONEAREST);
#ifdef __SSE2__
    const unsigned before = _mm_getcsr(), flush = before | 0x8040; /* FTZ and DAZ */
    _mm_setcsr(flush);
    answers_of(2, here);
    assert_int_equal(_mm_getcsr() & 0xffc0, flush & 0xffc0);
    _mm_setcsr(before);
    assert_memory_equal(here, usual, sizeof usual);
#endif
}

/* Where the choice is the library's it is one that the algorithm knows (bites on a processor with
 * products of brain floats, where AUTO is bf16 otherwise). */
static void test_fast_in_any_precision(void **state)
{
    (void)state;
    float logits[2][4];
    for (int i = 0; i < 2; i++) {
        xc_session *session = NULL;
        xc_session_opts opts = XC_SESSION_OPTS_INIT;
        size_t written;
        opts.precision = i ? XC_PRECISION_AUTO : XC_PRECISION_F32;
        opts.algo = XC_ALGO_FAST;
        CHECK(xc_session_new(all.model, &opts, &session));
        const xc_image *image = all.image;
        xc_answer answer;
        CHECK(xc_classify(session, &image, 1, 1, &answer));
        CHECK(xc_session_read(session, "logits", logits[i], 4, &written));
        xc_session_free(session);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
}

/* ---- small things ---------------------------------------------------------------------------- */

static void test_status_words(void **state)
{
    (void)state;
    assert_string_equal(xc_version(), XC_VERSION);
    assert_string_equal(xc_status_id(XC_OK), "XC-E0000");
    assert_string_equal(xc_status_id(XC_ERR_FORMAT), "XC-E0004");
    assert_string_equal(xc_status_text(XC_ERR_SPACE), "no space left on the device");
    assert_string_equal(xc_status_text((xc_status)99), "not a status");
}

/* A sentence is of the status that it was given with, and of no other. */
static void test_error_of_a_status(void **state)
{
    (void)state;
    REFUSED(xc_file_write(NULL, NULL, 0), XC_ERR_ARGUMENT, "path is NULL");
    assert_string_equal(xc_error_of(XC_ERR_ARGUMENT), "path is NULL");
    assert_string_equal(xc_error_of(XC_ERR_MEMORY), "out of memory");
    assert_string_equal(xc_error_of((xc_status)99), xc_status_text((xc_status)99));
}

static void test_catalogues(void **state)
{
    (void)state;
    const char *help = NULL;
    int archs = 0, recipes = 0;
    while (xc_arch_name(archs, &help)) {
        assert_non_null(help);
        archs++;
    }
    assert_null(help);
    assert_null(xc_arch_name(-1, NULL));
    assert_string_equal(xc_arch_name(0, NULL), "xception");
    while (xc_preprocess_name(recipes)) {
        xc_preprocess p;
        CHECK(xc_preprocess_named(xc_preprocess_name(recipes++), &p));
        assert_int_equal(p.size, sizeof p);
    }
    assert_true(archs > 5 && recipes > 5);
    assert_string_equal(xc_fit_name(XC_FIT_PAD), "pad");
    assert_string_equal(xc_filter_name(XC_FILTER_BICUBIC), "bicubic");
    assert_string_equal(xc_colour_name(XC_COLOUR_GREY), "grey");
    assert_null(xc_fit_name((xc_fit)3));
    assert_null(xc_filter_name((xc_filter)-1));
    assert_null(xc_colour_name((xc_colour)3));
    assert_non_null(xc_model_output_name(all.model, 0));
    assert_null(xc_model_output_name(all.model, 1));
    assert_string_equal(xc_imagenet_wnid(0), "n01440764");
    assert_null(xc_imagenet_label(1000));
}

/* ---- small ones ------------------------------------------------------------------------------ */

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(xc_reject_name(XC_REJECT_MAX_LOGIT), "max-logit");
    assert_string_equal(xc_reject_name(XC_REJECT_ENERGY), "energy");
    assert_null(xc_reject_name((xc_reject)3));
    assert_string_equal(xc_explain_method_name(XC_GRADCAM_PP), "gradcam++");
    assert_non_null(strstr(xc_explain_method_source(XC_OCCLUSION), "2014"));
    for (int i = 0; i <= XC_CENTRE; i++) {
        assert_non_null(xc_explain_method_name((xc_explain_method)i));
        assert_non_null(xc_explain_method_source((xc_explain_method)i));
    }
    assert_null(xc_explain_method_name((xc_explain_method)(XC_CENTRE + 1)));
    assert_null(xc_explain_method_source((xc_explain_method)(XC_CENTRE + 1)));
    assert_true(xc_path_is_image("a/b.JPG") && xc_path_is_image("x.webp"));
    assert_false(xc_path_is_image("png") || xc_path_is_image("a.txt") || xc_path_is_image(NULL));
}

static void test_colours(void **state)
{
    (void)state;
    uint8_t dark[3], light[3];
    xc_heat_colour(0, dark);
    xc_heat_colour(1, light);
    assert_true(dark[0] + dark[1] + dark[2] < light[0] + light[1] + light[2]);
    xc_heat_colour(0.5, NULL);
}

static void test_shape_of_a_result(void **state)
{
    (void)state;
    uint32_t h = 0, w = 0, c = 0;
    CHECK(xc_session_shape(all.session, "logits", &h, &w, &c));
    assert_true(h == 1 && w == 1 && c == 4);
    CHECK(xc_session_shape(all.session, "probs", NULL, NULL, NULL));
    REFUSED(xc_session_shape(all.session, "nose", &h, &w, &c), XC_ERR_ARGUMENT, "nose");
    REFUSED(xc_session_shape(NULL, "probs", &h, &w, &c), XC_ERR_ARGUMENT, "session");
    REFUSED(xc_session_shape(all.session, NULL, &h, &w, &c), XC_ERR_ARGUMENT, "name");
}

/* Points on a line through (1, 2), and one number that never moves. */
static void test_components(void **state)
{
    (void)state;
    float rows[5][3];
    double scores[5][1], axis[3], variance;
    for (int i = 0; i < 5; i++) {
        rows[i][0] = (float)i;
        rows[i][1] = 2 * (float)i;
        rows[i][2] = 7;
    }
    CHECK(xc_pca(&rows[0][0], 5, 3, 1, &scores[0][0], axis, &variance));
    assert_true(fabs(axis[0] - sqrt(0.2)) < 1e-9 && fabs(axis[1] - sqrt(0.8)) < 1e-9);
    assert_true(fabs(axis[2]) < 1e-9);
    for (int i = 0; i < 5; i++) assert_true(fabs(scores[i][0] - (i - 2) * sqrt(5)) < 1e-6);
    CHECK(xc_pca(&rows[0][0], 5, 3, 1, &scores[0][0], NULL, NULL));
    REFUSED(xc_pca(NULL, 5, 3, 1, &scores[0][0], axis, &variance), XC_ERR_ARGUMENT, "rows");
    REFUSED(xc_pca(&rows[0][0], 5, 3, 17, &scores[0][0], NULL, NULL), XC_ERR_ARGUMENT, "");
}

static void count_lines(void *user, const char *line)
{
    assert_null(strchr(line, '\n'));
    ++*(int *)user;
}

static void test_context(void **state)
{
    (void)state;
    int lines = 0;
    xc_context *context = NULL;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.cpu = "ref";
    opts.threads = 3;
    opts.log = count_lines;
    opts.log_user = &lines;
    CHECK(xc_context_new(&opts, &context));
    assert_int_equal(lines, 1);
    assert_int_equal(xc_context_threads(context), 3);
    assert_memory_equal(xc_context_cpu(context, XC_PRECISION_F32), "ref", 3);
    xc_context_free(context);
}

/* A timed run does what a run does; its steps together do the network's multiply-adds. */
static void test_measuring(void **state)
{
    (void)state;
    enum { SIDE = 71, CLASSES = 4, STEPS = 200 };
    static float input[2 * SIDE * SIDE * 3];
    float plain[2 * CLASSES], timed[2 * CLASSES];
    double seconds[STEPS], peak = 0;
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) input[i] = (float)(i % 17) / 17;
    CHECK(xc_run(all.session, input, 2));
    CHECK(xc_session_read(all.session, "logits", plain, 2 * CLASSES, NULL));
    const uint32_t steps = xc_session_steps(all.session);
    assert_true(steps > 0 && steps <= STEPS);
    for (uint32_t i = 0; i < steps; i++) seconds[i] = -1;
    CHECK(xc_run_timed(all.session, input, 2, seconds));
    CHECK(xc_session_read(all.session, "logits", timed, 2 * CLASSES, NULL));
    assert_memory_equal(plain, timed, sizeof plain);
    uint64_t macs = 0;
    for (uint32_t i = 0; i < steps; i++) {
        xc_step step;
        CHECK(xc_session_step(all.session, i, &step));
        assert_non_null(step.name);
        assert_non_null(step.kind);
        assert_true(step.height > 0 && step.width > 0 && step.channels > 0);
        assert_true(seconds[i] >= 0);
        macs += step.macs;
    }
    assert_int_equal(macs, xc_model_get_info(all.model)->macs);
    CHECK(xc_context_peak(all.context, XC_PRECISION_F32, 0, &peak));
    assert_true(peak > 0);
}

static void test_practice(void **state)
{
    (void)state;
    xc_practice *practice;
    xc_practice_info info;
    xc_practice_opts opts = XC_PRACTICE_OPTS_INIT;
    opts.batch = 2;
    CHECK(xc_practice_new(all.context, "mini-xception", &opts, &practice));
    xc_practice_get_info(practice, &info);
    assert_int_equal(info.height, 64);
    assert_true(info.macs > 0 && info.arena > 0);
    assert_int_equal(info.parameters, 56951);
    for (int i = 0; i < 2; i++) CHECK(xc_practice_step(practice));
    xc_practice_free(practice);
    xc_practice_free(NULL);
}

static void test_wrapped_pixels(void **state)
{
    (void)state;
    xc_image_info info;
    xc_image *image = NULL;
    CHECK(xc_image_wrap(pixels + 63 * 192, 64, 64, -192, XC_RGB8, &image)); /* bottom up */
    xc_image_get_info(image, &info);
    assert_int_equal(info.width, 64);
    assert_int_equal(info.orientation, 1);
    assert_string_equal(info.file_type, "memory");
    assert_ptr_equal(xc_image_row(image, 63), pixels);
    assert_null(xc_image_row(image, 64));
    xc_image_free(image);
    REFUSED(xc_image_load("/nowhere.png", NULL, &image), XC_ERR_IO, "/nowhere.png: ");
    REFUSED(xc_image_load(XC_SOURCE_DIR "/README.md", NULL, &image), XC_ERR_FORMAT, "README.md: ");
}

/* What import does without its helper: our own files, and a refusal that names the helper. */
static void test_import(void **state)
{
    (void)state;
    xc_import_opts opts = XC_IMPORT_OPTS_INIT;
    xc_model *model = NULL;
    CHECK(xc_model_save(all.model, "test_api.safetensors", NULL));
    CHECK(xc_model_import(all.context, "test_api.safetensors", &opts, &model));
    assert_string_equal(xc_model_get_info(model)->arch, xc_model_get_info(all.model)->arch);
    xc_model_unref(model);
    unlink("test_api.safetensors");
    opts.helper = "/nowhere/xception-import";
    REFUSED(xc_model_import(all.context, XC_SOURCE_DIR "/README.md", &opts, &model), XC_ERR_IO,
            "/nowhere/xception-import");
    REFUSED(xc_model_import(all.context, "/nowhere.h5", &opts, &model), XC_ERR_IO, "/nowhere.h5: ");
    assert_null(model);
}

/* A model from somewhere else may be put on smaller sides: sizes and info agree. */
static void test_sizes(void **state)
{
    (void)state;
    uint32_t h, w, c;
    xc_session *session = NULL;
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    opts.height = 96;
    opts.width = 75;
    CHECK(xc_session_new(all.model, &opts, &session));
    xc_session_size(session, &h, &w, &c);
    assert_true(h == 96 && w == 75 && c == 3);
    assert_true(xc_session_arena_bytes(session) > 0);
    xc_session_free(session);
}

/* FIPS 180-4, example B.1 */
static void test_hash(void **state)
{
    (void)state;
    char hex[65];
    const char *path = "hash-abc";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fputs("abc", file) >= 0 && fclose(file) == 0, 1);
    CHECK(xc_file_sha256(path, hex));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(remove(path), 0);
    REFUSED(xc_file_sha256(path, hex), XC_ERR_IO, path);
    assert_int_equal(mkfifo(path, 0600), 0); /* would wait for a writer */
    REFUSED(xc_file_sha256(path, hex), XC_ERR_IO, "not a regular file");
    assert_int_equal(remove(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_option_sizes),
                                       cmocka_unit_test(test_null_when_making),
                                       cmocka_unit_test(test_null_when_using),
                                       cmocka_unit_test(test_null_where_nothing_fails),
                                       cmocka_unit_test(test_ranges),
                                       cmocka_unit_test(test_refused_files),
                                       cmocka_unit_test(test_fast_in_any_precision),
                                       cmocka_unit_test(test_rounding_of_the_program),
                                       cmocka_unit_test(test_status_words),
                                       cmocka_unit_test(test_error_of_a_status),
                                       cmocka_unit_test(test_catalogues),
                                       cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_colours),
                                       cmocka_unit_test(test_shape_of_a_result),
                                       cmocka_unit_test(test_components),
                                       cmocka_unit_test(test_context),
                                       cmocka_unit_test(test_measuring),
                                       cmocka_unit_test(test_practice),
                                       cmocka_unit_test(test_wrapped_pixels),
                                       cmocka_unit_test(test_import),
                                       cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_hash)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
