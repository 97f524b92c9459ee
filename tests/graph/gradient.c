/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Central differences against the backward pass. The best of several steps counts: a large one
 * meets kinks of ReLU and max pooling, a small one rounding; a wrong gradient is wrong in all.
 */
#include "gradient.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "harness.h"

#define LARGEST_STEP 1.1e-5
#define SMALLEST_STEP 1e-8
#define GOOD 1e-7

static double draw(uint64_t seed, uint32_t stream, size_t i)
{
    return rng_normal(seed, RNG_TEST, stream, 0, (uint32_t)i);
}

static double *numbers(size_t n)
{
    double *p = calloc(n ? n : 1, sizeof *p);
    assert_non_null(p);
    return p;
}

static void fill_params(struct lesson *l)
{
    for (int i = 0; i < l->g->param.count; i++) {
        const struct param *p = &l->g->param.at[i];
        const size_t fan = p->rank > 1 ? p->count / (size_t)p->dim[p->rank - 1] : 1;
        for (size_t j = 0; j < p->count; j++) {
            const double v = draw(l->seed, 1, p->offset + j);
            double *to = &l->param[p->offset + j];
            if (p->role == PARAM_VARIANCE)
                *to = 0.5 + fabs(v);
            else if (p->role == PARAM_GAMMA)
                *to = 1 + 0.2 * v;
            else
                *to = p->rank > 1 ? v / sqrt((double)fan) : 0.3 * v;
        }
    }
}

/* Soft targets, a weight for each row and each class: the general case. */
static void fill_targets(struct lesson *l, int classes)
{
    for (int n = 0; n < l->batch; n++)
        for (int c = 0; c < classes; c++)
            l->target[n * classes + c] =
                rng_uniform(l->seed, RNG_TEST, 2, 0, (uint32_t)(n * classes + c));
    l->io.target = l->target;
}

void lesson_open(struct lesson *l, const struct graph *g, int batch, enum loss_kind loss,
                 const bool *frozen, const struct training_kernels *training, uint64_t seed)
{
    struct error err = {0};
    const struct shape in = {batch, g->input.h, g->input.w, g->input.c};
    const int classes = g->node[g->output[0].node].out.c;
    const size_t pixels = (size_t)in.n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    *l = (struct lesson){.g = g, .batch = batch, .seed = seed};
    kernels_init(&l->kernels, DTYPE_F64, cpu_flags());
    training_kernels_init(&l->training, DTYPE_F64, cpu_flags());
    if (training) l->training = *training;
    l->opts = (struct learn_opts){.input = in, .frozen = frozen, .loss = loss};
    if (learn_new(g, &l->kernels, &l->training, &l->opts, &l->learn, &err) != XC_OK) {
        print_error("%s\n", err.text);
        assert_true(false);
    }
    l->arena = aligned_new(learn_arena_bytes(l->learn));
    l->param = numbers(g->param.total);
    l->grad = numbers(g->param.total);
    l->direction = numbers(g->param.total);
    l->input = numbers(pixels);
    l->target = numbers((size_t)(batch * classes));
    l->loss = numbers((size_t)batch);
    for (size_t i = 0; i < pixels; i++) l->input[i] = draw(seed, 3, i);
    l->io = (struct learn_io){.input = l->input,
                              .param = l->param,
                              .grad = l->grad,
                              .loss = l->loss,
                              .scale = 1.0 / batch,
                              .draw = {.seed = seed, .step = 7}};
    fill_params(l);
    fill_targets(l, classes);
}

static float *narrow(const double *x, size_t n)
{
    float *to = calloc(n, sizeof *to);
    assert_non_null(to);
    for (size_t i = 0; i < n; i++) to[i] = (float)x[i];
    return to;
}

double lesson_rounded_error(struct lesson *l)
{
    struct kernels kernels;
    struct training_kernels training;
    struct learn *learn;
    struct error err = {0};
    const size_t total = l->g->param.total;
    const struct shape in = l->opts.input;
    const size_t pixels = (size_t)in.n * (size_t)in.h * (size_t)in.w * (size_t)in.c;
    const size_t classes = (size_t)l->g->node[l->g->output[0].node].out.c;
    kernels_init(&kernels, DTYPE_BF16, cpu_flags());
    training_kernels_init(&training, DTYPE_BF16, cpu_flags());
    assert_int_equal(learn_new(l->g, &kernels, &training, &l->opts, &learn, &err), XC_OK);
    lesson_run(l);
    float *param = narrow(l->param, total), *grad = calloc(total, sizeof *grad);
    float *input = narrow(l->input, pixels), *target = narrow(l->target, (size_t)in.n * classes);
    void *arena = aligned_new(learn_arena_bytes(learn));
    struct learn_io io = l->io;
    io.param = param, io.grad = grad, io.input = input, io.target = target;
    assert_int_equal(learn_run(learn, &io, arena, NULL, NULL), XC_OK);
    double off = 0, size = 0;
    for (size_t i = 0; i < total; i++) {
        off += ((double)grad[i] - l->grad[i]) * ((double)grad[i] - l->grad[i]);
        size += l->grad[i] * l->grad[i];
    }
    free(param);
    free(grad);
    free(input);
    free(target);
    free(arena);
    learn_free(learn);
    return sqrt(off / size);
}

void lesson_close(struct lesson *l)
{
    learn_free(l->learn);
    free(l->arena);
    free(l->param);
    free(l->grad);
    free(l->direction);
    free(l->input);
    free(l->target);
    free(l->loss);
}

double lesson_run(struct lesson *l)
{
    double sum = 0;
    memset(l->grad, 0, l->g->param.total * sizeof *l->grad);
    assert_int_equal(learn_run(l->learn, &l->io, l->arena, NULL, NULL), XC_OK);
    for (int n = 0; n < l->batch; n++) sum += l->loss[n];
    return sum;
}

static void move(struct lesson *l, double step)
{
    for (size_t i = 0; i < l->g->param.total; i++) l->param[i] += step * l->direction[i];
}

static bool is_trained(const struct lesson *l, int param)
{
    for (int i = 0; i < l->g->all; i++)
        for (int j = 0; j < l->g->node[i].params; j++)
            if (l->g->node[i].param[j] == param)
                return learn_trains(l->learn, i) && param_trainable(&l->g->param.at[param]);
    return false;
}

/* A direction within one parameter, or (-1) within all that are trained. */
static void aim(struct lesson *l, int param)
{
    memset(l->direction, 0, l->g->param.total * sizeof *l->direction);
    for (int i = 0; i < l->g->param.count; i++) {
        const struct param *p = &l->g->param.at[i];
        if ((param >= 0 && param != i) || !is_trained(l, i)) continue;
        for (size_t j = 0; j < p->count; j++)
            l->direction[p->offset + j] = draw(l->seed, 4 + (uint32_t)i, j);
    }
}

static double slope(struct lesson *l, double step)
{
    move(l, step);
    const double above = lesson_run(l);
    move(l, -2 * step);
    const double below = lesson_run(l);
    move(l, step);
    return (above - below) / (2 * step);
}

static double error_along(struct lesson *l)
{
    double expected = 0, scale = 0;
    lesson_run(l);
    for (size_t i = 0; i < l->g->param.total; i++) {
        const double part = l->grad[i] * l->direction[i];
        expected += part;
        scale += part * part;
    }
    double best = INFINITY;
    for (double step = LARGEST_STEP; step >= SMALLEST_STEP && !(best < GOOD); step /= 10) {
        const double error = fabs(slope(l, step) - expected) / (sqrt(scale) + 1e-2);
        if (!(error >= best)) best = error;
    }
    return best;
}

double lesson_error(struct lesson *l, int every, int *worst)
{
    double most = -1;
    for (int i = -1; i < l->g->param.count; i++) {
        if (i >= 0 && (i % every != 0 || !is_trained(l, i))) continue;
        aim(l, i);
        const double error = error_along(l);
        if (error > most || error != error) {
            most = error;
            *worst = i;
        }
    }
    return most;
}
