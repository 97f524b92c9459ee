/* SPDX-License-Identifier: Apache-2.0 */
/* How do the flags of train become xc_train_opts? */
#include "train_flags.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static bool read_real(const struct args *args, const char *name, double *out)
{
    char *end;
    const char *text = arg_text(args, name);
    if (!text) return true;
    *out = strtod(text, &end);
    if (end != text && !*end && isfinite(*out) && *out >= 0) return true;
    say_usage("%s: '%s' is not a number of 0 or more", arg_giver(args, name), text);
    return false;
}

static bool read_reals(const struct args *args, xc_train_opts *o)
{
    return read_real(args, "lr", &o->lr) && read_real(args, "least-lr", &o->least_lr) &&
           read_real(args, "trunk-rate", &o->trunk_rate) &&
           read_real(args, "depthwise-rate", &o->depthwise_rate) &&
           read_real(args, "teacher-part", &o->teacher_part) &&
           read_real(args, "warmup", &o->warmup) && read_real(args, "momentum", &o->momentum) &&
           read_real(args, "wd", &o->weight_decay) && read_real(args, "smooth", &o->smoothing) &&
           read_real(args, "sam", &o->sam) && read_real(args, "clip", &o->clip) &&
           read_real(args, "ema", &o->ema) && read_real(args, "bn-momentum", &o->bn_momentum) &&
           read_real(args, "dropout", &o->dropout) &&
           read_real(args, "step-factor", &o->step_factor) &&
           read_real(args, "step-every", &o->step_every) &&
           read_real(args, "target-top1", &o->target_top1) &&
           arg_time(args, "time-limit", &o->time_limit);
}

/* Half of what is free, at most. */
static uint64_t cache_limit(void)
{
    const long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 2 : 0;
}

static bool is_word(const struct args *args, const char *name, const char *word)
{
    const char *text = arg_text(args, name);
    return text && strcmp(text, word) == 0;
}

bool train_flags_harmless(const struct args *args, xc_train_opts *o)
{
    o->until = arg_number(args, "until", 0);
    o->decode_threads = arg_number(args, "decode-threads", 0);
    double save = is_word(args, "save-every", "0") ? 0 : 600;
    if (save > 0 && !arg_time(args, "save-every", &save)) return false;
    o->save_seconds = (uint32_t)fmin(ceil(save), 86400);
    o->stop_on_bad = is_word(args, "on-bad-image", "stop");
    if (is_word(args, "cache", "ram")) o->cache_bytes = cache_limit();
    o->features = arg_text(args, "features");
    return arg_bytes(args, "cache-limit", &o->features_bytes) &&
           arg_bytes(args, "memory-limit", &o->memory_bytes);
}

bool train_flags(const struct args *args, xc_train_opts *o)
{
    o->arch = arg_unless(args, "arch", "from");
    o->recipe = arg_text(args, "recipe");
    o->freeze = arg_text(args, "freeze");
    o->head = arg_text(args, "head");
    o->unfreeze = arg_text(args, "unfreeze");
    o->features_bf16 = arg_on(args, "features-bf16");
    if (is_word(args, "precision", "bf16")) o->precision = XC_PRECISION_BF16;
    if (is_word(args, "precision", "auto")) o->precision = XC_PRECISION_AUTO;
    o->augment = arg_text(args, "aug");
    o->optimizer = arg_text(args, "opt");
    o->schedule = arg_text(args, "schedule");
    o->decay = arg_text(args, "decay");
    o->preprocess = arg_text(args, "preprocess");
    o->epochs = arg_number(args, "epochs", 0);
    o->batch = arg_number(args, "batch", 0);
    o->accumulate = arg_number(args, "accumulate", 0);
    o->views = arg_number(args, "views", 0);
    o->patience = arg_number(args, "patience", 0);
    o->seed = arg_number(args, "seed", 0);
    if (arg_typed(args, "until") && o->epochs && arg_number(args, "until", 0) > o->epochs) {
        say_usage("--until %s is above --epochs %u", arg_text(args, "until"), o->epochs);
        return false;
    }
    return train_flags_harmless(args, o) && arg_size(args, &o->height, &o->width) &&
           read_reals(args, o);
}

/* ---- class weights --------------------------------------------------------------------------- */

static int class_index(const xc_dataset *set, uint32_t classes, const char *name)
{
    for (uint32_t c = 0; c < classes; c++)
        if (strcmp(xc_dataset_class(set, c), name) == 0) return (int)c;
    return -1;
}

/* "CLASS WEIGHT": the weight is the last word. */
static bool read_line(char *line, const char *where, const xc_dataset *set, uint32_t classes,
                      float *weight)
{
    size_t n = strlen(line);
    while (n > 0 && strchr(" \t\r\n", line[n - 1])) line[--n] = '\0';
    if (n == 0) return true;
    char *last = line + n, *end;
    while (last > line && !strchr(" \t", last[-1])) last--;
    const float value = strtof(last, &end);
    for (char *gap = last; gap > line && strchr(" \t", gap[-1]);) *--gap = '\0';
    const int c = last > line ? class_index(set, classes, line) : -1;
    if (c >= 0 && end != last && !*end && value >= 0 && value <= 1e6F && !(weight[c] >= 0)) {
        weight[c] = value;
        return true;
    }
    if (c < 0)
        say_usage("%s: '%s' is not a class of the data followed by a weight", where, line);
    else if (weight[c] >= 0)
        say_usage("%s: class %s has two weights", where, line);
    else
        say_usage("%s: class %s: '%s' is not a weight of 0 to 1e6", where, line, last);
    return false;
}

static bool read_weights(FILE *in, const char *path, const xc_dataset *set, uint32_t classes,
                         float *weight)
{
    char *line = NULL;
    size_t room = 0;
    bool good = true;
    for (uint32_t c = 0; c < classes; c++) weight[c] = -1;
    while (good && getline(&line, &room, in) >= 0)
        good = read_line(line, path, set, classes, weight);
    free(line);
    if (good && ferror(in)) {
        say_usage("--class-weights: %s: %s", path, strerror(errno));
        return false;
    }
    for (uint32_t c = 0; good && c < classes; c++) {
        good = weight[c] >= 0;
        if (!good) say_usage("%s: no weight for class %s", path, xc_dataset_class(set, c));
    }
    return good;
}

int train_class_weights(const struct args *args, const xc_dataset *set, xc_train_opts *opts,
                        float **kept)
{
    xc_dataset_info info;
    const char *given = arg_text(args, "class-weights");
    *kept = NULL;
    if (given && (strcmp(given, "none") == 0 || strcmp(given, "auto") == 0))
        opts->class_weights = given;
    if (!given || opts->class_weights) return EXIT_DONE;
    xc_dataset_get_info(set, &info);
    FILE *in = fopen(given, "r");
    if (!in) {
        say_error("--class-weights: %s: %s", given, strerror(errno));
        return EXIT_DATA;
    }
    *kept = malloc(info.classes * sizeof **kept);
    if (!*kept) say_error("out of memory for %u class weights", info.classes);
    const int code = !*kept                                              ? EXIT_LIMIT
                     : read_weights(in, given, set, info.classes, *kept) ? EXIT_DONE
                                                                         : EXIT_USAGE;
    fclose(in);
    opts->class_weight = *kept;
    opts->class_weight_count = info.classes;
    return code;
}

/* ---- what was typed -------------------------------------------------------------------------- */

char *train_command(const struct args *args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "xception train");
    for (int i = 0; i < args->options; i++) {
        const char *value = args->value[i];
        if (!value) continue;
        fprintf(out, " --%s", args->option[i]->name);
        char *word = *value ? shell_word(value) : NULL;
        if (word) fprintf(out, " %s", word);
        free(word);
    }
    return fclose(out) == 0 ? text : NULL;
}
