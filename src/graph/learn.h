/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does one step of training run? A flat list of kernel calls over one arena: forward in
 * training mode, the loss, backward. Immutable and shared like a plan (plan.h); parameters,
 * gradients and moving statistics are flat blocks of the caller with the offsets of the graph's
 * parameter table, in the numbers of the kernels (float32 or float64).
 *
 * It ends before the optimizer. Gradients are added to, so several batches may be put together.
 * The surprise: batch norm and the activation behind it have no memory of their own. Their readers
 * apply them as they load, forward and backward; kept are what convolutions give and what additions
 * give.
 */
#ifndef XC_GRAPH_LEARN_H
#define XC_GRAPH_LEARN_H

#include <stdatomic.h>

#include "graph/graph.h"
#include "kernel/training.h"
#include "thread/pool.h"

struct learn;

/* LOSS_GIVEN: the gradient of the logits is the target as it stands. */
enum loss_kind { LOSS_SOFTMAX, LOSS_SIGMOID, LOSS_GIVEN };

struct learn_opts {
    struct shape input; /* of the graph; n = batch */
    int from;           /* the node whose values are given; 0: the picture */
    const bool *frozen; /* by node, or NULL. Frozen: no gradient for its parameters, and a batch
                         * norm uses and keeps its moving statistics */
    enum loss_kind loss;
    /* To explain, not to train: all is frozen, dropout lets all pass, and of the watched nodes
     * values and gradients can be looked at after a run. */
    bool inference;
    const int *watch; /* node numbers, 0..4 of them, `from` may be one; no duplicates */
    int watches;
    size_t
        memory;  /* for the arena; 0: any. Above it, more is computed again rather than kept, and
                  * the bits are the same; when that does not suffice, the smallest arena is made */
    int threads; /* that will run it at most; more are not used. 0: 1. The arena grows with them */
};
#define LEARN_MAX_WATCHES 4

/* The loss is taken from output 0, before its softmax (LOSS_SOFTMAX) or sigmoid (LOSS_SIGMOID) or
 * either (LOSS_GIVEN, which gives no loss and uses no weights); but for that and for inference,
 * those of the auxiliary logits are added.
 * g and both tables of kernels (of the same type) must outlive the result. */
XC_NODISCARD xc_status learn_new(const struct graph *g, const struct kernels *k,
                                 const struct training_kernels *t, const struct learn_opts *opts,
                                 struct learn **out, struct error *err);
void learn_free(struct learn *l);
size_t learn_arena_bytes(const struct learn *l);
/* Of a batch: forward, and the gradients that are wanted; not what is computed again. */
uint64_t learn_macs(const struct learn *l);
/* Has this node parameters that the steps give gradients for? */
bool learn_trains(const struct learn *l, int node);
/* One line a step: kernel, node, units. The text is the arena's. */
const char *learn_dump(const struct learn *l, struct arena *a);

/* Everything but loss, scale and draw is in the numbers of the kernels. */
struct learn_io {
    const void *input;      /* (n, h, w, c) of node `from`, no gaps */
    const void *target;     /* (n, classes): see loss_call */
    const void *row_weight; /* (n) or NULL */
    const void *class_weight;
    void *param;  /* moving statistics are written, all else is read */
    void *grad;   /* added to */
    double *loss; /* (n), each times scale */
    double scale;
    struct draw draw; /* of dropout */
    double *seconds;  /* of the first thread, by step, added to; or NULL */
};

/* arena: learn_arena_bytes bytes on a 64-byte line. Allocates nothing. cancel (may be NULL) is
 * looked at between steps: XC_ERR_CANCELLED, with the moving statistics and gradients half done. */
xc_status learn_run(const struct learn *l, const struct learn_io *io, void *arena,
                    struct pool *pool, const atomic_bool *cancel);
int learn_steps(const struct learn *l);
/* The kernel of a step. */
const char *learn_kernel(const struct learn *l, int step);
/* The logits of the last run. */
struct view learn_logits(const struct learn *l, void *arena);
/* Of watch[i], after a run. The value of `from` is where the caller has it: data NULL. */
struct view learn_value(const struct learn *l, int i, void *arena);
struct view learn_gradient(const struct learn *l, int i, void *arena);

#endif
