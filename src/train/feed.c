/* SPDX-License-Identifier: Apache-2.0 */
/* Where do the batches of a step come from? */
#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

#include "data/order.h"
#include "train/kept.h"

struct feed {
    struct loader *loader;      /* or */
    struct features *features;  /* and of the loader's pictures */
    const struct runner *trunk; /* this is given instead; NULL: they themselves */
    struct feed_opts o;
    uint32_t epoch, place;
    struct batch batch;
    float *x, *weight, *target;
    int32_t *label;
    uint32_t *sample;
    bool *bad;
};

xc_status feed_pictures(struct loader *l, struct feed **out, struct error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out) {
        (*out)->loader = l;
        return XC_OK;
    }
    loader_free(l);
    return fail_memory(err, sizeof **out);
}

xc_status feed_trunk(struct loader *l, const struct runner *trunk, const struct feed_opts *opts,
                     struct feed **out, struct error *err)
{
    const size_t count = (size_t)opts->batch * runner_width(trunk);
    TRY(feed_pictures(l, out, err));
    (*out)->trunk = trunk;
    (*out)->o = *opts;
    (*out)->x = malloc(count * sizeof *(*out)->x);
    if ((*out)->x) return XC_OK;
    feed_free(*out);
    *out = NULL;
    return fail_memory(err, count * sizeof(float));
}

xc_status feed_features(struct features *features, const struct feed_opts *opts, struct feed **out,
                        struct error *err)
{
    struct feed *f = calloc(1, sizeof *f);
    const size_t n = (size_t)opts->batch, width = features_width(features);
    *out = NULL;
    if (!f) {
        features_free(features);
        return fail_memory(err, sizeof *f);
    }
    f->features = features;
    f->o = *opts;
    f->x = malloc(n * width * sizeof *f->x);
    f->weight = malloc(n * sizeof *f->weight);
    f->target = malloc(n * (size_t)opts->classes * sizeof *f->target);
    f->label = malloc(n * sizeof *f->label);
    f->sample = malloc(n * sizeof *f->sample);
    f->bad = malloc(n * sizeof *f->bad);
    if (!f->x || !f->weight || !f->target || !f->label || !f->sample || !f->bad) {
        feed_free(f);
        return fail_memory(err, n * width * sizeof *f->x);
    }
    *out = f;
    return XC_OK;
}

void feed_free(struct feed *f)
{
    if (!f) return;
    loader_free(f->loader);
    features_free(f->features);
    free(f->x);
    free(f->weight);
    free(f->target);
    free(f->label);
    free(f->sample);
    free(f->bad);
    free(f);
}

uint32_t feed_samples(const struct feed *f)
{
    return f->loader ? loader_samples(f->loader) : features_rows(f->features);
}

void feed_begin(struct feed *f, uint32_t epoch, uint32_t position)
{
    const uint32_t view = f->o.views ? epoch % (uint32_t)f->o.views : epoch;
    if (f->loader) loader_begin(f->loader, epoch, view, position);
    f->epoch = epoch;
    f->place = position;
}

/* ---- the next one ---------------------------------------------------------------------------- */

static xc_status take_row(struct feed *f, uint32_t place, size_t i, struct error *err)
{
    struct feature_row row;
    const uint32_t rows = features_rows(f->features);
    const int view = (int)(f->epoch % (uint32_t)f->o.views);
    const uint32_t at = f->o.shuffle ? order_at(f->o.seed, f->epoch, rows, place) : place;
    const size_t width = features_width(f->features), classes = (size_t)f->o.classes;
    TRY(features_read(f->features, view, at, f->x + i * width, &row, err));
    if (row.target) memcpy(f->target + i * classes, row.target, classes * sizeof *f->target);
    f->weight[i] = row.weight;
    f->bad[i] = row.bad;
    f->label[i] = row.label;
    f->sample[i] = row.sample;
    f->batch.target = row.target ? f->target : NULL;
    return XC_OK;
}

static xc_status next_features(struct feed *f, const struct batch **out, struct error *err)
{
    const uint32_t rows = features_rows(f->features), left = rows - f->place;
    const uint32_t most = (uint32_t)f->o.batch, n = left < most ? left : most;
    *out = NULL;
    if (n == 0 || (n < most && f->o.drop_last)) return XC_OK;
    for (uint32_t i = 0; i < n; i++) TRY(take_row(f, f->place + i, i, err));
    batch_repeat(f->bad, (int)n, features_width(f->features), f->x);
    f->batch.n = (int)n;
    f->batch.h = f->batch.w = 1;
    f->batch.c = (int)features_width(f->features);
    f->batch.position = f->place;
    f->batch.x = f->x;
    f->batch.label = f->label;
    f->batch.weight = f->weight;
    f->batch.sample = f->sample;
    f->batch.bad = f->bad;
    f->place += n;
    *out = &f->batch;
    return XC_OK;
}

static const struct batch *through_trunk(struct feed *f, const struct batch *pictures)
{
    const size_t width = runner_width(f->trunk);
    runner_run(f->trunk, pictures->x, pictures->n, f->x);
    if (f->o.bf16) kept_round(f->x, (size_t)pictures->n * width);
    f->batch = *pictures;
    f->batch.h = f->batch.w = 1;
    f->batch.c = (int)width;
    f->batch.x = f->x;
    return &f->batch;
}

xc_status feed_next(struct feed *f, const struct batch **out, struct error *err)
{
    if (f->features) return next_features(f, out, err);
    TRY(loader_next(f->loader, out, err));
    if (f->trunk && *out) *out = through_trunk(f, *out);
    return XC_OK;
}

const char *feed_bad(const struct feed *f, size_t i)
{
    uint32_t sample;
    return f->loader ? loader_bad(f->loader, i, &sample) : features_bad(f->features, i);
}
