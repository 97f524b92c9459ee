/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed: what does the network say of a picture before it decides? Rows of numbers, in which like
 * pictures are near: to be saved, searched, compared and drawn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "output.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    ENGINE_MODEL_OR_BUILTIN_OPTION,
    {"output", 'o', "FILE.npy", NULL, 0, 0, "write the rows there, their names to FILE.txt"},
    {"format", 0, "FORMAT", "npy|csv|tsv|jsonl", 0, 0,
     "of the rows: npy is a file (-o), others print"},
    {"normalize", 0, NULL, NULL, 0, 0, "every row to length 1"},
    {"layer", 0, "NAME", NULL, 0, 0, "another layer's means (the pooling before the dense layers)"},
    {"nearest", 0, "FILE.npy", NULL, 0, 0, "the pictures of this index that are most alike"},
    {"top", 'k', "N", NULL, 1, 100000, "how many of them (5)"},
    {"duplicates", 0, NULL, NULL, 0, 0, "pairs that are nearly the same; 1: there are some"},
    {"threshold", 0, "PERCENT", NULL, 1, 100, "least cosine of such a pair (95)"},
    {"map", 0, "FILE", NULL, 0, 0, "all in one plane, as .svg or .html"},
    {"index", 0, "FILE.npy", NULL, 0, 0, "with --duplicates and --map: of this, not of pictures"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size instead of the model's"},
    ENGINE_PREPROCESS_OPTIONS,
    ENGINE_PRECISION_OPTION,
    {"on-bad-image", 0, "HOW", "skip|stop", 0, 0, "what to do when a picture cannot be read"},
    {"files0-from", 0, "FILE", NULL, 0, 0, "read NUL-separated paths from FILE, '-' is stdin"},
    {"arch", 'a', "SPEC", NULL, 0, 0, "architecture of a model file that holds weights only"},
    OPTIONS_END};

static const struct need needs[] = {
    {"top", "nearest", NULL}, {"threshold", "duplicates", NULL}, NEEDS_END};

static void print_rows(const struct args *args, const struct rows *r)
{
    const enum format format = format_of(arg_text(args, "format"));
    const char separator = format == FORMAT_CSV ? ',' : '\t';
    if (format == FORMAT_CSV) {
        fputs("path", stdout);
        for (size_t j = 0; j < r->width; j++) printf(",%zu", j);
        putchar('\n');
    }
    for (size_t i = 0; i < r->count; i++) {
        if (format == FORMAT_JSONL) {
            fputs("{\"path\":", stdout);
            emit_string(r->path[i]);
            fputs(",\"embedding\":[", stdout);
        } else {
            emit_field(format, r->path[i]);
        }
        for (size_t j = 0; j < r->width; j++) {
            if (format != FORMAT_JSONL)
                putchar(separator);
            else if (j)
                putchar(',');
            emit_float(r->at[i * r->width + j]);
        }
        puts(format == FORMAT_JSONL ? "]}" : "");
    }
}

/* known: of --nearest */
static int use_rows(const struct args *args, struct rows *known, struct rows *rows)
{
    const char *index = arg_text(args, "nearest"), *map = arg_text(args, "map");
    const char *format = arg_text(args, "format"), *out = arg_text(args, "output");
    int code = EXIT_DONE;
    if (arg_on(args, "normalize")) rows_normalize(rows);
    if (out) code = rows_save(rows, out);
    if (code == EXIT_DONE && map) code = map_write(rows, map);
    if (code == EXIT_DONE && index) code = near_print(args, known, rows);
    const bool doubles = arg_on(args, "duplicates");
    if (code == EXIT_DONE && doubles) code = duplicates_print(args, rows);
    if (code == EXIT_DONE && !doubles && !index && !map && format && strcmp(format, "npy") != 0)
        print_rows(args, rows);
    return code;
}

/* True after printing what is wrong with the words. */
static bool is_wrong(const struct args *args, bool pictures)
{
    const char *format = arg_text(args, "format");
    const bool index = arg_on(args, "index"),
               other = arg_on(args, "duplicates") || arg_on(args, "map");
    const bool printed = format && strcmp(format, "npy") != 0;
    if (index && (pictures || !other))
        say_usage("--index goes with --duplicates or --map, and without pictures");
    else if (!index && !pictures)
        say_usage("no picture given");
    else if (!printed && !arg_on(args, "output") && !arg_on(args, "nearest") && !other)
        say_usage("where to? -o FILE.npy, or --format csv, tsv or jsonl");
    else
        return (arg_on(args, "output") && !rows_path(arg_text(args, "output"))) ||
               !output_is_named(arg_text(args, "map"), "a map", ".svg", ".html");
    return true;
}

/* Can what is asked for be written? Asked before the work; the code after saying why not. */
static int check_outputs(const struct args *args, const struct pictures *pictures)
{
    char names[4096];
    const char *out = arg_text(args, "output"), *map = arg_text(args, "map");
    if (output_is_input(args, out, pictures) || output_is_input(args, map, pictures) ||
        (out && rows_names(out, names, sizeof names) && output_is_input(args, names, pictures)))
        return EXIT_USAGE;
    if (!output_has_place(out) || !output_has_place(map)) return EXIT_DATA;
    for (size_t i = 0; out && i < pictures->count; i++) {
        if (!strchr(pictures->path[i], '\n')) continue;
        say_error("%s: a name with a new line cannot stand in %s", pictures->path[i], names);
        return EXIT_DATA;
    }
    return EXIT_DONE;
}

static int run(const struct args *args)
{
    struct pictures pictures = {0};
    struct rows rows = {0}, known = {0};
    const char *index = arg_text(args, "index"), *files0 = arg_text(args, "files0-from");
    const char *nearest = arg_text(args, "nearest");
    int code = EXIT_DONE;
    if (is_wrong(args, args->operands > 0 || files0)) return EXIT_USAGE;
    if (!index) pictures_find(&pictures, args->operand, args->operands, files0, &code);
    if (code == EXIT_DONE) code = check_outputs(args, &pictures);
    if (code == EXIT_DONE && nearest) code = rows_load(nearest, &known);
    if (code == EXIT_DONE)
        code = index ? rows_load(index, &rows) : rows_compute(args, &pictures, &known, &rows);
    if (code == EXIT_DONE || code == EXIT_SOME_FAILED) {
        const int used = use_rows(args, &known, &rows);
        if (used != EXIT_DONE) code = used;
    }
    rows_free(&known);
    rows_free(&rows);
    pictures_free(&pictures);
    return code;
}

const struct verb verb_embed = {
    .name = "embed",
    .summary = "rows of numbers that describe pictures: save, search, compare",
    .operands = "FILE|DIR|-...",
    .text =
        "A row is what the network's dense layers decide by: means over the picture. Like\n"
        "pictures have like rows: --nearest finds the most alike ones of an index, --duplicates\n"
        "the pairs of a folder that are nearly the same (rescaled, compressed again, cropped a\n"
        "little), --map draws all of them in the plane in which they differ most.",
    .examples =
        "xception embed -m model.keras -o photos.npy photos\tan index of a folder\n"
        "xception embed -m model.keras --nearest photos.npy new.jpg\twhat is like it?\n"
        "xception embed --index photos.npy --map photos.html --duplicates\ta look at all of them\n",
    .options = options,
    .needs = needs,
    .run = run};
