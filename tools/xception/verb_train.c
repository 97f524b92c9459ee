/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train: a network from scratch or from a published one, or a run that was stopped. Flags become
 * xc_train_opts; everything else is the library's. SIGINT, SIGTERM and SIGHUP set a flag: the run
 * saves and ends with 129, 130 or 143.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "engine.h"
#include "say.h"
#include "stop.h"
#include "train_flags.h"
#include "verbs.h"

static const struct option options[] = {
    {"data", 0, "DATA", NULL, 0, 0, "what to learn from: as in 'xception help data'"},
    {"val-split", 0, "PERCENT", NULL, 1, 99, "hold out this part of train, by class and group"},
    {"from", 0, "MODEL", NULL, 0, 0, "start from a model: any file that -m takes"},
    {"arch", 'a', "SPEC", NULL, 0, 0, "or from random weights of this architecture"},
    {"teacher", 0, "MODEL,..", NULL, 0, 0,
     RARE "learn from what these say of the pictures, too; models of the same classes"},
    {"teacher-part", 0, "X", NULL, 0, 0, RARE "of each target is what they say (0.7)"},
    {"recipe", 0, "NAME", "finetune|scratch|cifar|paper-imagenet|paper-jft", 0, 0,
     "settings that the flags below replace"},
    {"head", 0, "LAYERS", NULL, 0, 0, RARE "a fresh head: linear, or hidden layers as 512,128"},
    {"freeze", 0, "PART", NULL, 0, 0, "none, stem, entry, middle, all-but-head, or a block"},
    {"unfreeze", 0, "BLOCK@EPOCH,..", NULL, 0, 0, RARE "from then on it learns, and all behind it"},
    {"epochs", 0, "N", NULL, 1, 100000, "times through the pictures, in whole batches"},
    {"batch", 0, "N", NULL, 1, 4096, "pictures at a time"},
    {"accumulate", 0, "N", NULL, 1, 4096,
     RARE "batches a step; batch norm sees each by itself (1)"},
    {"lr", 0, "X", NULL, 0, 0, "highest learning rate"},
    {"least-lr", 0, "X", NULL, 0, 0, RARE "where cosine ends (0)"},
    {"trunk-rate", 0, "X", NULL, 0, 0, RARE "learning rate in front of the head: times this"},
    {"depthwise-rate", 0, "X", NULL, 0, 0, RARE "learning rate of depthwise kernels: times this"},
    {"opt", 0, "NAME", "sgd|rmsprop|adamw", 0, 0, "optimizer, with its usual rate and decay"},
    {"schedule", 0, "NAME", "constant|step|cosine|one-cycle|plateau", 0, 0, "of the learning rate"},
    {"step-factor", 0, "X", NULL, 0, 0, RARE "step, plateau: the learning rate times this"},
    {"step-every", 0, "EPOCHS", NULL, 0, 0,
     RARE "step: so often; plateau: after so many without gain"},
    {"warmup", 0, "EPOCHS", NULL, 0, 0, RARE "from small to full learning rate"},
    {"momentum", 0, "X", NULL, 0, 0, RARE "of the optimizer (AdamW: beta 1)"},
    {"wd", 0, "X", NULL, 0, 0, RARE "weight decay"},
    {"decay", 0, "WHAT", "kernels|depthwise|all", 0, 0,
     RARE "what decays; depthwise: kernels, too"},
    {"class-weights", 0, "W", NULL, 0, 0, RARE "none, auto, or a FILE of lines 'CLASS WEIGHT'"},
    {"smooth", 0, "X", NULL, 0, 0, RARE "label smoothing"},
    {"sam", 0, "RHO", NULL, 0, 0,
     RARE "gradients so far up the slope, twice the work: flatter minima (0)"},
    {"clip", 0, "X", NULL, 0, 0, RARE "largest norm of the gradient; 0: any"},
    {"ema", 0, "X", NULL, 0, 0, "decay of the averaged weights, which then count; 0: none"},
    {"bn-momentum", 0, "X", NULL, 0, 0, RARE "part of batch norm's old statistics that stays"},
    {"dropout", 0, "X", NULL, 0, 0, RARE "before the last layer of a new head, if SPEC says none"},
    {"aug", 0, "SPEC", NULL, 0, 0, "none, light, standard, strong, small, or rrc,flip,..."},
    {"patience", 0, "N", NULL, 1, 100000, "end after so many epochs without a better top-1"},
    {"time-limit", 0, "TIME", NULL, 0, 0,
     "end after 90s, 30m, 2h; with --resume: after so much more"},
    {"target-top1", 0, "X", NULL, 0, 0, RARE "end when val reaches this part, 0.95"},
    {"until", 0, "EPOCH", NULL, 1, 100000,
     RARE "end after this one of the epochs; --resume goes on"},
    {"views", 0, "N", NULL, 1, 1000,
     RARE "augmented views of a picture that frozen layers see; 1: none"},
    {"features", 0, "WHERE", "ram|disk|off", 0, 0, RARE "keep what frozen layers say (ram)"},
    {"cache-limit", 0, "SIZE", NULL, 0, 0, RARE "of features, 500M or 4G (half of what is there)"},
    {"memory-limit", 0, "SIZE", NULL, 0, 0,
     RARE "what the run may take (that of the control group)"},
    {"precision", 0, "P", "f32|bf16|auto", 0, 0,
     "of maps and gradients; bf16: half the memory, faster where the CPU has it (f32)"},
    {"features-bf16", 0, NULL, NULL, 0, 0, RARE "round features to bf16: half the room"},
    {"size", 's', "N|HxW", NULL, 0, 0, "the network's input, 299 or HxW"},
    {"preprocess", 0, "NAME", NULL, 0, 0, RARE "keras, keras-dataset, timm-legacy, timm-331, ..."},
    {"seed", 0, "N", NULL, 0, UINT32_MAX, "of weights, order, augmentation and split (0)"},
    {"split-seed", 0, "N", NULL, 0, UINT32_MAX, RARE "of --val-split alone (that of --seed)"},
    {"decode-threads", 0, "N", NULL, 1, 64, RARE "threads that read pictures (2)"},
    {"cache", 0, "WHERE", "off|ram", 0, 0,
     RARE "ram: pictures stay in memory, up to half of what is free"},
    {"on-bad-image", 0, "HOW", "skip|stop", 0, 0,
     RARE "skip: leave it out, list it, exit with 1 (skip)"},
    {"save-every", 0, "TIME", NULL, 0, 0, RARE "between two checkpoints (10m); 0: after each step"},
    {"out", 'o', "RUN", NULL, 0, 0, "run folder (runs/NAME-N, the first that is free)"},
    {"args", 0, "FILE", NULL, 0, 0, RARE "do the run of this args.json once more"},
    {"resume", 0, "RUN", NULL, 0, 0, "go on with a run that was stopped or killed"},
    OPTIONS_END};

/* ---- progress -------------------------------------------------------------------------------- */

struct show {
    struct bar bar;
    struct bar_pace steps, pictures; /* pictures: of FEATURES and EVALUATE */
    uint64_t unreadable;
    bool begun; /* there is a run, and its folder */
};

static void show_step(struct show *s, const xc_train_progress *p)
{
    char head[48], tail[160], left[BAR_TIME], all[BAR_TIME];
    const double each = bar_each(&s->steps, (double)(p->epoch - 1) * p->steps + p->step);
    if (each <= 0 || !bar_due(&s->bar)) return;
    const double steps = p->step ? (double)(p->steps - p->step) : 0;
    bar_time(steps * each, left);
    bar_time((steps + (double)(p->epochs - p->epoch) * p->steps) * each, all);
    snprintf(head, sizeof head, "epoch %3u/%u", p->epoch, p->epochs);
    snprintf(tail, sizeof tail, "%u/%u loss %.3f top1 %.1f%% lr %.2e %.1f img/s eta %s (all %s)",
             p->step, p->steps, p->loss, 100 * p->top1, p->lr, p->images_per_second, left, all);
    bar_draw(&s->bar, head, p->step, p->steps, tail);
}

static void show_pictures(struct show *s, const xc_train_progress *p, const char *what)
{
    char tail[64], left[BAR_TIME];
    const double each = bar_each(&s->pictures, (double)p->done);
    if (each <= 0 || !bar_due(&s->bar)) return;
    bar_time((double)(p->all - p->done) * each, left);
    snprintf(tail, sizeof tail, "%.1f img/s eta %s", 1 / each, left);
    bar_draw(&s->bar, what, p->done, p->all, tail);
}

enum { LOSS_TEXT = 32 };

/* Four decimals; what has left all bounds in fewer. */
static const char *loss_text(double loss, char text[LOSS_TEXT])
{
    snprintf(text, LOSS_TEXT, loss < 1e5 ? "%.4f" : "%.2e", loss);
    return text;
}

static void show_epoch(struct show *s, const xc_train_progress *p)
{
    char time[BAR_TIME], loss[LOSS_TEXT], val_loss[LOSS_TEXT];
    bar_clear(&s->bar);
    s->pictures = (struct bar_pace){0};
    bar_time(p->seconds, time);
    if (!s->bar.quiet)
        fprintf(stderr,
                "epoch %3u/%u  loss %s  top1 %.2f%%  val_loss %s  val_top1 %.2f%%  lr %.2e  "
                "%.1f img/s  %s%s\n",
                p->epoch, p->epochs, loss_text(p->loss, loss), 100 * p->top1,
                loss_text(p->val_loss, val_loss), 100 * p->val_top1, p->lr, p->images_per_second,
                time, p->is_best ? "  best" : "");
}

static bool on_progress(void *user, const xc_train_progress *p)
{
    struct show *s = user;
    if (!s->begun) say_line("run      %s", p->folder);
    s->begun = true;
    if (p->event == XC_TRAIN_STEP) show_step(s, p);
    if (p->event == XC_TRAIN_FEATURES) show_pictures(s, p, "features");
    if (p->event == XC_TRAIN_EVALUATE) show_pictures(s, p, "evaluate");
    if (p->event == XC_TRAIN_EPOCH) show_epoch(s, p);
    if (p->event == XC_TRAIN_NOTE || p->event == XC_TRAIN_DONE) bar_clear(&s->bar);
    if (p->event == XC_TRAIN_NOTE) say_error("%s", p->note);
    if (p->event == XC_TRAIN_DONE && p->best_epoch == 0)
        say_line("done     no epoch was finished; %s", p->note);
    else if (p->event == XC_TRAIN_DONE)
        say_line("done     best epoch %u, top1 %.2f%%; %s", p->best_epoch, 100 * p->best_top1,
                 p->note);
    s->unreadable = p->unreadable;
    return !stop_signal;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static char *last_part(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    const char *slash = memrchr(path, '/', length);
    const char *name = slash ? slash + 1 : path;
    return strndup(name, length - (size_t)(name - path));
}

/* The data's last part; "." and ".." are what they stand for. free() */
static char *name_of(const char *data)
{
    char *name = last_part(data);
    if (!name || (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)) return name;
    char *real = realpath(data, NULL);
    free(name);
    name = real ? last_part(real) : NULL;
    free(real);
    return name;
}

/* Makes runs/NAME-N with the first N that is free, so that no other process takes it; free(). NULL:
 * errno says why not. */
static char *free_folder(const char *data)
{
    char *name = name_of(data), *path = NULL;
    int width = name ? (int)strcspn(name, ".") : 0;
    if (name && width == 0) width = (int)strlen(name);
    bool taken = name && (mkdir("runs", 0777) == 0 || errno == EEXIST), made = false;
    for (int i = 1; taken && i < 100000; i++) {
        free(path);
        if (asprintf(&path, "runs/%.*s-%d", width, name, i) < 0) path = NULL;
        made = path && mkdir(path, 0777) == 0;
        taken = path && !made && errno == EEXIST;
    }
    free(name);
    if (made) return path;
    free(path);
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

static uint32_t split_seed(const struct args *args)
{
    return arg_number(args, arg_on(args, "split-seed") ? "split-seed" : "seed", 0);
}

/* The command that shows every picture of val with its answer. */
static void hint_report(const struct args *args, const char *folder)
{
    const char *data = arg_text(args, "data");
    const uint32_t part = arg_number(args, "val-split", 0), seed = split_seed(args);
    char held[64] = "", *run = shell_word(folder), *set = data ? shell_word(data) : NULL;
    if (part) snprintf(held, sizeof held, " --val-split %u", part);
    if (part && seed) snprintf(held, sizeof held, " --val-split %u --seed %u", part, seed);
    if (run && set)
        say_line("  look at it with: xception eval -m %s/best.safetensors --data %s --split val%s "
                 "--report %s/report",
                 run, set, held, run);
    free(run);
    free(set);
}

static int ended(const struct args *args, xc_status status, const struct show *s,
                 const char *folder)
{
    if (status == XC_OK) {
        hint_report(args, folder);
        printf("%s\n", folder);
        if (!s->unreadable) return EXIT_DONE;
        say_error("%ju picture%s could not be read: %s/bad.txt", (uintmax_t)s->unreadable,
                  s->unreadable == 1 ? "" : "s", folder);
        return EXIT_SOME_FAILED;
    }
    if (status != XC_ERR_CANCELLED || !stop_signal) {
        const bool number = status == XC_ERR_NUMBER;
        const bool model = strstr(xc_error(), "the model is packed") != NULL;
        const int code = engine_status(args, status,
                                       number  ? EXIT_NUMBERS
                                       : model ? EXIT_MODEL
                                               : EXIT_DATA);
        if (number) say_hint("a smaller --lr, or --clip 1; the files are of the last save");
        if (strstr(xc_error(), "no validation samples")) say_hint("add --val-split 10");
        return code;
    }
    say_line("stopped, saved %s", folder);
    char *run = shell_word(folder);
    if (run) say_line("  go on with: xception train --resume %s", run);
    free(run);
    return 128 + stop_signal;
}

static int train(const struct args *args, xc_context *context, const xc_dataset *set,
                 xc_train_opts *opts, bool resume)
{
    struct show show = {0};
    bar_begin(&show.bar, arg_on(args, "quiet"));
    opts->progress = on_progress;
    opts->user = &show;
    stop_catch();
    const xc_status status =
        resume ? xc_train_resume(context, set, opts) : xc_train(context, set, opts);
    bar_clear(&show.bar);
    return ended(args, status, &show, opts->folder);
}

static int open_data(const struct args *args, xc_dataset **out)
{
    xc_dataset_info info;
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    opts.val_split = arg_number(args, "val-split", 0) / 100.0;
    opts.seed = split_seed(args);
    const xc_status status = xc_dataset_open(arg_text(args, "data"), &opts, out);
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    xc_dataset_get_info(*out, &info);
    say_line("data     %s, %u classes, train %ju, val %ju", info.kind, info.classes,
             (uintmax_t)info.split[XC_SPLIT_TRAIN], (uintmax_t)info.split[XC_SPLIT_VAL]);
    engine_notes(*out);
    return EXIT_DONE;
}

/* Of "A,B": *count references, also when it fails. */
static int open_teachers(const struct args *args, xc_context *context,
                         xc_model *out[XC_MAX_TEACHERS], uint32_t *count)
{
    const char *list = arg_text(args, "teacher");
    char *names = list ? strdup(list) : NULL, *rest = names;
    int code = list && !names ? EXIT_LIMIT : EXIT_DONE;
    *count = 0;
    for (char *name; code == EXIT_DONE && (name = strsep(&rest, ","));) {
        if (*count == XC_MAX_TEACHERS) {
            say_usage("--teacher: more than %d models", XC_MAX_TEACHERS);
            code = EXIT_USAGE;
        } else {
            code = engine_model(context, name, NULL, &out[*count]);
            *count += code == EXIT_DONE;
        }
    }
    free(names);
    return code;
}

static int start(const struct args *args, xc_context *context, const xc_dataset *set,
                 xc_train_opts *opts)
{
    xc_model *from = NULL, *teacher[XC_MAX_TEACHERS];
    float *weights = NULL;
    const char *model = arg_unless(args, "from", "arch");
    int code = set ? train_class_weights(args, set, opts, &weights) : EXIT_DONE;
    if (code == EXIT_DONE && model) code = engine_model(context, model, NULL, &from);
    opts->from = from;
    if (code == EXIT_DONE) code = open_teachers(args, context, teacher, &opts->teachers);
    opts->teacher = teacher;
    if (code == EXIT_DONE) code = train(args, context, set, opts, false);
    for (uint32_t i = 0; i < opts->teachers; i++) xc_model_unref(teacher[i]);
    xc_model_unref(from);
    free(weights);
    return code;
}

/* In the folder of --out, or the first that is free. */
static int start_in_folder(const struct args *args, xc_context *context, const char *name,
                           xc_train_opts *opts)
{
    xc_dataset *set = NULL;
    char *own = NULL, *command = train_command(args);
    int code = arg_text(args, "data") ? open_data(args, &set) : EXIT_DONE;
    if (code == EXIT_DONE && !arg_text(args, "out")) own = free_folder(name);
    opts->folder = own ? own : arg_text(args, "out");
    opts->command = command;
    if (code == EXIT_DONE && !opts->folder) {
        say_error("runs: %s", strerror(errno));
        code = EXIT_DATA;
    }
    if (code == EXIT_DONE) code = start(args, context, set, opts);
    if (own) rmdir(own); /* which only works where nothing was begun */
    xc_dataset_free(set);
    free(command);
    free(own);
    return code;
}

static int begin(const struct args *args, xc_context *context)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    const char *data = arg_text(args, "data");
    if (!data || !arg_unless(args, "from", "arch") == !arg_unless(args, "arch", "from")) {
        say_usage(!data                    ? "--data is needed"
                  : arg_text(args, "from") ? "--from MODEL beside --arch SPEC: give one of them"
                                           : "one of --from MODEL and --arch SPEC is needed");
        return EXIT_USAGE;
    }
    if (!train_flags(args, &opts)) return EXIT_USAGE;
    return start_in_folder(args, context, data, &opts);
}

static bool is_one_of(const char *const *words, const char *word)
{
    while (*words && strcmp(*words, word) != 0) words++;
    return *words != NULL;
}

/* Would a flag make it another run than that which `beside` names? Says so. */
static bool is_other_run(const struct args *args, const char *beside)
{
    static const char *const kept[] = {
        "data",         "until",    "decode-threads", "save-every", "cache",   "cache-limit",
        "memory-limit", "features", "on-bad-image",   "quiet",      "threads", "cpu",
        "config",       NULL};
    static const char *const split[] = {"val-split", "seed", "split-seed", NULL};
    static const char *const more[] = {"time-limit", NULL};
    static const char *const started[] = {"from", "teacher", "out", NULL};
    for (int i = 0; i < args->options; i++) {
        const char *name = args->option[i]->name;
        const bool other = !is_one_of(kept, name) && strcmp(name, beside) != 0 &&
                           !(!strcmp(beside, "resume") && is_one_of(more, name)) &&
                           !(arg_text(args, "data") && is_one_of(split, name)) &&
                           !(!strcmp(beside, "args") && is_one_of(started, name));
        if (!other || !arg_typed(args, name)) continue;
        say_usage("--%s beside --%s: the run has its own", name, beside);
        return true;
    }
    return false;
}

static int once_more(const struct args *args, xc_context *context)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    opts.args = arg_text(args, "args");
    if (is_other_run(args, "args") || !train_flags_harmless(args, &opts)) return EXIT_USAGE;
    return start_in_folder(args, context, "again", &opts);
}

static int go_on(const struct args *args, xc_context *context)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    xc_dataset *set = NULL;
    opts.folder = arg_text(args, "resume");
    if (is_other_run(args, "resume") || !train_flags_harmless(args, &opts) ||
        (arg_typed(args, "time-limit") && !arg_time(args, "time-limit", &opts.time_limit)))
        return EXIT_USAGE;
    int code = arg_text(args, "data") ? open_data(args, &set) : EXIT_DONE;
    if (code == EXIT_DONE) code = train(args, context, set, &opts, true);
    xc_dataset_free(set);
    return code;
}

static int run(const struct args *args)
{
    xc_context *context = NULL;
    if (args->operands > 0) {
        say_usage("takes no operands, got '%s'; the data are --data DATA", args->operand[0]);
        return EXIT_USAGE;
    }
    int code = engine_open(args, &context);
    if (code == EXIT_DONE)
        code = arg_text(args, "resume") ? go_on(args, context)
               : arg_text(args, "args") ? once_more(args, context)
                                        : begin(args, context);
    xc_context_free(context);
    return code;
}

const struct verb verb_train = {
    .name = "train",
    .summary = "train a network, or go on with it",
    .operands = "",
    .text =
        "Learns from the train split of DATA and evaluates on val after each epoch. The run\n"
        "folder gets best and last weights that every verb takes, metrics.csv, curves.svg,\n"
        "TensorBoard events, sheets of what the network sees, and the state that --resume goes\n"
        "on with: with the same bits, also after a kill. At the end the best weights are\n"
        "evaluated: evaluation.json, classes.csv, confusion.csv and .svg, model-card.md. Frozen\n"
        "layers run once a picture and view, and what they say is kept where it fits. What does\n"
        "not fit into memory is refused with the largest batch that does. The folder is printed\n"
        "at the end.",
    .examples =
        "xception train --from xception.keras --data flowers --val-split 10 --freeze "
        "all-but-head\ta "
        "classifier of your own in minutes\n"
        "xception train --from best.safetensors --data flowers --val-split 10 "
        "--freeze middle --lr 1e-4\tthen its exit flow, too\n"
        "xception train --arch xception,input=32x32x3,stem-stride=1 --recipe cifar --data cifar "
        "--val-split 5\t"
        "from random weights\n"
        "xception train --resume runs/flowers-1\tgo on after Ctrl-C or a crash\n",
    .options = options,
    .run = run};
