/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a run leave behind, and how does it go on? The loop over steps and epochs, and when
 * what is written. The state is written last, so a crash between two files is mended by the next
 * run: it computes the same files again.
 */
#include "train/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "data/sheet.h"
#include "image/draw.h"
#include "train/run_args.h"
#include "train/state.h"

enum { SAVE_TRIES = 3 }; /* failed saves in a row that a run survives */

struct run {
    const struct run_opts *o;
    struct run_state s;
    char *args;
    int log;            /* descriptor of log.txt, or -1 */
    double since;       /* when this process began to train */
    double before;      /* seconds of earlier ones */
    double saved;       /* when the state was written */
    double epoch_began; /* and at which row of it */
    uint64_t epoch_row;
    int failed; /* saves in a row */
};

static char *path_of(const struct run *r, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", r->o->folder, name) < 0 ? NULL : path;
}

static double seconds(const struct run *r)
{
    return r->before + clock_seconds() - r->since;
}

/* A line of the log. What cannot be logged is not worth a run. */
static void note(struct run *r, const char *words)
{
    char line[ERROR_TEXT_SIZE + 64], when[32];
    struct tm tm;
    const time_t now = time(NULL);
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(line, sizeof line, "%s  %s\n", when, words);
    if (r->log < 0 || write(r->log, line, strlen(line)) >= 0) return;
    close(r->log);
    r->log = -1;
}

static void note_step(struct run *r, const char *what)
{
    char words[64];
    snprintf(words, sizeof words, "%s at step %ju", what, (uintmax_t)r->s.trainer->at.step);
    note(r, words);
}

/* ---- progress ----------------------------------------------------------------------------------
 */

static xc_train_progress progress_of(const struct run *r, xc_train_event event)
{
    const struct trainer *t = r->s.trainer;
    const struct cursor *c = &t->at;
    const double passed = clock_seconds() - r->epoch_began;
    const double rows = (double)(c->sum.rows - r->epoch_row);
    return (xc_train_progress){.event = event,
                               .folder = r->o->folder,
                               .epoch = c->epoch + (c->position > 0 || c->sum.rows == 0),
                               .epochs = (uint32_t)t->s.epochs,
                               .step = (uint32_t)(c->sum.rows / (uint64_t)t->s.batch),
                               .steps = trainer_steps(t),
                               .lr = trainer_lr(t),
                               .loss = score_loss(&c->sum),
                               .top1 = score_top1(&c->sum),
                               .seconds = seconds(r),
                               .images_per_second = passed > 0 ? rows / passed : 0,
                               .best_top1 = c->best_top1,
                               .best_epoch = c->best_epoch};
}

static bool tell(struct run *r, const xc_train_progress *p)
{
    return !r->o->progress || r->o->progress(r->o->user, p);
}

static bool tell_features(void *user, uint64_t done, uint64_t all)
{
    struct run *r = user;
    xc_train_progress p = progress_of(r, XC_TRAIN_FEATURES);
    p.done = done;
    p.all = all;
    return tell(r, &p);
}

static bool tell_evaluation(void *user, uint64_t done, uint64_t all)
{
    struct run *r = user;
    xc_train_progress p = progress_of(r, XC_TRAIN_EVALUATE);
    p.done = done;
    p.all = all;
    return tell(r, &p);
}

static void tell_note(struct run *r, const char *text)
{
    xc_train_progress p = progress_of(r, XC_TRAIN_NOTE);
    p.note = text;
    note(r, text);
    tell(r, &p);
}

/* ---- files -------------------------------------------------------------------------------------
 */

static xc_status write_file(const char *path, const void *data, size_t size, struct error *err)
{
    struct file_out out;
    TRY(file_out_open(path, &out, err));
    xc_status status = file_out_write(&out, data, size, err);
    if (status == XC_OK) status = file_out_commit(&out, err);
    if (status != XC_OK) file_out_abort(&out);
    return status;
}

/* What the network sees of the first samples. */
static xc_status write_sheet(const struct run *r, const char *path, struct error *err)
{
    const struct trainer *t = r->s.trainer;
    const struct shape in = t->model->graph->input;
    struct sheet_opts o = {.split = XC_SPLIT_TRAIN,
                           .h = in.h,
                           .w = in.w,
                           .columns = 8,
                           .rows = 4,
                           .preprocess = &t->model->meta.preprocess,
                           .seed = t->s.seed};
    xc_image *image = NULL;
    uint8_t *png = NULL;
    size_t size = 0;
    if (!t->head || t->s.views > 1) TRY(augment_parse(t->s.augment, &o.augment, err));
    TRY(sheet_make(t->data, &o, &image, err));
    xc_status status = png_encode(image, &png, &size, err);
    image_free(image);
    if (status == XC_ERR_UNSUPPORTED) return XC_OK; /* a build without PNG */
    if (status == XC_OK) status = write_file(path, png, size, err);
    free(png);
    return status;
}

static xc_status write_bad(const struct run *r, const char *path, struct error *err)
{
    struct text text = {0};
    const struct feed *feed[] = {r->s.trainer->train, r->s.trainer->val};
    xc_status status = XC_OK;
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; feed[k] && feed_bad(feed[k], i); i++)
            text_add(&text, "%s\n", feed_bad(feed[k], i));
    if (text.failed) status = fail_memory(err, text.size);
    if (status == XC_OK && text.size > 0) status = write_file(path, text.at, text.size, err);
    free(text.at);
    return status;
}

enum file { FILE_BEST, FILE_LAST, FILE_METRICS, FILE_CURVES, FILE_BAD, FILE_STATE, FILES };

static xc_status write_one(struct run *r, enum file file, const char *path, struct error *err)
{
    switch (file) {
    case FILE_BEST:
        return trainer_save(r->s.trainer, true, path, err);
    case FILE_LAST:
        return trainer_save(r->s.trainer, false, path, err);
    case FILE_METRICS:
        return history_csv(&r->s.history, path, err);
    case FILE_CURVES:
        if (r->s.history.rows == 0) return XC_OK;
        return history_svg(&r->s.history, r->o->folder, path, err);
    case FILE_BAD:
        return write_bad(r, path, err);
    default:
        return state_write(&r->s, path, err);
    }
}

static xc_status save_all(struct run *r, struct error *err)
{
    static const char *const name[FILES] = {"best.safetensors", "last.safetensors",
                                            "metrics.csv",      "curves.svg",
                                            "bad.txt",          "state.safetensors"};
    TRY(trainer_check(r->s.trainer, err));
    r->s.seconds = seconds(r);
    for (int i = 0; i < FILES; i++) {
        char *path = path_of(r, name[i]);
        const xc_status status = path ? write_one(r, (enum file)i, path, err) : fail_memory(err, 1);
        free(path);
        TRY(status);
    }
    return XC_OK;
}

/* last: the run ends, or is stopped, and there is no later try. */
static xc_status save(struct run *r, bool last, struct error *err)
{
    struct error own = {XC_OK, ""};
    const xc_status status = save_all(r, &own);
    r->saved = clock_seconds();
    if (status == XC_OK) {
        xc_train_progress p = progress_of(r, XC_TRAIN_SAVED);
        r->failed = 0;
        note_step(r, "saved");
        tell(r, &p);
        return XC_OK;
    }
    if (last || status == XC_ERR_NUMBER || ++r->failed >= SAVE_TRIES)
        return fail(err, status, "%s", own.text);
    tell_note(r, own.text);
    return XC_OK;
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static void note_epoch(struct run *r, const xc_train_progress *p)
{
    char words[256];
    snprintf(words, sizeof words, "epoch %u: loss %.4f top1 %.4f, validation loss %.4f top1 %.4f%s",
             p->epoch, p->loss, p->top1, p->val_loss, p->val_top1, p->is_best ? ", best" : "");
    note(r, words);
}

static xc_status end_epoch(struct run *r, struct error *err)
{
    struct trainer *t = r->s.trainer;
    struct score val;
    xc_train_progress p = progress_of(r, XC_TRAIN_EPOCH); /* its rate without the evaluation */
    TRY(trainer_evaluate(t, tell_evaluation, r, &val, err));
    const struct history_row row = {.epoch = t->at.epoch,
                                    .step = (double)t->at.step,
                                    .seconds = seconds(r),
                                    .lr = p.lr,
                                    .train_loss = p.loss,
                                    .train_top1 = p.top1,
                                    .val_loss = score_loss(&val),
                                    .val_top1 = score_top1(&val),
                                    .val_top5 = score_top5(&val),
                                    .images_per_second = p.images_per_second};
    p.is_best = row.val_top1 > t->at.best_top1;
    if (p.is_best) {
        t->at.best_top1 = row.val_top1;
        t->at.best_epoch = t->at.epoch;
        trainer_keep_best(t);
    }
    TRY(history_add(&r->s.history, &row, err));
    trainer_next_epoch(t);
    p.val_loss = row.val_loss;
    p.val_top1 = row.val_top1;
    p.val_top5 = row.val_top5;
    p.best_top1 = t->at.best_top1;
    p.best_epoch = t->at.best_epoch;
    note_epoch(r, &p);
    r->epoch_began = clock_seconds();
    r->epoch_row = 0;
    if (tell(r, &p)) return XC_OK;
    return fail(err, XC_ERR_CANCELLED, "stopped after epoch %u", t->at.epoch);
}

static xc_status one_step(struct run *r, struct error *err)
{
    bool ended;
    TRY(trainer_step(r->s.trainer, &ended, err));
    const xc_train_progress p = progress_of(r, XC_TRAIN_STEP);
    if (!tell(r, &p))
        return fail(err, XC_ERR_CANCELLED, "stopped at step %ju", (uintmax_t)r->s.trainer->at.step);
    return ended ? end_epoch(r, err) : XC_OK;
}

static bool epoch_is_open(const struct trainer *t) /* stopped before its evaluation was done */
{
    return t->at.position == 0 && t->at.sum.rows > 0;
}

static xc_status loop(struct run *r, struct error *err)
{
    struct trainer *t = r->s.trainer;
    r->epoch_began = clock_seconds();
    r->epoch_row = t->at.sum.rows;
    if (epoch_is_open(t)) TRY(end_epoch(r, err));
    while (t->at.epoch < (uint32_t)t->s.epochs) {
        TRY(one_step(r, err));
        if (clock_seconds() - r->saved >= r->o->save_seconds) TRY(save(r, false, err));
    }
    return XC_OK;
}

/* From where the trainer stands to the end. */
static xc_status go(struct run *r, struct error *err)
{
    r->since = r->saved = r->epoch_began = clock_seconds();
    xc_status status = trainer_begin(r->s.trainer, tell_features, r, err);
    if (status == XC_OK) {
        status = loop(r, err);
        struct error own = {XC_OK, ""};
        const bool whole = status == XC_OK || status == XC_ERR_CANCELLED;
        const xc_status saving = whole ? save(r, true, &own) : XC_OK;
        if (saving != XC_OK) status = fail(err, saving, "%s", own.text);
    }
    note(r, status == XC_OK ? "done" : err->text);
    return status;
}

static void close_run(struct run *r)
{
    trainer_free(r->s.trainer);
    history_free(&r->s.history);
    if (r->log >= 0) close(r->log);
    free(r->args);
}

static xc_status open_log(struct run *r, struct error *err)
{
    char *path = path_of(r, "log.txt");
    if (!path) return fail_memory(err, 1);
    r->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    const xc_status status = r->log >= 0 ? XC_OK : fail_errno(err, path, "cannot open");
    free(path);
    return status;
}

/* ---- a new run ---------------------------------------------------------------------------------
 */

static xc_status make_folder(struct run *r, struct error *err)
{
    struct stat info;
    if (stat(r->o->folder, &info) == 0)
        return fail(err, XC_ERR_ARGUMENT, "%s: the run folder exists already", r->o->folder);
    if (mkdir(r->o->folder, 0777) == 0) return XC_OK;
    return fail_errno(err, r->o->folder, "cannot create");
}

static xc_status begin_files(struct run *r, struct error *err)
{
    char *args = path_of(r, "args.json"), *sheet = path_of(r, "batch-train.png");
    xc_status status = args && sheet ? XC_OK : fail_memory(err, 1);
    if (status == XC_OK) status = write_file(args, r->args, strlen(r->args), err);
    if (status == XC_OK) status = write_sheet(r, sheet, err);
    free(args);
    free(sheet);
    return status;
}

static xc_status prepare(struct run *r, const struct run_start *s, struct error *err)
{
    struct trainer_opts t = {.machine = r->o->machine,
                             .data = s->data,
                             .settings = s->settings,
                             .threads = r->o->threads};
    TRY(settings_check(&s->settings, err));
    TRY(dataset_trainable(s->data, err));
    TRY(start_model(r->o->machine, &s->start, &t.model, err));
    TRY(trainer_new(&t, &r->s.trainer, err));
    const struct trainer *made = r->s.trainer;
    TRY(args_write(made->model, s->data, &made->s, s->command, &r->args, err));
    r->s.args = r->args;
    TRY(make_folder(r, err));
    TRY(open_log(r, err));
    TRY(begin_files(r, err));
    r->since = clock_seconds();
    note(r, "begun");
    return save(r, true, err);
}

xc_status run_new(const struct run_opts *opts, const struct run_start *start, struct error *err)
{
    struct run r = {.o = opts, .log = -1};
    xc_status status = prepare(&r, start, err);
    if (status == XC_OK) status = go(&r, err);
    close_run(&r);
    return status;
}

/* ---- an old one --------------------------------------------------------------------------------
 */

static xc_status restore(struct run *r, const struct state_file *f, const struct dataset *data,
                         struct error *err)
{
    struct trainer_opts t = {.machine = r->o->machine, .data = data, .threads = r->o->threads};
    char *path = path_of(r, "args.json");
    r->args = strdup(state_args(f));
    xc_status status = path && r->args ? XC_OK : fail_memory(err, 1);
    if (status == XC_OK) status = args_check_file(r->args, path, err);
    free(path);
    TRY(status);
    r->s.args = r->args;
    TRY(args_check_data(r->args, data, err));
    TRY(args_settings(r->args, &t.settings, err));
    TRY(state_model(f, r->o->machine, (uint32_t)data->classes, &t.model, err));
    TRY(trainer_new(&t, &r->s.trainer, err));
    TRY(state_restore(f, &r->s, err));
    r->before = r->s.seconds;
    return open_log(r, err);
}

static xc_status resume(struct run *r, const struct state_file *f, const struct dataset *data,
                        struct error *err)
{
    struct dataset *own = NULL;
    xc_status status = data ? XC_OK : args_open_data(state_args(f), &own, err);
    if (status == XC_OK) status = restore(r, f, data ? data : own, err);
    if (status == XC_OK) {
        note_step(r, "resumed");
        status = go(r, err);
    }
    close_run(r);
    dataset_free(own);
    return status;
}

xc_status run_resume(const struct run_opts *opts, const struct dataset *data, struct error *err)
{
    struct run r = {.o = opts, .log = -1};
    struct state_file *f = NULL;
    char *path = path_of(&r, "state.safetensors");
    if (!path) return fail_memory(err, 1);
    xc_status status = state_open(path, &f, err);
    if (status == XC_OK) status = resume(&r, f, data, err);
    state_close(f);
    free(path);
    return status;
}
