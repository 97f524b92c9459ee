/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train: a network from scratch or from a published one, or a run that was stopped. Flags become
 * xc_train_opts; everything else is the library's. SIGINT and SIGTERM set a flag: the run saves and
 * ends with 130 or 143.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bar.h"
#include "engine.h"
#include "say.h"
#include "verbs.h"

static const struct option options[] = {
    {"data", 0, "DATA", NULL, 0, 0, "what to learn from: as in 'xception help data'"},
    {"val-split", 0, "PERCENT", NULL, 1, 99, "hold out this part of train, by class and group"},
    {"from", 0, "MODEL", NULL, 0, 0, "start from a model: any file that -m takes"},
    {"arch", 0, "SPEC", NULL, 0, 0, "or from random weights of this architecture"},
    {"recipe", 0, "NAME", "finetune|scratch|cifar", 0, 0, "settings that the flags below replace"},
    {"freeze", 0, "PART", NULL, 0, 0, "none, stem, entry, middle, all-but-head, or a block"},
    {"epochs", 0, "N", NULL, 1, 100000, "how often each picture is seen"},
    {"batch", 0, "N", NULL, 1, 4096, "pictures a step"},
    {"lr", 0, "X", NULL, 0, 0, "highest learning rate"},
    {"opt", 0, "NAME", "sgd|rmsprop|adamw", 0, 0, "optimizer"},
    {"schedule", 0, "NAME", "constant|step|cosine|one-cycle", 0, 0, "of the learning rate"},
    {"warmup", 0, "EPOCHS", NULL, 0, 0, "from small to full learning rate"},
    {"momentum", 0, "X", NULL, 0, 0, "of the optimizer (AdamW: beta 1)"},
    {"wd", 0, "X", NULL, 0, 0, "weight decay of kernels"},
    {"smooth", 0, "X", NULL, 0, 0, "label smoothing"},
    {"clip", 0, "X", NULL, 0, 0, "largest norm of the gradient; 0: any"},
    {"ema", 0, "X", NULL, 0, 0, "decay of the averaged weights, which then count; 0: none"},
    {"bn-momentum", 0, "X", NULL, 0, 0, "part of batch norm's old statistics that stays"},
    {"dropout", 0, "X", NULL, 0, 0, "before the last layer of a new head"},
    {"aug", 0, "SPEC", NULL, 0, 0, "none, light, standard, strong, small, or rrc,flip,..."},
    {"views", 0, "N", NULL, 1, 1000, "all-but-head: augmented views of each picture to cache"},
    {"size", 's', "SIZE", NULL, 0, 0, "the network's input, 299 or HxW"},
    {"preprocess", 0, "NAME", NULL, 0, 0, "keras, keras-dataset, timm-legacy, timm-331, ..."},
    {"seed", 0, "N", NULL, 0, UINT32_MAX, "of weights, order, augmentation and split (0)"},
    {"decode-threads", 0, "N", NULL, 1, 64, "threads that read pictures (2)"},
    {"save-every", 0, "SECONDS", NULL, 0, 86400, "between two checkpoints (600)"},
    {"out", 0, "RUN", NULL, 0, 0, "run folder (runs/NAME-N, the first that is free)"},
    {"resume", 0, "RUN", NULL, 0, 0, "go on with a run that was stopped or killed"},
    OPTIONS_END};

/* ---- signals -----------------------------------------------------------------------------------
 */

static volatile sig_atomic_t stopped_by;

static void on_signal(int number)
{
    stopped_by = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL); /* the second one ends at once */
    sigaction(SIGTERM, &action, NULL);
}

/* ---- progress ----------------------------------------------------------------------------------
 */

struct show {
    struct bar bar;
    uint64_t done; /* rate of FEATURES and EVALUATE */
    double since;
};

static void show_step(struct show *s, const xc_train_progress *p)
{
    char head[48], tail[160], left[BAR_TIME], all[BAR_TIME];
    if (!bar_due(&s->bar)) return;
    const double each = p->step ? (double)(p->steps - p->step) : 0;
    const double batch_time =
        p->seconds / ((double)(p->epoch - 1) * (double)p->steps + (double)p->step + 1e-9);
    bar_time(each * batch_time, left);
    bar_time((each + (double)(p->epochs - p->epoch) * (double)p->steps) * batch_time, all);
    snprintf(head, sizeof head, "epoch %3u/%u", p->epoch, p->epochs);
    snprintf(tail, sizeof tail, "%u/%u loss %.3f top1 %.1f%% lr %.2e %.1f img/s eta %s (all %s)",
             p->step, p->steps, p->loss, 100 * p->top1, p->lr, p->images_per_second, left, all);
    bar_draw(&s->bar, head, p->step, p->steps, tail);
}

static void show_pictures(struct show *s, const xc_train_progress *p, const char *what)
{
    char tail[64], left[BAR_TIME];
    if (s->since <= 0 || p->done <= s->done) {
        s->done = p->done;
        s->since = bar_now();
    }
    if (!bar_due(&s->bar)) return;
    const double rate = (double)(p->done - s->done) / (bar_now() - s->since + 1e-9);
    bar_time(rate > 0 ? (double)(p->all - p->done) / rate : 0, left);
    snprintf(tail, sizeof tail, "%.1f img/s eta %s", rate, left);
    bar_draw(&s->bar, what, p->done, p->all, tail);
}

static void show_epoch(struct show *s, const xc_train_progress *p)
{
    char time[BAR_TIME];
    bar_clear(&s->bar);
    s->since = 0;
    bar_time(p->seconds, time);
    if (!s->bar.quiet)
        fprintf(stderr,
                "epoch %3u/%u  loss %.4f  top1 %.2f%%  val_loss %.4f  val_top1 %.2f%%  lr %.2e  "
                "%.1f img/s  %s%s\n",
                p->epoch, p->epochs, p->loss, 100 * p->top1, p->val_loss, 100 * p->val_top1, p->lr,
                p->images_per_second, time, p->is_best ? "  best" : "");
}

static bool on_progress(void *user, const xc_train_progress *p)
{
    struct show *s = user;
    if (p->event == XC_TRAIN_STEP) show_step(s, p);
    if (p->event == XC_TRAIN_FEATURES) show_pictures(s, p, "features");
    if (p->event == XC_TRAIN_EVALUATE) show_pictures(s, p, "evaluate");
    if (p->event == XC_TRAIN_EPOCH) show_epoch(s, p);
    if (p->event == XC_TRAIN_NOTE) {
        bar_clear(&s->bar);
        say_error("%s", p->note);
    }
    return !stopped_by;
}

/* ---- flags -------------------------------------------------------------------------------------
 */

static bool read_real(const struct args *args, const char *name, double *out)
{
    char *end;
    const char *text = arg_text(args, name);
    if (!text) return true;
    *out = strtod(text, &end);
    if (end != text && !*end && isfinite(*out) && *out >= 0) return true;
    say_usage("--%s: '%s' is not a number of 0 or more", name, text);
    return false;
}

static bool read_reals(const struct args *args, xc_train_opts *o)
{
    return read_real(args, "lr", &o->lr) && read_real(args, "warmup", &o->warmup) &&
           read_real(args, "momentum", &o->momentum) && read_real(args, "wd", &o->weight_decay) &&
           read_real(args, "smooth", &o->smoothing) && read_real(args, "clip", &o->clip) &&
           read_real(args, "ema", &o->ema) && read_real(args, "bn-momentum", &o->bn_momentum) &&
           read_real(args, "dropout", &o->dropout);
}

static bool read_flags(const struct args *args, xc_train_opts *o)
{
    o->arch = arg_text(args, "arch");
    o->recipe = arg_text(args, "recipe");
    o->freeze = arg_text(args, "freeze");
    o->augment = arg_text(args, "aug");
    o->optimizer = arg_text(args, "opt");
    o->schedule = arg_text(args, "schedule");
    o->preprocess = arg_text(args, "preprocess");
    o->epochs = arg_number(args, "epochs", 0);
    o->batch = arg_number(args, "batch", 0);
    o->views = arg_number(args, "views", 0);
    o->seed = arg_number(args, "seed", 0);
    o->decode_threads = arg_number(args, "decode-threads", 0);
    o->save_seconds = arg_number(args, "save-every", 600);
    return arg_size(args, &o->height, &o->width) && read_reals(args, o);
}

/* The flags as they were given, for args.json; free(). */
static char *command_line(const struct args *args)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "xception train");
    for (int i = 0; i < args->options; i++) {
        const char *value = args->value[i];
        if (!value) continue;
        fprintf(out, *value ? " --%s '%s'" : " --%s", args->option[i]->name, value);
    }
    return fclose(out) == 0 ? text : NULL;
}

/* runs/NAME-N, NAME being the data's last part; free(). */
static char *free_folder(const char *data)
{
    char *path = NULL;
    size_t length = strlen(data);
    while (length > 1 && data[length - 1] == '/') length--;
    const char *name = memrchr(data, '/', length);
    name = name ? name + 1 : data;
    int width = (int)strcspn(name, "./");
    if (width == 0) width = (int)(length - (size_t)(name - data));
    if (mkdir("runs", 0777) != 0 && errno != EEXIST) return NULL;
    for (int i = 1; i < 100000; i++) {
        struct stat info;
        if (asprintf(&path, "runs/%.*s-%d", width, name, i) < 0) return NULL;
        if (stat(path, &info) != 0) return path;
        free(path);
    }
    return NULL;
}

/* ---- running -----------------------------------------------------------------------------------
 */

static int ended(xc_status status, const struct show *s, const char *folder)
{
    if (status == XC_OK) {
        printf("%s\n", folder);
        return EXIT_DONE;
    }
    if (status != XC_ERR_CANCELLED || !stopped_by) {
        const bool number = status == XC_ERR_NUMBER;
        const int code = say_status(status, number ? EXIT_NUMBERS : EXIT_DATA);
        if (number) say_hint("a smaller --lr, or --clip 1; the files are of the last save");
        if (strstr(xc_error(), "no validation samples")) say_hint("add --val-split 10");
        return code;
    }
    if (!s->bar.quiet)
        fprintf(stderr, "stopped, saved %s\n  go on with: xception train --resume %s\n", folder,
                folder);
    return 128 + stopped_by;
}

static int train(const struct args *args, xc_context *context, const xc_dataset *set,
                 xc_train_opts *opts, bool resume)
{
    struct show show = {0};
    bar_begin(&show.bar, arg_on(args, "quiet"));
    opts->progress = on_progress;
    opts->user = &show;
    catch_signals();
    if (!show.bar.quiet) fprintf(stderr, "run      %s\n", opts->folder);
    const xc_status status =
        resume ? xc_train_resume(context, set, opts) : xc_train(context, set, opts);
    bar_clear(&show.bar);
    return ended(status, &show, opts->folder);
}

static int open_data(const struct args *args, xc_dataset **out)
{
    xc_dataset_info info;
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    opts.val_split = arg_number(args, "val-split", 0) / 100.0;
    opts.seed = arg_number(args, "seed", 0);
    const xc_status status = xc_dataset_open(arg_text(args, "data"), &opts, out);
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    xc_dataset_get_info(*out, &info);
    if (!arg_on(args, "quiet"))
        fprintf(stderr, "data     %s, %u classes, train %ju, val %ju\n", info.kind, info.classes,
                (uintmax_t)info.split[XC_SPLIT_TRAIN], (uintmax_t)info.split[XC_SPLIT_VAL]);
    return EXIT_DONE;
}

static int begin(const struct args *args, xc_context *context)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    xc_dataset *set = NULL;
    xc_model *from = NULL;
    const char *data = arg_text(args, "data"), *start = arg_text(args, "from");
    if (!data || !start == !arg_text(args, "arch")) {
        say_usage(data ? "one of --from MODEL and --arch SPEC is needed" : "--data is needed");
        return EXIT_USAGE;
    }
    if (!read_flags(args, &opts)) return EXIT_USAGE;
    char *own = arg_text(args, "out") ? NULL : free_folder(data);
    char *command = command_line(args);
    opts.folder = own ? own : arg_text(args, "out");
    opts.command = command;
    if (!opts.folder) say_error("runs: %s", strerror(errno));
    int code = opts.folder ? open_data(args, &set) : EXIT_DATA;
    if (code == EXIT_DONE && start) code = engine_model(context, start, NULL, &from);
    opts.from = from;
    if (code == EXIT_DONE) code = train(args, context, set, &opts, false);
    xc_model_unref(from);
    xc_dataset_free(set);
    free(command);
    free(own);
    return code;
}

static int go_on(const struct args *args, xc_context *context)
{
    xc_train_opts opts = XC_TRAIN_OPTS_INIT;
    xc_dataset *set = NULL;
    opts.folder = arg_text(args, "resume");
    opts.decode_threads = arg_number(args, "decode-threads", 0);
    opts.save_seconds = arg_number(args, "save-every", 600);
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
        code = arg_text(args, "resume") ? go_on(args, context) : begin(args, context);
    xc_context_free(context);
    return code;
}

const struct verb verb_train = {
    .name = "train",
    .summary = "train a network, or go on with it",
    .operands = "",
    .text = "Learns from the train split of DATA and evaluates on val after each epoch. The run\n"
            "folder gets best and last weights that every verb takes, metrics.csv, curves.svg, a\n"
            "sheet of what the network saw, and the state that --resume goes on with: with the\n"
            "same bits, also after a kill. With --freeze all-but-head the frozen layers run once\n"
            "a picture. The folder is printed at the end.",
    .examples = "xception train --from xception.keras --data flowers --freeze all-but-head\ta "
                "classifier of your own in minutes\n"
                "xception train --arch xception,input=32x32x3,stem-stride=1 --recipe cifar --data "
                "cifar --val-split 10\tfrom random weights\n"
                "xception train --resume runs/flowers-1\tgo on after Ctrl-C or a crash\n",
    .options = options,
    .run = run};
