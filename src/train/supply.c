/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the tail fed with? Pictures, when nothing in front of it is frozen. Else what the frozen
 * layers say: kept, when it will be asked for again and there is room; computed in each epoch
 * otherwise. Both give the same bits.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "train/kept.h"
#include "train/trainer.h"

/* ---- room ------------------------------------------------------------------------------------ */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the run itself leaves. */
static uint64_t memory_left(const struct trainer *t)
{
    if (t->memory == 0) return UINT64_MAX;
    return t->memory > t->need ? t->memory - t->need : 0;
}

/* For the pictures of a split: training and validation share by their number. */
static size_t picture_room(const struct trainer *t, uint8_t split)
{
    const uint64_t room = smaller(t->cache_bytes, memory_left(t));
    const double both =
        (double)t->data->count[XC_SPLIT_TRAIN] + (double)t->data->count[XC_SPLIT_VAL];
    return (size_t)((double)room * ((double)t->data->count[split] / both));
}

static uint64_t half_of_disk(const char *folder)
{
    struct statvfs info;
    return statvfs(folder, &info) == 0 ? (uint64_t)info.f_bavail * info.f_frsize / 2 : 0;
}

/* For features; in memory at most what pictures leave. */
static uint64_t room(const struct trainer *t)
{
    const struct keep_opts *k = &t->keep;
    if (k->place == KEEP_OFF) return 0;
    if (k->place == KEEP_DISK) {
        const uint64_t half = half_of_disk(k->folder);
        return k->limit ? smaller(k->limit, half) : half;
    }
    const uint64_t left = memory_left(t), wanted = k->limit ? k->limit : t->memory / 2;
    return smaller(wanted, left - smaller(t->cache_bytes, left));
}

/* ---- pictures -------------------------------------------------------------------------------- */

static xc_status open_pictures(const struct trainer *t, uint8_t split, bool augmented, bool ordered,
                               struct loader **out, struct error *err)
{
    const struct graph *g = t->model->graph;
    struct loader_opts o = {.split = split,
                            .shuffle = !ordered,
                            .drop_last = !ordered,
                            .stop_on_bad = t->stop_on_bad,
                            .batch = t->s.batch,
                            .h = g->input.h,
                            .w = g->input.w,
                            .c = g->input.c,
                            .threads = t->threads,
                            .cache_bytes = picture_room(t, split),
                            .seed = t->s.seed,
                            .preprocess = &t->model->meta.preprocess};
    if (augmented) TRY(augment_parse(t->s.augment, &o.augment, err));
    return loader_new(t->data, &o, out, err);
}

/* ---- which features are kept? ---------------------------------------------------------------- */

/* Epochs from the cursor to the end of this phase. */
static uint32_t epochs_left(const struct trainer *t)
{
    const bool last = t->phase + 1 == t->phases.count;
    const uint32_t end = last ? (uint32_t)t->s.epochs : t->phases.at[t->phase + 1].epoch;
    return end - t->at.epoch;
}

static size_t rows_of(const struct trainer *t, bool train)
{
    return t->data->count[train ? XC_SPLIT_TRAIN : XC_SPLIT_VAL];
}

static size_t bytes_of(const struct trainer *t, bool train)
{
    const size_t views = train ? (size_t)t->s.views : 1;
    return kept_bytes(rows_of(t, train) * views, runner_width(t->trunk), t->s.features_bf16);
}

/* Views that are seen once need not be kept. */
static bool keeps(const struct trainer *t, bool train, uint64_t left)
{
    const bool again = !train || epochs_left(t) > (uint32_t)t->s.views;
    return again && bytes_of(t, train) <= left;
}

/* ---- feeds ----------------------------------------------------------------------------------- */

static xc_status feed_kept(struct trainer *t, struct loader *loader, const struct feed_opts *o,
                           xc_progress_fn *tick, void *user, struct feed **out, struct error *err)
{
    struct features *features = NULL;
    const struct features_opts opts = {.loader = loader,
                                       .trunk = t->trunk,
                                       .views = o->views,
                                       .classes = t->classes,
                                       .bf16 = o->bf16,
                                       .folder = t->keep.place == KEEP_DISK ? t->keep.folder : NULL,
                                       .tick = tick,
                                       .user = user};
    const xc_status status = features_new(&opts, &features, err);
    loader_free(loader);
    TRY(status);
    return feed_features(features, o, out, err);
}

static xc_status open_feed(struct trainer *t, bool train, bool kept, xc_progress_fn *tick,
                           void *user, struct feed **out, struct error *err)
{
    struct loader *loader;
    const struct feed_opts o = {.batch = t->s.batch,
                                .classes = t->classes,
                                .views = train ? t->s.views : 1,
                                .shuffle = train,
                                .drop_last = train,
                                .bf16 = t->s.features_bf16,
                                .seed = t->s.seed};
    const bool augmented = train && trainer_augments(t);
    TRY(open_pictures(t, train ? XC_SPLIT_TRAIN : XC_SPLIT_VAL, augmented, kept || !train, &loader,
                      err));
    if (kept) return feed_kept(t, loader, &o, tick, user, out, err);
    return t->trunk ? feed_trunk(loader, t->trunk, &o, out, err) : feed_pictures(loader, out, err);
}

static xc_status make_trunk(struct trainer *t, struct error *err)
{
    struct shape input = t->model->graph->input;
    const int cut = t->phases.at[t->phase].cut;
    input.n = t->s.batch;
    return runner_new(t->m, t->model->graph, t->model->block, input, cut, &t->trunk, err);
}

xc_status supply_open(struct trainer *t, xc_progress_fn *tick, void *user, struct error *err)
{
    uint64_t left = room(t);
    bool train = false, val = false;
    if (t->tail) {
        TRY(make_trunk(t, err));
        val = keeps(t, false, left);
        if (val) left -= bytes_of(t, false);
        train = keeps(t, true, left);
    }
    TRY(open_feed(t, true, train, tick, user, &t->train, err));
    TRY(open_feed(t, false, val, tick, user, &t->val, err));
    if (!train || !val) return XC_OK;
    runner_free(t->trunk);
    t->trunk = NULL;
    return XC_OK;
}

void supply_close(struct trainer *t)
{
    feed_free(t->train);
    feed_free(t->val);
    runner_free(t->trunk);
    t->train = t->val = NULL;
    t->trunk = NULL;
}
