/* SPDX-License-Identifier: Apache-2.0 */
/* How good is a network on one split? Every sample once, in the order of names, no augmentation. */
#include <stdlib.h>

#include "train/trainer.h"

xc_status evaluate(const struct evaluation *e, struct score *out, struct error *err)
{
    const struct batch *b = NULL;
    const uint32_t all = feed_samples(e->feed);
    float *logits = malloc((size_t)e->batch * (size_t)e->classes * sizeof *logits);
    xc_status status = logits ? XC_OK : fail_memory(err, (size_t)e->batch * (size_t)e->classes);
    *out = (struct score){0};
    feed_begin(e->feed, 0, 0);
    while (status == XC_OK) {
        status = feed_next(e->feed, &b, err);
        if (status != XC_OK || !b) break;
        runner_run(e->runner, b->x, b->n, logits);
        if (e->seen) e->seen(e->seen_user, b, logits);
        score_add(out, logits, b->label, b->weight, e->multi_label ? b->target : NULL, b->n,
                  e->classes);
        const uint64_t done = (uint64_t)b->position + (uint64_t)b->n;
        if (e->tick && !e->tick(e->user, done, all))
            status = fail(err, XC_ERR_CANCELLED, "stopped while evaluating");
    }
    free(logits);
    return status;
}

static xc_status open_feed(const xc_model *model, const struct model_evaluation *o,
                           struct shape input, struct feed **out, struct error *err)
{
    struct loader *loader;
    const struct loader_opts opts = {.split = o->split,
                                     .batch = input.n,
                                     .h = input.h,
                                     .w = input.w,
                                     .c = input.c,
                                     .threads = o->threads,
                                     .preprocess =
                                         o->preprocess ? o->preprocess : &model->meta.preprocess};
    TRY(loader_new(o->data, &opts, &loader, err));
    return feed_pictures(loader, out, err);
}

xc_status evaluate_model(xc_model *model, const struct model_evaluation *o, struct score *out,
                         struct error *err)
{
    const struct weights *weights = NULL;
    struct evaluation e = {.classes = (int)model->info.classes,
                           .batch = o->batch,
                           .multi_label = o->data->multi_label,
                           .tick = o->tick,
                           .user = o->user,
                           .seen = o->seen,
                           .seen_user = o->seen_user};
    const struct shape input = {o->batch, o->h ? o->h : (int)model->info.height,
                                o->w ? o->w : (int)model->info.width, (int)model->info.channels};
    if (!model->info.classifies)
        return fail(err, XC_ERR_ARGUMENT, "the model gives features or maps, no classes");
    if (o->data->classes > e.classes)
        return fail(err, XC_ERR_ARGUMENT, "%s: %d classes, the model has %d", o->data->path,
                    o->data->classes, e.classes);
    TRY(model_weights(model, XC_PRECISION_F32, XC_ALGO_DIRECT, &weights, err));
    xc_status status = open_feed(model, o, input, &e.feed, err);
    if (status == XC_OK)
        status = runner_of(model->machine, model->graph, weights, input,
                           runner_logits(model->graph), &e.runner, err);
    if (status == XC_OK) status = evaluate(&e, out, err);
    runner_free(e.runner);
    feed_free(e.feed);
    return status;
}
