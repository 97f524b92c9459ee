/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the gradient of a network right? A lesson is a graph with random parameters, pictures and
 * targets in float64; its loss is a function of the parameters, so central differences along random
 * directions say what the gradient must be.
 */
#ifndef XC_TESTS_GRAPH_GRADIENT_H
#define XC_TESTS_GRAPH_GRADIENT_H

#include "graph/learn.h"

struct lesson {
    const struct graph *g;
    struct kernels kernels;
    struct training_kernels training;
    struct learn *learn;
    struct learn_opts opts;
    struct learn_io io;
    void *arena;
    double *param, *grad, *input, *target, *loss, *direction;
    int batch;
    uint64_t seed;
};

/* Fails the test when the graph cannot be trained. frozen: by node, or NULL. training: NULL = the
 * plain kernels. */
void lesson_open(struct lesson *l, const struct graph *g, int batch, enum loss_kind loss,
                 const bool *frozen, const struct training_kernels *training, uint64_t seed);
void lesson_close(struct lesson *l);
/* Sum of the rows' losses; fills grad. */
double lesson_run(struct lesson *l);
/* The largest relative difference between gradient and central difference, over directions in every
 * every-th parameter (1: each) and in all together. *worst: the parameter, or -1 for all. */
double lesson_error(struct lesson *l, int every, int *worst);
/* How far is the gradient in brain floats from the lesson's own, as a part of its length? */
double lesson_rounded_error(struct lesson *l);

#endif
