/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What decides how a run goes: accumulation, class weights, several labels a picture, what ends it,
 * and args.json, which repeats it.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "data/order.h"
#include "image/draw.h"
#include "image/image.h"
#include "train/runs.h"
#include "weight/weight.h"

/* Trains the head of a fresh network alone, without dropout: a linear model on features. */
static void train_head(xc_train_opts *opts)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_context *context = runs_context(1);
    xc_model *from = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 4;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &from), XC_OK);
    opts->arch = NULL;
    opts->from = from;
    opts->freeze = "all-but-head";
    opts->dropout = 0;
    opts->ema = 0;
    runs_train(opts, RUNS_USUAL, 2, XC_OK);
    xc_model_unref(from);
    xc_context_free(context);
}

/* The head has no batch norm, so two half batches are one whole one. */
static void accumulated(void **state)
{
    (void)state;
    char *folder = runs_folder();
    for (uint32_t parts = 1; parts <= 2; parts++) {
        xc_train_opts opts = runs_opts(folder, parts == 1 ? "whole" : "halves");
        opts.batch = 12 / parts;
        opts.accumulate = parts;
        train_head(&opts);
        runs_opts_free(&opts);
    }
    static const char *const column[] = {"step", "train_loss", "val_loss", "lr"};
    for (int i = 0; i < 4; i++) {
        const double a = runs_last(folder, "whole", column[i]);
        const double b = runs_last(folder, "halves", column[i]);
        print_message("%s %.9g %.9g\n", column[i], a, b);
        assert_true(fabs(a - b) <= 1e-5 * (1 + fabs(a)));
    }
    xc_train_opts opts = runs_opts(folder, "more");
    opts.accumulate = 5; /* 60 of 48 pictures */
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "48 training samples, a step needs 60"));
    runs_opts_free(&opts);
    runs_end(folder);
}

/* The classes are balanced, so "auto" is 1 for each, and 2 for each is twice the loss. */
static void weighted(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const float one[] = {1, 1, 1}, two[] = {2, 2, 2}, odd[] = {0.5F, 1, 2};
    static const float *const given[] = {NULL, NULL, one, two, odd};
    static const char *const name[] = {"none", "auto", "one", "two", "odd"};
    for (int i = 0; i < 5; i++) {
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.epochs = 1;
        if (i == 1) opts.class_weights = "auto";
        opts.class_weight = given[i];
        opts.class_weight_count = given[i] ? 3 : 0;
        if (i == 3) opts.lr = 1e-12, opts.ema = 0;
        runs_train(&opts, RUNS_USUAL, 2, XC_OK);
        runs_opts_free(&opts);
    }
    assert_true(runs_same(folder, "one", "auto"));
    assert_true(runs_same_results(folder, "none", "auto"));
    xc_train_opts opts = runs_opts(folder, "still");
    opts.epochs = 1;
    opts.lr = 1e-12;
    opts.ema = 0;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    const double once = runs_last(folder, "still", "train_loss");
    const double twice = runs_last(folder, "two", "train_loss");
    assert_true(fabs(twice - 2 * once) < 1e-6 * twice);
    assert_true(fabs(runs_last(folder, "none", "train_loss") -
                     runs_last(folder, "odd", "train_loss")) > 1e-4);

    opts = runs_opts(folder, "stopped"); /* weights go on with the run */
    opts.epochs = 1;
    opts.class_weight = odd;
    opts.class_weight_count = 2;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "2 class weights, the data have 3 classes"));
    runs_opts_free(&opts);
    runs_end(folder);
}

/* ---- weights of classes and samples ---------------------------------------------------------- */

/* Nothing is learned, so that losses are those of the weights that it began with. */
static double loss_of(const char *folder, const char *name, enum runs_kind kind,
                      const float *class_weight)
{
    xc_train_opts opts = runs_opts(folder, name);
    opts.arch = RUNS_PLAIN;
    opts.epochs = 1;
    opts.batch = 48;
    opts.augment = "none";
    opts.smoothing = 0;
    opts.lr = 1e-12;
    opts.ema = 0;
    opts.class_weight = class_weight;
    opts.class_weight_count = class_weight ? 3 : 0;
    runs_train(&opts, kind, 2, XC_OK);
    runs_opts_free(&opts);
    return runs_last(folder, name, "train_loss");
}

/* Classes are sorted by name: blue (8 of 48), green (16), red (24). */
static void unequal_classes(void **state)
{
    (void)state;
    static const float only[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, mixed[] = {3, 0.5F, 2};
    static const double expected[] = {2, 1, 2 / 3.0};
    static const char *const name[] = {"blue", "green", "red"};
    char *folder = runs_folder();
    size_t size;
    struct weight_file file;
    struct error err;
    double loss[3];
    for (int c = 0; c < 3; c++) loss[c] = loss_of(folder, name[c], RUNS_UNEQUAL, only[c]);
    for (int c = 0; c < 3; c++) assert_true(loss[c] > 0.01);
    const double all = loss_of(folder, "all", RUNS_UNEQUAL, NULL);
    const double sum = loss_of(folder, "mixed", RUNS_UNEQUAL, mixed);
    assert_true(fabs(all - loss[0] - loss[1] - loss[2]) < 1e-6);
    assert_true(fabs(sum - 3 * loss[0] - 0.5 * loss[1] - 2 * loss[2]) < 1e-6);

    xc_train_opts opts = runs_opts(folder, "auto");
    opts.epochs = 1;
    opts.class_weights = "auto";
    runs_train(&opts, RUNS_UNEQUAL, 2, XC_OK);
    runs_opts_free(&opts);
    char *bytes = runs_read(folder, "auto", "state.safetensors", &size);
    assert_int_equal(safetensors_read(bytes, size, &file, &err), XC_OK);
    const struct weight_tensor *t = weight_find(&file, "class_weight");
    assert_non_null(t);
    assert_int_equal(t->count, 3);
    for (int c = 0; c < 3; c++) {
        float weight;
        memcpy(&weight, t->data + 4 * c, sizeof weight);
        assert_true(fabs((double)weight - expected[c]) < 1e-6);
    }
    weight_file_free(&file);
    free(bytes);
    runs_end(folder);
}

/* A sample's weight multiplies its loss; one of weight 0 teaches nothing. */
static void weighed_samples(void **state)
{
    (void)state;
    static const float no_red[] = {1, 1, 0};
    char *folder = runs_folder();
    const double once = loss_of(folder, "once", RUNS_USUAL, NULL);
    const double twice = loss_of(folder, "twice", RUNS_DOUBLE, NULL);
    assert_true(fabs(twice - 2 * once) < 1e-6 * twice);
    const double fewer = loss_of(folder, "fewer", RUNS_NO_RED, NULL); /* a mean of two thirds */
    assert_true(fewer > 0.85 * once && fewer < 1.15 * once);
    size_t size[2];
    char *last[2];
    for (int i = 0; i < 2; i++) {
        xc_train_opts opts = runs_opts(folder, i ? "class" : "sample");
        opts.smoothing = 0.1; /* the weight is that of the label, whatever it was smoothed to */
        opts.class_weight = i ? no_red : NULL;
        opts.class_weight_count = i ? 3 : 0;
        runs_train(&opts, i ? RUNS_USUAL : RUNS_NO_RED, 2, XC_OK);
        last[i] = runs_read(folder, i ? "class" : "sample", "last.safetensors", &size[i]);
        runs_opts_free(&opts);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(last[0], last[1], size[0]);
    for (int i = 0; i < 2; i++) free(last[i]);
    xc_train_opts nothing = runs_opts(folder, "nothing");
    runs_train(&nothing, RUNS_NOTHING, 1, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "the weight of all 48 train samples is 0"));
    runs_opts_free(&nothing);
    runs_end(folder);
}

/* ---- what differs from epoch to epoch -------------------------------------------------------- */

/* The loss of the last of so many epochs, in which nothing is learned; a batch is an epoch. */
static double loss_after(const char *folder, uint32_t epochs, const char *augment, double dropout)
{
    static int runs;
    char name[16];
    snprintf(name, sizeof name, "after-%d", runs++);
    xc_train_opts opts = runs_opts(folder, name);
    opts.arch = RUNS_PLAIN;
    opts.epochs = epochs;
    opts.batch = 48;
    opts.augment = augment;
    opts.dropout = dropout;
    opts.lr = 1e-12;
    opts.ema = 0;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    return runs_last(folder, name, "train_loss");
}

/* Views and masks are others in each epoch, and mixing ends when it should. */
static void epochs_differ(void **state)
{
    (void)state;
    char *folder = runs_folder();
    const double still = loss_after(folder, 1, "none", 0);
    assert_true(fabs(still - loss_after(folder, 2, "none", 0)) < 1e-5);
    assert_true(fabs(loss_after(folder, 1, "pad=4,flip", 0) -
                     loss_after(folder, 2, "pad=4,flip", 0)) > 1e-4);
    assert_true(fabs(loss_after(folder, 1, "none", 0.5) - loss_after(folder, 2, "none", 0.5)) >
                1e-4);
    const double mixed = loss_after(folder, 1, "mixup=1", 0);
    assert_true(fabs(mixed - loss_after(folder, 1, "mixup=1/1", 0)) < 1e-5);
    assert_true(fabs(mixed - still) > 1e-3);
    assert_true(fabs(loss_after(folder, 2, "mixup=1", 0) - still) > 1e-3);
    assert_true(fabs(loss_after(folder, 2, "mixup=1/1", 0) - still) < 1e-5);
    runs_end(folder);
}

/* The architecture and the option may both say it, if they say the same. */
static void dropout_twice(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts opts = runs_opts(folder, "a");
    opts.epochs = 1;
    opts.dropout = 0.5;
    runs_train(&opts, RUNS_USUAL, 2, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "dropout: 0.5, but the architecture says dropout=0.2"));
    opts.dropout = 0.2;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    runs_end(folder);
}

/* ---- averages -------------------------------------------------------------------------------- */

/* One number of the tensor in last.safetensors. */
static double number_of(const char *folder, const char *name, const char *tensor)
{
    size_t size;
    struct weight_file file;
    struct error err;
    float number;
    char *bytes = runs_read(folder, name, "last.safetensors", &size);
    assert_int_equal(safetensors_read(bytes, size, &file, &err), XC_OK);
    const struct weight_tensor *t = weight_find(&file, tensor);
    assert_non_null(t);
    memcpy(&number, t->data, sizeof number);
    weight_file_free(&file);
    free(bytes);
    return (double)number;
}

/* bn_momentum is the part of the old statistics that stays, in both frameworks' forms. */
static void moving_statistics(void **state)
{
    (void)state;
    static const char *const arch[] = {RUNS_ARCH, RUNS_ARCH ",flavour=timm"};
    char *folder = runs_folder(), name[8];
    for (int i = 0; i < 2; i++) {
        double mean[2];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%d-%d", i, k);
            xc_train_opts opts = runs_opts(folder, name);
            opts.arch = arch[i];
            opts.epochs = 1;
            opts.batch = 48;
            opts.lr = 1e-12;
            opts.ema = 0;
            opts.bn_momentum = k ? 0.4 : 0.7;
            runs_train(&opts, RUNS_USUAL, 2, XC_OK);
            runs_opts_free(&opts);
            mean[k] = number_of(folder, name, "block1_conv1_bn/moving_mean");
        }
        print_message("%s: %g with 0.7, %g with 0.4\n", arch[i], mean[0], mean[1]);
        assert_true(fabs(mean[0]) > 1e-4);
        assert_true(fabs(mean[0] / mean[1] - 0.3 / 0.6) < 1e-4); /* of a mean that began at 0 */
    }
    runs_end(folder);
}

/* A seed with which the last picture of the first epoch is one that RUNS_BROKEN cuts in half, and
 * the one before it is not. */
static uint64_t seed_of_broken_end(void)
{
    uint64_t seed = 0;
    while (order_at(seed, 0, 48, 47) % 10 != 3 || order_at(seed, 0, 48, 46) % 10 == 3) seed++;
    return seed;
}

/* A batch without a picture that can be read is none: statistics that keep next to nothing of the
 * old ones are still those of a picture. */
static void statistics_of_nothing(void **state)
{
    (void)state;
    char *folder = runs_folder();
    double mean[2];
    for (int k = 0; k < 2; k++) {
        xc_train_opts opts = runs_opts(folder, k ? "broken" : "usual");
        opts.epochs = opts.batch = 1;
        opts.augment = "none";
        opts.lr = 1e-12;
        opts.ema = 0;
        opts.bn_momentum = 0.001;
        opts.seed = seed_of_broken_end();
        runs_train(&opts, k ? RUNS_BROKEN : RUNS_USUAL, 2, XC_OK);
        runs_opts_free(&opts);
        mean[k] = number_of(folder, k ? "broken" : "usual", "block1_conv1_bn/moving_mean");
    }
    print_message("moving means: usual %g, broken %g\n", mean[0], mean[1]);
    assert_true(fabs(mean[1]) > 0.01 * fabs(mean[0])); /* of black: 0.001 of what was before */
    runs_end(folder);
}

/* With rates below the warm-up's (1 + t) / (10 + t). */
static void averaged(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const char *const name[] = {"less", "more", "same"};
    static const double ema[] = {0.2, 0.3, 0.2};
    for (int i = 0; i < 3; i++) {
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.ema = ema[i];
        runs_train(&opts, RUNS_USUAL, 2, XC_OK);
        runs_opts_free(&opts);
    }
    assert_true(runs_same(folder, "less", "same"));
    const char *const kernel = "predictions/kernel";
    assert_true(fabs(number_of(folder, "less", kernel) - number_of(folder, "more", kernel)) > 1e-7);
    runs_end(folder);
}

/* A model with more classes than pictures with several labels have would read behind their rows. */
static void other_labels(void **state)
{
    (void)state;
    xc_context *context = runs_context(1);
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *model = NULL;
    xc_dataset *data = runs_data(RUNS_SEVERAL);
    xc_evaluation e;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 1000;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &model), XC_OK);
    assert_int_equal(xc_evaluate(model, data, NULL, &e), XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "3 classes, the model has 1000"));
    xc_model_unref(model);
    xc_dataset_free(data);
    xc_context_free(context);
}

static void several_labels(void **state)
{
    (void)state;
    char *folder = runs_folder();
    size_t size;
    xc_train_opts opts = runs_opts(folder, "a");
    opts.epochs = 30;
    opts.smoothing = 0.02;
    opts.class_weights = "auto";
    runs_train(&opts, RUNS_SEVERAL, 2, XC_OK);
    runs_opts_free(&opts);
    print_message("loss %g, top-1 %g\n", runs_last(folder, "a", "val_loss"),
                  runs_last(folder, "a", "val_top1"));
    assert_true(runs_last(folder, "a", "val_top1") > 0.9);
    char *args = runs_read(folder, "a", "args.json", &size);
    assert_non_null(strstr(args, "sigmoid=on"));
    free(args);

    char *classes = runs_read(folder, "a", "classes.csv", &size), *row = classes;
    print_message("%s", classes);
    for (int c = 0; c < 3; c++) { /* the last column is F1 */
        row = strchr(row, '\n') + 1;
        const char *f1 = memrchr(row, ',', strcspn(row, "\n"));
        assert_true(strtod(f1 + 1, NULL) > 0.75);
    }
    free(classes);

    static float picture[15 * 15 * 3];
    float probs[3];
    size_t count = 0;
    xc_context *context = runs_context(1);
    xc_model *model = NULL;
    xc_session *session = NULL;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/a/best.safetensors", folder) > 0);
    assert_int_equal(xc_model_load(context, path, NULL, &model), XC_OK);
    assert_int_equal(xc_session_new(model, NULL, &session), XC_OK);
    float logits[3]; /* each answer by itself: sigmoids, no softmax */
    assert_int_equal(xc_run(session, picture, 1), XC_OK);
    assert_int_equal(xc_session_read(session, "probs", probs, 3, &count), XC_OK);
    assert_int_equal(xc_session_read(session, "logits", logits, 3, &count), XC_OK);
    for (int c = 0; c < 3; c++)
        assert_true(fabs((double)probs[c] - 1 / (1 + exp(-(double)logits[c]))) < 1e-6);
    free(path);
    xc_session_free(session);
    xc_model_unref(model);
    xc_context_free(context);
    runs_end(folder);
}

static void early_ends(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts opts = runs_opts(folder, "patience");
    opts.epochs = 20;
    opts.patience = 2;
    opts.lr = 1e-12; /* nothing is learned: the first epoch stays the best */
    train_head(&opts);
    runs_opts_free(&opts);
    assert_int_equal(runs_rows(folder, "patience"), 3);

    opts = runs_opts(folder, "target");
    opts.epochs = 20;
    opts.target_top1 = 0.3;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    assert_true(runs_rows(folder, "target") < 20);
    assert_true(runs_last(folder, "target", "val_top1") >= 0.3);

    opts = runs_opts(folder, "time"); /* over before the first step */
    opts.time_limit = 1e-9;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    assert_int_equal(runs_rows(folder, "time"), 0);
    runs_opts_free(&opts);
    runs_end(folder);
}

/* The library's clock: hours go by at once. */
static atomic_long ahead;

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    const int code = __real_clock_gettime(id, t);
    if (id == CLOCK_MONOTONIC) t->tv_sec += atomic_load(&ahead);
    return code;
}

static bool six_hours(void *user, const xc_train_progress *p)
{
    (void)user;
    if (p->event == XC_TRAIN_STEP) atomic_fetch_add(&ahead, 6 * 3600);
    return true;
}

static double best_top1(const char *folder, const char *name)
{
    size_t size;
    char *json = runs_read(folder, name, "evaluation.json", &size);
    const char *top1 = strstr(json, "\"top1\":");
    assert_non_null(top1);
    const double value = strtod(top1 + 7, NULL);
    free(json);
    return value;
}

/* A limit ends a run inside its first epoch of four steps, and inside its second one: what it has
 * learned is there, and nothing of it is lost to what goes on. */
static void time_limit(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts whole = runs_opts(folder, "whole"), opts = runs_opts(folder, "cut");
    opts.time_limit = whole.time_limit = 9 * 3600;
    runs_train(&whole, RUNS_USUAL, 2, XC_OK);
    opts.progress = six_hours;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK); /* behind the second step */
    assert_int_equal(runs_rows(folder, "cut"), 0);
    assert_true(best_top1(folder, "cut") > 0);
    size_t best, last;
    char *weights[2] = {runs_read(folder, "cut", "best.safetensors", &best),
                        runs_read(folder, "cut", "last.safetensors", &last)};
    assert_true(best == last && !memcmp(weights[0], weights[1], best));
    free(weights[0]);
    free(weights[1]);
    opts.time_limit = -1;
    runs_resume(&opts, RUNS_USUAL, XC_OK); /* the run's own is over, behind one more */
    opts.time_limit = 3600;
    for (int i = 0; i < 3; i++) runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_int_equal(runs_rows(folder, "cut"), 1);
    opts.time_limit = 99 * 3600;
    opts.progress = NULL;
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_true(runs_same(folder, "whole", "cut"));
    runs_opts_free(&whole);
    runs_opts_free(&opts);
    runs_end(folder);
}

static void plateau(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const char *const name[] = {"whole", "broken"};
    for (int i = 0; i < 2; i++) {
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.epochs = 6;
        opts.schedule = "plateau";
        opts.step_every = 0; /* each epoch that is no better */
        opts.step_factor = 0.5;
        opts.lr = 1e-12;
        opts.until = i ? 3 : 0;
        train_head(&opts);
        opts.until = 0;
        if (i) runs_resume(&opts, RUNS_USUAL, XC_OK);
        runs_opts_free(&opts);
    }
    assert_true(runs_same(folder, "whole", "broken"));
    assert_true(fabs(runs_last(folder, "whole", "lr") - 1e-12 / 16) < 1e-24);
    runs_end(folder);
}

/* With several labels a picture the loss decides, which falls while something is learned. */
static void plateau_of_losses(void **state)
{
    (void)state;
    char *folder = runs_folder(), *row;
    size_t size;
    xc_train_opts opts = runs_opts(folder, "a");
    opts.epochs = 6;
    opts.schedule = "plateau";
    opts.step_every = 0;
    opts.step_factor = 0.5;
    runs_train(&opts, RUNS_SEVERAL, 2, XC_OK);
    char *csv = runs_read(folder, "a", "metrics.csv", &size);
    double rate = opts.lr, best = INFINITY;
    int falls = 0;
    for (row = strchr(csv, '\n') + 1; *row; row = strchr(row, '\n') + 1) {
        double lr, loss;
        assert_int_equal(sscanf(row, "%*d,%*d,%*f,%lf,%*f,%*f,%lf", &lr, &loss), 2);
        print_message("rate %g, loss %g\n", lr, loss);
        assert_true(fabs(lr - rate) < 1e-9);
        if (loss < best)
            best = loss, falls++;
        else
            rate /= 2;
    }
    assert_true(falls >= 4);
    free(csv);
    runs_opts_free(&opts);
    runs_end(folder);
}

/* From args.json alone; its first epoch, too, and the rest after it. */
static void repeated(void **state)
{
    (void)state;
    char *folder = runs_folder(), *args = NULL;
    static const float odd[] = {0.5F, 1, 2};
    xc_train_opts opts = runs_opts(folder, "whole");
    opts.class_weight = odd;
    opts.class_weight_count = 3;
    opts.accumulate = 2;
    opts.optimizer = "rmsprop";
    opts.lr = 0.001;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    assert_true(asprintf(&args, "%s/whole/args.json", folder) > 0);
    for (uint32_t until = 0; until < 2; until++) {
        xc_train_opts again = XC_TRAIN_OPTS_INIT;
        char *path = NULL;
        assert_true(asprintf(&path, "%s/%s", folder, until ? "part" : "again") > 0);
        again.folder = path;
        again.args = args;
        again.until = until;
        runs_train(&again, RUNS_USUAL, 1, XC_OK);
        assert_int_equal(runs_rows(folder, until ? "part" : "again"), until ? 1 : 3);
        again.until = 0;
        if (until) runs_resume(&again, RUNS_USUAL, XC_OK);
        assert_true(runs_same(folder, "whole", until ? "part" : "again"));
        free(path);
    }
    xc_train_opts other = runs_opts(folder, "other");
    other.arch = NULL;
    other.args = args;
    runs_train(&other, RUNS_OTHER, 1, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "have changed"));
    runs_opts_free(&other);
    free(args);
    runs_end(folder);
}

/* Pictures of one shade a class; of class d, which the run leaves out, too. */
static void write_pictures(const char *root)
{
    static const char *const split[] = {"train", "val"};
    for (int i = 0; i < 24; i++) {
        char path[200];
        const char *const part = split[i % 3 == 0];
        snprintf(path, sizeof path, "%s/%s", root, part);
        mkdir(path, 0777);
        snprintf(path, sizeof path, "%s/%s/%c", root, part, 'a' + i % 4);
        mkdir(path, 0777);
        snprintf(path, sizeof path, "%s/%s/%c/%02d.ppm", root, part, 'a' + i % 4, i);
        uint8_t picture[13 + 15 * 15 * 3] = "P6 15 15 255\n";
        memset(picture + 13, 60 * (i % 4) + i, 15 * 15 * 3);
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(picture, sizeof picture, 1, out), 1);
        assert_int_equal(fclose(out), 0);
    }
}

static xc_status train_on(const char *data, const xc_dataset_opts *as, xc_train_opts *opts,
                          bool resume)
{
    xc_context *context = runs_context(2);
    xc_dataset *set = NULL;
    if (data) assert_int_equal(xc_dataset_open(data, as, &set), XC_OK);
    const xc_status status =
        resume ? xc_train_resume(context, set, opts) : xc_train(context, set, opts);
    xc_dataset_free(set);
    xc_context_free(context);
    return status;
}

/* Classes that were given in an order of their own, one of them without pictures, are those of the
 * run that is done again or goes on. */
static void repeated_classes(void **state)
{
    (void)state;
    static const char *const classes[] = {"c", "none", "a", "b"};
    static const char *const sorted[] = {"a", "b", "c", "none"};
    xc_dataset_opts as = XC_DATASET_OPTS_INIT;
    char *folder = runs_folder(), *data = NULL, *args = NULL;
    assert_true(asprintf(&data, "%s/data", folder) > 0);
    assert_true(asprintf(&args, "%s/whole/args.json", folder) > 0);
    assert_int_equal(mkdir(data, 0777), 0);
    write_pictures(data);
    as.classes = classes;
    as.class_count = 4;
    as.drop_unknown = true;
    for (uint32_t until = 0; until < 2; until++) {
        xc_train_opts opts = runs_opts(folder, until ? "part" : "whole");
        opts.batch = 4;
        opts.until = until;
        assert_int_equal(train_on(data, &as, &opts, false), XC_OK);
        runs_opts_free(&opts);
    }
    xc_train_opts again = runs_opts(folder, "again");
    again.arch = NULL;
    again.args = args;
    assert_int_equal(train_on(NULL, NULL, &again, false), XC_OK);
    runs_opts_free(&again);
    xc_train_opts on = runs_opts(folder, "part");
    as.classes = sorted; /* the same samples and labels, other numbers */
    assert_int_equal(train_on(data, &as, &on, true), XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "stand in another order"));
    assert_int_equal(train_on(NULL, NULL, &on, true), XC_OK);
    runs_opts_free(&on);
    assert_true(runs_same(folder, "whole", "again"));
    assert_true(runs_same(folder, "whole", "part"));
    free(args);
    free(data);
    runs_end(folder);
}

#ifdef XC_PNG
/* A picture of few bytes may be many pixels, which a thread that decodes it has to hold. */
static void memory_of_pixels(void **state)
{
    (void)state;
    enum { SIDE = 4000, THREADS = 3 };
    char *folder = runs_folder(), *data = NULL, *path = NULL;
    xc_image *image = NULL;
    uint8_t *png = NULL;
    size_t size;
    struct error err;
    assert_true(asprintf(&data, "%s/data", folder) > 0);
    assert_true(asprintf(&path, "%s/train/a/large.png", data) > 0);
    assert_int_equal(mkdir(data, 0777), 0);
    write_pictures(data);
    for (int large = 0; large < 2; large++) {
        xc_train_opts opts = runs_opts(folder, "a");
        opts.memory_bytes = 1;
        opts.decode_threads = THREADS;
        assert_int_equal(train_on(data, NULL, &opts, false), XC_ERR_MEMORY);
        const char *said = strstr(xc_error(), "takes about ");
        assert_non_null(said);
        const int mib = atoi(said + strlen("takes about "));
        print_message("%d MiB\n", mib);
        assert_true(large ? mib >= THREADS * (SIDE * SIDE * 3 >> 20) : mib < 20);
        runs_opts_free(&opts);
        if (large) continue;
        assert_int_equal(image_blank(SIDE, SIDE, XC_RGB8, &image, &err), XC_OK);
        assert_int_equal(png_encode(image, &png, &size, &err), XC_OK);
        assert_true(size < 1 << 20);
        assert_int_equal(file_write(path, png, size, &err), XC_OK);
    }
    image_free(image);
    free(png);
    free(path);
    free(data);
    runs_end(folder);
}
#define MEMORY_OF_PIXELS cmocka_unit_test(memory_of_pixels),
#else
#define MEMORY_OF_PIXELS
#endif

static bool until_saved(void *user, const xc_train_progress *p)
{
    int *left = user;
    return p->event != XC_TRAIN_SAVED || --*left > 0;
}

/* A program may stop at any event, and goes on from there. */
static void stopped_when_saved(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts opts = runs_opts(folder, "whole");
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&opts);
    for (int saves = 1; saves < 3; saves++) { /* the first comes before the first step */
        int left = saves;
        opts = runs_opts(folder, saves == 1 ? "begun" : "part");
        opts.save_seconds = 0;
        opts.progress = until_saved;
        opts.user = &left;
        runs_train(&opts, RUNS_USUAL, 1, XC_ERR_CANCELLED);
        assert_non_null(strstr(xc_error(), saves == 1 ? "at step 0" : "at step 1"));
        opts.progress = NULL;
        runs_resume(&opts, RUNS_USUAL, XC_OK);
        runs_opts_free(&opts);
        assert_true(runs_same(folder, "whole", saves == 1 ? "begun" : "part"));
    }
    runs_end(folder);
}

/* ---- what ends a run, and what it holds ------------------------------------------------------ */

enum { EPOCHS = 10 };
struct course {
    double top1[EPOCHS], loss[EPOCHS];
};

static bool keep_course(void *user, const xc_train_progress *p)
{
    struct course *c = user;
    if (p->event != XC_TRAIN_EPOCH) return true;
    c->top1[p->epoch - 1] = p->val_top1;
    c->loss[p->epoch - 1] = p->val_loss;
    return true;
}

static void course_of(const char *folder, const char *name, uint64_t seed, double target,
                      struct course *c)
{
    xc_train_opts opts = runs_opts(folder, name);
    opts.epochs = EPOCHS;
    opts.lr = 0.3;
    opts.augment = "none";
    opts.ema = 0;
    opts.seed = seed;
    opts.target_top1 = target;
    opts.progress = keep_course;
    opts.user = c;
    runs_train(&opts, RUNS_SEVERAL, 2, XC_OK);
    runs_opts_free(&opts);
}

/* With several labels a picture the best epoch is that of the lowest loss, which need not be the
 * one that reaches the target. */
static void target_of_several_labels(void **state)
{
    (void)state;
    char *folder = runs_folder(), name[2][16];
    int proven = 0;
    for (uint64_t seed = 1; seed <= 30 && !proven; seed++) {
        struct course c = {0}, short_one = {0};
        int best = 0, lowest = 0, at = 0;
        snprintf(name[0], sizeof name[0], "whole-%d", (int)seed);
        snprintf(name[1], sizeof name[1], "target-%d", (int)seed);
        course_of(folder, name[0], seed, 0, &c);
        for (int e = 1; e < EPOCHS && !at; e++) {
            if (c.top1[e] > c.top1[best] && c.loss[e] > c.loss[lowest]) at = e;
            if (c.top1[e] > c.top1[best]) best = e;
            if (c.loss[e] < c.loss[lowest]) lowest = e;
        }
        if (!at) continue;
        course_of(folder, name[1], seed, c.top1[at], &short_one);
        assert_int_equal(runs_rows(folder, name[1]), at + 1);
        proven++;
    }
    assert_int_equal(proven, 1);
    runs_end(folder);
}

/* Its place on the disk is needed for the next one. */
static bool state_is_let_go(void *user, const xc_train_progress *p)
{
    char line[4096];
    FILE *maps = p->event == XC_TRAIN_STEP ? fopen("/proc/self/maps", "r") : NULL;
    if (!maps) return true;
    while (fgets(line, sizeof line, maps)) assert_null(strstr(line, "state.safetensors"));
    fclose(maps);
    ++*(int *)user;
    return true;
}

static void resumed_state(void **state)
{
    (void)state;
    int looks = 0;
    char *folder = runs_folder();
    xc_train_opts opts = runs_opts(folder, "part");
    opts.until = 1;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    opts.until = 0;
    opts.progress = state_is_let_go;
    opts.user = &looks;
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    assert_true(looks > 0);
    runs_opts_free(&opts);
    runs_end(folder);
}

static bool keep_unreadable(void *user, const xc_train_progress *p)
{
    uint64_t *unreadable = user;
    if (p->event == XC_TRAIN_DONE) *unreadable = p->unreadable;
    return true;
}

/* Every tenth picture is cut in half. The same for any number of threads; all are named. */
static void broken_pictures(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const char *const name[] = {"one", "three"};
    size_t size;
    for (int i = 0; i < 2; i++) {
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.decode_threads = i ? 3 : 1;
        runs_train(&opts, RUNS_BROKEN, i ? 3 : 1, XC_OK);
        runs_opts_free(&opts);
        char *bad = runs_read(folder, name[i], "bad.txt", &size);
        for (int at = 3; at < 66; at += 10) {
            char file[16];
            snprintf(file, sizeof file, "%03d.ppm: ", at);
            assert_non_null(strstr(bad, file));
        }
        int lines = 0;
        for (const char *c = bad; *c; c++) lines += *c == '\n';
        assert_int_equal(lines, 7);
        free(bad);
    }
    assert_true(runs_same(folder, "one", "three"));
    uint64_t unreadable = 0; /* also of a process that only ends the run */
    xc_train_opts ended = runs_opts(folder, "one");
    ended.progress = keep_unreadable;
    ended.user = &unreadable;
    runs_resume(&ended, RUNS_BROKEN, XC_OK);
    assert_int_equal(unreadable, 7);
    runs_opts_free(&ended);
    xc_train_opts opts =
        runs_opts(folder, "phases"); /* those that the second one leaves out, too */
    opts.freeze = "all-but-head";
    opts.unfreeze = "all@2";
    opts.epochs = 2;
    opts.batch = 25;
    opts.progress = keep_unreadable;
    opts.user = &unreadable;
    unreadable = 0;
    runs_train(&opts, RUNS_BROKEN, 1, XC_OK);
    assert_int_equal(unreadable, 7);
    runs_opts_free(&opts);
    opts = runs_opts(folder, "stop");
    opts.stop_on_bad = true;
    runs_train(&opts, RUNS_BROKEN, 1, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), ".ppm"));
    runs_opts_free(&opts);
    runs_end(folder);
}

/* Writes one number over all of a tensor of a file of ours. */
static void overwrite(const char *path, const char *tensor, float value)
{
    struct file_view view;
    struct weight_file file;
    struct error err;
    assert_int_equal(file_read(path, 1 << 24, &view, &err), XC_OK);
    assert_int_equal(safetensors_read(view.data, view.size, &file, &err), XC_OK);
    const struct weight_tensor *t = weight_find(&file, tensor);
    assert_non_null(t);
    FILE *out = fopen(path, "r+b");
    assert_int_equal(fseek(out, (long)(t->data - view.data), SEEK_SET), 0);
    for (size_t i = 0; i < t->count; i++) assert_int_equal(fwrite(&value, 4, 1, out), 1);
    fclose(out);
    weight_file_free(&file);
    file_release(&view);
}

/* A kernel of 1e30 or more: the first layer to see what that makes is named. The files are of the
 * last save, and good. */
static void first_bad_layer(void **state)
{
    (void)state;
    static const struct {
        const char *arch, *tensor, *named;
        float value;
    } row[] = {
        {RUNS_ARCH, "block3_sepconv1/pointwise_kernel", "block3_sepconv1_bn/", 1e30F},
        {"vgg16,input=32x32x3,channels=4/8/8/8/8,bn=off,fc=16", "block3_conv2/kernel",
         "block3_conv2 is", 3e38F},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char *folder = runs_folder(), *path = NULL;
        xc_context *context = runs_context(2);
        xc_create_opts create = XC_CREATE_OPTS_INIT;
        xc_model *model = NULL;
        create.weights = XC_WEIGHTS_RANDOM;
        create.classes = 3;
        assert_true(asprintf(&path, "%s/start.safetensors", folder) > 0);
        assert_int_equal(xc_model_create(context, row[i].arch, &create, &model), XC_OK);
        assert_int_equal(xc_model_save(model, path, NULL), XC_OK);
        xc_model_unref(model);
        overwrite(path, row[i].tensor, row[i].value);
        assert_int_equal(xc_model_load(context, path, NULL, &model), XC_OK);
        xc_train_opts opts = runs_opts(folder, "a");
        opts.arch = NULL;
        opts.from = model;
        runs_train(&opts, RUNS_USUAL, 2, XC_ERR_NUMBER);
        print_message("%s\n", xc_error());
        assert_non_null(strstr(xc_error(), "step 1 (epoch 1): "));
        assert_non_null(strstr(xc_error(), row[i].named));
        runs_opts_free(&opts);
        xc_model_unref(model);
        free(path);
        assert_true(asprintf(&path, "%s/a/last.safetensors", folder) > 0);
        assert_int_equal(xc_model_load(context, path, NULL, &model), XC_OK);
        xc_model_unref(model);
        xc_context_free(context);
        free(path);
        runs_end(folder);
    }
}

RUN(cmocka_unit_test(accumulated), cmocka_unit_test(weighted), cmocka_unit_test(unequal_classes),
    cmocka_unit_test(weighed_samples), cmocka_unit_test(epochs_differ),
    cmocka_unit_test(dropout_twice), cmocka_unit_test(moving_statistics),
    cmocka_unit_test(statistics_of_nothing), cmocka_unit_test(averaged),
    cmocka_unit_test(plateau_of_losses), cmocka_unit_test(several_labels),
    cmocka_unit_test(other_labels), cmocka_unit_test(early_ends), cmocka_unit_test(time_limit),
    cmocka_unit_test(plateau), cmocka_unit_test(repeated), cmocka_unit_test(repeated_classes),
    MEMORY_OF_PIXELS cmocka_unit_test(stopped_when_saved),
    cmocka_unit_test(target_of_several_labels), cmocka_unit_test(resumed_state),
    cmocka_unit_test(broken_pictures), cmocka_unit_test(first_bad_layer))
