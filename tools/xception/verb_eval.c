/* SPDX-License-Identifier: Apache-2.0 */
/* eval: how good is a model on a data set? Top-1, top-5, mean loss. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "emit.h"
#include "engine.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OPTION,
    {"data", 0, "DATA", NULL, 0, 0, "pictures by class: as in 'xception help data'"},
    {"split", 0, "NAME", "train|val|test", 0, 0, "which samples (test, or else val)"},
    {"arch", 0, "SPEC", NULL, 0, 0, "the architecture of a file that holds weights only"},
    {"labels", 0, "FILE", NULL, 0, 0, "class names in order; imagenet: those of ImageNet-1k"},
    {"batch", 'b', "N", NULL, 1, 1024, "pictures at a time (16)"},
    {"size", 's', "SIZE", NULL, 0, 0, "input size, 299 or HxW (the model's own)"},
    {"format", 0, "F", "text|json", 0, 0, "output format (text)"},
    {"decode-threads", 0, "N", NULL, 1, 64, "threads that read pictures (2)"},
    ENGINE_PREPROCESS_OPTIONS,
    OPTIONS_END};

static bool on_progress(void *user, uint64_t done, uint64_t all)
{
    struct bar *bar = user;
    if (bar_due(bar)) bar_draw(bar, "evaluate", done, all, "");
    return true;
}

/* The model's labels, as the classes that the data may have; free(). *count 0: it has none. */
static const char **model_classes(const xc_model *model, const struct labels *given,
                                  uint32_t *count)
{
    const xc_model_info *info = xc_model_get_info(model);
    const char **name = calloc((size_t)info->classes + 1, sizeof *name);
    *count = 0;
    if (!name || (!info->has_labels && !given->text)) return name;
    *count = info->classes;
    for (uint32_t i = 0; i < *count; i++)
        name[i] = given->text ? given->text[i] : xc_model_label(model, i);
    return name;
}

static int open_data(const struct args *args, const xc_model *model, xc_dataset **out)
{
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    struct labels labels;
    int code = engine_labels(args, model, &labels);
    if (code != EXIT_DONE) return code;
    const char **name = model_classes(model, &labels, &opts.class_count);
    opts.classes = opts.class_count ? name : NULL;
    const xc_status status = xc_dataset_open(arg_text(args, "data"), &opts, out);
    if (status != XC_OK) code = say_status(status, EXIT_DATA);
    free(name);
    labels_free(&labels);
    return code;
}

static xc_split choose_split(const struct args *args, const xc_dataset *set)
{
    xc_dataset_info info;
    const char *word = arg_text(args, "split");
    xc_dataset_get_info(set, &info);
    for (int s = 0; word && s < XC_SPLITS; s++)
        if (strcmp(word, xc_split_name((xc_split)s)) == 0) return (xc_split)s;
    if (info.split[XC_SPLIT_TEST]) return XC_SPLIT_TEST;
    return info.split[XC_SPLIT_VAL] ? XC_SPLIT_VAL : XC_SPLIT_TRAIN;
}

static void print(const struct args *args, xc_split split, const xc_evaluation *e)
{
    if (format_of(arg_text(args, "format")) == FORMAT_JSON) {
        printf("{\"split\":\"%s\",\"images\":%" PRIu64 ",\"unreadable\":%" PRIu64 ",\"top1\":",
               xc_split_name(split), e->images, e->unreadable);
        emit_float((float)e->top1);
        printf(",\"top5\":");
        emit_float((float)e->top5);
        printf(",\"loss\":");
        emit_float((float)e->loss);
        printf("}\n");
        return;
    }
    printf("%s  images %" PRIu64 "  top1 %.2f %%  top5 %.2f %%  loss %.4f", xc_split_name(split),
           e->images, 100 * e->top1, 100 * e->top5, e->loss);
    if (e->unreadable) printf("  unreadable %" PRIu64, e->unreadable);
    putchar('\n');
}

static int evaluate(const struct args *args, xc_model *model, const xc_dataset *set)
{
    xc_evaluate_opts opts = XC_EVALUATE_OPTS_INIT;
    xc_preprocess preprocess;
    xc_evaluation result;
    struct bar bar;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    const int code = engine_preprocess(args, model, &preprocess);
    if (code != EXIT_DONE) return code;
    opts.preprocess = &preprocess;
    opts.split = choose_split(args, set);
    opts.batch = arg_number(args, "batch", 0);
    opts.decode_threads = arg_number(args, "decode-threads", 0);
    opts.progress = on_progress;
    opts.user = &bar;
    bar_begin(&bar, arg_on(args, "quiet"));
    const xc_status status = xc_evaluate(model, set, &opts, &result);
    bar_clear(&bar);
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    print(args, opts.split, &result);
    return result.unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int run(const struct args *args)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    xc_dataset *set = NULL;
    const char *path = arg_text(args, "model");
    if (!path || !arg_text(args, "data") || args->operands > 0) {
        say_usage("needs -m MODEL and --data DATA, and nothing else");
        return EXIT_USAGE;
    }
    int code = engine_open(args, &context);
    if (code == EXIT_DONE) code = engine_model(context, path, arg_text(args, "arch"), &model);
    if (code == EXIT_DONE) code = open_data(args, model, &set);
    if (code == EXIT_DONE) code = evaluate(args, model, set);
    xc_dataset_free(set);
    xc_model_unref(model);
    xc_context_free(context);
    return code;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "how good is a model on a data set?",
    .operands = "",
    .text = "Classes go by name: the data may only have classes that the model has. Pictures that\n"
            "cannot be read are counted apart (exit 1).",
    .examples = "xception eval -m runs/flowers-1/best.safetensors --data flowers\ton its test "
                "pictures\n"
                "xception eval -m model.keras --data flowers --split val --format json\tfor a "
                "script\n",
    .options = options,
    .run = run};
