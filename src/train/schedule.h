/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast is learned in step t? Functions of the step alone, and for the plateau of the history of
 * a metric: a resumed run needs no state of them.
 */
#ifndef XC_TRAIN_SCHEDULE_H
#define XC_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,
    SCHEDULE_COSINE,
    SCHEDULE_ONE_CYCLE,
    SCHEDULE_PLATEAU /* constant, times plateau_scale */
};

struct schedule {
    enum schedule_kind kind;
    double lr;       /* the highest */
    double least;    /* cosine: where it ends */
    uint64_t warmup; /* steps from lr / warmup to lr in a line; the others start behind it */
    uint64_t steps;  /* of the run; cosine and one-cycle */
    double factor;   /* step: lr factor^floor(t / every), t counted without the warm-up */
    uint64_t every;
};

/* t = 0, 1, ... One-cycle: half a cosine from lr/25 up to lr in the first 30 % of the steps, then
 * down to lr/250000 (Smith, Topin 2018; rates as PyTorch's; momentum stays). */
double schedule_lr(const struct schedule *s, uint64_t t);

/* factor^k, where k counts how often a metric had not improved for more than `patience` values in a
 * row (PyTorch's rule, with a threshold of 0); counting starts again after each. metric: every
 * `stride` doubles; higher: more is better, else less. */
double plateau_scale(const double *metric, size_t stride, size_t count, bool higher, int patience,
                     double factor);

#endif
