/* SPDX-License-Identifier: Apache-2.0 */
/* eval: where is a classifier right, where is it wrong? The steps, in order; see eval.h. */
#include <math.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "builtin.h"
#include "engine.h"
#include "eval.h"
#include "output.h"
#include "say.h"
#include "seconds.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OR_BUILTIN_OPTION,
    {"data", 0, "DATA", NULL, 0, 0, "pictures by class: as in 'xception help data'"},
    {"split", 0, "NAME", "train|val|test", 0, 0,
     "which samples (test, or else val, or else train)"},
    {"val-split", 0, "PERCENT", NULL, 1, 99,
     RARE "hold out this part of train first, as train does"},
    {"seed", 0, "N", NULL, 0, UINT32_MAX,
     RARE "of --val-split: the --split-seed, or else --seed, of train (0)"},
    {"predictions", 0, "FILE", NULL, 0, 0, "answers made elsewhere, instead of a model (csv)"},
    {"report", 0, "DIR", NULL, 0, 0, "write report.html, tables and drawings there"},
    {"tta", 0, "VIEWS", "none|flip|5crop|10crop", 0, 0, "average the scores of several views"},
    {"fit-temperature", 0, NULL, NULL, 0, 0, "calibrate probabilities on these pictures"},
    {"pick-threshold", 0, "RULE", NULL, 0, 0,
     "for each class: f1, youden, recall=X, precision=X, fpr=X"},
    {"ood", 0, "DATA", NULL, 0, 0, "pictures of none of the classes: fit the unknown answer"},
    {"output", 'o', "FILE", NULL, 0, 0, "the model with what was fitted, for classify"},
    {"min-top1", 0, "PERCENT", NULL, 0, 0, "exit with 8 when top-1 is below"},
    {"drop-unknown", 0, NULL, NULL, 0, 0, "leave out pictures of classes that the model has not"},
    {"arch", 'a', "SPEC", NULL, 0, 0, RARE "the architecture of a file that holds weights only"},
    {"labels", 0, "FILE", NULL, 0, 0, RARE "class names in order; imagenet: those of ImageNet-1k"},
    {"batch", 'b', "N", NULL, 1, 1024, RARE "pictures at a time (16)"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size, 299 or HxW (the model's own)"},
    {"format", 0, "F", "text|json", 0, 0, "output format (text)"},
    {"decode-threads", 0, "N", NULL, 1, 64, RARE "threads that read pictures (2)"},
    ENGINE_PRECISION_OPTION,
    ENGINE_PREPROCESS_OPTIONS,
    OPTIONS_END};

bool eval_tick(void *user, uint64_t done, uint64_t all)
{
    struct ticker *t = user;
    char tail[64], left[BAR_TIME];
    if (!bar_due(t->bar)) return true;
    const double seconds = seconds_now() - t->began,
                 rate = seconds > 0 ? (double)done / seconds : 0;
    bar_time(rate > 0 ? (double)(all - done) / rate : 0, left);
    snprintf(tail, sizeof tail, "%.1f img/s eta %s", rate, left);
    bar_draw(t->bar, t->what, done, all, tail);
    return true;
}

/* ---- one model ------------------------------------------------------------------------------- */

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

static xc_tta choose_tta(const struct args *args)
{
    static const char *const words[] = {"none", "flip", "5crop", "10crop"};
    const char *word = arg_text(args, "tta");
    for (int i = 0; word && i < 4; i++)
        if (strcmp(word, words[i]) == 0) return (xc_tta)i;
    return XC_TTA_NONE;
}

static xc_status make_scores(struct eval_model *m)
{
    xc_scores_opts opts = XC_SCORES_OPTS_INIT;
    xc_dataset_info info;
    xc_dataset_get_info(m->data, &info);
    opts.classes = m->names;
    opts.multi_label = info.multi_label || xc_model_get_info(m->model)->has_sigmoid;
    opts.folder = temporary_folder();
    xc_status status = xc_scores_new(&opts, &m->scores);
    const double temperature = xc_model_decision(m->model)->temperature;
    if (status == XC_OK && temperature != 1)
        status = xc_scores_set_temperature(m->scores, temperature);
    return status;
}

xc_precision eval_precision(const struct eval *e)
{
    return engine_model_precision(e->args, e->model[0].model);
}

static int run_model(struct eval *e, struct eval_model *m)
{
    xc_evaluate_opts opts = XC_EVALUATE_OPTS_INIT;
    xc_evaluation result;
    struct bar bar;
    struct ticker ticker = {.bar = &bar, .what = "evaluate", .began = seconds_now()};
    int code = engine_preprocess(e->args, m->model, &e->preprocess);
    if (code != EXIT_DONE) return code;
    e->split = choose_split(e->args, m->data);
    opts.precision = engine_model_precision(e->args, m->model);
    opts.preprocess = &e->preprocess;
    opts.split = e->split;
    opts.height = e->height;
    opts.width = e->width;
    opts.batch = arg_number(e->args, "batch", 0);
    opts.decode_threads = arg_number(e->args, "decode-threads", 0);
    opts.tta = choose_tta(e->args);
    opts.progress = eval_tick;
    opts.user = &ticker;
    xc_status status = make_scores(m);
    opts.scores = m->scores;
    bar_begin(&bar, arg_on(e->args, "quiet"));
    if (status == XC_OK) status = xc_evaluate(m->model, m->data, &opts, &result);
    bar_clear(&bar);
    if (status == XC_ERR_UNSUPPORTED) return engine_status(e->args, status, EXIT_MODEL);
    if (status != XC_OK) return engine_status(e->args, status, EXIT_DATA);
    if (m == e->model) {
        e->unreadable = result.unreadable;
        e->seconds = seconds_now() - ticker.began;
    }
    return EXIT_DONE;
}

static int open_and_run(struct eval *e, int i, const char *file)
{
    struct eval_model *m = &e->model[i];
    m->file = file ? file : BUILTIN_NAME;
    int code = engine_model(e->context, file, arg_text(e->args, "arch"), &m->model);
    if (code == EXIT_DONE) code = eval_open_data(e, m);
    if (code == EXIT_DONE) code = run_model(e, m);
    e->models = i + 1;
    return code;
}

/* Rows are paired by the place of their picture. Each model's labels may have left out others. */
static bool are_same_pictures(const struct eval *e)
{
    xc_dataset_info first, second;
    xc_sample a, b;
    xc_dataset_get_info(e->model[0].data, &first);
    xc_dataset_get_info(e->model[1].data, &second);
    bool same = first.samples == second.samples;
    for (uint64_t i = 0; same && i < first.samples; i++)
        same = xc_dataset_sample(e->model[0].data, i, &a) == XC_OK &&
               xc_dataset_sample(e->model[1].data, i, &b) == XC_OK && strcmp(a.name, b.name) == 0;
    if (!same)
        say_error("%s and %s: of %" PRIu64 " and %" PRIu64
                  " pictures whose classes they know, not all are the same: nothing to compare",
                  e->model[0].file, e->model[1].file, first.samples, second.samples);
    return same;
}

static int run_second(struct eval *e)
{
    if (e->args->operands == 0) return EXIT_DONE;
    const xc_preprocess first = e->preprocess;
    int code = open_and_run(e, 1, e->args->operand[0]);
    e->preprocess = first;
    if (code != EXIT_DONE) return code;
    if (!are_same_pictures(e)) return EXIT_DATA;
    const xc_status status =
        xc_scores_compare(e->model[0].scores, e->model[1].scores, &e->comparison);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_LIMIT);
}

/* ---- the numbers ----------------------------------------------------------------------------- */

static const struct eval *sorted; /* for qsort, which has no room for it */

/* Wrong ones before right ones where no loss is known; the surest first. */
static int worse(const void *a, const void *b)
{
    xc_scored x, y;
    const uint64_t i = *(const uint64_t *)a, k = *(const uint64_t *)b;
    if (xc_scores_get(sorted->model[0].scores, i, &x) != XC_OK ||
        xc_scores_get(sorted->model[0].scores, k, &y) != XC_OK)
        return 0;
    if (isnan(x.loss) && isnan(y.loss)) {
        if (!x.place != !y.place) return x.place ? -1 : 1;
        const double p = x.place ? -x.probability : x.probability,
                     q = y.place ? -y.probability : y.probability;
        if (p != q && !isnan(p) && !isnan(q)) return p < q ? -1 : 1;
    } else if (x.loss != y.loss) {
        return x.loss > y.loss ? -1 : 1;
    }
    return (i > k) - (i < k);
}

static bool sort_worst(struct eval *e)
{
    e->worst.count = xc_scores_count(e->model[0].scores);
    e->worst.row = calloc(e->worst.count + 1, sizeof *e->worst.row);
    if (!e->worst.row) return false;
    for (uint64_t i = 0; i < e->worst.count; i++) e->worst.row[i] = i;
    sorted = e;
    qsort(e->worst.row, e->worst.count, sizeof *e->worst.row, worse);
    return true;
}

static int sum_up(struct eval *e)
{
    const xc_scores *scores = e->model[0].scores;
    xc_status status = xc_scores_sum(scores, &e->before);
    const int code = status == XC_OK ? eval_fit(e) : EXIT_DONE;
    if (code != EXIT_DONE) return code;
    e->sum = e->before;
    if (status == XC_OK && e->fitted_temperature) status = xc_scores_sum(scores, &e->sum);
    e->of_class = calloc(e->classes, sizeof *e->of_class);
    if (status == XC_OK && e->of_class) status = xc_scores_classes(scores, e->of_class);
    if (status != XC_OK) return say_status(status, EXIT_LIMIT);
    if (e->of_class && sort_worst(e)) return EXIT_DONE;
    say_error("out of memory for %u classes", e->classes);
    return EXIT_LIMIT;
}

/* What cannot be written costs nobody the numbers. */
static int write_all(struct eval *e)
{
    const char *folder = arg_text(e->args, "report"), *file = arg_text(e->args, "output");
    int code = folder ? eval_write_files(e, folder) : EXIT_DONE;
    if (folder && code == EXIT_DONE) code = eval_write_report(e, folder);
    eval_print(e, code == EXIT_DONE ? folder : NULL);
    const int saved = file ? eval_save_model(e, file) : EXIT_DONE;
    return code == EXIT_DONE ? saved : code;
}

/* --min-top1 in per cent: "93", "0.5%"; a part such as 0.93 is none. */
static bool read_gate(const struct args *args, double *percent)
{
    char *end;
    const char *text = arg_text(args, "min-top1"), *giver = arg_giver(args, "min-top1");
    *percent = strtod(text, &end);
    const bool number = end != text && *percent >= 0 && *percent <= 100;
    if (number && !strcmp(end, "%")) return true;
    if (number && !*end && (*percent > 1 || *percent == 0)) return true;
    if (number && !*end)
        say_usage("%s: %s of 100? write %g, or %s%% if that is meant", giver, text, 100 * *percent,
                  text);
    else
        say_usage("%s: \"%s\" is not a number from 0 to 100", giver, text);
    return false;
}

static int gate(const struct eval *e)
{
    const char *word = arg_text(e->args, "min-top1");
    double least = 0;
    if (word && !read_gate(e->args, &least)) return EXIT_USAGE;
    if (e->models && !xc_scores_count(e->model[0].scores)) {
        say_error("%s: not one picture could be read", arg_text(e->args, "data"));
        return EXIT_DATA;
    }
    if (word && !(e->sum.top1.value >= least / 100)) { /* NaN: nothing could be read */
        say_error("top-1 is %.2f %%, %s asks for %s", 100 * e->sum.top1.value,
                  arg_giver(e->args, "min-top1"), word);
        return EXIT_GATE;
    }
    return e->unreadable || e->strange_unreadable ? EXIT_SOME_FAILED : EXIT_DONE;
}

static void close_all(struct eval *e)
{
    const uint64_t rows = e->path ? xc_scores_count(e->model[0].scores) : 0;
    for (uint64_t i = 0; i < rows; i++) free(e->path[i]);
    for (uint32_t c = 0; !e->models && c < e->classes; c++) free((void *)(uintptr_t)e->label[c]);
    if (!e->models) free(e->label);
    for (uint64_t i = 0; i < rows; i++) free(e->given[i]);
    free(e->path);
    free(e->given);
    free(e->of_class);
    free(e->least);
    free(e->worst.row);
    xc_scores_free(e->ood);
    for (int i = 0; i < 2; i++) {
        xc_scores_free(e->model[i].scores);
        xc_dataset_free(e->model[i].data);
        xc_model_unref(e->model[i].model);
        free(e->model[i].name);
    }
    xc_context_free(e->context);
}

static int run_models(struct eval *e, const char *file)
{
    int code = engine_open(e->args, &e->context);
    if (code == EXIT_DONE) code = open_and_run(e, 0, file);
    if (code != EXIT_DONE) return code;
    e->classes = e->model[0].names;
    e->label = e->model[0].name;
    e->decision = *xc_model_decision(e->model[0].model);
    const char *ood = arg_text(e->args, "ood");
    if (ood) code = eval_fit_unknown(e, ood);
    return code == EXIT_DONE ? run_second(e) : code;
}

/* Would the rule be understood? Asked before the work. */
static bool is_rule(const char *rule)
{
    xc_scores *none = NULL;
    xc_scores_opts opts = XC_SCORES_OPTS_INIT;
    xc_threshold ignored;
    opts.classes = 2;
    xc_status status = xc_scores_new(&opts, &none);
    if (status == XC_OK) status = xc_scores_pick(none, 0, rule, &ignored);
    xc_scores_free(none);
    if (status == XC_ERR_ARGUMENT) say_status(status, EXIT_USAGE);
    return status != XC_ERR_ARGUMENT;
}

static bool check_flags(const struct args *args)
{
    const char *given = arg_text(args, "predictions"), *least = arg_text(args, "min-top1");
    const char *rule = arg_text(args, "pick-threshold"), *report = arg_text(args, "report");
    double ignored;
    if (given ? arg_typed(args, "model") || args->operands || arg_typed(args, "ood") ||
                    arg_typed(args, "output")
              : !arg_text(args, "data") || args->operands > 1) {
        say_usage("needs --data DATA, and at most one MODEL2; or --predictions FILE and no model");
        return false;
    }
    if (choose_tta(args) != XC_TTA_NONE && (arg_text(args, "output") || arg_text(args, "ood"))) {
        say_usage("--tta beside -o or --ood: classify looks at one view, so that is fitted on one");
        return false;
    }
    if (arg_typed(args, "size") && (arg_text(args, "output") || arg_text(args, "ood"))) {
        say_usage("--size beside -o or --ood: classify looks at the model's own size");
        return false;
    }
    if (!output_is_named(arg_text(args, "output"), "a model", ".safetensors", NULL)) return false;
    if (output_is_input(args, arg_text(args, "output"), NULL)) return false;
    if (report && !eval_check_report(args, report)) return false;
    return (!rule || is_rule(rule)) && (!least || read_gate(args, &ignored));
}

static int run(const struct args *args)
{
    struct eval e = {.args = args, .decision = XC_DECISION_INIT};
    const char *given = arg_text(args, "predictions");
    if (!check_flags(args) || !arg_size(args, &e.height, &e.width)) return EXIT_USAGE;
    if (!output_has_place(arg_text(args, "output"))) return EXIT_DATA;
    if (!eval_report_has_place(arg_text(args, "report"))) return EXIT_DATA;
    int code = given ? eval_read_predictions(&e, given) : run_models(&e, arg_text(args, "model"));
    if (code == EXIT_DONE) code = sum_up(&e);
    if (code == EXIT_DONE) code = write_all(&e);
    if (code == EXIT_DONE) code = gate(&e);
    close_all(&e);
    return code;
}

const struct verb verb_eval = {
    .name = "eval",
    .summary = "where is a classifier right, and where wrong?",
    .operands = "[MODEL2]",
    .text =
        "Top-1 and top-5 with 95 % intervals, loss, per-class scores, calibration. --report\n"
        "writes a folder to look at: the page, the confusion matrix, every prediction, worst\n"
        "first. Classes go by name, pictures that cannot be read are counted apart (exit 1).\n"
        "A second model is compared on the same pictures (McNemar's test). FILE of --predictions\n"
        "has columns path, label, and prediction[, probability] or one a class.",
    .examples =
        "xception eval -m flowers.safetensors --data flowers --report report\tlook at it\n"
        "xception eval -m a.safetensors b.safetensors --data flowers\twhich is better?\n"
        "xception eval -m a.safetensors --data flowers --split val --fit-temperature --ood others "
        "-o b.safetensors\tcalibrated, and able to say 'unknown'\n",
    .options = options,
    .run = run};
