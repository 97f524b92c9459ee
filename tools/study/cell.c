/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done for one cell? A training run in a folder of its own, which goes on where it stopped,
 * then its answers on the test pictures. predictions.bin is written last, and atomically.
 *
 * predictions.bin, little-endian: "XCP1", uint32 pictures, then a float32 score for each picture in
 * the order of names (1 right, 0 wrong; with several labels the average precision; 0 for a picture
 * that cannot be read), then a uint16 for each: the best class, 65535 for none.
 */
#include <ctype.h>
#include <math.h>
#include <seconds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "predictions.h"
#include "stats.h"
#include "study.h"

enum { BATCH = 32, MOST_PLACES = 100 };

/* ---- places ---------------------------------------------------------------------------------- */

char *cell_folder(const struct plan *p, const char *study, uint32_t cell)
{
    uint64_t seed;
    const struct arm *arm = plan_cell(p, cell, &seed);
    char slug[ARM_NAME], *path = NULL;
    size_t n = 0;
    for (const char *c = arm->name; *c; c++) {
        if (isalnum((unsigned char)*c) || *c == '=' || *c == '.' || *c == '+')
            slug[n++] = *c;
        else if (n > 0 && slug[n - 1] != '-')
            slug[n++] = '-';
    }
    slug[n] = 0;
    return asprintf(&path, "%s/cells/%s-s%ju", study, slug, (uintmax_t)seed) < 0 ? NULL : path;
}

static bool is_there(const char *folder, const char *name)
{
    struct stat info;
    char *path = folder ? join(folder, name) : NULL;
    const bool there = path && stat(path, &info) == 0;
    free(path);
    return there;
}

bool cell_done(const struct plan *p, const char *study, uint32_t cell)
{
    char *folder = cell_folder(p, study, cell);
    const bool done = is_there(folder, PREDICTIONS);
    free(folder);
    return done;
}

/* ---- training -------------------------------------------------------------------------------- */

static xc_train_opts train_opts(const struct plan *p, const struct arm *arm, uint64_t seed,
                                const char *folder)
{
    xc_train_opts o = XC_TRAIN_OPTS_INIT;
    o.folder = folder;
    o.arch = arm->arch;
    o.preprocess = "keras-dataset"; /* the same for all, whatever each was published with */
    o.recipe = "cifar";
    o.augment = p->augment;
    o.epochs = p->epochs;
    o.batch = p->batch;
    o.lr = p->lr;
    o.ema = arm->ema;
    o.seed = seed;
    o.command = "xception study";
    return o;
}

static xc_status train(xc_context *context, const xc_dataset *data, xc_train_opts *o,
                       struct why *why)
{
    if (is_there(o->folder, "state.safetensors"))
        return refuse_as(why, xc_train_resume(context, data, o));
    NEED(remove_folder(o->folder, why)); /* killed before its first save */
    return refuse_as(why, xc_train(context, data, o));
}

/* ---- answers --------------------------------------------------------------------------------- */

struct predict {
    const xc_dataset *data;
    xc_session *session;
    uint32_t places; /* answers a picture */
    bool several;    /* labels */
    xc_answer *answer;
    float *score;
    uint16_t *best;
    uint32_t done;
};

static bool is_label(const xc_sample *s, uint32_t index)
{
    for (uint32_t k = 0; k < s->extra_count; k++)
        if ((uint32_t)s->extra[k] == index) return true;
    return s->label == index;
}

static float score_of(const struct predict *p, const xc_sample *s, const xc_answer *answer)
{
    bool right[MOST_PLACES];
    if (!p->several) return answer[0].index == s->label;
    for (uint32_t i = 0; i < p->places; i++) right[i] = is_label(s, answer[i].index);
    return (float)stats_average_precision(right, p->places, 1 + s->extra_count, p->places);
}

static xc_status predict_batch(struct predict *p, xc_image *const *image, const xc_sample *sample,
                               uint32_t n)
{
    const xc_image *readable[BATCH];
    uint32_t at[BATCH], count = 0;
    for (uint32_t i = 0; i < n; i++) {
        p->score[p->done + i] = 0;
        p->best[p->done + i] = UINT16_MAX;
        if (!image[i]) continue;
        readable[count] = image[i];
        at[count++] = i;
    }
    if (count > 0) NEED(xc_classify(p->session, readable, count, p->places, p->answer));
    for (uint32_t k = 0; k < count; k++) {
        const xc_answer *a = p->answer + (size_t)k * p->places;
        p->score[p->done + at[k]] = score_of(p, &sample[at[k]], a);
        p->best[p->done + at[k]] = (uint16_t)a[0].index;
    }
    p->done += n;
    return XC_OK;
}

static xc_status predict_all(struct predict *p)
{
    xc_dataset_info info;
    xc_image *image[BATCH] = {NULL};
    xc_sample sample[BATCH];
    uint32_t n = 0;
    xc_status status = XC_OK;
    xc_dataset_get_info(p->data, &info);
    for (uint64_t i = 0; i < info.samples && status == XC_OK; i++) {
        status = xc_dataset_sample(p->data, i, &sample[n]);
        if (status != XC_OK || sample[n].split != XC_SPLIT_VAL) continue;
        const xc_status got = xc_dataset_image(p->data, i, NULL, &image[n]);
        if (got != XC_OK) image[n] = NULL;
        if (got == XC_ERR_MEMORY) status = got; /* no fault of the picture */
        if (++n < BATCH || status != XC_OK) continue;
        status = predict_batch(p, image, sample, n);
        while (n > 0) xc_image_free(image[--n]);
    }
    if (status == XC_OK && n > 0) status = predict_batch(p, image, sample, n);
    while (n > 0) xc_image_free(image[--n]);
    return status;
}

static xc_status predict(xc_context *context, const xc_dataset *data, const char *model_path,
                         const char *to, struct why *why)
{
    struct predict p = {.data = data};
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_dataset_info info;
    xc_model *model = NULL;
    opts.max_batch = BATCH;
    xc_dataset_get_info(data, &info);
    const size_t pictures = (size_t)info.split[XC_SPLIT_VAL];
    p.several = info.multi_label;
    p.places = !p.several ? 1 : info.classes < MOST_PLACES ? info.classes : MOST_PLACES;
    p.score = malloc((pictures + 1) * sizeof *p.score);
    p.best = malloc((pictures + 1) * sizeof *p.best);
    p.answer = malloc((size_t)BATCH * p.places * sizeof *p.answer);
    xc_status status = p.score && p.best && p.answer
                           ? refuse_as(why, xc_model_load(context, model_path, NULL, &model))
                           : refuse(why, XC_ERR_MEMORY, "out of memory for %zu answers", pictures);
    if (status == XC_OK) status = refuse_as(why, xc_session_new(model, &opts, &p.session));
    if (status == XC_OK) status = refuse_as(why, predict_all(&p));
    if (status == XC_OK) status = predictions_write(to, p.score, p.best, p.done, why);
    xc_session_free(p.session);
    xc_model_unref(model);
    free(p.answer);
    free(p.best);
    free(p.score);
    return status;
}

/* ---- a cell ---------------------------------------------------------------------------------- */

static xc_status run_in(xc_context *context, const xc_dataset *data, xc_train_opts *o,
                        struct why *why)
{
    char *model = join(o->folder, "last.safetensors"), *to = join(o->folder, PREDICTIONS);
    xc_status status =
        model && to ? train(context, data, o, why) : refuse(why, XC_ERR_MEMORY, "out of memory");
    if (status == XC_OK) status = predict(context, data, model, to, why);
    free(to);
    free(model);
    return status;
}

static xc_status data_of(const struct plan *p, const struct arm *arm, struct source *s,
                         const xc_dataset **out, struct why *why)
{
    if (arm->mosaics) NEED(source_mosaics(s, p->height, p->width, p->channels, why));
    *out = arm->mosaics ? s->mosaics : s->pictures;
    return XC_OK;
}

/* Cells are compared, so all of them learn from the pictures that the study began with. */
static xc_status same_data(const struct plan *p, const struct source *s, struct why *why)
{
    xc_dataset_info info;
    xc_dataset_get_info(s->pictures, &info);
    if (s->train == p->train && s->test == p->test && !strcmp(info.fingerprint, p->fingerprint))
        return XC_OK;
    return refuse(why, XC_ERR_FORMAT,
                  "%s: has changed since the study began: fingerprint %.12s.. (%u to train, %u to "
                  "test), it was %.12s.. (%u and %u)",
                  p->data, info.fingerprint, s->train, s->test, p->fingerprint, p->train, p->test);
}

xc_status cell_run(xc_context *context, const struct plan *p, const char *study, uint32_t cell,
                   double save_seconds, xc_train_fn *progress, void *user, struct why *why)
{
    uint64_t seed;
    const xc_dataset *data = NULL;
    struct source *s = NULL;
    const struct arm *arm = plan_cell(p, cell, &seed);
    char *folder = cell_folder(p, study, cell);
    if (!folder) return refuse(why, XC_ERR_MEMORY, "out of memory");
    xc_train_opts o = train_opts(p, arm, seed, folder);
    o.save_seconds = save_seconds;
    o.progress = progress;
    o.user = user;
    xc_status status =
        source_open(p->data, p->val_split, p->limit, p->test_limit, p->seed, &s, why);
    if (status == XC_OK) status = same_data(p, s, why);
    if (status == XC_OK) status = data_of(p, arm, s, &data, why);
    if (status == XC_OK) status = run_in(context, data, &o, why);
    source_free(s);
    free(folder);
    return status;
}

/* ---- how long would it take? ----------------------------------------------------------------- */

enum { WARM_STEPS = 2 };

struct stopwatch {
    double since, last, seconds;
    double stepping; /* seconds of steps, after the first ones, which are slower */
    uint32_t steps;
    uint64_t pictures;
};

/* A step lasts from the event before it: between two of them an epoch may be evaluated. */
static bool count_step(void *user, const xc_train_progress *p)
{
    struct stopwatch *w = user;
    const double before = w->last;
    w->last = seconds_now();
    if (p->event == XC_TRAIN_STEP && ++w->steps > WARM_STEPS) w->stepping += w->last - before;
    if (p->event == XC_TRAIN_STEP && w->steps == WARM_STEPS) w->since = w->last;
    return w->steps < WARM_STEPS + 2 || w->last - w->since < w->seconds;
}

static bool count_pictures(void *user, uint64_t done, uint64_t all)
{
    struct stopwatch *w = user;
    (void)all;
    w->pictures = done;
    w->last = seconds_now();
    return w->last - w->since < w->seconds;
}

static xc_status probe_steps(xc_context *context, const struct plan *p, const xc_dataset *data,
                             const struct arm *arm, const char *place, struct stopwatch *w,
                             struct why *why)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/xception-study-XXXXXX", place);
    if (!mkdtemp(folder)) return refuse(why, XC_ERR_IO, "%s: no folder can be made there", place);
    char *run = join(folder, "run");
    if (!run) return refuse(why, XC_ERR_MEMORY, "out of memory");
    xc_train_opts o = train_opts(p, arm, p->seed, run);
    o.epochs += WARM_STEPS + 2; /* of a step each, perhaps */
    o.save_seconds = 1e6;
    o.progress = count_step;
    o.user = w;
    xc_status status = xc_train(context, data, &o);
    if (status != XC_ERR_CANCELLED) status = refuse_as(why, status);
    struct why ignored;
    if (remove_folder(run, &ignored) == XC_OK) rmdir(folder);
    free(run);
    return status == XC_ERR_CANCELLED ? XC_OK : status;
}

static xc_status probe_pictures(xc_context *context, const xc_dataset *data, const struct arm *arm,
                                struct stopwatch *w, struct why *why)
{
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_evaluate_opts opts = XC_EVALUATE_OPTS_INIT;
    xc_evaluation ignored;
    xc_model *model = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    NEED(refuse_as(why, xc_model_create(context, arm->arch, &create, &model)));
    opts.batch = 64;
    opts.progress = count_pictures;
    opts.user = w;
    w->since = seconds_now();
    xc_status status = xc_evaluate(model, data, &opts, &ignored);
    if (status != XC_ERR_CANCELLED) status = refuse_as(why, status);
    xc_model_unref(model);
    return status == XC_ERR_CANCELLED ? XC_OK : status;
}

xc_status cell_probe(xc_context *context, const struct plan *p, const struct source *s,
                     const struct arm *arm, const char *place, double seconds, double *steps,
                     double *evaluated, struct why *why)
{
    const xc_dataset *data = arm->mosaics ? s->mosaics : s->pictures;
    struct stopwatch train = {.seconds = seconds}, look = {.seconds = seconds / 4};
    NEED(probe_steps(context, p, data, arm, place, &train, why));
    NEED(probe_pictures(context, data, arm, &look, why));
    *steps = (train.steps - WARM_STEPS) / (train.stepping + 1e-9);
    *evaluated = look.pictures ? (double)look.pictures / (look.last - look.since + 1e-9) : INFINITY;
    return XC_OK;
}
