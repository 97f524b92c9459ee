/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the paper's statements does a study speak to, and what does it say of each? One table of
 * statements; the verdict is computed by verdict_of, and nobody writes one by hand.
 */
#ifndef STUDY_FINDINGS_H
#define STUDY_FINDINGS_H

#include "stats.h"
#include "study.h"

enum metric {
    METRIC_FINAL,  /* mean score of the test pictures after the last epoch */
    METRIC_EARLY,  /* top-1 after the first quarter of the epochs */
    METRIC_EPOCHS, /* first epoch that reaches 95 % of the lower of the two last top-1s */
    METRIC_COUNT,  /* trainable parameters of the published network, exact */
    METRIC_SPEED   /* steps a second: a time, left out of a report without times */
};
const char *metric_text(enum metric m);

struct finding {
    uint32_t presets; /* whose sections show it */
    const char *text, *paper;
    enum metric metric;
    enum claim claim;
    const char *a, *b; /* arms: a is to be more than b. Of counts: the network and the number */
};
const struct finding *finding_at(int i); /* NULL past the last */

enum { MARGIN_POINTS = 1, BOOTSTRAP_ROUNDS = 2000 }; /* of "equal", in per cent points */

struct judged {
    const struct finding *finding;
    struct paired d;
    double a, b; /* means over the seeds that both have */
    enum verdict verdict;
};
/* False: an arm is not in the plan, there is nothing to say. */
bool finding_judge(xc_context *context, const struct results *r, const struct finding *f,
                   struct judged *out);

/* Two arms by their final scores. */
struct paired results_compare(const struct results *r, uint32_t a, uint32_t b);
/* Index of an arm by name, or plan->arms. */
uint32_t plan_arm(const struct plan *p, const char *name);
/* The first epoch (1, ...) at which a curve is at `goal` or above; 0: never. */
uint32_t first_epoch(const struct cell_result *c, double goal);

#endif
