/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good is a network on one split? Every sample once, in the order of names, no augmentation but
 * the views that were asked for, whose logits are averaged.
 */
#include <stdlib.h>

#include "base/checked.h"
#include "train/trainer.h"

struct buffers {
    float *logits; /* (batch, classes): of a view */
    float *mean;   /* the same: of all views */
    float *view;   /* (batch, small); NULL: pictures are the only view */
    double *row;   /* (classes) */
};

static void buffers_free(struct buffers *b)
{
    free(b->logits);
    free(b->mean);
    free(b->view);
    free(b->row);
}

static xc_status buffers_take(struct buffers *b, const struct evaluation *e, struct error *err)
{
    const size_t row = (size_t)e->classes, batch = (size_t)e->batch;
    const struct views *v = e->views;
    size_t all = 0;
    *b = (struct buffers){.logits = malloc(batch * row * sizeof(float)),
                          .mean = malloc(batch * row * sizeof(float)),
                          .row = malloc(row * sizeof(double))};
    if (!b->logits || !b->mean || !b->row) return fail_memory(err, batch * row);
    if (!v || views_count(v) == 1) return XC_OK;
    if (shape_count(v->small, &all)) b->view = calloc(all, sizeof *b->view);
    return b->view ? XC_OK : fail_memory(err, all * sizeof *b->view);
}

static xc_status run_rows(const struct evaluation *e, const float *x, int n, float *logits,
                          struct error *err)
{
    size_t written;
    if (!e->session) {
        runner_run(e->runner, x, n, logits);
        return XC_OK;
    }
    TRY(session_run(e->session, x, DTYPE_F32, (uint32_t)n, NULL, err));
    return session_read(e->session, "logits", DTYPE_F32, logits, (size_t)n * (size_t)e->classes,
                        &written, err);
}

/* The logits of a batch into b->mean. */
static xc_status run_views(const struct evaluation *e, const struct batch *batch, struct buffers *b,
                           struct error *err)
{
    const size_t numbers = (size_t)batch->n * (size_t)e->classes;
    if (!b->view) return run_rows(e, batch->x, batch->n, b->mean, err);
    const int count = views_count(e->views);
    for (size_t k = 0; k < numbers; k++) b->mean[k] = 0;
    for (int i = 0; i < count; i++) {
        views_cut(e->views, i, batch->n, batch->x, b->view);
        TRY(run_rows(e, b->view, batch->n, b->logits, err));
        for (size_t k = 0; k < numbers; k++) b->mean[k] += b->logits[k];
    }
    for (size_t k = 0; k < numbers; k++) b->mean[k] /= (float)count;
    return XC_OK;
}

static xc_status keep_rows(const struct evaluation *e, const struct batch *batch, struct buffers *b,
                           struct error *err)
{
    for (int i = 0; e->scores && i < batch->n; i++) {
        if (batch->weight && batch->weight[i] <= 0) continue;
        const struct sample *sample = &e->data->sample[batch->sample[i]];
        for (int c = 0; c < e->classes; c++)
            b->row[c] = (double)b->mean[(size_t)i * (size_t)e->classes + (size_t)c];
        const struct scores_row row = {.id = batch->sample[i],
                                       .score = b->row,
                                       .label = (uint32_t)sample->label,
                                       .extra = sample->extra,
                                       .extra_count = (uint32_t)sample->extra_count};
        const xc_status status = scores_add(e->scores, &row, err);
        if (status != XC_OK) error_prefix(err, sample->name);
        TRY(status);
    }
    return XC_OK;
}

xc_status evaluate(const struct evaluation *e, struct score *out, struct error *err)
{
    const struct batch *batch = NULL;
    const uint32_t all = feed_samples(e->feed);
    struct buffers b;
    xc_status status = buffers_take(&b, e, err);
    *out = (struct score){0};
    feed_begin(e->feed, 0, 0);
    while (status == XC_OK) {
        status = feed_next(e->feed, &batch, err);
        if (status != XC_OK || !batch) break;
        status = run_views(e, batch, &b, err);
        if (status != XC_OK) break;
        if (e->seen) e->seen(e->seen_user, batch, b.mean);
        score_add(out, b.mean, batch->label, batch->weight, e->multi_label ? batch->target : NULL,
                  batch->n, e->classes);
        status = keep_rows(e, batch, &b, err);
        const uint64_t done = (uint64_t)batch->position + (uint64_t)batch->n;
        if (status == XC_OK && e->tick && !e->tick(e->user, done, all))
            status = fail(err, XC_ERR_CANCELLED, "stopped while evaluating");
    }
    buffers_free(&b);
    return status;
}

static xc_status open_feed(const xc_model *model, const struct model_evaluation *o,
                           const struct views *views, struct feed **out, struct error *err)
{
    struct loader *loader;
    xc_preprocess preprocess = o->preprocess ? *o->preprocess : model->meta.preprocess;
    const struct shape input = views->large;
    const struct loader_opts opts = {.split = o->split,
                                     .batch = input.n,
                                     .h = input.h,
                                     .w = input.w,
                                     .c = input.c,
                                     .threads = o->threads,
                                     .preprocess = &preprocess};
    if (views->crops > 1) preprocess.crop = 1; /* the large picture is what is cut from */
    TRY(loader_new(o->data, &opts, &loader, err));
    return feed_pictures(loader, out, err);
}

xc_status evaluate_model(xc_model *model, const struct model_evaluation *o, struct score *out,
                         struct error *err)
{
    const xc_session_opts opts = {.size = sizeof opts,
                                  .max_batch = (uint32_t)o->batch,
                                  .height = (uint32_t)o->h,
                                  .width = (uint32_t)o->w,
                                  .precision = o->precision};
    struct evaluation e = {.data = o->data,
                           .classes = (int)model->info.classes,
                           .batch = o->batch,
                           .multi_label = o->data->multi_label,
                           .scores = o->scores,
                           .tick = o->tick,
                           .user = o->user,
                           .seen = o->seen,
                           .seen_user = o->seen_user};
    if (!model->info.classifies)
        return fail(err, XC_ERR_ARGUMENT, "the model gives features or maps, no classes");
    if (o->data->classes > e.classes)
        return fail(err, XC_ERR_ARGUMENT, "%s: %d classes, the model has %d", o->data->path,
                    o->data->classes, e.classes);
    if (o->data->multi_label && o->data->classes != e.classes)
        return fail(err, XC_ERR_ARGUMENT,
                    "%s: pictures with several labels of %d classes, the model has %d",
                    o->data->path, o->data->classes, e.classes);
    if (o->scores && o->scores->o.classes != (uint32_t)e.classes)
        return fail(err, XC_ERR_ARGUMENT, "scores of %u classes, the model has %d",
                    o->scores->o.classes, e.classes);
    if (o->scores && o->scores->o.kind != XC_SCORES_LOGITS)
        return fail(err, XC_ERR_ARGUMENT, "scores: a model gives logits, the table takes others");
    TRY(session_new(model, &opts, &e.session, err));
    const struct views views = views_of(o->tta, session_input(e.session));
    e.views = &views;
    xc_status status = open_feed(model, o, &views, &e.feed, err);
    if (status == XC_OK) status = evaluate(&e, out, err);
    feed_free(e.feed);
    session_free(e.session);
    return status;
}
