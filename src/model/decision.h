/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do logits become an answer, once a model was calibrated? Probabilities at a temperature, and
 * when the answer is "none of these". The numbers are fitted by `xception eval` and lie in the
 * model file.
 */
#ifndef XC_MODEL_DECISION_H
#define XC_MODEL_DECISION_H

#include "base/arena.h"
#include "base/status.h"
#include "weight/weight.h"

/* least: (classes), each 0..1; numbers finite, temperature above 0. */
XC_NODISCARD xc_status decision_check(const xc_decision *d, uint32_t classes, struct error *err);
bool decision_is_plain(const xc_decision *d); /* says nothing: not written */
/* A JSON object; NULL: out of memory. And back; *out is set on success alone. */
const char *decision_write(const xc_decision *d, uint32_t classes, struct arena *a);
XC_NODISCARD xc_status decision_read(const char *text, uint32_t classes, struct arena *a,
                                     xc_decision *out, struct error *err);

/* One image: probability[i] of logit[i] at the temperature; sigmoid: each for itself. */
void decision_probabilities(const xc_decision *d, bool sigmoid, const double *logit, size_t classes,
                            double *probability);
/* Is the picture none of the classes? */
bool decision_unknown(const xc_decision *d, bool sigmoid, const double *logit,
                      const double *probability, size_t classes);

#endif
