/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is frozen keeps its bytes; what it says gives the same bits kept in memory, on disk or
 * computed in each epoch; more of a network may learn later, and a run that is stopped anywhere
 * ends like an unbroken one. New heads, slower trunks, and what does not fit into memory.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "network/arch.h"
#include "train/freeze.h"
#include "train/runs.h"
#include "train/trainer.h"
#include "weight/weight.h"

struct plan { /* of a run */
    const char *freeze, *unfreeze, *cache;
    uint32_t views, epochs;
    bool bf16;
    enum runs_kind kind;
    const char *recipe; /* NULL: "cifar" */
    int stop_after;     /* steps, and then it is resumed; 0: never */
    int features;       /* out: how often pictures went through frozen layers before a step */
    int steps;
};

static bool watch(void *user, const xc_train_progress *p)
{
    struct plan *plan = user;
    plan->features += p->event == XC_TRAIN_FEATURES;
    if (p->event != XC_TRAIN_STEP) return true;
    return ++plan->steps != plan->stop_after;
}

static xc_model *start_model(xc_context *context)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *from = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 5;
    create.seed = 11;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &from), XC_OK);
    return from;
}

static xc_status train(const char *folder, const char *name, const xc_model *from,
                       struct plan *plan)
{
    xc_context *context = runs_context(2);
    xc_dataset *data = runs_data(plan->kind);
    xc_train_opts o = runs_opts(folder, name);
    o.arch = NULL;
    o.from = from;
    if (plan->recipe) o.recipe = plan->recipe;
    o.freeze = plan->freeze;
    o.unfreeze = plan->unfreeze;
    o.features = plan->cache;
    o.features_bf16 = plan->bf16;
    o.views = plan->views;
    o.epochs = plan->epochs;
    o.lr = 0.01;
    o.progress = watch;
    o.user = plan;
    xc_status status = xc_train(context, data, &o);
    if (plan->stop_after) {
        assert_int_equal(status, XC_ERR_CANCELLED);
        status = xc_train_resume(context, data, &o);
    }
    runs_opts_free(&o);
    xc_dataset_free(data);
    xc_context_free(context);
    return status;
}

static void good(const char *folder, const char *name, const xc_model *from, struct plan *plan)
{
    const xc_status status = train(folder, name, from, plan);
    if (status != XC_OK) print_error("%s: %s\n", name, xc_error());
    assert_int_equal(status, XC_OK);
}

/* ---- the same bits --------------------------------------------------------------------------- */

static void same_text(const char *folder, const char *a, const char *b, const char *file)
{
    size_t size;
    char *x = runs_read(folder, a, file, &size), *y = runs_read(folder, b, file, &size);
    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void kept_or_not(void **state)
{
    static const struct {
        const char *freeze;
        uint32_t views;
        bool bf16;
        enum runs_kind kind;
    } row[] = {{"all-but-head", 1, false, RUNS_USUAL},   {"all-but-head", 2, false, RUNS_USUAL},
               {"all-but-head", 2, true, RUNS_USUAL},    {"entry", 2, false, RUNS_USUAL},
               {"middle", 1, true, RUNS_USUAL},          {"block4_sepconv1", 2, false, RUNS_USUAL},
               {"all-but-head", 2, false, RUNS_SEVERAL}, {"all-but-head", 2, false, RUNS_BROKEN},
               {"entry", 2, false, RUNS_BROKEN}};
    static const char *const cache[] = {"ram", "disk", "off"};
    (void)state;
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char *folder = runs_folder();
        for (int k = 0; k < 3; k++) {
            struct plan plan = {.freeze = row[i].freeze,
                                .views = row[i].views,
                                .bf16 = row[i].bf16,
                                .kind = row[i].kind,
                                .cache = cache[k],
                                .epochs = 3};
            good(folder, cache[k], from, &plan);
            assert_int_equal(plan.features > 0, k < 2);
            assert_true(runs_same(folder, cache[0], cache[k]));
            if (row[i].kind == RUNS_BROKEN) same_text(folder, cache[0], cache[k], "bad.txt");
        }
        runs_end(folder);
    }
    xc_model_unref(from);
    xc_context_free(context);
}

/* What is kept as bf16 is other numbers. */
static void kept_rounded(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        struct plan plan = {
            .freeze = "all-but-head", .views = 1, .bf16 = bf16, .cache = "ram", .epochs = 1};
        good(folder, bf16 ? "rounded" : "whole", from, &plan);
    }
    assert_false(runs_same_results(folder, "whole", "rounded"));
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

/* A limit that is too small means no cache. */
static void limits(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_model *from = start_model(context);
    for (int i = 0; i < 2; i++) {
        struct plan plan = {0};
        xc_train_opts o = runs_opts(folder, i ? "fits" : "not");
        o.arch = NULL;
        o.from = from;
        o.freeze = "all-but-head";
        o.features_bytes =
            i ? (48 + 18) * 32 * 4 : (48 + 18) * 32 * 4 - 1; /* all features, float32 */
        o.progress = watch;
        o.user = &plan;
        assert_int_equal(xc_train(context, data, &o), XC_OK);
        runs_opts_free(&o);
        print_message("%d batches through the frozen layers first\n", plan.features);
        assert_int_equal(plan.features, i ? 6 : 2); /* not: the validation pictures alone fit */
    }
    assert_true(runs_same(folder, "fits", "not"));
    xc_model_unref(from);
    xc_dataset_free(data);
    xc_context_free(context);
    runs_end(folder);
}

/* ---- the same bytes -------------------------------------------------------------------------- */

static void open_tensors(const char *bytes, size_t size, struct weight_file *out)
{
    struct error err = {XC_OK, ""};
    assert_int_equal(safetensors_read(bytes, size, out, &err), XC_OK);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Tensors of these blocks have the bytes of the start model; of the others at least one has not. */
static void same_bytes(const char *folder, const char *name, const char *file, const char *start,
                       const char *const *frozen)
{
    size_t size[2];
    char *bytes[2] = {runs_read(folder, ".", start, &size[0]),
                      runs_read(folder, name, file, &size[1])};
    struct weight_file f[2];
    int same = 0, other = 0;
    for (int i = 0; i < 2; i++) open_tensors(bytes[i], size[i], &f[i]);
    for (int i = 0; i < f[1].tensors; i++) {
        const struct weight_tensor *t = &f[1].tensor[i], *from = weight_find(&f[0], t->name);
        const bool equal =
            from && from->bytes == t->bytes && memcmp(from->data, t->data, t->bytes) == 0;
        bool is_frozen = false;
        for (int k = 0; frozen[k]; k++) is_frozen = is_frozen || starts(t->name, frozen[k]);
        if (is_frozen && !equal) print_error("%s: %s has changed\n", file, t->name);
        if (is_frozen) assert_true(equal);
        same += is_frozen;
        other += !is_frozen && !equal;
    }
    print_message("%s: %d tensors frozen, %d learned\n", file, same, other);
    assert_true(same > 0);
    assert_true(other > 0);
    for (int i = 0; i < 2; i++) {
        weight_file_free(&f[i]);
        free(bytes[i]);
    }
}

static void frozen_bytes(void **state)
{
    static const struct {
        const char *freeze;
        const char *const frozen[6];
    } row[] = {{"stem", {"block1_"}},
               {"entry", {"block1_", "block2_", "block3_"}},
               {"middle", {"block1_", "block2_", "block3_", "block4_"}},
               {"block5", {"block1_", "block2_", "block3_", "block4_", "block5_"}},
               {"block5_sepconv1", {"block1_", "block2_", "block3_", "block4_", "block5_sepconv1"}},
               {"all-but-head", {"block"}}};
    (void)state;
    char *folder = runs_folder(), *path = NULL;
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    assert_true(asprintf(&path, "%s/start", folder) > 0);
    assert_int_equal(xc_model_save(from, path, NULL), XC_OK);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct plan plan = {.freeze = row[i].freeze, .epochs = 2, .views = 1};
        good(folder, row[i].freeze, from, &plan);
        same_bytes(folder, row[i].freeze, "best.safetensors", "start", row[i].frozen);
        same_bytes(folder, row[i].freeze, "last.safetensors", "start", row[i].frozen);
    }
    free(path);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

/* ---- more learns later ----------------------------------------------------------------------- */

static void thaw(const char *recipe)
{
    static const char *const frozen[] = {"block1_", "block2_", NULL};
    char *folder = runs_folder(), *path = NULL, name[8];
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    const struct plan all = {.freeze = "all-but-head",
                             .unfreeze = "exit@2,block3@4",
                             .recipe = recipe,
                             .views = 2,
                             .epochs = 5};
    struct plan whole = all;
    good(folder, "whole", from, &whole);
    assert_true(asprintf(&path, "%s/start", folder) > 0);
    assert_int_equal(xc_model_save(from, path, NULL), XC_OK);
    same_bytes(folder, "whole", "last.safetensors", "start", frozen);
    static const int stops[] = {3, 4, 5, 12, 13}; /* the changes are after 4 and 12 */
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct plan plan = all;
        plan.stop_after = stops[i];
        plan.cache = i % 2 ? "ram" : "off";
        snprintf(name, sizeof name, "%d", stops[i]);
        good(folder, name, from, &plan);
        assert_true(runs_same(folder, "whole", name));
    }
    free(path);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

/* AdamW counts the steps since a layer has learned. */
static void thawed(void **state)
{
    (void)state;
    thaw("cifar");
    thaw("finetune");
}

enum { MOST_KINDS = 4 }; /* of numbers beside each weight */

/* A number of its own for each place in each kind of block. */
static float mark(const struct param *p, size_t kind, size_t i)
{
    float sum = (float)kind;
    for (const char *c = p->name; *c; c++) sum = sum * 1.25F + (float)*c;
    return sum + (float)i;
}

/* What the blocks of this name hold of the head: marks it, or says whether it is marked. */
static bool marks(struct trainer *t, const char *name, bool write)
{
    struct trainer_block block[TRAINER_BLOCKS];
    bool same = true, seen = false;
    for (int b = trainer_blocks(t, block) - 1; b >= 0; b--)
        for (size_t k = 0; strcmp(block[b].name, name) == 0 && k < MOST_KINDS; k++)
            for (int i = 0; i < t->g->param.count; i++) {
                const struct param *p = &t->g->param.at[i];
                const size_t at = k * t->g->param.total + p->offset;
                if (at + p->count > block[b].count || !starts(p->name, "predictions/")) continue;
                for (size_t j = 0; j < p->count; j++) {
                    float *number = &block[b].data[at + j];
                    if (write) *number = mark(p, k, j);
                    same = same && fabsf(*number - mark(p, k, j)) <= 0;
                }
                seen = true;
            }
    assert_true(seen);
    return same;
}

/* The first step of layers that did not learn before: AdamW moves each weight by the rate, unless
 * it counts the steps before (0.55 of it after four). */
static void first_step(struct trainer *t)
{
    struct error err = {XC_OK, ""};
    const size_t total = t->g->param.total;
    float *before = calloc(total, sizeof *before);
    bool ended;
    double most = 0;
    t->at.step = 4; /* of the epoch that was left out */
    const double rate = trainer_lr(t);
    assert_int_equal(trainer_begin(t, NULL, NULL, &err), XC_OK);
    memcpy(before, t->weights, total * sizeof *before);
    assert_int_equal(trainer_step(t, &ended, &err), XC_OK);
    for (int i = 0; i < t->g->param.count; i++) {
        const struct param *p = &t->g->param.at[i];
        if (p->role != PARAM_GAMMA && p->role != PARAM_BETA) continue; /* without weight decay */
        for (size_t j = p->offset; j < p->offset + p->count; j++)
            most = fmax(most, fabs((double)(t->weights[j] - before[j])));
    }
    print_message("rate %g, moved by %g\n", rate, most);
    assert_true(most > 0.9 * rate && most < 1.1 * rate);
    free(before);
}

/* More learns, and what learned before goes on where it was. */
static void taken_over(void **state)
{
    static const char *const name[] = {"moments", "average", "best"};
    (void)state;
    struct error err = {XC_OK, ""};
    xc_context *context = runs_context(1);
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    struct trainer_opts o = {.machine = &context->machine, .data = data->d, .threads = 1};
    struct trainer *t = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 3;
    for (int adam = 0; adam < 2; adam++) {
        assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &o.model), XC_OK);
        assert_int_equal(settings_recipe("finetune", &o.settings, &err), XC_OK);
        assert_int_equal(settings_optimizer(adam ? "adamw" : "sgd", &o.settings, &err), XC_OK);
        strcpy(o.settings.freeze, "all-but-head");
        strcpy(o.settings.unfreeze, "exit@2");
        o.settings.ema = 0.9;
        o.settings.batch = 12;
        assert_int_equal(trainer_new(&o, &t, &err), XC_OK);
        for (int i = 0; i < 3; i++) assert_true(marks(t, name[i], true));
        const int before = t->g->param.count;
        t->at.epoch = 1;
        assert_int_equal(trainer_next_epoch(t, &err), XC_OK);
        assert_true(t->g->param.count > before);
        for (int i = 0; i < 3; i++) assert_true(marks(t, name[i], false));
        if (adam) first_step(t);
        trainer_free(t);
    }
    xc_dataset_free(data);
    xc_context_free(context);
}

/* ---- heads, rates, memory -------------------------------------------------------------------- */

static xc_status train_with(const char *folder, const char *name, xc_train_opts *o)
{
    xc_context *context = runs_context(1);
    xc_dataset *data = runs_data(RUNS_USUAL);
    xc_model *from = start_model(context);
    xc_train_opts opts = runs_opts(folder, name);
    o->folder = opts.folder;
    o->from = from;
    o->epochs = 2;
    o->batch = o->batch ? o->batch : 12;
    const xc_status status = xc_train(context, data, o);
    if (status != XC_OK) print_message("%s\n", xc_error());
    runs_opts_free(&opts);
    xc_model_unref(from);
    xc_dataset_free(data);
    xc_context_free(context);
    return status;
}

static void heads(void **state)
{
    static const struct {
        const char *head;
        double dropout;
        const char *knobs;
    } row[] = {{NULL, 0, "classes=3"},
               {"linear", 0.25, "dropout=0.25"},
               {"16", 0.5, "head=avg/dense:16:relu/dropout:0.5/dense:3"},
               {"16,8", 0, "head=avg/dense:16:relu/dense:8:relu/dense:3"}};
    static const char *const bad[] = {"", ",", "16,", "0", "x", "linear,4", "16;8"};
    (void)state;
    char *folder = runs_folder(), name[8];
    size_t size;
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        xc_train_opts o = XC_TRAIN_OPTS_INIT;
        snprintf(name, sizeof name, "%zu", i);
        o.head = row[i].head;
        o.dropout = row[i].dropout;
        o.freeze = "all-but-head";
        assert_int_equal(train_with(folder, name, &o), XC_OK);
        char *args = runs_read(folder, name, "args.json", &size);
        if (!strstr(args, row[i].knobs)) print_error("%s\n", args);
        assert_non_null(strstr(args, row[i].knobs));
        free(args);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        xc_train_opts o = XC_TRAIN_OPTS_INIT;
        o.head = bad[i];
        assert_int_equal(train_with(folder, "bad", &o), XC_ERR_ARGUMENT);
        assert_non_null(strstr(xc_error(), "neither linear nor"));
    }
    runs_end(folder);
}

/* How far this kernel went from where it began. */
static double distance(const char *folder, const char *name, const char *kernel)
{
    size_t size[2];
    char *bytes[2] = {runs_read(folder, ".", "start", &size[0]),
                      runs_read(folder, name, "last.safetensors", &size[1])};
    struct weight_file f[2];
    double sum = 0;
    for (int i = 0; i < 2; i++) open_tensors(bytes[i], size[i], &f[i]);
    const struct weight_tensor *a = weight_find(&f[0], kernel), *b = weight_find(&f[1], kernel);
    for (size_t i = 0; i < a->count; i++) {
        float x, y;
        memcpy(&x, a->data + i * sizeof x, sizeof x);
        memcpy(&y, b->data + i * sizeof y, sizeof y);
        sum += fabs((double)(x - y));
    }
    for (int i = 0; i < 2; i++) {
        weight_file_free(&f[i]);
        free(bytes[i]);
    }
    return sum;
}

static void rates(void **state)
{
    (void)state;
    char *folder = runs_folder(), *path = NULL;
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    assert_true(asprintf(&path, "%s/start", folder) > 0);
    assert_int_equal(xc_model_save(from, path, NULL), XC_OK);
    xc_train_opts fast = XC_TRAIN_OPTS_INIT, slow = XC_TRAIN_OPTS_INIT,
                  spatial = XC_TRAIN_OPTS_INIT;
    slow.trunk_rate = spatial.depthwise_rate = 0.01;
    assert_int_equal(train_with(folder, "fast", &fast), XC_OK);
    assert_int_equal(train_with(folder, "slow", &slow), XC_OK);
    assert_int_equal(train_with(folder, "spatial", &spatial), XC_OK);
    for (int depthwise = 0; depthwise < 2; depthwise++) {
        const char *kernel = depthwise ? "block2_sepconv1/depthwise_kernel" : "block1_conv1/kernel";
        const double all = distance(folder, "fast", kernel);
        const double part = distance(folder, "slow", kernel);
        const double other = distance(folder, "spatial", kernel);
        print_message("%s moved by %g, with a hundredth of the rate by %g, of depthwise kernels' "
                      "rate by %g\n",
                      kernel, all, part, other);
        assert_true(part > 0 && part < 0.05 * all);
        assert_true(depthwise ? other > 0 && other < 0.05 * all : other > 0.5 * all);
    }
    free(path);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

/* The batch that the sentence names fits, the next one does not. */
static void memory(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts o = XC_TRAIN_OPTS_INIT;
    o.memory_bytes = 1 << 20;
    o.batch = 40;
    assert_int_equal(train_with(folder, "a", &o), XC_ERR_MEMORY);
    const char *named = strstr(xc_error(), "largest that fits is ");
    assert_non_null(named);
    const uint32_t fits = (uint32_t)atoi(named + strlen("largest that fits is "));
    assert_true(fits >= 1 && fits < 40);
    o.batch = fits + 1;
    assert_int_equal(train_with(folder, "a", &o), XC_ERR_MEMORY);
    o.batch = fits;
    assert_int_equal(train_with(folder, "a", &o), XC_OK);
    o.memory_bytes = 1 << 10;
    assert_int_equal(train_with(folder, "b", &o), XC_ERR_MEMORY);
    assert_non_null(strstr(xc_error(), "not even one of 1 fits"));
    runs_end(folder);
}

/* In the least memory that is not refused a step may compute more again, to the same bits. */
static void least_memory(void **state)
{
    (void)state;
    char *folder = runs_folder(), name[8], last[8] = "";
    xc_train_opts o = XC_TRAIN_OPTS_INIT;
    uint64_t refused = 1 << 20, taken = 4 << 20;
    o.batch = 40;
    assert_int_equal(train_with(folder, "any", &o), XC_OK);
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "%d", i);
        o.memory_bytes = refused + (taken - refused) / 2;
        const xc_status status = train_with(folder, name, &o);
        assert_true(status == XC_OK || status == XC_ERR_MEMORY);
        if (status == XC_OK) {
            taken = o.memory_bytes;
            strcpy(last, name);
        } else {
            refused = o.memory_bytes;
        }
    }
    print_message("%ju bytes are enough\n", (uintmax_t)taken);
    assert_true(*last);
    assert_true(runs_same(folder, "any", last));
    runs_end(folder);
}

static void numbers_and_mixing(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_train_opts o = XC_TRAIN_OPTS_INIT;
    o.recipe = "scratch";
    o.freeze = "entry";
    o.lr = 1e6;
    o.warmup = 0;
    assert_int_equal(train_with(folder, "a", &o), XC_ERR_NUMBER);
    for (int block = 1; block <= 3; block++) { /* frozen */
        char name[] = "block0_";
        name[5] = (char)('0' + block);
        assert_null(strstr(xc_error(), name));
    }
    o.augment = "mixup=0.2";
    o.views = 2;
    assert_int_equal(train_with(folder, "b", &o), XC_ERR_ARGUMENT);
    assert_non_null(strstr(xc_error(), "one view at a time"));
    runs_end(folder);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void cuts(void **state)
{
    static const struct {
        const char *freeze, *unfreeze, *cut[3];
    } row[] = {
        {"none", "", {"input"}},
        {"stem", "", {"block1_conv2_act"}},
        {"entry", "", {"block4_add"}},
        {"middle", "", {"block12_add"}},
        {"block7", "", {"block7_add"}},
        {"block7_sepconv2", "", {"block6_add"}}, /* the shortcut goes around it */
        {"all-but-head", "", {"avg_pool"}},
        {"all-but-head", "exit@3,all@5", {"avg_pool", "block12_add", "input"}},
        {"all-but-head", "block14@2,middle@3", {"avg_pool", "block13_add", "block4_add"}},
    };
    (void)state;
    struct graph *g = NULL;
    struct error err = {XC_OK, ""};
    const char *arch = NULL;
    assert_int_equal(arch_build("xception", NULL, &g, &arch, &err), XC_OK);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const struct freezing f = {row[i].freeze, row[i].unfreeze, 10};
        struct phases p;
        assert_int_equal(freeze_phases(g, arch, &f, &p, &err), XC_OK);
        for (int k = 0; k < 3 && row[i].cut[k]; k++) {
            assert_true(k < p.count);
            assert_string_equal(g->node[p.at[k].cut].name, row[i].cut[k]);
        }
    }
    graph_free(g);
}

/* The second classifier learns as long as anything before it does. */
static void auxiliary(void **state)
{
    static const struct {
        const char *cut;
        int auxiliaries;
    } row[] = {{"stem_pool2", 1}, {"mixed6", 1}, {"mixed7", 0}, {"mixed8", 0}, {"avg_pool", 0}};
    (void)state;
    struct graph *g = NULL;
    struct error err = {XC_OK, ""};
    assert_int_equal(arch_build("inception-v3,width=0.1,aux=on", NULL, &g, NULL, &err), XC_OK);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct graph *tail = NULL;
        const int cut = graph_find(g, row[i].cut);
        assert_int_equal(freeze_tail(g, cut, &tail, &err), XC_OK);
        assert_int_equal(tail->auxiliaries, row[i].auxiliaries);
        assert_int_equal(tail->all - tail->nodes, row[i].auxiliaries * (g->all - g->nodes));
        assert_int_equal(param_find(&tail->param, "aux_conv2/kernel") >= 0, row[i].auxiliaries);
        assert_int_equal(freeze_leaves(g, cut, g->all - 1), row[i].auxiliaries);
        graph_free(tail);
    }
    graph_free(g);
}

static void refused(void **state)
{
    static const struct {
        const char *freeze, *unfreeze, *why;
    } row[] = {
        {"block99", "", "\"block99\" is neither"},
        {"all-but-head", "exit", "\"exit\" is not BLOCK@EPOCH"},
        {"all-but-head", "exit@1", "\"exit@1\" is not BLOCK@EPOCH"},
        {"all-but-head", "exit@2x", "\"exit@2x\" is not BLOCK@EPOCH"},
        {"all-but-head", "@2", "\"@2\" is not BLOCK@EPOCH"},
        {"all-but-head", "exit@9", "does not come after epoch 1 and before the end at 5"},
        {"all-but-head", "exit@3,middle@3", "middle@3 does not come after epoch 3"},
        {"all-but-head", "middle@2,exit@3", "exit learns before epoch 3 already"},
        {"none", "exit@2", "exit learns before epoch 2 already"},
        {"all-but-head", "block99@2", "\"block99\" is neither all"},
    };
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_model *from = start_model(context);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct plan plan = {.freeze = row[i].freeze, .unfreeze = row[i].unfreeze, .epochs = 5};
        assert_int_equal(train(folder, "a", from, &plan), XC_ERR_ARGUMENT);
        if (!strstr(xc_error(), row[i].why)) print_error("%s\n", xc_error());
        assert_non_null(strstr(xc_error(), row[i].why));
    }
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

RUN(cmocka_unit_test(kept_or_not), cmocka_unit_test(kept_rounded), cmocka_unit_test(limits),
    cmocka_unit_test(frozen_bytes), cmocka_unit_test(thawed), cmocka_unit_test(taken_over),
    cmocka_unit_test(heads), cmocka_unit_test(rates), cmocka_unit_test(memory),
    cmocka_unit_test(least_memory), cmocka_unit_test(numbers_and_mixing), cmocka_unit_test(cuts),
    cmocka_unit_test(auxiliary), cmocka_unit_test(refused))
