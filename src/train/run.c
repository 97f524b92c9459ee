/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a run leave behind? The loop over steps and epochs, and when what is written. The state
 * is written last, so a crash between two files is mended by the next run: it computes the same
 * files again.
 */
#include "train/run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "train/run_args.h"
#include "train/run_int.h"

/* Failed saves in a row that a run survives; a run so long says what saving took. */
enum { SAVE_TRIES = 3, LOG_SECONDS = 10, SAVES_SECONDS = 60 };

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

static void note_at(struct run *r, const char *what)
{
    char words[64];
    snprintf(words, sizeof words, "%s at step %ju", what, (uintmax_t)r->s.trainer->at.step);
    note(r, words);
}

static void note_begin(struct run *r)
{
    char words[96];
    const struct trainer *t = r->s.trainer;
    snprintf(words, sizeof words, "begun: about %ju MiB of memory, %ju allowed",
             (uintmax_t)(t->need >> 20), (uintmax_t)(t->memory >> 20));
    note(r, words);
}

/* ---- progress -------------------------------------------------------------------------------- */

static xc_train_progress progress_of(const struct run *r, xc_train_event event)
{
    const struct trainer *t = r->s.trainer;
    const struct cursor *c = &t->at;
    const double passed = clock_seconds() - r->epoch_began;
    const double rows = (double)(c->sum.rows - r->epoch_row);
    const uint64_t step_rows = (uint64_t)t->s.batch * (uint64_t)t->s.accumulate;
    const uint32_t epochs = (uint32_t)t->s.epochs;
    const bool between = c->position == 0 && c->sum.rows > 0; /* an epoch's end and the next */
    const uint32_t now = c->epoch + !between;
    return (xc_train_progress){.event = event,
                               .folder = r->o->folder,
                               .epoch = now < epochs ? now : epochs,
                               .epochs = epochs,
                               .step =
                                   between ? trainer_steps(t) : (uint32_t)(c->position / step_rows),
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

static bool tell_note(struct run *r, const char *text)
{
    xc_train_progress p = progress_of(r, XC_TRAIN_NOTE);
    p.note = text;
    note(r, text);
    return tell(r, &p);
}

/* ---- saving ---------------------------------------------------------------------------------- */

static xc_status save_all(struct run *r, struct error *err)
{
    TRY(trainer_check(r->s.trainer, err));
    r->s.seconds = seconds(r);
    const int64_t best = r->s.trainer->at.best_epoch;
    TRY(files_save(&r->s, r->o->folder, best != r->best_saved, err));
    r->best_saved = best;
    return XC_OK;
}

enum turn { FIRST, BETWEEN, LAST }; /* LAST: the run ends, or is stopped */

/* Only between two steps is there a later try. */
static xc_status save(struct run *r, enum turn turn, struct error *err)
{
    struct error own = {XC_OK, ""};
    const double began = clock_seconds();
    const xc_status status = save_all(r, &own);
    r->saved = clock_seconds();
    r->saving += r->saved - began;
    r->saves++;
    if (status == XC_OK) {
        xc_train_progress p = progress_of(r, XC_TRAIN_SAVED);
        r->failed = 0;
        note_at(r, "saved");
        if (tell(r, &p) || turn == LAST) return XC_OK;
        return fail(err, XC_ERR_CANCELLED, "stopped after saving at step %ju",
                    (uintmax_t)r->s.trainer->at.step);
    }
    if (turn != BETWEEN || status == XC_ERR_NUMBER || ++r->failed >= SAVE_TRIES)
        return fail(err, status, "%s", own.text);
    if (tell_note(r, own.text)) return XC_OK;
    return fail(err, XC_ERR_CANCELLED, "stopped at step %ju", (uintmax_t)r->s.trainer->at.step);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void note_epoch(struct run *r, const xc_train_progress *p)
{
    char words[256];
    snprintf(words, sizeof words, "epoch %u: loss %.4f top1 %.4f, validation loss %.4f top1 %.4f%s",
             p->epoch, p->loss, p->top1, p->val_loss, p->val_top1, p->is_best ? ", best" : "");
    note(r, words);
}

/* One line of the log each ten seconds. */
static void note_step(struct run *r, const xc_train_progress *p)
{
    char words[160];
    if (clock_seconds() - r->logged < LOG_SECONDS) return;
    r->logged = clock_seconds();
    snprintf(words, sizeof words, "epoch %u step %u/%u: loss %.4f top1 %.4f lr %.3g %.1f images/s",
             p->epoch, p->step, p->steps, p->loss, p->top1, p->lr, p->images_per_second);
    note(r, words);
}

static void follow_plateau(struct run *r)
{
    const struct history *h = &r->s.history;
    struct trainer *t = r->s.trainer;
    if (t->s.schedule != SCHEDULE_PLATEAU || h->rows == 0) return;
    const bool several = t->data->multi_label;
    const double *metric = several ? &h->row[0].val_loss : &h->row[0].val_top1;
    t->lr_scale =
        plateau_scale(metric, HISTORY_WIDTH, h->rows, !several, (int)t->s.every, t->s.factor);
}

/* Top-1 decides, and among equals the loss; with several labels a picture the loss alone. */
static bool is_better(const struct run *r, const struct history_row *row)
{
    const struct trainer *t = r->s.trainer;
    if (t->at.best_epoch == 0) return true;
    const struct history_row *best = &r->s.history.row[t->at.best_epoch - 1];
    if (!t->data->multi_label && row->val_top1 != best->val_top1)
        return row->val_top1 > best->val_top1;
    return row->val_loss < best->val_loss;
}

/* Some pictures that cannot be read are a note, all of them are no run. */
static xc_status check_readable(const struct trainer *t, const struct score *val, struct error *err)
{
    const uint32_t samples = feed_samples(t->train);
    size_t bad = 0;
    while (feed_bad(t->train, bad)) bad++;
    if (bad < samples && val->rows > 0) return XC_OK;
    return fail(err, XC_ERR_FORMAT, "%s: none of the %s pictures can be read", t->data->path,
                val->rows > 0 ? "training" : "validation");
}

static xc_status end_epoch(struct run *r, struct error *err)
{
    struct trainer *t = r->s.trainer;
    struct score val;
    xc_train_progress p = progress_of(r, XC_TRAIN_EPOCH); /* its rate without the evaluation */
    TRY(trainer_evaluate(t, tell_evaluation, r, &val, err));
    TRY(check_readable(t, &val, err));
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
    p.is_best = is_better(r, &row);
    if (p.is_best) {
        t->at.best_top1 = row.val_top1;
        t->at.best_epoch = t->at.epoch;
        trainer_keep_best(t);
    }
    TRY(history_add(&r->s.history, &row, err));
    follow_plateau(r);
    TRY(files_keep_bad(&r->s, err)); /* the next epoch may have other feeds */
    TRY(trainer_next_epoch(t, err));
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
    note_step(r, &p);
    if (!tell(r, &p))
        return fail(err, XC_ERR_CANCELLED, "stopped at step %ju", (uintmax_t)r->s.trainer->at.step);
    return ended ? end_epoch(r, err) : XC_OK;
}

static bool epoch_is_open(const struct trainer *t) /* stopped before its evaluation was done */
{
    return t->at.position == 0 && t->at.sum.rows > 0;
}

static bool time_is_over(const struct run *r)
{
    const double limit = r->s.trainer->s.time_limit;
    return limit > 0 && seconds(r) >= limit;
}

/* Not that of the best epoch, which with several labels a picture is the one of the lowest loss. */
static double last_top1(const struct run *r)
{
    const struct history *h = &r->s.history;
    return h->rows > 0 ? h->row[h->rows - 1].val_top1 : -1;
}

/* Between two epochs: why does the run end here? NULL: it does not. */
static const char *end_reason(const struct run *r)
{
    const struct trainer *t = r->s.trainer;
    const struct cursor *c = &t->at;
    if (c->epoch >= (uint32_t)t->s.epochs) return "all epochs are done";
    if (t->s.target_top1 > 0 && last_top1(r) >= t->s.target_top1) return "the target is reached";
    if (t->s.patience > 0 && c->epoch >= c->best_epoch + (uint32_t)t->s.patience)
        return "no better epoch within the patience";
    if (time_is_over(r)) return "the time limit is reached";
    return r->o->until > 0 && c->epoch >= r->o->until ? "stopped where it was told to" : NULL;
}

/* The time limit ends a run between any two steps, as if somebody had stopped it: resumed, it has
 * the same bits. Before any epoch is evaluated, what was learned so far is the best there is. */
static const char *cut_short(struct run *r)
{
    struct trainer *t = r->s.trainer;
    if (t->at.best_epoch == 0) {
        trainer_keep_best(t);
        r->best_saved = -1;
    }
    return "the time limit is reached";
}

static xc_status loop(struct run *r, const char **reason, struct error *err)
{
    struct trainer *t = r->s.trainer;
    r->epoch_began = clock_seconds();
    r->epoch_row = t->at.sum.rows;
    follow_plateau(r);
    if (epoch_is_open(t)) TRY(end_epoch(r, err));
    while (t->at.position > 0 || !(*reason = end_reason(r))) {
        if (trainer_is_due(t)) TRY(trainer_begin(t, tell_features, r, err));
        TRY(one_step(r, err));
        if (t->at.position > 0 && time_is_over(r)) {
            *reason = cut_short(r);
            return XC_OK;
        }
        if (clock_seconds() - r->saved >= r->o->save_seconds) TRY(save(r, BETWEEN, err));
    }
    return XC_OK;
}

/* The best weights are evaluated once more, from their file. */
static xc_status finish(struct run *r, const char *reason, struct error *err)
{
    const struct report_opts o = {.machine = r->o->machine,
                                  .folder = r->o->folder,
                                  .threads = r->o->threads,
                                  .tick = tell_evaluation,
                                  .user = r};
    char words[160];
    const double spent = clock_seconds() - r->since;
    int length = snprintf(words, sizeof words, "%s", reason);
    TRY(report_write(&r->s, &o, err));
    if (spent >= SAVES_SECONDS)
        snprintf(words + length, sizeof words - (size_t)length,
                 "; saving %d time%s took %.1f s of %.0f s", r->saves, r->saves == 1 ? "" : "s",
                 r->saving, spent);
    xc_train_progress p = progress_of(r, XC_TRAIN_DONE);
    p.note = words;
    TRY(files_bad(&r->s, &p.unreadable, err));
    note(r, words);
    tell(r, &p);
    return XC_OK;
}

xc_status run_go(struct run *r, const char *how, struct error *err)
{
    const char *reason = NULL;
    if (how) note_at(r, how);
    r->since = r->saved = r->logged = r->epoch_began = clock_seconds();
    r->saving = r->saves = 0;
    xc_status status = trainer_begin(r->s.trainer, tell_features, r, err);
    if (status == XC_OK) {
        status = loop(r, &reason, err);
        struct error own = {XC_OK, ""};
        const bool whole = status == XC_OK || status == XC_ERR_CANCELLED;
        const xc_status saving = whole ? save(r, LAST, &own) : XC_OK;
        if (saving != XC_OK) status = fail(err, saving, "%s", own.text);
        if (status == XC_OK) status = finish(r, reason, err);
    }
    if (status != XC_OK) note(r, err->text);
    return status;
}

void run_close(struct run *r)
{
    trainer_free(r->s.trainer);
    history_free(&r->s.history);
    if (r->log >= 0) close(r->log);
    if (r->lock >= 0) close(r->lock);
    r->lock = -1;
    free(r->args);
    free(r->s.bad);
}

xc_status run_open_log(struct run *r, struct error *err)
{
    char *path = files_path(r->o->folder, "log.txt");
    if (!path) return fail_memory(err, 1);
    r->log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    const xc_status status = r->log >= 0 ? XC_OK : fail_errno(err, path, "cannot open");
    free(path);
    return status;
}

xc_status run_lock(struct run *r, struct error *err)
{
    const char *folder = r->o->folder;
    r->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock < 0) return fail_errno(err, folder, "cannot open");
    if (flock(r->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return XC_OK;
    return fail(err, XC_ERR_IO, "%s: another process trains in this folder", folder);
}

struct keep_opts run_keeping(const struct run *r)
{
    struct keep_opts keep = r->o->keep;
    keep.folder = r->o->folder;
    return keep;
}

/* ---- a new run ------------------------------------------------------------------------------- */

/* Killed before its first state, a run begins anew in its folder. */
static xc_status make_folder(struct run *r, struct error *err)
{
    const char *folder = r->o->folder;
    const bool made = mkdir(folder, 0777) == 0;
    if (!made && errno != EEXIST) return fail_errno(err, folder, "cannot create");
    bool ours = made || files_unborn(folder);
    if (ours) {
        TRY(run_lock(r, err));
        ours = made || files_unborn(folder); /* still: nobody has trained in it meanwhile */
    }
    struct stat info;
    const bool is_folder = stat(folder, &info) == 0 && S_ISDIR(info.st_mode);
    if (!ours)
        return fail(err, XC_ERR_ARGUMENT, "%s: %s", folder,
                    is_folder ? "the run folder exists already"
                              : "exists already, and is no folder");
    if (!made) files_clear(folder);
    return XC_OK;
}

static xc_status prepare(struct run *r, const struct run_start *s, struct error *err)
{
    struct trainer_opts t = {.machine = r->o->machine,
                             .data = s->data,
                             .settings = s->settings,
                             .class_weight = s->class_weight,
                             .teachers = s->teachers,
                             .keep = run_keeping(r),
                             .memory = r->o->memory,
                             .threads = r->o->threads,
                             .stop_on_bad = r->o->stop_on_bad,
                             .cache_bytes = r->o->cache_bytes};
    TRY(settings_check(&s->settings, err));
    TRY(dataset_trainable(s->data, err));
    struct start start = s->start;
    start.class_name = s->data->class_name;
    start.classes = s->data->classes;
    start.multi_label = s->data->multi_label;
    start.seed = s->settings.seed;
    start.dropout = s->settings.dropout;
    TRY(start_model(r->o->machine, &start, &t.model, err));
    TRY(trainer_new(&t, &r->s.trainer, err));
    const struct trainer *made = r->s.trainer;
    TRY(args_write(s, made, &r->args, err));
    r->s.args = r->args;
    TRY(make_folder(r, err));
    TRY(run_open_log(r, err));
    TRY(files_begin(&r->s, r->o->folder, err));
    TRY(files_teachers(&s->teachers, r->o->folder, err));
    r->since = clock_seconds();
    note_begin(r);
    return save(r, FIRST, err);
}

xc_status run_new(const struct run_opts *opts, const struct run_start *start, struct error *err)
{
    struct run r = {.o = opts, .log = -1, .lock = -1, .best_saved = -1};
    xc_status status = prepare(&r, start, err);
    if (status == XC_OK) status = run_go(&r, NULL, err);
    run_close(&r);
    return status;
}
