/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The published answers of networks filled with the golden pattern, on one ramp picture of this
 * side (docs/numerics.md).
 */
#ifndef XC_TESTS_MODEL_GOLDEN_H
#define XC_TESTS_MODEL_GOLDEN_H

#include <stdbool.h>

#include "model/setup.h"

struct golden {
    const char *arch;
    uint32_t side;
    double logit[4], max;
    uint32_t at; /* the class that is largest */
};

struct golden_run {
    xc_context *context;
    xc_model *model;
    xc_session *session; /* has run */
};

struct golden_how {
    int threads;
    const char *level; /* of the processor; NULL: its best */
    bool fast;         /* XC_ALGO_FAST; then float32 */
};

struct golden_run golden_run(const struct golden *g, struct golden_how how, xc_precision precision,
                             const char *const *taps);
void golden_end(struct golden_run *r);
/* The first four logits, the largest and its class are as published, up to bound. */
void golden_check(const struct golden *g, const char *level, xc_precision precision, double bound);

#endif
