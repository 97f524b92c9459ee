/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench: how fast is this network on this machine, how much memory does it take, and how soon is
 * the first answer there? Each configuration runs in processes of its own, round after round, each
 * after a moment in which nobody else uses the machine; speed is quoted against the peak that the
 * same process measured just before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "engine.h"
#include "output.h"
#include "say.h"
#include "verbs.h"

enum { MOST_VALUES = 16, MOST_ROWS = 256, DEFAULT_ROUNDS = 3, MOST_ROUNDS = 99 };

static const struct option options[] = {
    ENGINE_MODEL_OPTION,
    {"arch", 'a', "SPEC", NULL, 0, 0, "with random weights, packed (default: xception)"},
    {"size", 's', "N|HxW", NULL, 0, 0, "input size instead of the network's own"},
    {"threads", 0, "LIST", NULL, 0, 0, "cores to use, one row each (default: 1 and all)"},
    {"batch", 0, "LIST", NULL, 0, 0, "pictures at a time, one row each (default: 1,16)"},
    {"precision", 0, "LIST", NULL, 0, 0, PRECISION_WORDS "; one row each (default: f32)"},
    ENGINE_ALGO_OPTION,
    {"train", 0, NULL, NULL, 0, 0, "steps of training (SGD with momentum) instead of answers"},
    {"memory-limit", 0, "SIZE", NULL, 0, 0,
     "with --train: for weights and maps, 500M or 4G; more is computed again"},
    {"layers", 0, NULL, NULL, 0, 0, "show the time of every step, too"},
    {"rounds", 0, "N", NULL, 1, MOST_ROUNDS, "processes for each row (default: 3)"},
    {"seconds", 0, "N", NULL, 0, 3600, "to measure for in each; 0: three runs (default: 3)"},
    {"idle-wait", 0, "N", NULL, 0, 3600,
     "seconds to wait for a machine that others leave alone (default: 60)"},
    {"compare", 0, "FILE", NULL, 0, 0, "show what changed since this --format json"},
    {"format", 0, "FORMAT", TABLE_FORMATS, 0, 0, "of the result"},
    {"result-fd", 0, "FD", NULL, RESULT_FD, RESULT_FD, NULL}, /* from a parent: bench_spawn.c */
    OPTIONS_END};

static const struct need needs[] = {{"memory-limit", "train", NULL}, NEEDS_END};

/* ---- configurations -------------------------------------------------------------------------- */

/* The next of comma-separated words, copied; false at the end. */
static bool next_word(const char **list, char *word, size_t size)
{
    if (!*list) return false;
    const size_t length = strcspn(*list, ",");
    snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), *list);
    *list = (*list)[length] ? *list + length + 1 : NULL;
    return true;
}

static bool numbers(const struct args *args, const char *name, uint32_t most, uint32_t *value,
                    size_t *count)
{
    const char *list = arg_text(args, name);
    char word[16];
    if (!list) return true; /* value and count hold the default */
    for (*count = 0; next_word(&list, word, sizeof word); ++*count)
        if (*count == MOST_VALUES || !parse_number(word, 1, most, &value[*count])) {
            say_usage("%s: '%s' is not a list of at most %d whole numbers from 1 to %u",
                      arg_giver(args, name), arg_text(args, name), MOST_VALUES, most);
            return false;
        }
    return true;
}

static bool precisions(const struct args *args, const char **value, size_t *count)
{
    const char *list = arg_text(args, "precision");
    char word[16];
    if (!list) return true;
    for (*count = 0; next_word(&list, word, sizeof word); ++*count) {
        xc_precision precision;
        const char *known = engine_precision(word, &precision);
        if (!known || *count == MOST_VALUES) {
            say_usage("%s: '%s' is not one of %s", arg_giver(args, "precision"), word,
                      PRECISION_WORDS);
            return false;
        }
        value[*count] = known;
    }
    return true;
}

/* All that this process may use. */
static int all_threads(uint32_t *out)
{
    xc_context *context = NULL;
    const xc_status status = xc_context_new(NULL, &context);
    if (status != XC_OK) return say_status(status, EXIT_LIMIT);
    *out = (uint32_t)xc_context_threads(context);
    xc_context_free(context);
    return EXIT_DONE;
}

/* That of a packed model file: it has no other. */
static int usual_precision(const struct args *args, const char *path, const char **out)
{
    xc_context *context = NULL;
    xc_model *model = NULL;
    if (access(path, R_OK) != 0) {
        say_error("%s: cannot open: %s [%s]", path, strerror(errno), xc_status_id(XC_ERR_IO));
        return EXIT_MODEL;
    }
    if (!output_ends(path, ".safetensors")) return EXIT_DONE; /* not packed, and slow to read */
    const xc_status status = xc_context_new(NULL, &context);
    if (status != XC_OK) return say_status(status, EXIT_LIMIT);
    const int code = engine_model(context, path, arg_text(args, "arch"), &model);
    if (code == EXIT_DONE && strncmp(xc_model_get_info(model)->packing, "bf16", 4) == 0)
        *out = "bf16";
    xc_model_unref(model);
    xc_context_free(context);
    return code;
}

/* Every precision with every batch with every number of threads. */
static int configurations(const struct args *args, const char *usual, struct config *config,
                          size_t *count)
{
    uint32_t threads[MOST_VALUES] = {1}, batch[MOST_VALUES] = {1, 16};
    const char *precision[MOST_VALUES] = {usual};
    size_t t = 1, b = 2, p = 1;
    if (arg_on(args, "train")) batch[0] = batch[1];
    if (arg_on(args, "train")) b = 1;
    uint32_t all = 1;
    int code = all_threads(&all);
    if (code != EXIT_DONE) return code;
    if (all > 1) threads[t++] = all;
    if (!numbers(args, "threads", 256, threads, &t) || !numbers(args, "batch", 1024, batch, &b) ||
        !precisions(args, precision, &p))
        return EXIT_USAGE;
    if (t * b * p > MOST_ROWS) {
        say_usage("%zu configurations, at most %d", t * b * p, MOST_ROWS);
        return EXIT_USAGE;
    }
    *count = 0;
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < b; j++)
            for (size_t k = 0; k < t; k++)
                config[(*count)++] = (struct config){threads[k], batch[j], precision[i], -1};
    return EXIT_DONE;
}

/* ---- model files of random weights ----------------------------------------------------------- */

/* Packed where a packed file can be run: this is how a program that cares would keep it. */
static int save_random(const struct args *args, const char *precision, const char *path)
{
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    xc_context *context = NULL;
    xc_model *model = NULL;
    const char *arch = arg_text(args, "arch");
    if (!arg_size(args, &create.height, &create.width)) return EXIT_USAGE;
    create.weights = XC_WEIGHTS_RANDOM;
    opts.cpu = arg_text(args, "cpu");
    xc_status status = xc_context_new(&opts, &context);
    if (status == XC_OK)
        status = xc_model_create(context, arch ? arch : "xception", &create, &model);
    if (strcmp(precision, "f64") != 0) {
        save.pack = "";
        engine_precision(precision, &save.precision);
    }
    if (status == XC_OK) status = xc_model_save(model, path, &save);
    xc_model_unref(model);
    xc_context_free(context);
    return status == XC_OK ? EXIT_DONE
                           : say_status(status, status == XC_ERR_IO ? EXIT_DATA : EXIT_USAGE);
}

/* An open file without a name, so that nothing is left behind but by a signal while it is written.
 */
static int random_model(const struct args *args, const char *precision, int *fd)
{
    char dir[256], path[300];
    snprintf(dir, sizeof dir, "%s/xception-bench-XXXXXX", temporary_folder());
    if (!mkdtemp(dir)) {
        say_error("%s: %s", dir, strerror(errno));
        return EXIT_DATA;
    }
    snprintf(path, sizeof path, "%s/random.safetensors", dir);
    int code = save_random(args, precision, path);
    if (code == EXIT_DONE) {
        int low = open(path, O_RDONLY | O_CLOEXEC);
        *fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, 10);
        if (low >= 0) close(low);
        if (*fd < 0) {
            say_error("%s: %s", path, strerror(errno));
            code = EXIT_LIMIT;
        }
    }
    unlink(path);
    rmdir(dir);
    return code;
}

/* One for each precision. */
static int random_models(const struct args *args, struct config *config, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i && config[i].precision == config[i - 1].precision)
            config[i].model = config[i - 1].model;
        else {
            int code = random_model(args, config[i].precision, &config[i].model);
            if (code != EXIT_DONE) return code;
        }
    }
    return EXIT_DONE;
}

static void close_models(const struct config *config, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (config[i].model >= 0 && (i == 0 || config[i].model != config[i - 1].model))
            close(config[i].model);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* All rounds of all configurations: round by round, so that a slow minute does not hit one row. */
static int measure(const struct args *args, const struct config *config, size_t count,
                   struct sample *sample)
{
    const uint32_t rounds = arg_number(args, "rounds", DEFAULT_ROUNDS);
    for (uint32_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < count; i++) {
            const bool layers = arg_on(args, "layers") && r + 1 == rounds;
            machine_wait(arg_number(args, "idle-wait", 60));
            int code = bench_spawn(args, &config[i], layers, &sample[i * rounds + r]);
            if (code != EXIT_DONE) return code;
        }
    return EXIT_DONE;
}

static int show(const struct args *args, struct row *row, size_t rows)
{
    const char *old = arg_text(args, "compare");
    int code = old ? rows_compare(row, rows, old) : EXIT_DONE;
    if (code != EXIT_DONE) return code;
    rows_print(row, rows, table_format_of(arg_text(args, "format")));
    for (size_t i = 0; i < rows; i++)
        if (row[i].change && strcmp(row[i].change, "slower") == 0) code = EXIT_SOME_FAILED;
    return code;
}

static int run_all(const struct args *args, struct config *config, size_t count)
{
    const uint32_t rounds = arg_number(args, "rounds", DEFAULT_ROUNDS);
    struct sample *sample = calloc(count * rounds, sizeof *sample);
    struct row *row = calloc(count, sizeof *row);
    int code = EXIT_DONE;
    if (!sample || !row) {
        say_error("out of memory for %zu rows", count);
        code = EXIT_LIMIT;
    }
    if (code == EXIT_DONE && !arg_unless(args, "model", "arch") && !arg_on(args, "train"))
        code = random_models(args, config, count);
    if (code == EXIT_DONE) code = measure(args, config, count, sample);
    for (size_t i = 0; i < count && code == EXIT_DONE; i++) {
        code = row_make(&config[i], &sample[i * rounds], rounds, &row[i]);
        for (uint32_t r = 0; r < rounds; r++) sample[i * rounds + r] = (struct sample){0};
    }
    if (code == EXIT_DONE) code = show(args, row, count);
    for (size_t i = 0; sample && i < count * rounds; i++) sample_free(&sample[i]);
    for (size_t i = 0; row && i < count; i++) row_free(&row[i]);
    free(sample);
    free(row);
    close_models(config, count);
    return code;
}

static int run(const struct args *args)
{
    struct config config[MOST_ROWS];
    uint32_t height, width;
    size_t count = 0;
    if (args->operands) {
        say_usage("takes no file; did you mean -m %s?", args->operand[0]);
        return EXIT_USAGE;
    }
    if (arg_on(args, "train") && (arg_typed(args, "model") || arg_on(args, "layers"))) {
        say_usage("--train takes an architecture (--arch), and shows no layers");
        return EXIT_USAGE;
    }
    const char *algo = arg_text(args, "algo");
    if (arg_on(args, "train") && algo && strstr(algo, "fast")) {
        say_usage("--algo fast: training is direct");
        return EXIT_USAGE;
    }
    if (arg_on(args, "train") && arg_text(args, "precision") &&
        strstr(arg_text(args, "precision"), "f64")) {
        say_usage("--precision %s: training is in f32 or bf16", arg_text(args, "precision"));
        return EXIT_USAGE;
    }
    if (arg_on(args, "result-fd")) return bench_child(args, RESULT_FD);
    uint64_t memory;
    if (!arg_size(args, &height, &width) || !arg_bytes(args, "memory-limit", &memory))
        return EXIT_USAGE;
    const char *model = arg_on(args, "train") ? NULL : arg_unless(args, "model", "arch");
    const char *usual = "f32";
    int code = model ? usual_precision(args, model, &usual) : EXIT_DONE; /* before the waiting */
    if (code == EXIT_DONE) code = configurations(args, usual, config, &count);
    if (code == EXIT_DONE && arg_on(args, "compare"))
        code = rows_compare(NULL, 0, arg_text(args, "compare"));
    return code == EXIT_DONE ? run_all(args, config, count) : code;
}

const struct verb verb_bench = {
    .name = "bench",
    .summary = "measure speed, memory and start",
    .operands = "",
    .text =
        "Measures a model file (-m) or an architecture with random weights (--arch): time of an\n"
        "image, share of the peak that this processor reaches at that minute, peak memory of the\n"
        "process, and the times from its begin until the weights are ready and until the first\n"
        "logits are there. Each row is measured in processes of its own, after a moment in which\n"
        "others leave the machine alone. With --compare the exit code is 1 when a row became\n"
        "slower by more than the rounds spread. --train measures steps of training instead: ready\n"
        "is the time until memory is there, the first answer that of the first step.",
    .examples =
        "xception bench\tthe standard Xception: 1 and all cores, 1 and 16 pictures\n"
        "xception bench -m model.safetensors --threads 4 --batch 1 --layers\twhere the time goes\n"
        "xception bench --train --batch 16 --threads 2\ta step of training, an image\n"
        "xception bench --format json >old.json; xception bench --compare old.json\twhat changed\n",
    .options = options,
    .needs = needs,
    .run = run};
