/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do gradients change weights? Threads take ranges of the flat block; within a range, runs of
 * one parameter, because decay and freezing are a matter of parameters.
 *
 * The norm is the one sum here: chunks of NORM_CHUNK numbers in double, added in index order.
 */
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NORM_CHUNK = 4096, GRAIN = 1024 };

struct speed { /* AdamW's lr and root with the moments' bias taken out */
    float lr, first, second;
};

struct optimizer {
    struct optimizer_opts opts;
    const struct param_table *table;
    struct optimizer_part *part; /* by parameter */
    struct speed *speed;         /* of this step */
    double *square;              /* by chunk */
    size_t chunks;
};

struct optimizer_opts optimizer_defaults(enum optimizer_kind kind)
{
    static const struct optimizer_opts defaults[] = {
        [OPTIMIZER_SGD] = {.kind = OPTIMIZER_SGD, .momentum = 0.9},
        [OPTIMIZER_RMSPROP] = {.kind = OPTIMIZER_RMSPROP,
                               .momentum = 0.9,
                               .rho = 0.9,
                               .epsilon = 1e-10},
        [OPTIMIZER_ADAMW] = {.kind = OPTIMIZER_ADAMW,
                             .momentum = 0.9,
                             .rho = 0.999,
                             .epsilon = 1e-8,
                             .decay = 0.01},
    };
    return defaults[kind];
}

xc_status optimizer_new(const struct optimizer_opts *opts, const struct param_table *table,
                        const struct optimizer_part *part, struct optimizer **out,
                        struct error *err)
{
    struct optimizer *o = calloc(1, sizeof *o);
    const size_t count = (size_t)table->count;
    *out = NULL;
    if (!o) return fail_memory(err, sizeof *o);
    o->opts = *opts;
    o->table = table;
    o->chunks = (table->total + NORM_CHUNK - 1) / NORM_CHUNK;
    o->part = calloc(count + 1, sizeof *o->part);
    o->speed = calloc(count + 1, sizeof *o->speed);
    o->square = calloc(o->chunks + 1, sizeof *o->square);
    if (!o->part || !o->speed || !o->square) {
        optimizer_free(o);
        return fail_memory(err, table->total / NORM_CHUNK * sizeof *o->square);
    }
    for (size_t i = 0; i < count; i++)
        if (param_trainable(&table->at[i]))
            o->part[i] = part ? part[i] : (struct optimizer_part){.rate = 1};
    *out = o;
    return XC_OK;
}

void optimizer_free(struct optimizer *o)
{
    if (!o) return;
    free(o->part);
    free(o->speed);
    free(o->square);
    free(o);
}

/* ---- state ----------------------------------------------------------------------------------- */

size_t optimizer_state_count(const struct optimizer *o)
{
    const bool plain = o->opts.kind == OPTIMIZER_SGD;
    return plain ? o->table->total : 2 * o->table->total;
}

void optimizer_start(const struct optimizer *o, float *state)
{
    const size_t total = o->table->total;
    memset(state, 0, optimizer_state_count(o) * sizeof *state);
    if (o->opts.kind != OPTIMIZER_RMSPROP) return;
    for (size_t i = 0; i < total; i++) state[total + i] = 1;
}

/* ---- the norm -------------------------------------------------------------------------------- */

struct norm_work {
    const struct optimizer *o;
    const float *grad;
};

static void square_chunks(void *ctx, size_t from, size_t to)
{
    const struct norm_work *w = ctx;
    const size_t total = w->o->table->total;
    for (size_t chunk = from; chunk < to; chunk++) {
        const size_t end = (chunk + 1) * NORM_CHUNK < total ? (chunk + 1) * NORM_CHUNK : total;
        double sum = 0;
        for (size_t i = chunk * NORM_CHUNK; i < end; i++)
            sum += (double)w->grad[i] * (double)w->grad[i];
        w->o->square[chunk] = sum;
    }
}

static double norm(struct optimizer *o, const float *grad, struct pool *pool)
{
    struct norm_work w = {o, grad};
    double sum = 0;
    pool_for(pool, o->chunks, 1, square_chunks, &w);
    for (size_t i = 0; i < o->chunks; i++) sum += o->square[i];
    return sqrt(sum);
}

/* ---- one parameter --------------------------------------------------------------------------- */

/* A run of numbers of one parameter, with everything that is the same for all of them: a copy,
 * which no number is stored to. */
struct run {
    float *w, *m, *s;
    const float *g;
    size_t count;
    float lr, clip, decay, momentum, fresh, epsilon, first, second;
    bool nesterov;
};

static void sgd(struct run r)
{
    for (size_t i = 0; i < r.count; i++) {
        const float g = r.g[i] * r.clip + r.decay * r.w[i];
        const float m = r.m[i] = r.momentum * r.m[i] + g;
        r.w[i] -= r.lr * (r.nesterov ? g + r.momentum * m : m);
    }
}

static void rmsprop(struct run r)
{
    for (size_t i = 0; i < r.count; i++) {
        const float g = r.g[i] * r.clip + r.decay * r.w[i];
        const float s = r.s[i] = r.s[i] + r.fresh * (g * g - r.s[i]);
        const float m = r.m[i] = r.momentum * r.m[i] + r.lr * g / sqrtf(s + r.epsilon);
        r.w[i] -= m;
    }
}

static void adamw(struct run r)
{
    const float lost = r.lr * r.decay;
    for (size_t i = 0; i < r.count; i++) {
        const float g = r.g[i] * r.clip;
        const float m = r.m[i] = r.m[i] + (1 - r.momentum) * (g - r.m[i]);
        const float v = r.s[i] = r.s[i] + r.fresh * (g * g - r.s[i]);
        const float w = r.w[i] - lost * r.w[i];
        r.w[i] = w - r.first * m / (sqrtf(v) * r.second + r.epsilon);
    }
}

/* ---- all parameters -------------------------------------------------------------------------- */

struct step_work {
    const struct optimizer *o;
    struct run all; /* from the beginning of the blocks */
};

static bool decays(const struct optimizer *o, const struct param *p)
{
    return p->role == PARAM_KERNEL || o->opts.mask == DECAY_ALL ||
           (p->role == PARAM_DEPTHWISE && o->opts.mask == DECAY_DEPTHWISE);
}

static void step_range(void *ctx, size_t from, size_t to)
{
    const struct step_work *w = ctx;
    const struct optimizer *o = w->o;
    for (int i = 0; i < o->table->count; i++) {
        const struct param *p = &o->table->at[i];
        const size_t first = p->offset > from ? p->offset : from;
        const size_t end = p->offset + p->count < to ? p->offset + p->count : to;
        if (o->part[i].rate == 0 || first >= end) continue;
        struct run r = w->all;
        r.w += first, r.m += first, r.s += first, r.g += first;
        r.count = end - first;
        r.lr = o->speed[i].lr;
        r.first = o->speed[i].first;
        r.second = o->speed[i].second;
        r.decay = decays(o, p) ? (float)o->opts.decay : 0;
        if (o->opts.kind == OPTIMIZER_SGD) sgd(r);
        if (o->opts.kind == OPTIMIZER_RMSPROP) rmsprop(r);
        if (o->opts.kind == OPTIMIZER_ADAMW) adamw(r);
    }
}

/* A parameter that began to learn later has younger moments. */
static void set_speeds(struct optimizer *o, uint64_t t, double lr)
{
    for (int i = 0; i < o->table->count; i++) {
        const struct optimizer_part *part = &o->part[i];
        const double times = (double)(t > part->since ? t - part->since : t), own = lr * part->rate;
        if (part->rate == 0) continue;
        o->speed[i] = (struct speed){.lr = (float)own,
                                     .first = (float)(own / (1 - pow(o->opts.momentum, times))),
                                     .second = (float)(1 / sqrt(1 - pow(o->opts.rho, times)))};
    }
}

double optimizer_step(struct optimizer *o, uint64_t t, double lr, float *param, const float *grad,
                      float *state, struct pool *pool)
{
    const struct optimizer_opts *opts = &o->opts;
    const double length = norm(o, grad, pool);
    if (!isfinite(length)) return length;
    const bool clips = opts->clip > 0 && length > opts->clip;
    struct step_work w = {.o = o};
    set_speeds(o, t, lr);
    w.all = (struct run){.w = param,
                         .m = state,
                         .s = opts->kind == OPTIMIZER_SGD ? state : state + o->table->total,
                         .g = grad,
                         .clip = clips ? (float)(opts->clip / length) : 1,
                         .momentum = (float)opts->momentum,
                         .fresh = (float)(1 - opts->rho),
                         .epsilon = (float)opts->epsilon,
                         .nesterov = opts->nesterov};
    pool_for(pool, o->table->total, GRAIN, step_range, &w);
    return length;
}

/* ---- climbing -------------------------------------------------------------------------------- */

struct climb_work {
    float *param;
    const float *grad;
    float scale;
};

static void climb_range(void *ctx, size_t from, size_t to)
{
    const struct climb_work w = *(struct climb_work *)ctx;
    for (size_t i = from; i < to; i++) w.param[i] += w.scale * w.grad[i];
}

double optimizer_climb(struct optimizer *o, double distance, float *param, const float *grad,
                       struct pool *pool)
{
    const double length = norm(o, grad, pool);
    struct climb_work w = {.param = param, .grad = grad};
    if (!isfinite(length) || length <= 0) return length;
    w.scale = (float)(distance / length);
    pool_for(pool, o->table->total, GRAIN, climb_range, &w);
    return length;
}

/* ---- averaging ------------------------------------------------------------------------------- */

struct ema_work {
    const float *param;
    float *average;
    float fresh;
};

static void ema_range(void *ctx, size_t from, size_t to)
{
    const struct ema_work w = *(struct ema_work *)ctx;
    for (size_t i = from; i < to; i++) { /* -0 and infinity stay */
        const float x = w.param[i], a = w.average[i], next = a + w.fresh * (x - a);
        w.average[i] = x < a || x > a ? next : a;
    }
}

void ema_update(const struct param_table *table, uint64_t t, double decay, const float *param,
                float *average, struct pool *pool)
{
    const double most = (1 + (double)t) / (10 + (double)t);
    struct ema_work w = {param, average, (float)(1 - (decay < most ? decay : most))};
    pool_for(pool, table->total, GRAIN, ema_range, &w);
}
