/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order, at which arena offset, with which kernels? Two objects:
 *
 *   weights   the parameters made ready to run: batch norm folded, converted to the plan's type,
 *             packed for its kernels. Shared by all plans of one (precision, level, fold). They can
 *             be written down, array by array, and used again where they lie.
 *   plan      a flat list of steps for one (shape, batch, precision, level, taps), each a kernel
 *             call whose pointers are offsets into one arena. Immutable: any number of threads may
 *             run it, each with an arena of its own.
 *
 * A step of training is planned elsewhere: learn.h.
 */
#ifndef XC_GRAPH_PLAN_H
#define XC_GRAPH_PLAN_H

#include <stdatomic.h>

#include "base/file.h"
#include "graph/graph.h"
#include "thread/pool.h"

struct weights;
struct plan;

/* Parameters, read only while weights are made, except where one can be used as it lies (then it
 * must outlive the weights). */
struct weights_source {
    const float *const *data;     /* [i]: float32 values of parameter i, in its Keras layout */
    const struct file_view *file; /* what data points into: its pages may go once they are read;
                                     NULL: memory */
    bool copy_all;                /* use nothing as it lies: all parts are in one block */
};
XC_NODISCARD xc_status weights_new(const struct graph *g, const struct weights_source *from,
                                   const struct kernels *k, struct pool *pool, struct weights **out,
                                   struct error *err);
void weights_free(struct weights *w);
size_t weights_bytes(const struct weights *w); /* memory of its own */

/* The same weights, and those of the fast algorithms (strassen.h, winograd.h) for the layers that
 * they take; a plan that is made with them uses those. direct must outlive them. file: what direct
 * may lie in, or NULL. */
XC_NODISCARD xc_status weights_fast(const struct graph *g, const struct weights *direct,
                                    const struct file_view *file, const struct kernels *k,
                                    struct pool *pool, struct weights **out, struct error *err);

/* What weights consist of: arrays one behind the other, each a whole number of 64-byte lines (zeros
 * fill it up), in the order of the nodes. Of k only the type and the packings matter. */
enum weights_role { WEIGHTS_KERNEL, WEIGHTS_BIAS, WEIGHTS_SCALE, WEIGHTS_SHIFT };
const char *weights_role_name(enum weights_role role); /* "kernel", "bias", "scale", "shift" */
struct weights_part {
    int node;
    enum weights_role role;
    enum dtype type;
    size_t at, count, bytes; /* offset in the block, numbers, their size */
};
XC_NODISCARD xc_status weights_parts(const struct graph *g, const struct kernels *k,
                                     struct arena *a, struct weights_part **out, int *count,
                                     struct error *err);
/* The block of weights that were made with copy_all. */
const void *weights_block(const struct weights *w);
/* Weights for k of such a block, which lies as `form` wants it, a k of the same type. It is used
 * where it lies (and must outlive the weights) when it is on a 64-byte boundary and k packs alike;
 * it is copied otherwise. */
struct weights_packed {
    const void *block;
    struct kernels form;
    const struct file_view *file; /* as in struct weights_source */
};
XC_NODISCARD xc_status weights_from_packed(const struct graph *g, const struct weights_packed *from,
                                           const struct kernels *k, struct pool *pool,
                                           struct weights **out, struct error *err);

struct plan_opts {
    struct shape input; /* n = batch */
    const int *tap;     /* nodes whose values must be readable after a run */
    int taps;
    /* Chains run in bands of rows when that lowers the memory for an image beyond this; the rows of
     * a band have about as much room. 0: what suits the caches, and time. */
    size_t band_bytes;
};

/* Convolution + batch norm + activation become one step where nobody else reads between (a tap
 * does; a tapped convolution whose batch norm is folded is refused with the name of the node to
 * tap). g, w and k must outlive the plan. w NULL: for sizes only (plan_arena_bytes, plan_dump). */
XC_NODISCARD xc_status plan_new(const struct graph *g, const struct weights *w,
                                const struct kernels *k, const struct plan_opts *opts,
                                struct plan **out, struct error *err);
void plan_free(struct plan *p);
/* Is the node a convolution or dense layer that runs with its batch norm, so that no plan of the
 * graph has its values? */
bool plan_folds(const struct graph *g, int node);
/* What a run needs, and each thread of its pool beside that. */
size_t plan_arena_bytes(const struct plan *p);
size_t plan_scratch_bytes(const struct plan *p);
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

/* All steps in order. arena: plan_arena_bytes, zeroed once; scratch: plan_scratch_bytes for each of
 * the pool's threads, one behind the other; both 64-byte aligned. Allocates nothing. cancel (may be
 * NULL) is looked at between steps: XC_ERR_CANCELLED. */
xc_status plan_run(const struct plan *p, void *arena, void *scratch, struct pool *pool,
                   const atomic_bool *cancel);
/* The same; to each of seconds (plan_steps of them, or NULL) the time that its step took the caller
 * is added: where threads make bands, each their own, that of its share and of waiting. */
xc_status plan_run_timed(const struct plan *p, void *arena, void *scratch, struct pool *pool,
                         const atomic_bool *cancel, double *seconds);

#endif
