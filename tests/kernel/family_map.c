/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to each value by itself, sums of quarters, and softmax.
 */
#include <math.h>

#include "kernel/trial.h"

static void draw_map(struct trial *t, struct dice *d)
{
    struct map_call *call = &t->map;
    const int n = dice_int(d, 1, 3), h = dice_int(d, 1, 6), w = dice_int(d, 1, 6);
    const int c = dice_channels(d);
    *call = (struct map_call){.type = t->type};
    trial_input(t, d, &call->in, (struct shape){n, h, w, c}, dice_type(t, d));
    trial_output(t, d, &call->out, (struct shape){n, h, w, c}, dice_type(t, d));
    call->prologue = dice_prologue(t, d, c);
    call->epilogue = dice_epilogue(t, d, &call->out, false, dice_type(t, d));
    t->units = (size_t)n * (size_t)h * (size_t)w;
}

static struct want want_map(const struct trial *t, int n, int y, int x, int c)
{
    const double in = number_at(&t->map.in, n, y, x, c);
    return want_epilogue(t, &t->map.epilogue, want_prologue(t, &t->map.prologue, in, c), n, y, x,
                         c);
}

static void run_map(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->map(&t->map, from, to);
}

/* The quarters are the images of one input and of one output. */
static void draw_quarters(struct trial *t, struct dice *d)
{
    struct quarters_call *call = &t->quarters;
    const int w = dice_int(d, 1, 20), c = dice_channels(d);
    *call = (struct quarters_call){.type = t->type};
    trial_input(t, d, &call->in[0], (struct shape){4, 1, w, c}, t->exact);
    trial_output(t, d, &call->out[0], (struct shape){4, 1, w, c}, t->exact);
    for (int i = 1; i < 4; i++) {
        call->in[i] = call->in[0];
        call->in[i].data = (char *)call->in[0].data + i * call->in[0].image;
        call->out[i] = call->out[0];
        call->out[i].data = (char *)call->out[0].data + i * call->out[0].image;
    }
    t->units = (size_t)w;
}

static struct want want_quarters(const struct trial *t, int n, int y, int x, int c)
{
    static const int sign[4][4] = {{0, 0, 1, 1}, {-1, 0, 1, 1}, {1, 0, -1, 0}, {1, 1, -1, -1}};
    double sum = 0, magnitude = 0;
    for (int i = 0; i < 4; i++) {
        const double value = sign[n][i] * number_at(&t->quarters.in[i], 0, y, x, c);
        if (sign[n][i] == 0) continue;
        sum += value;
        magnitude += fabs(value);
    }
    return want_sum(t, sum, magnitude, 4);
}

static void run_quarters(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->quarters(&t->quarters, from, to);
}

static void draw_softmax(struct trial *t, struct dice *d)
{
    struct softmax_call *call = &t->softmax;
    const int n = dice_int(d, 1, 5), h = dice_int(d, 1, 3), w = dice_int(d, 1, 3);
    const int c = dice_channels(d);
    *call = (struct softmax_call){.type = t->type};
    trial_input(t, d, &call->in, (struct shape){n, h, w, c}, t->exact);
    trial_output(t, d, &call->out, (struct shape){n, h, w, c}, t->exact);
    t->units = (size_t)n * (size_t)h * (size_t)w;
}

static struct want want_softmax(const struct trial *t, int n, int y, int x, int c)
{
    double top = -INFINITY, sum = 0;
    for (int j = 0; j < t->softmax.in.c; j++)
        top = fmax(top, number_at(&t->softmax.in, n, y, x, j));
    for (int j = 0; j < t->softmax.in.c; j++)
        sum += exp(number_at(&t->softmax.in, n, y, x, j) - top);
    const double value = exp(number_at(&t->softmax.in, n, y, x, c) - top) / sum;
    return want_sum(t, value, value, t->softmax.in.c + 8);
}

static void run_softmax(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->softmax(&t->softmax, from, to);
}

const struct family map_family = {"map", draw_map, run_map, want_map};
const struct family quarters_family = {"quarters", draw_quarters, run_quarters, want_quarters};
const struct family softmax_family = {"softmax", draw_softmax, run_softmax, want_softmax};
