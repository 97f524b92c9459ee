/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good are answers? Top-1, top-5 and the mean loss of logits against labels, added up row by
 * row in double, so the sums do not depend on batches or threads. A row of weight 0 (a picture that
 * cannot be read) is not counted.
 */
#ifndef XC_TRAIN_SCORE_H
#define XC_TRAIN_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCORE_MOST_LOSS 1e9 /* of a row: what has left all bounds costs no more */

struct score {
    uint64_t rows, top1, top5;
    double loss; /* sum */
};

/* logits: (n, classes); weight: (n) or NULL. target (n, classes): a multi-label set, or NULL. With
 * targets the loss is that of sigmoids, and the best answer is right when it is one of the labels.
 */
void score_add(struct score *s, const float *logits, const int32_t *label, const float *weight,
               const float *target, int n, int classes);
double score_top1(const struct score *s); /* 0..1; 0 when nothing was counted */
double score_top5(const struct score *s);
double score_loss(const struct score *s);

#endif
