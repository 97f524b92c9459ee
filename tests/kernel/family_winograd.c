/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of Winograd's F(4, 3): the matrices of Lavin and Gray (2016), section 4.3, number by
 * number. The six maps are the images of one view.
 */
#include <math.h>

#include "kernel/trial.h"

static const int input_factor[WINOGRAD_PRODUCTS][WINOGRAD_PRODUCTS] = {
    {4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
    {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};

static const int output_factor[WINOGRAD_OUTPUTS][WINOGRAD_PRODUCTS] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

static void draw_in(struct trial *t, struct dice *d)
{
    struct winograd_in_call *call = &t->winograd_in;
    const int h = dice_int(d, 1, 4), w = dice_int(d, 1, 14), c = dice_channels(d);
    const int rows = dice_int(d, 1, 5), quads = dice_int(d, 1, 4);
    *call = (struct winograd_in_call){.type = t->type};
    call->top = dice_int(d, -2, 3);
    call->left = dice_int(d, -5, 3);
    call->act = dice_prologue(t, d, c).act;
    trial_input(t, d, &call->in, (struct shape){1, h, w, c}, t->exact);
    trial_output(t, d, &call->out, (struct shape){WINOGRAD_PRODUCTS, rows, quads, c}, t->exact);
    t->units = (size_t)rows * (size_t)quads;
}

static struct want want_in(const struct trial *t, int n, int y, int x, int c)
{
    const struct winograd_in_call *call = &t->winograd_in;
    const struct prologue prologue = {.act = call->act};
    double sum = 0, magnitude = 0, bound = 0;
    for (int i = 0; i < WINOGRAD_PRODUCTS; i++) {
        const int iy = y - call->top, ix = WINOGRAD_OUTPUTS * x + i - call->left;
        if (input_factor[n][i] == 0 || iy < 0 || iy >= call->in.h || ix < 0 || ix >= call->in.w)
            continue;
        const double value = number_at(&call->in, 0, iy, ix, c);
        const struct want v = want_prologue(t, &prologue, value, c);
        sum += input_factor[n][i] * v.value;
        magnitude += fabs(input_factor[n][i] * v.value);
        bound += fabs((double)input_factor[n][i]) * v.bound;
    }
    struct want want = want_sum(t, sum, magnitude, WINOGRAD_PRODUCTS);
    want.bound += bound;
    return want;
}

static void run_in(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->winograd_in(&t->winograd_in, from, to);
}

static void draw_out(struct trial *t, struct dice *d)
{
    struct winograd_out_call *call = &t->winograd_out;
    const int h = dice_int(d, 1, 4), w = dice_int(d, 1, 14), c = dice_channels(d);
    const int quads = (w + WINOGRAD_OUTPUTS - 1) / WINOGRAD_OUTPUTS;
    *call = (struct winograd_out_call){.type = t->type};
    trial_input(t, d, &call->in, (struct shape){WINOGRAD_PRODUCTS, h, quads, c}, t->exact);
    trial_output(t, d, &call->out, (struct shape){1, h, w, c}, t->exact);
    call->epilogue = dice_epilogue(t, d, &call->out, true, t->exact);
    t->units = (size_t)h * (size_t)quads;
}

static struct want want_out(const struct trial *t, int n, int y, int x, int c)
{
    const struct winograd_out_call *call = &t->winograd_out;
    const struct epilogue *e = &call->epilogue;
    double sum = e->bias ? number_of(t->exact, e->bias, c) : 0, magnitude = fabs(sum);
    for (int i = 0; i < WINOGRAD_PRODUCTS; i++) {
        const int factor = output_factor[x % WINOGRAD_OUTPUTS][i];
        if (factor == 0) continue; /* of infinity */
        const double value = factor * number_at(&call->in, i, y, x / WINOGRAD_OUTPUTS, c);
        sum += value;
        magnitude += fabs(value);
    }
    return want_epilogue(t, e, want_sum(t, sum, magnitude, WINOGRAD_PRODUCTS + 1), n, y, x, c);
}

static void run_out(const struct kernels *k, const struct trial *t, size_t from, size_t to)
{
    k->winograd_out(&t->winograd_out, from, to);
}

const struct family winograd_in_family = {"winograd in", draw_in, run_in, want_in};
const struct family winograd_out_family = {"winograd out", draw_out, run_out, want_out};
