/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long does a step of training take, and how much memory? The step of trainer.h on pictures of
 * no meaning: forward, backward, SGD with momentum; no data, no averages, no checkpoints.
 */
#ifndef XC_TRAIN_PRACTICE_H
#define XC_TRAIN_PRACTICE_H

#include "model/model.h"

struct practice;

struct practice_opts {
    const struct machine *machine; /* must outlive it */
    const char *arch;
    int h, w; /* 0: the architecture's own */
    int batch;
    size_t memory; /* for a step, weights and all; 0: any */
    xc_precision precision;
};

XC_NODISCARD xc_status practice_new(const struct practice_opts *opts, struct practice **out,
                                    struct error *err);
void practice_free(struct practice *p);
XC_NODISCARD xc_status practice_step(struct practice *p, struct error *err);
void practice_info(const struct practice *p, xc_practice_info *out);

#endif
