/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory does a run need, and does it fit? Counted from the plans, before anything is
 * taken (but for teachers, whose sessions say it): the phase that needs most. Kept pictures and
 * features are not counted: they take what is left.
 */
#include "image/image.h"
#include "train/trainer.h"

enum { RING = 3 }; /* batches of pictures on their way, of a loader */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t need_picture(const struct dataset *d)
{
    struct sample_bytes bytes = {0};
    struct error ignored;
    xc_image *image = NULL;
    size_t most = 0;
    for (size_t i = 1; i < d->samples; i++)
        if (d->sample[i].bytes > d->sample[most].bytes) most = i;
    const uint64_t encoded = d->samples ? d->sample[most].bytes : 0;
    if (!d->samples || dataset_image(d, most, &bytes, NULL, &image, &ignored) != XC_OK)
        image = NULL; /* it will be told of when its turn comes */
    const uint64_t pixels =
        image ? (uint64_t)image->info.width * image->info.height * (uint64_t)image->info.format : 0;
    image_free(image);
    sample_bytes_free(&bytes);
    return 2 * encoded /* the buffers of both loaders */ + pixels;
}

/* Of a phase: its weights, which no tail shares with the model, the best ones, average, moments. */
static uint64_t kept_bytes_of(const struct trainer *p)
{
    return (p->s.ema > 0 ? 3 : 2) * p->g->param.total * sizeof(float) +
           optimizer_state_count(p->optimizer) * sizeof(float);
}

/* The blocks stand; the rest comes beside them, or, before it, those of the phase that hands over,
 * which has not more parameters. */
xc_status need_bytes(const struct trainer *p, uint64_t *bytes, struct error *err)
{
    const struct graph *all = p->model->graph;
    const uint64_t model = all->param.total * sizeof(float),
                   tail = p->g->param.total * sizeof(float), kept = kept_bytes_of(p);
    const uint64_t batch = (uint64_t)p->s.batch;
    struct shape input = all->input;
    uint64_t own, trunk = 0;
    input.n = p->s.batch;
    TRY(runner_bytes(p->m, p->g, stage_input(p), graph_logits(p->g), &own, err));
    if (p->tail) TRY(runner_bytes(p->m, all, input, p->phases.at[p->phase].cut, &trunk, err));
    const uint64_t blocks = (p->tail ? model : 0) + kept + tail /* gradients */ +
                            (p->s.sam > 0 ? 2 : 0) * tail /* slope, foot */ +
                            teachers_bytes(p->teachers);
    const uint64_t ring =
        RING * batch * (uint64_t)input.h * (uint64_t)input.w * (uint64_t)input.c * sizeof(float);
    const uint64_t rest = learn_arena_bytes(p->learn) + model /* the copy that is saved */ + own +
                          trunk + 2 * ring + (uint64_t)p->threads * p->picture;
    *bytes = blocks + larger(rest, p->phase > 0 ? kept : 0);
    return XC_OK;
}

static xc_status of_batch(const struct trainer *t, int batch, uint64_t *most, struct error *err)
{
    *most = 0;
    for (int i = t->phase; i < t->phases.count; i++) {
        struct trainer probe;
        uint64_t bytes = 0;
        TRY(stage_probe(t, i, batch, &probe, err));
        const xc_status status = need_bytes(&probe, &bytes, err);
        stage_leave(&probe);
        TRY(status);
        if (bytes > *most) *most = bytes;
    }
    return XC_OK;
}

/* Below `over`, which does not; 0: none does. */
static xc_status largest(const struct trainer *t, int over, int *out, struct error *err)
{
    for (*out = 0; over - *out > 1;) {
        const int batch = *out + (over - *out) / 2;
        uint64_t bytes;
        TRY(of_batch(t, batch, &bytes, err));
        if (bytes <= t->memory)
            *out = batch;
        else
            over = batch;
    }
    return XC_OK;
}

xc_status need_check(struct trainer *t, struct error *err)
{
    int fits;
    TRY(of_batch(t, t->s.batch, &t->need, err));
    if (t->memory == 0 || t->need <= t->memory) return XC_OK;
    TRY(largest(t, t->s.batch, &fits, err));
    const uint64_t need = t->need >> 20, allowed = t->memory >> 20;
    if (fits > 0)
        return fail(err, XC_ERR_MEMORY,
                    "a batch of %d takes about %ju MiB, %ju MiB are allowed: the largest that fits "
                    "is %d",
                    t->s.batch, (uintmax_t)need, (uintmax_t)allowed, fits);
    return fail(err, XC_ERR_MEMORY,
                "a batch of %d takes about %ju MiB, %ju MiB are allowed: not even one of 1 fits",
                t->s.batch, (uintmax_t)need, (uintmax_t)allowed);
}
