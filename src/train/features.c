/* SPDX-License-Identifier: Apache-2.0 */
/* What do the frozen layers say about each picture? */
#include "train/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "train/kept.h"

struct features {
    uint32_t rows;
    size_t width, classes;
    int views;
    struct kept x;  /* (views, rows, width) */
    float *row;     /* (batch, width), on their way */
    float *weight;  /* (views, rows) */
    bool *is_bad;   /* (views, rows): could not be read */
    float *target;  /* (rows, classes), or NULL */
    int32_t *label; /* (rows) */
    uint32_t *sample;
    char **bad;
    size_t bads;
};

static void *many(size_t a, size_t b, size_t size)
{
    size_t count, bytes;
    if (!size_mul(a, b, &count) || !size_mul(count, size, &bytes)) return NULL;
    return malloc(bytes ? bytes : 1);
}

static xc_status take_memory(struct features *f, const struct features_opts *o,
                             const struct batch *b, struct error *err)
{
    const size_t all = (size_t)f->rows * (size_t)f->views;
    TRY(kept_open(&f->x, all, f->width, o->bf16, o->folder, err));
    f->row = many((size_t)b->n, f->width, sizeof *f->row); /* the first batch is the largest */
    f->weight = many(all, 1, sizeof *f->weight);
    f->is_bad = many(all, 1, sizeof *f->is_bad);
    f->label = many(f->rows, 1, sizeof *f->label);
    f->sample = many(f->rows, 1, sizeof *f->sample);
    if (b->target) f->target = many(f->rows, f->classes, sizeof *f->target);
    if (f->row && f->weight && f->is_bad && f->label && f->sample && (!b->target || f->target))
        return XC_OK;
    return fail_memory(err, all * sizeof *f->weight);
}

static xc_status fill_batch(struct features *f, const struct features_opts *o, int view,
                            const struct batch *b, struct error *err)
{
    const size_t at = (size_t)view * f->rows + b->position, n = (size_t)b->n;
    if (!f->weight) TRY(take_memory(f, o, b, err));
    runner_run(o->trunk, b->x, b->n, f->row);
    for (size_t i = 0; i < n; i++) TRY(kept_put(&f->x, at + i, f->row + i * f->width, err));
    memcpy(f->weight + at, b->weight, n * sizeof *f->weight);
    memcpy(f->is_bad + at, b->bad, n * sizeof *f->is_bad);
    memcpy(f->label + b->position, b->label, n * sizeof *f->label);
    memcpy(f->sample + b->position, b->sample, n * sizeof *f->sample);
    if (f->target)
        memcpy(f->target + b->position * f->classes, b->target, n * f->classes * sizeof *f->target);
    const uint64_t done = (uint64_t)at + n, all = (uint64_t)f->rows * (uint64_t)f->views;
    if (!o->tick || o->tick(o->user, done, all)) return XC_OK;
    return fail(err, XC_ERR_CANCELLED, "stopped while the frozen layers were computed");
}

static xc_status fill(struct features *f, const struct features_opts *o, struct error *err)
{
    for (int view = 0; view < f->views; view++) {
        const struct batch *b = NULL;
        loader_begin(o->loader, 0, (uint32_t)view, 0);
        TRY(loader_next(o->loader, &b, err));
        while (b) {
            TRY(fill_batch(f, o, view, b, err));
            TRY(loader_next(o->loader, &b, err));
        }
    }
    return XC_OK;
}

/* The loader goes away, its sentences stay. */
static xc_status keep_bad(struct features *f, const struct loader *l, struct error *err)
{
    uint32_t sample;
    size_t count = 0;
    while (loader_bad(l, count, &sample)) count++;
    f->bad = calloc(count + 1, sizeof *f->bad);
    if (!f->bad) return fail_memory(err, count * sizeof *f->bad);
    for (; f->bads < count; f->bads++)
        if (!(f->bad[f->bads] = strdup(loader_bad(l, f->bads, &sample))))
            return fail_memory(err, count);
    return XC_OK;
}

xc_status features_new(const struct features_opts *opts, struct features **out, struct error *err)
{
    struct features *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f) return fail_memory(err, sizeof *f);
    f->x.file = -1;
    f->rows = loader_samples(opts->loader);
    f->width = runner_width(opts->trunk);
    f->classes = (size_t)opts->classes;
    f->views = opts->views;
    xc_status status = fill(f, opts, err);
    if (status == XC_OK) status = keep_bad(f, opts->loader, err);
    if (status == XC_OK)
        *out = f;
    else
        features_free(f);
    return status;
}

void features_free(struct features *f)
{
    if (!f) return;
    kept_close(&f->x);
    free(f->row);
    free(f->weight);
    free(f->is_bad);
    free(f->target);
    free(f->label);
    free(f->sample);
    for (size_t i = 0; i < f->bads; i++) free(f->bad[i]);
    free(f->bad);
    free(f);
}

uint32_t features_rows(const struct features *f)
{
    return f->rows;
}

size_t features_width(const struct features *f)
{
    return f->width;
}

xc_status features_read(const struct features *f, int view, uint32_t place, float *x,
                        struct feature_row *out, struct error *err)
{
    const size_t at = (size_t)view * f->rows + place;
    *out = (struct feature_row){.target = f->target ? f->target + place * f->classes : NULL,
                                .weight = f->weight[at],
                                .bad = f->is_bad[at],
                                .label = f->label[place],
                                .sample = f->sample[place]};
    return kept_get(&f->x, at, x, err);
}

const char *features_bad(const struct features *f, size_t i)
{
    return i < f->bads ? f->bad[i] : NULL;
}
