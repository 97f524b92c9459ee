/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do teachers teach what they know? One that knows nothing smooths labels; one that has learned
 * teaches a network that sees no label; and a run with teachers repeats and goes on as any other.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "image/image.h"
#include "model/model.h"
#include "train/sight.h"
#include "train/teacher.h"
#include "train/runs.h"

#define SIGMOID_ARCH RUNS_ARCH ",sigmoid=on"

static xc_model *make(xc_context *context, const char *arch, uint32_t classes, uint64_t seed)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *model = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = classes;
    create.seed = seed;
    assert_int_equal(xc_model_create(context, arch, &create, &model), XC_OK);
    return model;
}

/* Each class is as likely as any other, whatever the picture. */
static xc_model *know_nothing(xc_context *context)
{
    xc_model *model = make(context, RUNS_ARCH, 3, 1);
    const struct param_table *table = &model->graph->param;
    for (int i = 0; i < table->count; i++)
        if (strncmp(table->at[i].name, "predictions", 11) == 0)
            memset(model->block + table->at[i].offset, 0, table->at[i].count * sizeof(float));
    return model;
}

static void train(const char *folder, const char *name, xc_train_opts opts, xc_model *const *model,
                  uint32_t count)
{
    const xc_train_opts place = runs_opts(folder, name);
    opts.folder = place.folder;
    opts.teacher = model;
    opts.teachers = count;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    xc_train_opts done = place;
    runs_opts_free(&done);
}

/* (1 - s) of the label and s of an even row is label smoothing. */
static void even(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(2);
    xc_model *const nothing = know_nothing(context), *const twice[] = {nothing, nothing};
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    opts.arch = RUNS_ARCH;
    opts.recipe = "cifar";
    opts.augment = "pad=2,flip,mixup=0.5";
    opts.epochs = 1;
    opts.batch = 12;
    opts.smoothing = 0.25;
    train(folder, "smooth", opts, NULL, 0);
    opts.smoothing = 0;
    opts.teacher_part = 0.25;
    train(folder, "one", opts, &nothing, 1);
    train(folder, "two", opts, twice, 2);
    const double smooth = runs_last(folder, "smooth", "train_loss");
    for (int i = 0; i < 2; i++) {
        const double loss = runs_last(folder, i ? "two" : "one", "train_loss");
        print_message("smoothed %.9g, taught %.9g\n", smooth, loss);
        assert_true(fabs(loss - smooth) < 1e-5 * smooth);
    }
    opts.teacher_part = -1;
    train(folder, "plain", opts, NULL, 0);
    assert_true(fabs(runs_last(folder, "plain", "train_loss") - smooth) > 1e-2);
    xc_model_unref(nothing);
    xc_context_free(context);
    runs_end(folder);
}

/* Learned by the teacher from labels, and by the student from the teacher alone. */
static void taught(void **state)
{
    (void)state;
    char *folder = runs_folder(), *path = NULL;
    xc_context *context = runs_context(2);
    xc_model *teacher = NULL;
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    opts.arch = RUNS_ARCH;
    opts.recipe = "cifar";
    opts.augment = "pad=2,flip";
    opts.epochs = 20;
    opts.batch = 12;
    train(folder, "teacher", opts, NULL, 0);
    assert_true(asprintf(&path, "%s/teacher/best.safetensors", folder) > 0);
    assert_int_equal(xc_model_load(context, path, NULL, &teacher), XC_OK);
    opts.seed = 3;
    opts.teacher_part = 1;
    opts.precision = XC_PRECISION_BF16;
    train(folder, "student", opts, &teacher, 1);
    print_message("teacher %g, student %g\n", runs_last(folder, "teacher", "val_top1"),
                  runs_last(folder, "student", "val_top1"));
    assert_true(runs_last(folder, "student", "val_top1") > 0.9);

    xc_model *const nothing = know_nothing(context);
    train(folder, "misled", opts, &nothing, 1);
    assert_true(runs_last(folder, "misled", "val_top1") < 0.7);
    xc_model_unref(nothing);
    xc_model_unref(teacher);
    xc_context_free(context);
    free(path);
    runs_end(folder);
}

enum { N = 11, CLASSES = 3, PICTURE = 15 * 15 * 3, LARGEST = 19 * 17 * 3 };

/* Of x, turned for the teacher, `part` of its answer is added to each row. */
static void add_answers(xc_model *teacher, const xc_model *shown, const float *x, float part,
                        float *target)
{
    static float turned[N * LARGEST];
    const struct sight sight = sight_of(teacher, shown);
    const xc_session_opts opts = {.size = sizeof opts, .max_batch = N};
    float logits[N * CLASSES];
    size_t written;
    xc_session *session = NULL;
    assert_int_equal(sight_turn(&sight, x, N, turned, NULL), XC_OK);
    assert_int_equal(session_new(teacher, &opts, &session, NULL), XC_OK);
    assert_int_equal(session_run(session, turned, DTYPE_F32, N, NULL, NULL), XC_OK);
    assert_int_equal(
        session_read(session, "logits", DTYPE_F32, logits, N * CLASSES, &written, NULL), XC_OK);
    session_free(session);
    for (int i = 0; i < N; i++) {
        const float *row = logits + i * CLASSES;
        float e[CLASSES], sum = 0;
        for (int c = 0; c < CLASSES; c++) sum += e[c] = expf(row[c]);
        for (int c = 0; c < CLASSES; c++) target[i * CLASSES + c] += part * e[c] / sum;
    }
}

static xc_model *make_sized(xc_context *context, const char *input, uint64_t seed)
{
    char arch[160];
    snprintf(arch, sizeof arch, "xception,input=%s%s", input, strstr(RUNS_ARCH, ",stem="));
    return make(context, arch, 3, seed);
}

/* Rows in parts or at once, from teachers that see other pictures than the network. */
static void in_parts(void **state)
{
    (void)state;
    xc_context *context = runs_context(2);
    xc_model *student = make(context, RUNS_ARCH, 3, 1);
    struct teacher_models models = {
        {make(context, RUNS_ARCH, 3, 2), make_sized(context, "15x17x3", 3),
         make_sized(context, "19x17x3", 4), make(context, RUNS_ARCH, 3, 5)},
        4};
    struct teachers_opts o = {.student = student, .precision = XC_PRECISION_F32};
    float x[N * PICTURE], target[3][N * CLASSES];
    models.model[2]->meta.preprocess.colour = XC_COLOUR_BGR;
    models.model[3]->meta.preprocess.divisor = 50;
    for (int i = 0; i < N * PICTURE; i++) x[i] = rng_uniform(9, RNG_TEST, 0, 0, (uint32_t)i);
    for (int k = 0; k < 3; k++) {
        struct teachers *t = NULL;
        for (int i = 0; i < N * CLASSES; i++) target[k][i] = i % CLASSES == i / CLASSES % CLASSES;
        if (k == 2) break;
        o.batch = k ? 4 : N;
        assert_int_equal(teachers_new(&models, &o, &t, NULL), XC_OK);
        assert_int_equal(teachers_mix(t, x, N, 0.3, target[k], NULL), XC_OK);
        teachers_free(t);
    }
    assert_memory_equal(target[0], target[1], sizeof target[0]);
    for (int i = 0; i < N * CLASSES; i++) target[2][i] *= 0.7F;
    for (int i = 0; i < models.count; i++)
        add_answers(models.model[i], student, x, 0.3F / (float)models.count, target[2]);
    for (int i = 0; i < N * CLASSES; i++) assert_true(fabsf(target[0][i] - target[2][i]) < 1e-6F);
    teacher_models_unref(&models);
    xc_model_unref(student);
    xc_context_free(context);
}

/* A channel of what a model gets, from bytes in the order R, G, B. */
static double seen(const xc_preprocess *p, const uint8_t *pixel, int c, int channels)
{
    const int from = p->colour == XC_COLOUR_BGR ? channels - 1 - c : c;
    return ((double)pixel[from] / p->divisor - p->mean[c]) / p->std[c];
}

/* What a model gets of a picture, from its bytes or from what another model gets. wrong: by
 * Pillow's rounding to bytes, twice. */
static void turns(int w, int h, int channels, bool back, double wrong)
{
    enum { PICTURES = 3, SIZE = 48, BYTES = SIZE * SIZE * 3, MOST = 71 * 90 * 3 };
    static const xc_preprocess views[] = {
        {.colour = XC_COLOUR_BGR, .divisor = 1, .mean = {104, 117, 124}, .std = {2, 3, 4, 1}},
        {.colour = XC_COLOUR_RGB,
         .divisor = 255,
         .mean = {0.1F, 0.5F, 0.7F},
         .std = {0.2F, 0.3F, 0.4F}}};
    static uint8_t picture[PICTURES * BYTES], own[MOST];
    static float from[PICTURES * BYTES], to[PICTURES * MOST];
    char arch[80];
    xc_context *context = runs_context(1);
    const int numbers = w * h * channels, bytes = SIZE * SIZE * channels;
    snprintf(arch, sizeof arch, "xception,input=%dx%dx%d,stem-stride=1,middle=1", h, w, channels);
    xc_model *seer = make(context, arch, 3, 1);
    snprintf(arch, sizeof arch, "xception,input=48x48x%d,stem-stride=1,middle=1", channels);
    xc_model *shown = make(context, arch, 3, 1);
    assert_int_equal(sight_of(seer, shown).differs, w != SIZE);
    xc_preprocess *const p = &seer->meta.preprocess, *const q = &shown->meta.preprocess;
    *p = views[back];
    *q = views[!back];
    if (channels == 1) p->colour = q->colour = XC_COLOUR_GREY;
    for (int k = 0; k < PICTURES * bytes; k++) { /* soft and hard edges */
        const float soft = 127 + 100 * sinf((float)k / 40);
        const float hard = 255 * rng_uniform(9, RNG_TEST, 0, 0, (uint32_t)k);
        picture[k] = (uint8_t)(k < bytes ? soft : hard);
    }
    for (int k = 0; k < PICTURES * bytes; k++)
        from[k] = (float)seen(q, picture + k - k % channels, k % channels, channels);
    const struct sight sight = sight_of(seer, shown);
    assert_int_equal(sight_turn(&sight, from, PICTURES, to, NULL), XC_OK);
    double worst = 0;
    for (int n = 0; n < PICTURES; n++) {
        assert_int_equal(resize_u8(picture + n * bytes, SIZE, SIZE, SIZE * channels, channels,
                                   XC_FILTER_BILINEAR, w, h, own, NULL),
                         XC_OK);
        for (int k = 0; k < numbers; k++) {
            const int c = k % channels;
            const double off = to[n * numbers + k] - seen(p, own + k - c, c, channels);
            worst = fmax(worst, fabs(off) * p->std[c] * p->divisor);
        }
    }
    print_message("%dx%dx%d: off by %g of a byte\n", w, h, channels, worst);
    assert_true(worst < wrong + 1e-3);
    xc_model_unref(seer);
    xc_model_unref(shown);
    xc_context_free(context);
}

static void own_eyes(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++)
        for (int channels = 1; channels <= 3; channels += 2) {
            turns(48, 48, channels, back, 0);
            turns(32, 32, channels, back, 1);
            turns(90, 71, channels, back, 1);
        }
}

/* Several labels a picture: from a teacher that is sure of none. */
static void several(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(2);
    xc_model *const model[] = {make(context, SIGMOID_ARCH, 3, 1), make(context, RUNS_ARCH, 3, 1)};
    const struct param_table *table = &model[0]->graph->param;
    for (int i = 0; i < table->count; i++)
        if (strncmp(table->at[i].name, "predictions", 11) == 0)
            memset(model[0]->block + table->at[i].offset, 0, table->at[i].count * sizeof(float));
    double loss[2];
    for (int i = 0; i < 2; i++) { /* t (1 - s) + s / 2 */
        xc_train_opts opts = runs_opts(folder, i ? "taught" : "smooth");
        opts.epochs = 1;
        opts.smoothing = i ? 0 : 0.25;
        opts.teacher = model;
        opts.teachers = (uint32_t)i;
        opts.teacher_part = i ? 0.25 : -1;
        runs_train(&opts, RUNS_SEVERAL, 2, XC_OK);
        loss[i] = runs_last(folder, i ? "taught" : "smooth", "train_loss");
        runs_opts_free(&opts);
    }
    print_message("smoothed %.9g, taught %.9g\n", loss[0], loss[1]);
    assert_true(fabs(loss[1] - loss[0]) < 1e-5 * loss[0]);
    for (int i = 0; i < 2; i++) {
        xc_train_opts opts = runs_opts(folder, "other");
        opts.teacher = model + i;
        opts.teachers = 1;
        runs_train(&opts, i ? RUNS_SEVERAL : RUNS_USUAL, 1, XC_ERR_ARGUMENT);
        assert_non_null(
            strstr(xc_error(), i ? "teacher 1: it gives one label, the data have several"
                                 : "teacher 1: it gives several labels, the data have one"));
        runs_opts_free(&opts);
        xc_model_unref(model[i]);
    }
    xc_context_free(context);
    runs_end(folder);
}

/* What teachers need is counted. */
static void memory(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_model *const wide = make(context, "xception,input=71x71x3", 3, 1);
    xc_train_opts opts = runs_opts(folder, "run");
    opts.arch = "xception,input=71x71x3,stem=4/8,entry=8/16/16,middle=1,exit=16/24/32";
    opts.epochs = 1;
    opts.memory_bytes = (uint64_t)100 << 20; /* the wide one has 80 MiB of numbers */
    opts.teacher = &wide;
    opts.teachers = 1;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_MEMORY);
    assert_non_null(strstr(xc_error(), "100 MiB are allowed"));
    opts.teachers = 0;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&opts);
    xc_model_unref(wide);
    xc_context_free(context);
    runs_end(folder);
}

/* The folder knows its teachers, args.json their numbers. */
static void goes_on(void **state)
{
    (void)state;
    char *folder = runs_folder(), *args = NULL, *copy = NULL;
    xc_context *context = runs_context(1);
    xc_model *const teacher[] = {make(context, RUNS_ARCH, 3, 1), make(context, RUNS_ARCH, 3, 2)};
    xc_model *const other[] = {teacher[1], teacher[0]};
    xc_train_opts opts = runs_opts(folder, "whole");
    opts.teacher = teacher;
    opts.teachers = 2;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&opts);

    opts = runs_opts(folder, "parts");
    opts.teacher = teacher;
    opts.teachers = 2;
    opts.until = 1;
    runs_train(&opts, RUNS_USUAL, 3, XC_OK);
    opts.until = 0;
    opts.teachers = 0;
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_true(runs_same(folder, "whole", "parts"));
    runs_opts_free(&opts);

    assert_true(asprintf(&args, "%s/whole/args.json", folder) > 0);
    opts = runs_opts(folder, "again");
    opts.arch = NULL;
    opts.args = args;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "the run had 2 teachers, given are 0"));
    opts.teacher = other;
    opts.teachers = 2;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "teacher 1 was another model"));
    opts.teacher = teacher;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    assert_true(runs_same(folder, "whole", "again"));
    runs_opts_free(&opts);

    opts = runs_opts(folder, "changed"); /* someone else's weights in the folder */
    opts.teacher = teacher;
    opts.teachers = 1;
    opts.until = 1;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    assert_true(asprintf(&copy, "%s/changed/teacher-1.safetensors", folder) > 0);
    assert_int_equal(xc_model_save(teacher[1], copy, NULL), XC_OK);
    runs_resume(&opts, RUNS_USUAL, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "teacher 1 was another model"));
    assert_int_equal(remove(copy), 0);
    runs_resume(&opts, RUNS_USUAL, XC_ERR_IO);
    assert_non_null(strstr(xc_error(), "teacher-1.safetensors: cannot open"));
    runs_opts_free(&opts);
    xc_model_unref(teacher[0]);
    xc_model_unref(teacher[1]);
    xc_context_free(context);
    free(args);
    free(copy);
    runs_end(folder);
}

static xc_model *renamed(xc_context *context, const char *folder, const char *const *names)
{
    char *path = NULL;
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    xc_model *model = make(context, RUNS_ARCH, 3, 1), *out = NULL;
    save.labels = names;
    save.label_count = 3;
    assert_true(asprintf(&path, "%s/named.safetensors", folder) > 0);
    assert_int_equal(xc_model_save(model, path, &save), XC_OK);
    assert_int_equal(xc_model_load(context, path, NULL, &out), XC_OK);
    xc_model_unref(model);
    free(path);
    return out;
}

static void refused(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    static const char *const names[] = {"blue", "red", "green"};
    xc_model *const good = make(context, RUNS_ARCH, 3, 1), *const named =
                                                               renamed(context, folder, names);
    xc_model *const other[] = {
        make(context, RUNS_ARCH, 4, 1),
        make(context, "xception,input=15x15x1,stem-stride=1,middle=1", 3, 1)};
    xc_model *many[XC_MAX_TEACHERS + 1];
    for (int i = 0; i <= XC_MAX_TEACHERS; i++) many[i] = good;
    const struct {
        xc_model *const *teacher;
        uint32_t count;
        double part;
        const char *said;
    } trial[] = {
        {&other[0], 1, -1, "teacher 1: 4 classes, the data have 3"},
        {&other[1], 1, -1, "teacher 1: pictures of 1 channels, the network sees 3"},
        {&named, 1, -1, "teacher 1: class 1 is red, in the data it is green"},
        {&good, 1, 0, "the teachers' part: 0, expected more than 0, at most 1"},
        {&good, 1, 1.5, "the teachers' part: 1.5, expected more than 0"},
        {NULL, 0, 0.5, "the teachers' part: 0.5, but there is no teacher"},
        {NULL, 1, -1, "opts->teacher"},
        {many, XC_MAX_TEACHERS + 1, -1, "9 teachers, at most 8"},
    };
    xc_train_opts opts = runs_opts(folder, "run");
    for (size_t i = 0; i < sizeof trial / sizeof *trial; i++) {
        xc_dataset *data = runs_data(RUNS_USUAL);
        opts.teacher = trial[i].teacher;
        opts.teachers = trial[i].count;
        opts.teacher_part = trial[i].part;
        assert_int_not_equal(xc_train(context, data, &opts), XC_OK);
        if (!strstr(xc_error(), trial[i].said)) print_error("%s\n", xc_error());
        assert_non_null(strstr(xc_error(), trial[i].said));
        xc_dataset_free(data);
    }
    opts.teacher = &good;
    opts.teachers = 1;
    opts.teacher_part = -1;
    opts.arch = NULL;
    opts.from = good;
    opts.freeze = "all-but-head";
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "frozen layers see it once"));
    runs_opts_free(&opts);
    for (int i = 0; i < 2; i++) xc_model_unref(other[i]);
    xc_model_unref(good);
    xc_model_unref(named);
    xc_context_free(context);
    runs_end(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(even),     cmocka_unit_test(taught),
                                       cmocka_unit_test(in_parts), cmocka_unit_test(own_eyes),
                                       cmocka_unit_test(several),  cmocka_unit_test(memory),
                                       cmocka_unit_test(goes_on),  cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
