/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do the first numbers of a model come from? From nowhere (shapes only), from a seed (He et
 * al. 2015, "Delving deep into rectifiers", normal numbers of variance 2 / fan-in), or from the
 * golden pattern, whose answers are published. Random number i of parameter p is a function of
 * (seed, p, i), so it does not matter who fills what; the golden pattern is one running sequence.
 */
#include "model/model.h"

#include <math.h>

#include "base/rng.h"
#include "thread/pool.h"

/* Numbers that one output sums over. */
static double fan_in(const struct param *p)
{
    double fan = 1;
    int summed = p->role == PARAM_DEPTHWISE ? 2 : p->rank - 1;
    for (int i = 0; i < summed; i++) fan *= p->dim[i];
    return fan;
}

static bool is_kernel(const struct param *p)
{
    return p->role == PARAM_KERNEL || p->role == PARAM_DEPTHWISE;
}

/* ---- random ---------------------------------------------------------------------------------- */

struct random_job {
    uint64_t seed;
    uint32_t param;
    double deviation;
    float *out;
};

static void fill_random(void *ctx, size_t from, size_t to)
{
    const struct random_job *job = ctx;
    for (size_t i = from; i < to; i++)
        job->out[i] =
            (float)(job->deviation * rng_normal(job->seed, RNG_INIT, job->param, 0, (uint32_t)i));
}

static void create_random(xc_model *model, uint64_t seed)
{
    const struct param_table *table = &model->graph->param;
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        float *out = model->block + p->offset;
        struct random_job job = {seed, (uint32_t)i, sqrt(2 / fan_in(p)), out};
        if (is_kernel(p)) pool_for(model->machine->pool, p->count, 4096, fill_random, &job);
        if (p->role == PARAM_GAMMA || p->role == PARAM_VARIANCE)
            for (size_t k = 0; k < p->count; k++) out[k] = 1;
    }
}

/* ---- golden ---------------------------------------------------------------------------------- */

/* Each value is base + scale * u, u uniform in [-0.5, 0.5). The last dense layer of a network is
 * scaled as a classifier, not as a rectified layer. */
static void golden_scale(const struct param *p, double *base, double *scale)
{
    *base = p->role == PARAM_GAMMA || p->role == PARAM_VARIANCE ? 1 : 0;
    *scale = p->role == PARAM_VARIANCE ? 0.4 : p->role == PARAM_BIAS ? 0.1 : 0.2;
    if (is_kernel(p)) {
        bool rectified = p->role == PARAM_KERNEL && p->rank == 4;
        *scale = sqrt((rectified ? 24 : 12) / fan_in(p));
    }
}

static void create_golden(xc_model *model)
{
    const struct param_table *table = &model->graph->param;
    uint32_t state = 12345;
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        float *out = model->block + p->offset;
        double base, scale;
        golden_scale(p, &base, &scale);
        for (size_t k = 0; k < p->count; k++) {
            state = state * 1664525u + 1013904223u;
            out[k] = (float)(base + scale * ((state >> 8) / 16777216.0 - 0.5));
        }
    }
}

xc_status model_create(const struct machine *m, const char *arch, const xc_create_opts *opts,
                       xc_model **out, struct error *err)
{
    if (opts->height > INT32_MAX || opts->width > INT32_MAX || opts->channels > INT32_MAX ||
        opts->classes > INT32_MAX)
        return fail(err, XC_ERR_ARGUMENT, "a size above %d", INT32_MAX);
    struct arch_input input = {(int)opts->height, (int)opts->width, (int)opts->channels,
                               (int)opts->classes};
    xc_model *model = NULL;
    TRY(model_new(m, arch, &input, &model, err));
    xc_status status = XC_OK;
    if (opts->weights != XC_WEIGHTS_NONE) status = model_make_block(model, err);
    if (status == XC_OK && opts->weights == XC_WEIGHTS_RANDOM) create_random(model, opts->seed);
    if (status == XC_OK && opts->weights == XC_WEIGHTS_GOLDEN) create_golden(model);
    if (status == XC_OK) status = model_ready(model, err);
    if (status == XC_OK)
        *out = model;
    else
        model_unref(model);
    return status;
}
