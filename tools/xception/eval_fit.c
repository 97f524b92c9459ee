/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is fitted on the evaluated pictures, to lie in a new model file: a temperature, thresholds
 * of classes, and where "none of these" begins.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bar.h"
#include "engine.h"
#include "eval.h"
#include "pictures.h"
#include "say.h"
#include "seconds.h"

static int fit_temperature(struct eval *e)
{
    double t = 1;
    xc_status status = xc_scores_fit_temperature(e->model[0].scores, &t);
    if (status == XC_OK) status = xc_scores_set_temperature(e->model[0].scores, t);
    if (status != XC_OK) return say_status(status, EXIT_DATA);
    e->decision.temperature = t;
    e->fitted_temperature = true;
    if (!e->decision.least || arg_text(e->args, "pick-threshold")) return EXIT_DONE;
    e->decision.least = NULL;
    say_error(
        "the model's thresholds are of another temperature and are left out: --pick-threshold "
        "picks new ones");
    return EXIT_DONE;
}

/* Scores are made in double, classify's probabilities in float32: a picture at the threshold must
 * not fall below it there. */
#define SLACK 1e-6

/* A class for which the rule finds nothing never makes an answer unknown: of classes that exclude
 * each other its threshold is 0; of those that do not, where one yes is enough, 1. */
static int pick_thresholds(struct eval *e, const char *rule)
{
    const double open = e->model[0].model && xc_model_get_info(e->model[0].model)->has_sigmoid;
    uint32_t none = 0;
    e->least = calloc(e->classes, sizeof *e->least);
    if (!e->least) return EXIT_LIMIT;
    for (uint32_t c = 0; c < e->classes; c++) {
        xc_threshold t;
        const xc_status status = xc_scores_pick(e->model[0].scores, c, rule, &t);
        if (status != XC_OK)
            return say_status(status, status == XC_ERR_ARGUMENT ? EXIT_USAGE : EXIT_DATA);
        none += isnan(t.threshold) ? 1 : 0;
        e->least[c] = isnan(t.threshold) ? open : fmin(fmax(t.threshold - SLACK, 0), 1);
    }
    e->decision.least = e->least;
    if (none)
        say_error("--pick-threshold %s: found none for %u classes, they get %g", rule, none, open);
    return EXIT_DONE;
}

int eval_fit(struct eval *e)
{
    const char *rule = arg_text(e->args, "pick-threshold");
    int code = EXIT_DONE;
    if (arg_on(e->args, "fit-temperature")) code = fit_temperature(e);
    if (code == EXIT_DONE && rule) code = pick_thresholds(e, rule);
    return code;
}

/* ---- pictures of none of the classes --------------------------------------------------------- */

enum { OOD_MOST = 1000, OOD_BATCH = 8 };

/* A data set whose classes do not matter, or a folder of pictures. */
struct strange {
    xc_dataset *data;
    struct pictures pictures;
    uint64_t count;
};

static int find_strange(struct strange *s, const char *path)
{
    int code = EXIT_DATA;
    if (xc_dataset_open(path, NULL, &s->data) == XC_OK) {
        xc_dataset_info info;
        xc_dataset_get_info(s->data, &info);
        s->count = info.samples;
        return EXIT_DONE;
    }
    char *operand[] = {(char *)(uintptr_t)path};
    if (!pictures_find(&s->pictures, operand, 1, NULL, &code)) return code;
    s->count = s->pictures.count;
    return EXIT_DONE;
}

static xc_status load_strange(const struct strange *s, uint64_t i, xc_image **out)
{
    return s->data ? xc_dataset_image(s->data, i, NULL, out)
                   : picture_load(s->pictures.path[i], out);
}

static xc_status keep_logits(struct eval *e, const float *logits, uint32_t n, double *row)
{
    for (uint32_t i = 0; i < n; i++) {
        const xc_scores_row r = {.id = xc_scores_count(e->ood), .score = row};
        for (uint32_t c = 0; c < e->classes; c++)
            row[c] = (double)logits[(size_t)i * e->classes + c];
        const xc_status status = xc_scores_add(e->ood, &r);
        if (status != XC_OK) return status;
    }
    return XC_OK;
}

static xc_status run_batch(struct eval *e, xc_session *session, xc_image **image, uint32_t n,
                           float *logits, double *row)
{
    xc_answer answer[OOD_BATCH];
    size_t written;
    xc_status status = xc_classify(session, (const xc_image *const *)image, n, 1, answer);
    if (status == XC_OK)
        status = xc_session_read(session, "logits", logits, (size_t)n * e->classes, &written);
    return status == XC_OK ? keep_logits(e, logits, n, row) : status;
}

/* Counted for the exit code, and said at once. */
static void skip_strange(struct eval *e, struct bar *bar)
{
    bar_clear(bar);
    say_error("--ood: %s", xc_error());
    e->strange_unreadable++;
}

/* At most OOD_MOST of them, evenly spread. */
static xc_status run_strange(struct eval *e, const struct strange *s, xc_session *session,
                             float *logits, double *row)
{
    const uint64_t all = s->count < OOD_MOST ? s->count : OOD_MOST;
    struct bar bar;
    struct ticker ticker = {.bar = &bar, .what = "unknown", .began = seconds_now()};
    xc_status status = XC_OK;
    bar_begin(&bar, arg_on(e->args, "quiet"));
    for (uint64_t i = 0; i < all && status == XC_OK;) {
        xc_image *image[OOD_BATCH];
        uint32_t n = 0;
        for (; n < OOD_BATCH && i < all; i++)
            if (load_strange(s, i * s->count / all, &image[n]) == XC_OK)
                n++;
            else
                skip_strange(e, &bar);
        if (n) status = run_batch(e, session, image, n, logits, row);
        for (uint32_t k = 0; k < n; k++) xc_image_free(image[k]);
        eval_tick(&ticker, i, all);
    }
    bar_clear(&bar);
    return status;
}

static int judge_unknown(struct eval *e)
{
    static const xc_reject kinds[] = {XC_REJECT_MAX_LOGIT, XC_REJECT_ENERGY};
    for (int k = 0; k < 2; k++) {
        xc_rejection *r = &e->rejection[kinds[k]];
        const xc_status status = xc_scores_reject(e->model[0].scores, e->ood, kinds[k], 0.95, r);
        if (status != XC_OK) return say_status(status, EXIT_DATA);
        if (e->decision.reject == XC_REJECT_NONE || r->fpr < e->rejection[e->decision.reject].fpr) {
            e->decision.reject = kinds[k];
            e->decision.reject_below = r->threshold;
        }
    }
    return EXIT_DONE;
}

int eval_fit_unknown(struct eval *e, const char *path)
{
    struct strange s = {0};
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_scores_opts table = XC_SCORES_OPTS_INIT;
    xc_session *session = NULL;
    opts.max_batch = OOD_BATCH;
    opts.preprocess = &e->preprocess;
    opts.height = e->height;
    opts.width = e->width;
    table.classes = e->classes;
    table.folder = temporary_folder();
    opts.precision = eval_precision(e);
    float *logits = calloc((size_t)e->classes * OOD_BATCH, sizeof *logits);
    double *row = calloc(e->classes, sizeof *row);
    int code = logits && row ? find_strange(&s, path) : EXIT_LIMIT;
    xc_status status = XC_OK;
    e->decision.reject = XC_REJECT_NONE;
    if (code == EXIT_DONE) {
        status = xc_scores_new(&table, &e->ood);
        if (status == XC_OK) status = xc_session_new(e->model[0].model, &opts, &session);
        if (status == XC_OK) status = run_strange(e, &s, session, logits, row);
        if (status != XC_OK) {
            code = say_status(status, EXIT_DATA);
        } else if (xc_scores_count(e->ood) == 0) {
            say_error("--ood %s: no picture could be read", path);
            code = EXIT_DATA;
        } else {
            code = judge_unknown(e);
        }
    }
    xc_session_free(session);
    xc_dataset_free(s.data);
    pictures_free(&s.pictures);
    free(logits);
    free(row);
    return code;
}

int eval_save_model(const struct eval *e, const char *path)
{
    xc_save_opts save = XC_SAVE_OPTS_INIT;
    save.decision = &e->decision;
    save.preprocess = &e->preprocess;
    if (!xc_model_get_info(e->model[0].model)->has_labels) {
        save.labels = e->label;
        save.label_count = e->classes;
    }
    const xc_status status = xc_model_save(e->model[0].model, path, &save);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}
