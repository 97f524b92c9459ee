/* SPDX-License-Identifier: Apache-2.0 */
/* Where do the batches of a step come from? */
#include "train/feed.h"

#include <stdlib.h>
#include <string.h>

#include "data/order.h"

struct feed {
    struct loader *loader; /* or */
    struct features *features;
    struct feed_opts o;
    uint32_t epoch, place;
    struct batch batch;
    float *x, *weight, *target;
    int32_t *label;
    uint32_t *sample;
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
    if (!f->x || !f->weight || !f->target || !f->label || !f->sample) {
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
    free(f);
}

uint32_t feed_samples(const struct feed *f)
{
    return f->loader ? loader_samples(f->loader) : features_rows(f->features);
}

void feed_begin(struct feed *f, uint32_t epoch, uint32_t position)
{
    if (f->loader) loader_begin(f->loader, epoch, epoch, position);
    f->epoch = epoch;
    f->place = position;
}

static void take_row(struct feed *f, uint32_t place, size_t i)
{
    const uint32_t rows = features_rows(f->features);
    const int view = (int)(f->epoch % (uint32_t)f->o.views);
    const uint32_t at = f->o.shuffle ? order_at(f->o.seed, f->epoch, rows, place) : place;
    const struct feature_row row = features_at(f->features, view, at);
    const size_t width = features_width(f->features), classes = (size_t)f->o.classes;
    memcpy(f->x + i * width, row.x, width * sizeof *f->x);
    if (row.target) memcpy(f->target + i * classes, row.target, classes * sizeof *f->target);
    f->weight[i] = row.weight;
    f->label[i] = row.label;
    f->sample[i] = row.sample;
    f->batch.target = row.target ? f->target : NULL;
}

static const struct batch *next_features(struct feed *f)
{
    const uint32_t rows = features_rows(f->features), left = rows - f->place;
    const uint32_t most = (uint32_t)f->o.batch, n = left < most ? left : most;
    if (n == 0 || (n < most && f->o.drop_last)) return NULL;
    for (uint32_t i = 0; i < n; i++) take_row(f, f->place + i, i);
    f->batch.n = (int)n;
    f->batch.h = f->batch.w = 1;
    f->batch.c = (int)features_width(f->features);
    f->batch.position = f->place;
    f->batch.x = f->x;
    f->batch.label = f->label;
    f->batch.weight = f->weight;
    f->batch.sample = f->sample;
    f->place += n;
    return &f->batch;
}

xc_status feed_next(struct feed *f, const struct batch **out, struct error *err)
{
    if (f->loader) return loader_next(f->loader, out, err);
    *out = next_features(f);
    return XC_OK;
}

const char *feed_bad(const struct feed *f, size_t i)
{
    uint32_t sample;
    return f->loader ? loader_bad(f->loader, i, &sample) : features_bad(f->features, i);
}
