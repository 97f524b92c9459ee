/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data: what is in a data set, and is it fit to train on? check and stats read every picture, split
 * writes a list, pack writes tar files, sheet a picture of what the network sees.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bar.h"
#include "emit.h"
#include "engine.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "utf8.h"
#include "verbs.h"

static const struct option options[] = {
    {"output", 'o', "FILE", NULL, 0, 0,
     "what check (findings as csv), split, pack and sheet write"},
    {"val-split", 0, "PERCENT", NULL, 1, 99, "hold out this part of train, by class and group"},
    {"seed", 0, "N", NULL, 0, UINT32_MAX, "of the split, the order and the augmentation (0)"},
    {"shards", 0, "MIB", NULL, 1, 1 << 20, "pack: WebDataset shards of this size in a folder"},
    {"split", 0, "NAME", "train|val|test", 0, 0, "sheet: which samples (train)"},
    {"aug", 0, "SPEC", NULL, 0, 0, "sheet: light, standard, strong, small, or rrc,flip,..."},
    {"size", 's', "N|HxW", NULL, 0, 0, "sheet: the network's input, 299 or HxW (160)"},
    {"grid", 0, "RxC", NULL, 0, 0, "sheet: rows and columns (6x8)"},
    {"epoch", 0, "N", NULL, 0, UINT32_MAX, "sheet: what is seen in this epoch (0)"},
    {"preprocess", 0, "NAME", NULL, 0, 0, "sheet: keras, keras-dataset, timm-legacy, ..."},
    OPTIONS_END};

static const struct need needs[] = {{"output", "", "check|split|pack|sheet"},
                                    {"shards", "", "pack"},
                                    {"split", "", "sheet"},
                                    {"aug", "", "sheet"},
                                    {"size", "", "sheet"},
                                    {"grid", "", "sheet"},
                                    {"epoch", "", "sheet"},
                                    {"preprocess", "", "sheet"},
                                    NEEDS_END};

static int open_set(const struct args *args, const char *path, xc_dataset **out)
{
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    opts.val_split = arg_number(args, "val-split", 0) / 100.0;
    opts.seed = arg_number(args, "seed", 0);
    xc_status status = xc_dataset_open(path, &opts, out);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

/* Goes on until a signal that stop_catch has caught. */
static bool show_progress(void *user, uint64_t done, uint64_t all)
{
    const bool *quiet = user;
    if (!*quiet && bar_terminal())
        fprintf(stderr, "\rpicture %" PRIu64 "/%" PRIu64 "%s", done, all,
                done == all || stop_signal ? "\r\033[K" : "");
    return !stop_signal;
}

static int scan_set(const struct args *args, const xc_dataset *set, xc_scan **out)
{
    xc_context *context = NULL;
    bool quiet = arg_on(args, "quiet");
    int code = engine_open(args, &context);
    if (code == EXIT_DONE) {
        xc_status status = xc_dataset_scan(context, set, show_progress, &quiet, out);
        if (status != XC_OK) code = say_status(status, EXIT_DATA);
    }
    xc_context_free(context);
    return code;
}

/* Samples of each class in each split, (classes, XC_SPLITS); free(). NULL: out of memory, said. */
static uint64_t *count_classes(const xc_dataset *set)
{
    xc_dataset_info info;
    xc_sample s;
    xc_dataset_get_info(set, &info);
    uint64_t *count = calloc(info.classes, XC_SPLITS * sizeof *count);
    if (!count) say_error("out of memory for %u classes", info.classes);
    for (uint64_t i = 0; count && i < info.samples; i++) {
        if (xc_dataset_sample(set, i, &s) != XC_OK) continue;
        count[(size_t)s.label * XC_SPLITS + s.split]++;
        for (uint32_t k = 0; k < s.extra_count; k++)
            count[(size_t)s.extra[k] * XC_SPLITS + s.split]++;
    }
    return count;
}

static const char *name_of(const xc_dataset *set, uint64_t index, xc_sample *s)
{
    return xc_dataset_sample(set, index, s) == XC_OK ? s->name : "?";
}

/* ---- check ----------------------------------------------------------------------------------- */

/* One finding on stdout and, as a row, in the file of -o. */
static void tell(FILE *csv, const char *kind, const char *name, const char *between,
                 const char *other)
{
    printf("%-10s  ", kind);
    if (between) {
        emit_plain(name);
        printf("%s", between);
    }
    emit_plain(other);
    putchar('\n');
    if (!csv) return;
    fprintf(csv, "%s,", kind);
    emit_csv(csv, name);
    fputc(',', csv);
    emit_csv(csv, other);
    fputc('\n', csv);
}

static void tell_pair(FILE *csv, const xc_dataset *set, const xc_sample *own, uint64_t at,
                      bool same)
{
    xc_sample first;
    const char *other = name_of(set, at, &first);
    const char *kind = own->split != first.split   ? same ? "LEAK" : "near LEAK"
                       : own->label != first.label ? same ? "CONFLICT" : "near CONFLICT"
                       : same                      ? "same"
                                                   : "near";
    tell(csv, kind, own->name, same ? " = " : " ~ ", other);
}

static void print_findings(FILE *csv, const xc_dataset *set, const xc_scan *scan, uint64_t samples)
{
    xc_scanned found;
    xc_sample own;
    for (uint64_t i = 0; i < samples; i++) {
        if (xc_scan_sample(scan, i, &found) != XC_OK) continue;
        const char *name = name_of(set, i, &own);
        if (found.reason) tell(csv, "unreadable", name, NULL, found.reason);
        if (found.content) tell(csv, "misnamed", name, " is ", found.content);
        if (found.same_as != i) tell_pair(csv, set, &own, found.same_as, true);
        if (found.near_to != i) tell_pair(csv, set, &own, found.near_to, false);
    }
}

static void print_evenness(const xc_dataset *set)
{
    xc_dataset_info info;
    uint64_t *count = count_classes(set);
    uint32_t least = 0, most = 0;
    xc_dataset_get_info(set, &info);
    for (uint32_t c = 1; count && c < info.classes; c++) {
        if (count[c * XC_SPLITS] < count[least * XC_SPLITS]) least = c;
        if (count[c * XC_SPLITS] > count[most * XC_SPLITS]) most = c;
    }
    if (count) {
        const uint64_t low = count[least * XC_SPLITS], high = count[most * XC_SPLITS];
        fputs("train       ", stdout);
        emit_plain(xc_dataset_class(set, least));
        printf(" %" PRIu64 " .. ", low);
        emit_plain(xc_dataset_class(set, most));
        printf(" %" PRIu64, high);
        if (low > 0 && low < high) printf(" (ratio %.1f)", (double)high / (double)low);
        putchar('\n');
    }
    free(count);
}

static void print_head(const xc_dataset *set, const xc_scan_info *sum)
{
    xc_dataset_info info;
    xc_dataset_get_info(set, &info);
    printf("%s  classes %u  train %" PRIu64 "  val %" PRIu64 "  test %" PRIu64
           "  unreadable %" PRIu64 "\n",
           info.kind, info.classes, info.split[XC_SPLIT_TRAIN], info.split[XC_SPLIT_VAL],
           info.split[XC_SPLIT_TEST], sum->unreadable);
    for (uint32_t i = 0; xc_dataset_note(set, i); i++) {
        printf("note        ");
        emit_plain(xc_dataset_note(set, i));
        putchar('\n');
    }
}

static int report(const xc_dataset *set, const xc_scan *scan, const char *path)
{
    xc_dataset_info info;
    xc_dataset_get_info(set, &info);
    struct output o = {0};
    const bool lost = path && !output_open(&o, NULL, path);
    if (o.file) fprintf(o.file, "finding,path,other\n");
    print_findings(o.file, set, scan, info.samples);
    return lost ? EXIT_DATA : o.file ? output_close(&o) : EXIT_DONE;
}

static int check(const struct args *args, const xc_dataset *set)
{
    xc_dataset_info info;
    xc_scan_info sum = {0};
    xc_scan *scan = NULL;
    xc_dataset_get_info(set, &info);
    int code = scan_set(args, set, &scan);
    if (code != EXIT_DONE) return code;
    xc_scan_get_info(scan, &sum);
    print_head(set, &sum);
    code = report(set, scan, arg_text(args, "output"));
    print_evenness(set);
    printf("fingerprint %s\n", info.fingerprint);
    xc_scan_free(scan);
    if (code != EXIT_DONE) return code;
    if (xc_dataset_trainable(set) != XC_OK) {
        say_error("%s", xc_error());
        code = EXIT_SOME_FAILED;
    }
    const uint64_t findings = sum.unreadable + sum.leaks + sum.near_leaks + sum.conflicts +
                              sum.near_conflicts + sum.misnamed;
    return findings > 0 ? EXIT_SOME_FAILED : code;
}

/* ---- stats ----------------------------------------------------------------------------------- */

enum { SIZES = 16 };

static void print_sizes(const xc_scan *scan, uint64_t samples)
{
    uint64_t count[SIZES] = {0};
    xc_scanned s;
    for (uint64_t i = 0; i < samples; i++) {
        if (xc_scan_sample(scan, i, &s) != XC_OK || s.reason) continue;
        uint32_t side = s.width < s.height ? s.width : s.height, k = 0;
        while (k + 1 < SIZES && side >> (k + 1)) k++;
        count[k]++;
    }
    for (uint32_t k = 0; k < SIZES; k++)
        if (count[k]) printf("side\t%u..%u\t%" PRIu64 "\n", 1u << k, (2u << k) - 1, count[k]);
}

static int stats(const struct args *args, const xc_dataset *set)
{
    static const char *const colours[3] = {"red", "green", "blue"};
    xc_dataset_info info;
    xc_scan_info sum = {0};
    xc_scan *scan = NULL;
    xc_dataset_get_info(set, &info);
    int code = scan_set(args, set, &scan);
    uint64_t *count = code == EXIT_DONE ? count_classes(set) : NULL;
    if (!count) {
        xc_scan_free(scan);
        return code == EXIT_DONE ? EXIT_LIMIT : code;
    }
    xc_scan_get_info(scan, &sum);
    printf("class\ttrain\tval\ttest\n");
    for (uint32_t c = 0; c < info.classes; c++) {
        emit_field(FORMAT_TSV, xc_dataset_class(set, c));
        const uint64_t *n = count + (size_t)c * XC_SPLITS;
        printf("\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", n[0], n[1], n[2]);
    }
    print_sizes(scan, info.samples);
    for (int c = 0; c < 3; c++)
        printf("%s\tmean %.3f\tstd %.3f\n", colours[c], sum.mean[c], sum.std[c]);
    printf("unreadable\t%" PRIu64 "\n", sum.unreadable);
    free(count);
    xc_scan_free(scan);
    return EXIT_DONE;
}

/* ---- split, pack, sheet ---------------------------------------------------------------------- */

/* A list is of the kind that its name ends like, as it is read. */
static enum format list_format(const char *target)
{
    const char *dot = target ? strrchr(target, '.') : NULL;
    if (dot && strcasecmp(dot, ".tsv") == 0) return FORMAT_TSV;
    if (dot && (strcasecmp(dot, ".jsonl") == 0 || strcasecmp(dot, ".ndjson") == 0))
        return FORMAT_JSONL;
    return FORMAT_CSV;
}

/* TSV has no quotes, and JSON is UTF-8. */
static bool can_hold(enum format format, const char *text)
{
    bool good = format != FORMAT_TSV || !strpbrk(text, "\t\r\n");
    for (const char *p = text; good && format == FORMAT_JSONL && *p; p += utf8_bytes(p))
        good = utf8_bytes(p) > 0;
    if (!good)
        say_error("%s: %s", text,
                  format == FORMAT_TSV ? "a .tsv cannot hold tabs and new lines of a name"
                                       : "JSON cannot hold a name that is not UTF-8");
    return good;
}

static void put_row(FILE *out, enum format format, const char *path, const char *label,
                    const char *split)
{
    if (format == FORMAT_TSV) {
        fprintf(out, "%s\t%s\t%s\n", path, label, split);
        return;
    }
    void (*const put)(FILE *, const char *) = format == FORMAT_JSONL ? emit_json : emit_csv;
    fputs(format == FORMAT_JSONL ? "{\"path\":" : "", out);
    put(out, path);
    fputs(format == FORMAT_JSONL ? ",\"label\":" : ",", out);
    put(out, label);
    fputs(format == FORMAT_JSONL ? ",\"split\":" : ",", out);
    put(out, split);
    fputs(format == FORMAT_JSONL ? "}\n" : "\n", out);
}

/* Of samples in a folder. out NULL: only whether the format can hold them, which it says. */
static bool put_list(FILE *out, enum format format, const xc_dataset *set, const char *folder)
{
    xc_sample s;
    bool good = true;
    if (out && format != FORMAT_JSONL)
        fprintf(out, format == FORMAT_TSV ? "path\tlabel\tsplit\n" : "path,label,split\n");
    for (uint64_t i = 0; good && xc_dataset_sample(set, i, &s) == XC_OK; i++) {
        const char *label = xc_dataset_class(set, s.label);
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, s.name) < 0) return false;
        if (out)
            put_row(out, format, path, label, xc_split_name(s.split));
        else
            good = can_hold(format, path) && can_hold(format, label);
        free(path);
    }
    return good;
}

/* Can a list say these classes by name? To a list whole numbers are those of classes, and '|'
 * divides several. */
static bool fits_list(const xc_dataset *set, const char *path)
{
    const char *name;
    char number[16];
    uint32_t i, whole = 0, wrong = UINT32_MAX;
    for (i = 0; (name = xc_dataset_class(set, i)); i++) {
        snprintf(number, sizeof number, "%u", i);
        whole += !name[strspn(name, "0123456789")];
        if (wrong == UINT32_MAX && strcmp(number, name) != 0) wrong = i;
        if (!strchr(name, '|')) continue;
        say_error("%s: class %s: a list would take that for several labels", path, name);
        return false;
    }
    if (whole < i || wrong == UINT32_MAX) return true;
    say_error("%s: class %u is named %s: a list would take that for its number", path, wrong,
              xc_dataset_class(set, wrong));
    return false;
}

static int split(const struct args *args, const xc_dataset *set, const char *path)
{
    xc_dataset_info info;
    const char *target = arg_text(args, "output");
    const enum format format = list_format(target);
    xc_dataset_get_info(set, &info);
    if (strcmp(info.kind, "folder") != 0) {
        say_error("%s: a list names files, and this is a %s", path, info.kind);
        say_hint("'xception data pack' writes any data set");
        return EXIT_USAGE;
    }
    if (!fits_list(set, path)) return EXIT_DATA;
    struct output o = {.file = stdout};
    char *folder = realpath(path, NULL);
    if (!folder) say_error("%s: %s", path, strerror(errno));
    const bool good =
        folder && put_list(NULL, format, set, folder) && (!target || output_open(&o, NULL, target));
    if (good) put_list(o.file, format, set, folder);
    free(folder);
    return !good ? EXIT_DATA : target ? output_close(&o) : EXIT_DONE;
}

static const char *need_output(const struct args *args)
{
    const char *target = arg_text(args, "output");
    if (!target) say_usage("-o FILE is needed");
    return target;
}

static int pack(const struct args *args, const xc_dataset *set)
{
    xc_dataset_info info;
    uint32_t files;
    bool quiet = arg_on(args, "quiet");
    const char *target = need_output(args);
    if (!target) return EXIT_USAGE;
    xc_dataset_get_info(set, &info);
    uint64_t bytes = (uint64_t)arg_number(args, "shards", 0) << 20;
    stop_catch();
    xc_status status = xc_dataset_pack(set, target, bytes, arg_number(args, "seed", 0),
                                       show_progress, &quiet, &files);
    if (status != XC_OK && !quiet && bar_terminal()) fputs("\r\033[K", stderr);
    if (status == XC_ERR_CANCELLED) say_error("%s", xc_error_of(status));
    if (status == XC_ERR_CANCELLED) return 128 + stop_signal;
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    printf("%s: %" PRIu64 " samples in %u file%s\n", target, info.samples, files,
           files == 1 ? "" : "s");
    return EXIT_DONE;
}

/* "6x8" */
static bool read_grid(const struct args *args, uint32_t *rows, uint32_t *columns)
{
    char word[16];
    const char *text = arg_text(args, "grid"), *x = text ? strchr(text, 'x') : NULL;
    if (!text) return true;
    if (x && (size_t)(x - text) < sizeof word) {
        snprintf(word, sizeof word, "%.*s", (int)(x - text), text);
        if (parse_number(word, 1, 1024, rows) && parse_number(x + 1, 1, 1024, columns)) return true;
    }
    say_usage("%s: '%s' is not RxC, as in 6x8", arg_giver(args, "grid"), text);
    return false;
}

static int sheet(const struct args *args, const xc_dataset *set)
{
    xc_sheet_opts opts = XC_SHEET_OPTS_INIT;
    xc_preprocess preprocess;
    const char *target = need_output(args), *word = arg_text(args, "split");
    const char *recipe = arg_text(args, "preprocess");
    if (!target || !output_is_named(target, "a sheet", ".png", NULL)) return EXIT_USAGE;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    if (!read_grid(args, &opts.rows, &opts.columns)) return EXIT_USAGE;
    for (int s = 0; word && s < XC_SPLITS; s++)
        if (!strcmp(word, xc_split_name((xc_split)s))) opts.split = (xc_split)s;
    xc_status status = recipe ? xc_preprocess_named(recipe, &preprocess) : XC_OK;
    if (status != XC_OK) return say_status(status, EXIT_USAGE);
    if (recipe) opts.preprocess = &preprocess;
    opts.augment = arg_text(args, "aug");
    opts.seed = arg_number(args, "seed", 0);
    opts.epoch = arg_number(args, "epoch", 0);
    status = xc_dataset_sheet(set, &opts, target);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

static int act(const struct args *args, const char *action, const char *path, xc_dataset *set)
{
    if (output_is_sample(arg_text(args, "output"), path, set)) return EXIT_USAGE;
    if (!strcmp(action, "check")) return check(args, set);
    if (!strcmp(action, "stats")) return stats(args, set);
    if (!strcmp(action, "split")) return split(args, set, path);
    if (!strcmp(action, "pack")) return pack(args, set);
    return sheet(args, set);
}

static int run_action(const struct args *args, const char *action, const char *path)
{
    xc_dataset *set = NULL;
    if (output_is_input(args, arg_text(args, "output"), NULL)) return EXIT_USAGE;
    if (!output_has_place(arg_text(args, "output"))) return EXIT_DATA;
    int code = open_set(args, path, &set);
    if (code == EXIT_DONE) code = act(args, action, path, set);
    xc_dataset_free(set);
    return code;
}

static int run(const struct args *args)
{
    static const char *const actions[] = {"check", "stats", "split", "pack", "sheet", NULL};
    if (args->operands != 2) {
        say_usage(
            "takes an action (check, stats, split, pack, sheet) and a data set, got %d word%s",
            args->operands, args->operands == 1 ? "" : "s");
        return EXIT_USAGE;
    }
    for (int i = 0; actions[i]; i++)
        if (!strcmp(args->operand[0], actions[i]))
            return run_action(args, args->operand[0], args->operand[1]);
    say_usage("'%s' is not one of check, stats, split, pack, sheet", args->operand[0]);
    const char *near = nearest_word(args->operand[0], actions);
    if (near) say_hint("did you mean 'xception data %s'?", near);
    return EXIT_USAGE;
}

const struct verb verb_data = {
    .name = "data",
    .summary = "look at a data set, split it, pack it",
    .operands = "check|stats|split|pack|sheet DATA",
    .text =
        "DATA is a folder (train/CLASS/..., val/CLASS/..., or CLASS/...), the same in a .tar,\n"
        "WebDataset shards, a .csv .tsv .jsonl list, or a folder of IDX or CIFAR files.\n"
        "check reads every picture: what cannot be read, is named like another format, is\n"
        "in two splits or classes or nearly so (exit 1 then, and where training would refuse the\n"
        "data), or only there twice. stats counts classes, sizes and colours.\n"
        "split writes a list with a held-out part (csv, or what FILE ends like), pack writes\n"
        "tar files, sheet a PNG of what the network sees.",
    .examples = "xception data check flowers\tbefore training\n"
                "xception data split --val-split 10 -o flowers.csv flowers\thold out a tenth\n"
                "xception data pack -o flowers.tar flowers\tone file instead of many\n"
                "xception data sheet --aug standard -o sheet.png flowers\tlook at augmentation\n",
    .options = options,
    .needs = needs,
    .run = run};
