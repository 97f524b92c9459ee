/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wrong are the logits, and which way would be better? Cross-entropy after softmax (one class)
 * or after a sigmoid each (several classes).
 *
 * The loss itself is double: log is our own here, a series, so that a run's metrics do not depend
 * on the C library.
 */
#include "kernel/ref/block.h"

/* log(1 + u) for 0 <= u <= 1: 2 artanh(u / (2 + u)); 0.112^19 is below the last digit. */
static double log_1_plus(double u)
{
    const double s = u / (2 + u), square = s * s;
    double sum = 0;
    for (int k = 37; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
    return 2 * s * sum;
}

/* log(x) for x >= 1. */
static double log_of(double x)
{
    const double ln2 = 0.69314718055994530942;
    int n = 0;
    if (!(x < HUGE_VAL)) return x;
    for (; x >= 2; n++) x /= 2;
    return n * ln2 + log_1_plus(x - 1);
}

static double row_weight(const struct loss_call *call, int n)
{
    const real *weight = call->row_weight;
    return (weight ? (double)weight[n] : 1) * (call->weight * *call->scale);
}

static double class_weight(const struct loss_call *call, int c)
{
    const real *weight = call->class_weight;
    return weight ? (double)weight[c] : 1;
}

/* ---- softmax --------------------------------------------------------------------------------- */

static void softmax_row(const struct loss_call *call, int n)
{
    const int c = call->in.c;
    const real *x = pixel_at(&call->in, (struct place){n, 0, 0});
    const real *target = (const real *)call->target + (size_t)n * (size_t)c;
    const double weight = row_weight(call, n);
    real top = -(real)INFINITY, sum = 0;
    double all = 0, loss = 0;
    for (int j = 0; j < c; j++) top = larger(top, x[j]);
    for (int j = 0; j < c; j++) sum += real_exp(x[j] - top);
    const double log_sum = log_of((double)sum);
    for (int j = 0; j < c; j++) {
        const double q = (double)target[j] * class_weight(call, j) * weight;
        if (q != 0) loss += q * (log_sum - ((double)x[j] - (double)top));
        all += q;
    }
    call->loss[n] = call->add ? call->loss[n] + loss : loss;
    if (!call->din.data) return;
    real *dx = pixel_at(&call->din, (struct place){n, 0, 0});
    for (int j = 0; j < c; j++) {
        const double q = (double)target[j] * class_weight(call, j) * weight;
        dx[j] = (real)((double)(real_exp(x[j] - top) / sum) * all - q);
    }
}

void REF(loss_softmax)(const struct loss_call *call, size_t from, size_t to)
{
    for (size_t n = from; n < to; n++) softmax_row(call, (int)n);
}

/* ---- sigmoid --------------------------------------------------------------------------------- */

static void sigmoid_row(const struct loss_call *call, int n)
{
    const int c = call->in.c;
    const real *x = pixel_at(&call->in, (struct place){n, 0, 0});
    const real *target = (const real *)call->target + (size_t)n * (size_t)c;
    real *dx = call->din.data ? pixel_at(&call->din, (struct place){n, 0, 0}) : NULL;
    const double weight = row_weight(call, n);
    double loss = 0;
    for (int j = 0; j < c; j++) {
        const double w = class_weight(call, j) * weight, t = (double)target[j];
        const double z = (double)x[j], away = z < 0 ? -z : z;
        const double tail = log_1_plus((double)real_exp((real)-away)); /* log(1 + exp(-|z|)) */
        loss += w * (t * (tail + (z < 0 ? away : 0)) + (1 - t) * (tail + (z < 0 ? 0 : away)));
        if (dx) dx[j] = (real)(w * ((double)real_sigmoid(x[j]) - t));
    }
    call->loss[n] = call->add ? call->loss[n] + loss : loss;
}

void REF(loss_sigmoid)(const struct loss_call *call, size_t from, size_t to)
{
    for (size_t n = from; n < to; n++) sigmoid_row(call, (int)n);
}
