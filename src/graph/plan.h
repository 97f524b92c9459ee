/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order, at which arena offset, with which kernels? Two objects:
 *
 *   weights   the parameters made ready to run: batch norm folded, converted to the plan's type,
 *             packed for its kernels. Shared by all plans of one (precision, level, fold).
 *   plan      a flat list of steps for one (shape, batch, precision, level, taps), each a kernel
 * call whose pointers are offsets into one arena. Immutable: any number of threads may run it, each
 * with an arena of its own.
 *
 * Backward steps will follow the forward ones in the same list and arena.
 */
#ifndef XC_GRAPH_PLAN_H
#define XC_GRAPH_PLAN_H

#include <stdatomic.h>

#include "graph/graph.h"
#include "thread/pool.h"

struct weights;
struct plan;

/* data[i]: float32 values of parameter i in its Keras layout (64-byte aligned is not needed, 4 is).
 * data is read only here, except where a parameter can be used as it lies (then it must outlive the
 * weights). */
XC_NODISCARD xc_status weights_new(const struct graph *g, const float *const *data,
                                   const struct kernels *k, struct pool *pool, struct weights **out,
                                   struct error *err);
void weights_free(struct weights *w);
size_t weights_bytes(const struct weights *w); /* memory of its own */

struct plan_opts {
    struct shape input; /* n = batch */
    const int *tap;     /* nodes whose values must be readable after a run */
    int taps;
};

/* Convolution + batch norm + activation become one step where nobody else reads between (a tap
 * does; a tapped convolution whose batch norm is folded is refused with the name of the node to
 * tap). g, w and k must outlive the plan. w NULL: for sizes only (plan_arena_bytes, plan_dump). */
XC_NODISCARD xc_status plan_new(const struct graph *g, const struct weights *w,
                                const struct kernels *k, const struct plan_opts *opts,
                                struct plan **out, struct error *err);
void plan_free(struct plan *p);
size_t plan_arena_bytes(const struct plan *p);
/* One line a step: operator, node, shapes, offset, multiply-adds. The text is the arena's. */
const char *plan_dump(const struct plan *p, struct arena *a);

/* What step i is, for a person who looks where the time goes. */
struct plan_step {
    const char *name, *op; /* of the node that does the work: the plan's and static */
    struct shape out;
    uint64_t macs; /* of the whole batch */
};
int plan_steps(const struct plan *p);
struct plan_step plan_step_at(const struct plan *p, int i);

/* Where a node's values lie in the arena after (or, for the input, before) a run. False when the
 * node is not the input, an output or a tap. arena NULL: the strides only. */
bool plan_view(const struct plan *p, int node, void *arena, struct view *out);

/* All steps in order. arena: plan_arena_bytes bytes, zeroed once, 64-byte aligned. Allocates
 * nothing. cancel (may be NULL) is looked at between steps: XC_ERR_CANCELLED. */
xc_status plan_run(const struct plan *p, void *arena, struct pool *pool, const atomic_bool *cancel);
/* The same for the first images of the batch only. seconds (may be NULL): plan_steps numbers, to
 * each of which the time that its step took is added. */
xc_status plan_run_images(const struct plan *p, int images, void *arena, struct pool *pool,
                          const atomic_bool *cancel, double *seconds);

#endif
