/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole runs of a small network: it learns; the same bits for any number of threads; stopped and
 * resumed it ends with the bytes of an unbroken one; what must be refused is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/runs.h"
#include "weight/weight.h"

struct watch { /* stops after so many steps; 0: never */
    int stop_after, steps;
    double first; /* validation loss of the first epoch */
    double least; /* top-1 of what is learned from, of the epochs from the fifth on */
    xc_train_progress epoch;
};

static bool watch(void *user, const xc_train_progress *p)
{
    struct watch *w = user;
    assert_true(p->epoch >= 1 && p->epoch <= p->epochs);
    if (p->event == XC_TRAIN_EPOCH) w->epoch = *p;
    if (p->event == XC_TRAIN_EPOCH && p->epoch == 1) w->first = p->val_loss;
    if (p->event == XC_TRAIN_EPOCH && p->epoch > 4) w->least = fmin(w->least, p->top1);
    if (p->event != XC_TRAIN_STEP) return true;
    return ++w->steps != w->stop_after;
}

static void learns(void **state)
{
    (void)state;
    char *folder = runs_folder();
    struct watch w = {0};
    xc_train_opts opts = runs_opts(folder, "a");
    opts.progress = watch;
    opts.user = &w;
    opts.epochs = 12;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    print_message("loss %g, validation %g, top-1 %g\n", w.epoch.loss, w.epoch.val_loss,
                  w.epoch.val_top1);
    assert_int_equal(w.epoch.epoch, 12);
    assert_true(w.epoch.loss < 0.8);
    assert_true(w.epoch.val_top1 > 0.8);
    runs_opts_free(&opts);

    xc_context *context = runs_context(1);
    xc_model *model = NULL;
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_evaluation e;
    char *path = NULL;
    assert_true(asprintf(&path, "%s/a/best.safetensors", folder) > 0);
    assert_int_equal(xc_model_load(context, path, NULL, &model), XC_OK);
    assert_string_equal(xc_model_label(model, 2), "red");
    assert_int_equal(xc_evaluate(model, data, NULL, &e), XC_OK);
    assert_int_equal(e.images, 18);
    assert_true(e.top1 == w.epoch.best_top1);

    xc_scores *scores = NULL;
    xc_scores_opts answers = XC_SCORES_OPTS_INIT;
    xc_evaluate_opts into = XC_EVALUATE_OPTS_INIT;
    answers.kind = XC_SCORES_PROBABILITIES;
    answers.classes = 3;
    assert_int_equal(xc_scores_new(&answers, &scores), XC_OK);
    into.scores = scores;
    assert_int_equal(xc_evaluate(model, data, &into, &e), XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "a model gives logits"));
    xc_scores_free(scores);
    free(path);
    xc_model_unref(model);
    xc_dataset_free(data);
    xc_context_free(context);
    runs_end(folder);
}

/* In half of the batches a picture has become its partner: what it shows now is right. */
static void mixed_pictures(void **state)
{
    (void)state;
    char *folder = runs_folder();
    struct watch w = {.least = 1};
    xc_train_opts opts = runs_opts(folder, "a");
    opts.augment = "cutmix=0.05";
    opts.seed = 0;
    opts.progress = watch;
    opts.user = &w;
    opts.epochs = 12;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    print_message("top-1 at least %g\n", w.least);
    assert_true(w.least > 0.55);
    runs_opts_free(&opts);
    runs_end(folder);
}

static void any_threads(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const char *const name[] = {"1", "2", "3", "5"};
    static const int compute[] = {1, 2, 3, 5}, decode[] = {5, 1, 3, 2};
    for (int i = 0; i < 4; i++) {
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.decode_threads = (uint32_t)decode[i];
        opts.cache_bytes = i % 2 ? 20000 : 0; /* room for some of the pictures */
        runs_train(&opts, RUNS_USUAL, compute[i], XC_OK);
        runs_opts_free(&opts);
        assert_true(runs_same(folder, name[0], name[i]));
    }
    runs_end(folder);
}

/* At every step of the first two epochs, the last of an epoch among them. */
static void stopped_and_resumed(void **state)
{
    (void)state;
    char *folder = runs_folder(), name[8];
    xc_train_opts opts = runs_opts(folder, "whole");
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&opts);
    for (int at = 1; at < 9; at++) {
        struct watch w = {.stop_after = at};
        snprintf(name, sizeof name, "%d", at);
        opts = runs_opts(folder, name);
        opts.progress = watch;
        opts.user = &w;
        runs_train(&opts, RUNS_USUAL, 2, XC_ERR_CANCELLED);
        opts.progress = NULL;
        runs_resume(&opts, RUNS_USUAL, XC_OK);
        runs_opts_free(&opts);
        assert_true(runs_same(folder, "whole", name));
    }
    runs_end(folder);
}

static struct watch in_precision(const char *folder, const char *name, xc_precision precision)
{
    struct watch w = {0};
    xc_train_opts opts = runs_opts(folder, name);
    opts.precision = precision;
    opts.epochs = 12;
    opts.progress = watch;
    opts.user = &w;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    runs_opts_free(&opts);
    return w;
}

/* The losses follow those of float32; threads and a stop change no bit. */
static void brain_floats(void **state)
{
    (void)state;
    char *folder = runs_folder();
    const struct watch exact = in_precision(folder, "f32", XC_PRECISION_F32);
    const struct watch rounded = in_precision(folder, "bf16", XC_PRECISION_BF16);
    print_message("loss %g and %g, first validation %g and %g\n", exact.epoch.loss,
                  rounded.epoch.loss, exact.first, rounded.first);
    assert_true(exact.epoch.loss != rounded.epoch.loss);
    assert_true(fabs(exact.epoch.loss - rounded.epoch.loss) < 0.05);
    assert_true(fabs(exact.first - rounded.first) < 0.1);
    assert_true(rounded.epoch.val_top1 > 0.8);
    for (int i = 0; i < 3; i++) {
        static const char *const name[] = {"1", "3", "stopped"};
        struct watch w = {.stop_after = i == 2 ? 5 : 0};
        xc_train_opts opts = runs_opts(folder, name[i]);
        opts.precision = XC_PRECISION_BF16;
        opts.progress = watch;
        opts.user = &w;
        runs_train(&opts, RUNS_USUAL, i == 1 ? 3 : 1, i == 2 ? XC_ERR_CANCELLED : XC_OK);
        opts.progress = NULL;
        if (i == 2) runs_resume(&opts, RUNS_USUAL, XC_OK);
        runs_opts_free(&opts);
        assert_true(runs_same(folder, name[0], name[i]));
    }
    runs_end(folder);
}

/* Are the values of a layer those of the start model? The same bytes give the same bits. */
static xc_context *at_level(const char *level)
{
    xc_context *context = NULL;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.threads = 2;
    opts.cpu = level;
    assert_int_equal(xc_context_new(&opts, &context), XC_OK);
    return context;
}

/* A run in brain floats goes on, and is done again, with the order of sums that it began with:
 * begun at one level and stopped, resumed at another. */
static void mixed_levels(const char *folder, const char *name, const char *begin, const char *go_on,
                         xc_status expected)
{
    struct watch w = {.stop_after = begin ? 5 : 0};
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_context *first = at_level(begin ? begin : go_on), *second = at_level(go_on);
    xc_train_opts opts = runs_opts(folder, name);
    opts.precision = XC_PRECISION_BF16;
    opts.progress = watch;
    opts.user = &w;
    assert_int_equal(xc_train(first, data, &opts), begin ? XC_ERR_CANCELLED : XC_OK);
    opts.progress = NULL;
    if (begin) assert_int_equal(xc_train_resume(second, data, &opts), expected);
    runs_opts_free(&opts);
    xc_context_free(first);
    xc_context_free(second);
    xc_dataset_free(data);
}

static void order_of_sums(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *best = at_level(NULL);
    const bool tiles = strcmp(xc_context_cpu(best, XC_PRECISION_BF16), "amx") == 0;
    xc_context_free(best);
    if (!tiles) print_message("skipped: no tile registers: there is one order of sums\n");
    mixed_levels(folder, "pairs", NULL, "avx512bf16", XC_OK);
    mixed_levels(folder, "from-pairs", "avx512bf16", NULL, XC_OK);
    assert_true(runs_same(folder, "pairs", "from-pairs"));
    mixed_levels(folder, "from-best", NULL, NULL, XC_OK);
    mixed_levels(folder, "from-blocks", "amx", "avx512", tiles ? XC_ERR_ARGUMENT : XC_OK);
    if (tiles) assert_non_null(strstr(xc_error(), "tile registers"));
    assert_true(runs_same(folder, "pairs", "from-best") == !tiles);
    runs_end(folder);
}

static void same_values(xc_context *context, xc_model *from, const char *folder, const char *name,
                        const char *layer, bool expected)
{
    enum { ROOM = 8192 };
    static float input[15 * 15 * 3], value[2][ROOM];
    size_t count[2] = {0, 0};
    char *path = NULL;
    xc_model *model[2] = {from, NULL};
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    opts.taps = &layer;
    opts.tap_count = 1;
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        input[i] = (float)((i * 37) % 101) / 50 - 1;
    assert_true(asprintf(&path, "%s/%s/last.safetensors", folder, name) > 0);
    assert_int_equal(xc_model_load(context, path, NULL, &model[1]), XC_OK);
    for (int i = 0; i < 2; i++) {
        xc_session *session = NULL;
        assert_int_equal(xc_session_new(model[i], &opts, &session), XC_OK);
        assert_int_equal(xc_run(session, input, 1), XC_OK);
        assert_int_equal(xc_session_read(session, layer, value[i], ROOM, &count[i]), XC_OK);
        xc_session_free(session);
    }
    assert_int_equal(count[0], count[1]);
    assert_int_equal(memcmp(value[0], value[1], count[0] * sizeof(float)) == 0, expected);
    xc_model_unref(model[1]);
    free(path);
}

static void one_head(const char *folder, const char *name, const xc_model *from, struct watch *w,
                     xc_status expected)
{
    xc_train_opts opts = runs_opts(folder, name);
    opts.arch = NULL;
    opts.from = from;
    opts.recipe = NULL;
    opts.freeze = "all-but-head";
    opts.epochs = 100;
    opts.lr = 0.02;
    opts.views = 2;
    opts.progress = watch;
    opts.user = w;
    runs_train(&opts, RUNS_USUAL, 2, expected);
    if (expected == XC_ERR_CANCELLED) {
        w->stop_after = 0;
        runs_resume(&opts, RUNS_USUAL, XC_OK);
    }
    runs_opts_free(&opts);
}

static void only_the_head(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *from = NULL;
    struct watch whole = {0}, broken = {.stop_after = 7};
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 5;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &from), XC_OK);
    one_head(folder, "whole", from, &whole, XC_OK);
    one_head(folder, "broken", from, &broken, XC_ERR_CANCELLED);
    assert_true(runs_same(folder, "whole", "broken"));
    print_message("validation %g, then %g\n", whole.first, whole.epoch.val_loss);
    assert_true(whole.epoch.val_loss < 0.75 * whole.first);
    same_values(context, from, folder, "whole", "avg_pool", true);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

static void frozen_blocks(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *from = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 3;
    create.seed = 9;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &from), XC_OK);
    xc_train_opts opts = runs_opts(folder, "a");
    opts.arch = NULL;
    opts.from = from;
    opts.freeze = "entry"; /* blocks 1 to 3 of this network */
    opts.epochs = 1;
    runs_train(&opts, RUNS_USUAL, 2, XC_OK);
    same_values(context, from, folder, "a", "block3_add", true);
    same_values(context, from, folder, "a", "block4_add", false);
    runs_opts_free(&opts);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

static void change(const char *folder, const char *name, const char *file, size_t at, char with)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s/%s", folder, name, file) > 0);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, (long)at, SEEK_SET);
    fputc(with, f);
    fclose(f);
    free(path);
}

/* Does runs_same see a number of a tensor, and a digit of the cursor, that changed? */
static void planted(void **state)
{
    (void)state;
    char *folder = runs_folder();
    size_t size;
    for (int i = 0; i < 2; i++) {
        xc_train_opts opts = runs_opts(folder, i ? "b" : "a");
        opts.epochs = 1;
        runs_train(&opts, RUNS_USUAL, 1, XC_OK);
        runs_opts_free(&opts);
    }
    assert_true(runs_same(folder, "a", "b"));
    char *bytes = runs_read(folder, "b", "state.safetensors", &size);
    struct weight_file file;
    struct error err;
    assert_int_equal(safetensors_read(bytes, size, &file, &err), XC_OK);
    const struct weight_tensor *moments = weight_find(&file, "moments");
    const char *digit = memmem(bytes, size, "cursor", 6);
    assert_true(moments && digit);
    while (*digit < '0' || *digit > '9') digit++;
    const size_t at[] = {(size_t)(digit - bytes),
                         (size_t)((const char *)moments->data - bytes) + moments->bytes - 1};
    for (int i = 0; i < 2; i++) {
        change(folder, "b", "state.safetensors", at[i], (char)(bytes[at[i]] ^ 1));
        assert_false(runs_same(folder, "a", "b"));
        change(folder, "b", "state.safetensors", at[i], bytes[at[i]]);
    }
    assert_true(runs_same(folder, "a", "b"));
    weight_file_free(&file);
    free(bytes);
    runs_end(folder);
}

/* An order of sums that nobody has, in a file that is otherwise right. */
static void unknown_sums(void **state)
{
    (void)state;
    char *folder = runs_folder(), *path = NULL;
    size_t size;
    xc_train_opts opts = runs_opts(folder, "a");
    opts.precision = XC_PRECISION_BF16;
    runs_train(&opts, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&opts);
    char *text = runs_read(folder, "a", "args.json", &size);
    const char *sums = strstr(text, "\"sums\": \"");
    assert_non_null(sums);
    change(folder, "a", "args.json", (size_t)(sums - text) + strlen("\"sums\": \""), 'x');
    assert_true(asprintf(&path, "%s/a/args.json", folder) > 0);
    opts = (xc_train_opts)XC_TRAIN_OPTS_INIT;
    char *again = NULL;
    assert_true(asprintf(&again, "%s/b", folder) > 0);
    opts.folder = again;
    opts.args = path;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "\"sums\""));
    free(text);
    free(path);
    free(again);
    runs_end(folder);
}

static void refusals(void **state)
{
    (void)state;
    char *folder = runs_folder();
    size_t size;
    struct watch w = {.stop_after = 5};
    xc_train_opts opts = runs_opts(folder, "a");
    opts.progress = watch;
    opts.user = &w;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_CANCELLED);
    opts.progress = NULL;
    runs_resume(&opts, RUNS_OTHER, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "have changed"));
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "exists already"));

    char *args = runs_read(folder, "a", "args.json", &size);
    const size_t middle = (size_t)(strstr(args, "middle=1") - args) + 7;
    change(folder, "a", "args.json", middle, '2');
    runs_resume(&opts, RUNS_USUAL, XC_ERR_FORMAT);
    assert_non_null(strstr(xc_error(), "architecture"));
    change(folder, "a", "args.json", middle, '1');
    free(args);

    char *bytes = runs_read(folder, "a", "state.safetensors", &size);
    for (size_t i = 0; i < 40; i++) {
        const size_t at = i < 20 ? 8 + i * 97 : size - 1 - i * (size / 64);
        const char flipped = (char)(bytes[at] ^ (1 << (i % 8)));
        change(folder, "a", "state.safetensors", at, flipped);
        xc_context *context = runs_context(1);
        xc_dataset *data = runs_data(RUNS_USUAL);
        const xc_status status = xc_train_resume(context, data, &opts);
        if (status == XC_OK) print_error("bit %zu of byte %zu went unseen\n", i % 8, at);
        assert_int_not_equal(status, XC_OK);
        xc_dataset_free(data);
        xc_context_free(context);
        change(folder, "a", "state.safetensors", at, bytes[at]);
    }
    free(bytes);
    runs_resume(&opts, RUNS_USUAL, XC_OK);
    runs_opts_free(&opts);

    opts = runs_opts(folder, "b");
    opts.lr = 1e6;
    opts.recipe = "scratch";
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_NUMBER);
    print_message("%s\n", xc_error());
    assert_non_null(strstr(xc_error(), "not finite"));
    opts.lr = 1.0 / 0.0;
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    opts.lr = 0.1;
    opts.freeze = "block99";
    runs_train(&opts, RUNS_USUAL, 1, XC_ERR_ARGUMENT);
    runs_opts_free(&opts);
    runs_end(folder);
}

RUN(cmocka_unit_test(learns), cmocka_unit_test(mixed_pictures), cmocka_unit_test(any_threads),
    cmocka_unit_test(stopped_and_resumed), cmocka_unit_test(brain_floats),
    cmocka_unit_test(order_of_sums), cmocka_unit_test(planted), cmocka_unit_test(unknown_sums),
    cmocka_unit_test(only_the_head), cmocka_unit_test(frozen_blocks), cmocka_unit_test(refusals))
