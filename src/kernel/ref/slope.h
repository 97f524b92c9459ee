/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the slope of an activation? A function of its result y, so that nothing else is kept.
 * Where a ReLU or a clip has a corner the slope is 0.
 */
#ifndef XC_KERNEL_REF_SLOPE_H
#define XC_KERNEL_REF_SLOPE_H

#include "kernel/ref/block.h"

/* d[j] = act'(at y[j]) dy[j]; d may be dy. */
static inline void through_act(const struct activation *act, const real *y, const real *dy, real *d,
                               int width)
{
    const real alpha = (real)act->alpha, beta = (real)act->beta;
    switch (act->kind) {
    case ACT_NONE:
        for (int j = 0; j < width; j++) d[j] = dy[j];
        break;
    case ACT_RELU:
        for (int j = 0; j < width; j++) d[j] = y[j] > 0 ? dy[j] : 0;
        break;
    case ACT_ELU:
        for (int j = 0; j < width; j++) d[j] = y[j] < 0 ? dy[j] * (y[j] + alpha) : dy[j];
        break;
    case ACT_SIGMOID:
        for (int j = 0; j < width; j++) d[j] = dy[j] * (y[j] * (1 - y[j]));
        break;
    case ACT_CLIP:
        for (int j = 0; j < width; j++) d[j] = ((y[j] > alpha) & (y[j] < beta)) ? dy[j] : 0;
        break;
    case ACT_TANH:
        for (int j = 0; j < width; j++) d[j] = dy[j] * real_fma(-y[j], y[j], 1);
        break;
    }
}

/* dz for channels [first, first + width) of one pixel: the slope of the prologue's activation at
 * its value for x (of these channels), times dout. */
static inline void prologue_slope(const struct prologue *p, const real *x, const struct view *dout,
                                  struct place at, int first, int width, real *dz)
{
    real room[BLOCK];
    const real *y = apply_prologue(p, x, first, width, room);
    through_act(&p->act, y, numbers_at(dout, at, first, width, dz), dz, width);
}

#endif
