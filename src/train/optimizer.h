/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do gradients change weights? SGD, RMSprop, AdamW on flat float32 blocks with the offsets of
 * the parameter table: one loop over numbers, so the bits do not depend on threads.
 *
 * The state (moments) is the caller's and is all there is to save besides the number of the step.
 */
#ifndef XC_TRAIN_OPTIMIZER_H
#define XC_TRAIN_OPTIMIZER_H

#include "tensor/param.h"
#include "thread/pool.h"

enum optimizer_kind { OPTIMIZER_SGD, OPTIMIZER_RMSPROP, OPTIMIZER_ADAMW };
/* What weight decay is for: kernels of convolutions and dense layers; depthwise kernels, too; all
 * parameters, biases and those of batch norm among them. */
enum decay_mask { DECAY_KERNELS, DECAY_DEPTHWISE, DECAY_ALL };

/* With g the gradient, times the factor of clipping:
 *   sgd      g += decay w;  m = momentum m + g;  w -= lr (nesterov ? g + momentum m : m)
 *   rmsprop  g += decay w;  s += (1 - rho) (g^2 - s), s from 1;
 *            m = momentum m + lr g / sqrt(s + epsilon);  w -= m      (TensorFlow's form)
 *   adamw    w -= lr decay w;  m += (1 - momentum) (g - m);  v += (1 - rho) (g^2 - v);
 *            w -= lr / (1 - momentum^t) m / (sqrt(v / (1 - rho^t)) + epsilon) */
struct optimizer_opts {
    enum optimizer_kind kind;
    double momentum; /* AdamW: beta 1 */
    double rho;      /* RMSprop: of squares; AdamW: beta 2 */
    double epsilon;
    bool nesterov;
    double decay; /* of what the mask names */
    enum decay_mask mask;
    double clip; /* largest norm of the whole gradient; 0: any */
};
/* What the literature means when it names one of them. */
struct optimizer_opts optimizer_defaults(enum optimizer_kind kind);

struct optimizer;

/* How one parameter learns. */
struct optimizer_part {
    double rate;    /* times the learning rate; 0: not at all */
    uint64_t since; /* steps before its first one */
};
/* part: by parameter, or NULL = all that can learn do, alike. The table must outlive the optimizer;
 * part is copied. */
XC_NODISCARD xc_status optimizer_new(const struct optimizer_opts *opts,
                                     const struct param_table *table,
                                     const struct optimizer_part *part, struct optimizer **out,
                                     struct error *err);
void optimizer_free(struct optimizer *o);
/* How many floats of state there are, and what they are before step 1. */
size_t optimizer_state_count(const struct optimizer *o);
void optimizer_start(const struct optimizer *o, float *state);
/* Step t = 1, 2, ... Gives the norm of the gradient before clipping: not a number or infinite means
 * that the gradient was, and then nothing has been changed. */
double optimizer_step(struct optimizer *o, uint64_t t, double lr, float *param, const float *grad,
                      float *state, struct pool *pool);

/* The first half of a step of sharpness-aware minimisation (P. Foret et al., 2021, arXiv
 * 2010.01412, equation 2): param += distance * grad / |grad|. Gives |grad|; where it is 0, infinite
 * or no number nothing has been changed. */
double optimizer_climb(struct optimizer *o, double distance, float *param, const float *grad,
                       struct pool *pool);

/* Polyak averaging: average += (1 - decay) (param - average), of all parameters, the statistics of
 * batch norm among them. decay of step t is at most (1 + t) / (10 + t), so that an average forgets
 * where it began. */
void ema_update(const struct param_table *table, uint64_t t, double decay, const float *param,
                float *average, struct pool *pool);

#endif
