/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the inference plan say for these rows, at this node? Evaluation asks for the logits,
 * the cache of frozen layers for the features. A session (model/session.h) needs a model; this
 * needs a graph and a block of numbers, which training has between two steps.
 */
#ifndef XC_TRAIN_RUNNER_H
#define XC_TRAIN_RUNNER_H

#include "model/model.h"

struct runner;

/* block: the parameters, with the offsets of the graph's table; it must outlive the runner, as must
 * g and machine. */
XC_NODISCARD xc_status runner_new(const struct machine *m, const struct graph *g,
                                  const float *block, struct shape input, int node,
                                  struct runner **out, struct error *err);
/* Memory that one will take. */
XC_NODISCARD xc_status runner_bytes(const struct machine *m, const struct graph *g,
                                    struct shape input, int node, uint64_t *bytes,
                                    struct error *err);
void runner_free(struct runner *r);
size_t runner_width(const struct runner *r); /* numbers that a row of the result has */
/* x: (n, h, w, c), n at most that of the input; out: (n, width). */
void runner_run(const struct runner *r, const float *x, int n, float *out);
/* The first layer with a value that is not finite for this row; NULL: none, or no memory. One run a
 * node: for a run that has failed. */
const char *runner_first_wrong(const struct machine *m, const struct graph *g, const float *block,
                               struct shape input, const float *x);

#endif
