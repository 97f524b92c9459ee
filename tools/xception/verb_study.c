/* SPDX-License-Identifier: Apache-2.0 */
/*
 * study: the paper's comparisons on one's own data. Flags become a plan; everything that can be
 * wrong with it is said before any work starts. An unfinished study goes on where it stopped.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <report.h>

#include "bar.h"
#include "emit.h"
#include "engine.h"
#include "output.h"
#include "say.h"
#include "study_run.h"
#include "verbs.h"

static const struct option options[] = {
    {"data", 0, "DATA", NULL, 0, 0, "pictures: as in 'xception help data'"},
    {"preset", 0, "NAME...",
     "table1|table2|table3|fig6|fig7|fig8|fig9|fig10|spectrum|rivals|ema|order", 0, 0,
     "a comparison of the paper"},
    {"arch", 'a', "SPEC...", NULL, 0, 0, "a network; with --preset: the one that is varied"},
    {"axis", 0, "NAME...", NULL, 0, 0,
     "residual, act, fc, segments or order, or act=none/relu: every network with every value"},
    {"epochs", 0, "N", NULL, 1, 100000, "how often each picture is seen (30)"},
    {"repeat", 0, "N", NULL, 1, STUDY_SEEDS, "seeds of each network (3)"},
    {"budget", 0, "TIME", NULL, 0, 0, "as many epochs, up to --epochs, as fit: 2h, 90m, 1h30m"},
    {"limit", 0, "N[/M]", NULL, 0, 0, "at most N training and M test pictures, by class"},
    {"val-split", 0, "PERCENT", NULL, 1, 99, "where there are no test pictures: hold out these"},
    {"size", 's', "N|HxW", NULL, 0, 0, "of the input (that of small pictures, else 64)"},
    {"batch", 0, "N", NULL, 1, 4096, "pictures a step (64)"},
    {"lr", 0, "X", NULL, 0, 0, "highest learning rate (0.05)"},
    {"aug", 0, "SPEC", NULL, 0, 0, "augmentation, as in train (pad=4,flip)"},
    {"seed", 0, "N", NULL, 0, UINT32_MAX, "of the first repetition, and of what is chosen (0)"},
    {"output", 'o', "DIR", NULL, 0, 0, "folder of the study; alone: go on with it"},
    {"dry-run", 'n', NULL, NULL, 0, 0, "print the cells and how long they would take"},
    {"report", 0, NULL, NULL, 0, 0, "only make the report of the cells that are done"},
    {"no-times", 0, NULL, NULL, 0, 0, "a report without anything that depends on a clock"},
    {"save-every", 0, "SECONDS", NULL, 0, 86400, "between two checkpoints of a cell (120)"},
    {"cell", 0, "N", NULL, 0, UINT32_MAX, NULL},
    OPTIONS_END};

int study_say(xc_status status, const struct why *why)
{
    say_error("%s [%s]", why->text, xc_status_id(status));
    /* a network that the pictures are too small for is asked for, here */
    return status == XC_ERR_SHAPE ? EXIT_USAGE : code_of(status, EXIT_DATA);
}

/* ---- flags ----------------------------------------------------------------------------------- */

static bool read_limit(const struct args *args, struct plan *p)
{
    const char *text = arg_text(args, "limit");
    char first[16] = "";
    if (!text) return true;
    const size_t n = strcspn(text, "/");
    if (n < sizeof first) memcpy(first, text, n);
    const char *second = text[n] ? text + n + 1 : first;
    if (parse_number(first, 1, 100000000, &p->limit) &&
        parse_number(second, 1, 100000000, &p->test_limit))
        return true;
    say_usage("%s: '%s' is not N or N/M with whole numbers", arg_giver(args, "limit"), text);
    return false;
}

static bool read_rate(const struct args *args, struct plan *p)
{
    char *end;
    const char *text = arg_text(args, "lr");
    p->lr = text ? strtod(text, &end) : 0.05;
    if (!text || (end != text && !*end && isfinite(p->lr) && p->lr > 0)) return true;
    say_usage("%s: '%s' is not a number above 0", arg_giver(args, "lr"), text);
    return false;
}

static bool read_flags(const struct args *args, struct plan *p)
{
    double ignored;
    const char *augment = arg_text(args, "aug");
    if (!arg_time(args, "budget", &ignored)) return false;
    p->epochs = arg_number(args, "epochs", 30);
    p->repeat = arg_number(args, "repeat", 3);
    p->batch = arg_number(args, "batch", 64);
    p->val_split = arg_number(args, "val-split", 0);
    p->seed = arg_number(args, "seed", 0);
    p->augment = strdup(augment ? augment : "pad=4,flip");
    p->data = realpath(arg_text(args, "data"), NULL);
    if (!p->data) p->data = strdup(arg_text(args, "data")); /* shards with braces */
    return arg_size(args, &p->height, &p->width) && read_limit(args, p) && read_rate(args, p);
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* The size of small pictures is theirs; of others it is a choice. */
static xc_status choose_input(const struct source *s, struct plan *p, struct why *why)
{
    xc_image *image = NULL;
    xc_image_info info;
    p->channels = 3;
    if (p->height) return XC_OK;
    NEED(refuse_as(why, xc_dataset_image(s->pictures, 0, NULL, &image)));
    xc_image_get_info(image, &info);
    xc_image_free(image);
    const bool small = info.height <= 64 && info.width <= 64;
    p->height = small ? info.height : 64;
    p->width = small ? info.width : 64;
    return XC_OK;
}

static const char **all_of(const struct args *args, const char *flag)
{
    const char **list = calloc(MAX_REPEATS + 1, sizeof *list);
    for (int i = 0; list && i < MAX_REPEATS && arg_each(args, flag, i); i++)
        list[i] = arg_each(args, flag, i);
    return list;
}

static xc_status fill_grid(const struct args *args, xc_context *context, struct plan *p,
                           struct why *why)
{
    const char **arch = all_of(args, "arch"), **axis = all_of(args, "axis");
    const char **preset = all_of(args, "preset");
    const struct grid_request request = {context, arch, axis, preset};
    const xc_status status = arch && axis && preset ? grid_fill(&request, p, why)
                                                    : refuse(why, XC_ERR_MEMORY, "out of memory");
    free(preset);
    free(axis);
    free(arch);
    return status;
}

static xc_status make_plan(const struct args *args, xc_context *context, struct plan *p,
                           struct source **source, struct why *why)
{
    xc_dataset_info info;
    NEED(source_open(p->data, p->val_split, p->limit, p->test_limit, p->seed, source, why));
    struct source *s = *source;
    xc_dataset_get_info(s->pictures, &info);
    p->train = s->train;
    p->test = s->test;
    p->classes = s->classes;
    p->several = info.multi_label;
    p->fingerprint = strdup(info.fingerprint);
    NEED(choose_input(s, p, why));
    NEED(fill_grid(args, context, p, why));
    for (uint32_t i = 0; i < p->arms; i++) {
        if (!p->arm[i].mosaics) continue;
        if (info.multi_label)
            return refuse(why, XC_ERR_ARGUMENT,
                          "%s: has several labels a picture already; mosaics (table2, fig7, fig8) "
                          "are made of pictures with one",
                          p->data);
        NEED(source_mosaics(s, p->height, p->width, p->channels, why));
    }
    return XC_OK;
}

/* ---- time ------------------------------------------------------------------------------------ */

enum { PROBE_SECONDS = 3 };
#define CELL_SECONDS 1.0 /* to begin and to end */

struct estimate {
    double steps[STUDY_ARMS]; /* a second */
    double epoch[STUDY_ARMS]; /* seconds, with its look at the test pictures */
    double look[STUDY_ARMS];  /* seconds, of the test pictures alone */
};

static xc_status estimate(xc_context *context, const struct plan *p, const struct source *s,
                          struct estimate *out, struct why *why)
{
    for (uint32_t i = 0; i < p->arms; i++) {
        double evaluated;
        NEED(cell_probe(context, p, s, &p->arm[i], temporary_folder(), PROBE_SECONDS,
                        &out->steps[i], &evaluated, why));
        out->look[i] = p->test / evaluated;
        out->epoch[i] = (p->train + p->batch - 1) / p->batch / out->steps[i] + out->look[i];
    }
    return XC_OK;
}

static double cell_seconds(const struct estimate *e, uint32_t arm, uint32_t epochs)
{
    return CELL_SECONDS + e->look[arm] + epochs * e->epoch[arm];
}

static double all_seconds(const struct plan *p, const struct estimate *e, uint32_t epochs)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->arms; i++) sum += cell_seconds(e, i, epochs);
    return sum * p->repeat;
}

/* As many epochs, up to the given, as the budget has room for. */
static xc_status fit_budget(const struct args *args, struct plan *p, const struct estimate *e,
                            struct why *why)
{
    char least[BAR_TIME];
    double budget;
    const char *text = arg_text(args, "budget");
    if (!text || !arg_time(args, "budget", &budget)) return XC_OK;
    while (p->epochs > 1 && all_seconds(p, e, p->epochs) > budget) p->epochs--;
    if (all_seconds(p, e, p->epochs) <= budget) return XC_OK;
    bar_time(all_seconds(p, e, 1), least);
    return refuse(why, XC_ERR_ARGUMENT,
                  "--budget: %s is too small for one epoch of %u cells, which takes %s", text,
                  plan_cells(p), least);
}

static void print_estimate(const struct plan *p, const struct estimate *e)
{
    char time[BAR_TIME];
    printf("%-26s %10s %8s %9s %10s %8s\n", "network", "params", "MMACs", "steps/s", "cell",
           "cells");
    for (uint32_t i = 0; i < p->arms; i++) {
        bar_time(cell_seconds(e, i, p->epochs), time);
        printf("%-26s %10" PRIu64 " %8.1f %9.2f %10s %8u\n", p->arm[i].name, p->arm[i].params,
               (double)p->arm[i].macs / 1e6, e->steps[i], time, p->repeat);
    }
    bar_time(all_seconds(p, e, p->epochs), time);
    printf("%u cells of %u epochs, %u training and %u test pictures: about %s\n", plan_cells(p),
           p->epochs, p->train, p->test, time);
}

/* ---- the folder ------------------------------------------------------------------------------ */

static xc_status read_plan(const char *folder, struct plan *out, struct why *why)
{
    size_t size;
    char *path = join(folder, "study.json"), *text = NULL;
    if (!path) return refuse(why, XC_ERR_MEMORY, "out of memory");
    xc_status status = read_file(path, (size_t)1 << 24, &text, &size, why);
    if (status == XC_OK) status = plan_read(text, out, why);
    free(text);
    free(path);
    return status;
}

static bool has_plan(const char *folder)
{
    struct stat info;
    char *path = join(folder, "study.json");
    const bool there = path && stat(path, &info) == 0;
    free(path);
    return there;
}

static xc_status make_folder(const char *path, struct why *why)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return XC_OK;
    return refuse(why, XC_ERR_IO, "%s: %s", path, strerror(errno));
}

/* study.json last: with it the folder is a study. */
static xc_status write_plan(const struct plan *p, const char *folder, struct why *why)
{
    char *path = join(folder, "study.json"), *cells = join(folder, "cells");
    char *text = plan_write(p);
    xc_status status = path && cells && text
                           ? make_folder(folder, why)
                           : refuse(why, XC_ERR_MEMORY, "out of memory, or a name that is no text");
    if (status == XC_OK) status = make_folder(cells, why);
    if (status == XC_OK) status = refuse_as(why, xc_file_write(path, text, strlen(text)));
    free(text);
    free(cells);
    free(path);
    return status;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void print_results(const struct report *r)
{
    const struct plan *p = r->plan;
    printf("%-26s %10s %8s  %s\n", "network", "params", "MMACs", "end (95 % over seeds)");
    for (uint32_t i = 0; i < p->arms; i++) {
        const struct interval *end = &r->end[i];
        const double half = 100 * (end->high - end->mean);
        printf("%-26s %10" PRIu64 " %8.1f  ", p->arm[i].name, p->arm[i].params,
               (double)p->arm[i].macs / 1e6);
        if (!r->cells[i])
            printf("no result\n");
        else if (isnan(half))
            printf("%.2f %%, %u seed\n", 100 * end->mean, r->cells[i]);
        else
            printf("%.2f +/- %.2f %%, %u seeds\n", 100 * end->mean, half, r->cells[i]);
    }
    for (uint32_t i = 0; i < r->findings; i++)
        printf("%-16s  %s\n", verdict_name(r->judged[i].verdict), r->judged[i].finding->text);
}

static int make_report(const struct args *args, xc_context *context, const struct plan *p,
                       const char *folder)
{
    struct results results;
    struct why why;
    struct report *report = calloc(1, sizeof *report);
    xc_status status = report ? results_read(p, folder, &results, &why)
                              : refuse(&why, XC_ERR_MEMORY, "out of memory");
    if (status != XC_OK) {
        free(report);
        return study_say(status, &why);
    }
    report_prepare(context, &results, !arg_on(args, "no-times"), report);
    status = report_write(report, folder, &why);
    if (status == XC_OK && !arg_on(args, "quiet")) print_results(report);
    if (status == XC_OK) printf("%s/report.html\n", folder);
    results_free(&results);
    free(report);
    return status == XC_OK ? EXIT_DONE : study_say(status, &why);
}

/* ---- running --------------------------------------------------------------------------------- */

static void say_plan(const struct plan *p, const char *folder)
{
    say_line("data     %s: %u training and %u test pictures of %u classes", p->data, p->train,
             p->test, p->classes);
    say_line("study    %s: %u networks x %u seeds = %u cells of %u epochs", folder, p->arms,
             p->repeat, plan_cells(p), p->epochs);
}

static int run_plan(const struct args *args, xc_context *context, const struct plan *p,
                    const char *folder)
{
    int code = EXIT_DONE;
    if (!arg_on(args, "report")) {
        say_plan(p, folder);
        code = study_cells(args, p, folder);
    }
    if (code > 128) {
        char *word = shell_word(folder);
        say_line("stopped; finished cells are kept");
        if (word) say_line("  go on with: xception study -o %s", word);
        free(word);
        return code;
    }
    const int made = code == EXIT_DONE || code == EXIT_SOME_FAILED
                         ? make_report(args, context, p, folder)
                         : EXIT_DONE;
    return made == EXIT_DONE ? code : made;
}

/* Flags say what the study is: a new one, or the same as in the folder. */
static xc_status settle(const struct args *args, xc_context *context, const char *folder,
                        struct plan *p, struct estimate *e, struct why *why)
{
    struct source *source = NULL;
    struct plan stored = {0};
    const bool known = folder && has_plan(folder), budget = arg_on(args, "budget");
    xc_status status = make_plan(args, context, p, &source, why);
    if (status == XC_OK && known) status = read_plan(folder, &stored, why);
    if (status == XC_OK && known && budget) p->epochs = stored.epochs;
    if (status == XC_OK && known) status = plan_same(p, &stored, folder, why);
    if (status == XC_OK && (arg_on(args, "dry-run") || (budget && !known)))
        status = estimate(context, p, source, e, why);
    if (status == XC_OK && budget && !known) status = fit_budget(args, p, e, why);
    if (status == XC_OK && !known && !arg_on(args, "dry-run")) status = write_plan(p, folder, why);
    plan_free(&stored);
    source_free(source);
    return status;
}

static int begin(const struct args *args, xc_context *context, const char *folder)
{
    struct plan p = {0};
    struct why why;
    struct estimate *e = calloc(1, sizeof *e);
    if (!e || !read_flags(args, &p)) {
        plan_free(&p);
        free(e);
        return EXIT_USAGE;
    }
    const xc_status status = settle(args, context, folder, &p, e, &why);
    int code = status == XC_OK ? EXIT_DONE : study_say(status, &why);
    if (code == EXIT_DONE && arg_on(args, "dry-run"))
        print_estimate(&p, e);
    else if (code == EXIT_DONE)
        code = run_plan(args, context, &p, folder);
    plan_free(&p);
    free(e);
    return code;
}

/* Would a flag make it another study than that of the folder? Says so. */
static bool is_other_study(const struct args *args, const char *folder)
{
    static const char *const kept[] = {"output",  "report", "no-times", "save-every",
                                       "threads", "cpu",    "quiet",    "dry-run",
                                       "config",  "cell",   NULL};
    for (int i = 0; i < args->options; i++) {
        int k = 0;
        while (kept[k] && strcmp(kept[k], args->option[i]->name) != 0) k++;
        if (kept[k] || !arg_typed(args, args->option[i]->name)) continue;
        say_usage("--%s without --data: %s holds a study, which has its own", args->option[i]->name,
                  folder);
        return true;
    }
    return false;
}

static int show_estimate(xc_context *context, const struct plan *p)
{
    struct why why;
    struct source *source = NULL;
    struct estimate *e = calloc(1, sizeof *e);
    xc_status status =
        e ? source_open(p->data, p->val_split, p->limit, p->test_limit, p->seed, &source, &why)
          : refuse(&why, XC_ERR_MEMORY, "out of memory");
    if (status == XC_OK) status = estimate(context, p, source, e, &why);
    if (status == XC_OK) print_estimate(p, e);
    source_free(source);
    free(e);
    return status == XC_OK ? EXIT_DONE : study_say(status, &why);
}

/* The plan is in the folder. */
static int go_on(const struct args *args, xc_context *context, const char *folder)
{
    struct plan p = {0};
    struct why why;
    if (is_other_study(args, folder)) return EXIT_USAGE;
    const xc_status status = read_plan(folder, &p, &why);
    if (status != XC_OK) return study_say(status, &why);
    const uint32_t cell = arg_number(args, "cell", 0);
    int code;
    if (arg_on(args, "dry-run"))
        code = show_estimate(context, &p);
    else if (!arg_on(args, "cell"))
        code = run_plan(args, context, &p, folder);
    else if (cell < plan_cells(&p))
        code = study_cell(args, context, &p, folder, cell);
    else
        code = EXIT_USAGE;
    plan_free(&p);
    return code;
}

static int run(const struct args *args)
{
    xc_context *context = NULL;
    const char *folder = arg_text(args, "output");
    if (args->operands > 0) {
        say_usage("takes no operands, got '%s'; the data are --data DATA", args->operand[0]);
        return EXIT_USAGE;
    }
    if (!folder && !(arg_on(args, "dry-run") && arg_on(args, "data"))) {
        say_usage("-o DIR is needed");
        return EXIT_USAGE;
    }
    /* Data that a configuration names begin a study, but none that is in the folder already. */
    const bool typed = arg_typed(args, "data");
    const bool goes_on = arg_on(args, "cell") || (!typed && folder && has_plan(folder));
    if (!arg_on(args, "data") && !goes_on) {
        say_usage("%s holds no study yet: --data is needed", folder);
        return EXIT_USAGE;
    }
    static const char *const begun[] = {"cells"}; /* when there was no room for the plan */
    if (!arg_on(args, "dry-run") && !has_plan(folder) && output_has_others(folder, begun, 1)) {
        say_usage("%s: holds other files; a study takes a folder of its own", folder);
        return EXIT_USAGE;
    }
    int code = engine_open(args, &context);
    if (code == EXIT_DONE)
        code = goes_on ? go_on(args, context, folder) : begin(args, context, folder);
    xc_context_free(context);
    return code;
}

const struct verb verb_study = {
    .name = "study",
    .summary = "the paper's comparisons on your data",
    .operands = "",
    .text =
        "Trains every network of a preset, or of --arch and --axis, under several seeds on the\n"
        "same pictures in the same order, and writes report.html, report.json and report.csv:\n"
        "learning curves, accuracy with 95 % intervals, paired tests, size and speed, and\n"
        "what the paper says with a verdict. table2, fig7 and fig8 learn from mosaics with\n"
        "several labels. A study that was stopped or killed goes on with -o DIR alone.",
    .examples = "xception study --data cifar --preset fig9 --preset fig10 --limit 10000/5000 -o "
                "study -n\thow long would it take?\n"
                "xception study --data cifar --preset rivals --budget 2h -o study\tXception "
                "against VGG, ResNet, Inception\n"
                "xception study --data cifar --arch spectrum,budget=100000 --axis segments -o "
                "study\ta grid of your own\n",
    .options = options,
    .run = run};
