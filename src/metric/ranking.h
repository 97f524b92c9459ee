/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How well does a score tell yes from no? Everything follows from the pictures sorted by score:
 * area under the ROC curve, average precision, the points of both curves, and the threshold that a
 * rule asks for. Equal scores are one step, as in scikit-learn.
 */
#ifndef XC_METRIC_RANKING_H
#define XC_METRIC_RANKING_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct ranked {
    double score;
    bool positive;
};

/* Best first; NaN last. Everything below wants it. */
void ranking_sort(struct ranked *r, size_t n);
/* P(score of a yes > score of a no), equal ones count half (Hanley and McNeil 1982); NaN without
 * both. */
double ranking_auc(const struct ranked *r, size_t n);
/* Sum of precision times the step of recall, not interpolated; 0 without a yes. */
double ranking_average_precision(const struct ranked *r, size_t n);

/* "score >= threshold is a yes" would say yes to so many. */
struct rank_point {
    double threshold;
    uint64_t hits, alarms; /* true and false positives */
};
/* A point for each score there is, the highest first; out (NULL: only count) has room for n. */
size_t ranking_points(const struct ranked *r, size_t n, struct rank_point *out);

/* "f1", "youden", "recall=0.95", "precision=0.9", "fpr=0.05" */
enum rule_kind { RULE_F1, RULE_YOUDEN, RULE_RECALL, RULE_PRECISION, RULE_FPR };
struct threshold_rule {
    enum rule_kind kind;
    double value;
};
XC_NODISCARD xc_status threshold_rule_parse(const char *text, struct threshold_rule *out,
                                            struct error *err);
/* The point that the rule takes: best F1 or hits minus alarms (the highest threshold of equal
 * ones); the highest threshold with that recall; the lowest with that precision, or with no more
 * false alarms. False when no point does it. */
bool ranking_pick(const struct ranked *r, size_t n, const struct threshold_rule *rule,
                  struct rank_point *out);

#endif
