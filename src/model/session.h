/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does one running thread own? A plan for one input size, the arenas it runs in, and the
 * results of the last run. All memory is taken by session_new.
 */
#ifndef XC_MODEL_SESSION_H
#define XC_MODEL_SESSION_H

#include "model/model.h"

/* opts: every field valid or 0; taps and preprocess as in xception.h. *out holds a reference to
 * the model. */
XC_NODISCARD xc_status session_new(xc_model *model, const xc_session_opts *opts, xc_session **out,
                                   struct error *err);
void session_free(xc_session *session);
void session_cancel(xc_session *session);
struct shape session_input(const xc_session *session);              /* n = max_batch */
const xc_preprocess *session_preprocess(const xc_session *session); /* in use */
size_t session_arena_bytes(const xc_session *session);

/* out: (h, w, c) float32. */
XC_NODISCARD xc_status session_prepare(xc_session *session, const xc_image *image, float *out,
                                       struct error *err);
/* input: (n, h, w, c) of type F32 or F64, 1 <= n <= max_batch. seconds: of each step, or NULL.
 * Allocates nothing. */
XC_NODISCARD xc_status session_run(xc_session *session, const void *input, enum dtype type,
                                   uint32_t n, double *seconds, struct error *err);
int session_steps(const xc_session *session);
struct plan_step session_step(const xc_session *session, int i);
/* Values of a result of the last run, in the session's precision, converted to type (F32 or F64).
 * out NULL: only *written is set. */
XC_NODISCARD xc_status session_read(const xc_session *session, const char *name, enum dtype type,
                                    void *out, size_t count, size_t *written, struct error *err);
/* Of one image, n = 1. */
XC_NODISCARD xc_status session_shape(const xc_session *session, const char *name, struct shape *out,
                                     struct error *err);
/* Does the model's decision say so of image i of the last run? Uses room of the session. */
bool session_unknown(xc_session *session, uint32_t image);
XC_NODISCARD xc_status session_classify(xc_session *session, const xc_image *const *images,
                                        uint32_t n, uint32_t k, xc_answer *answers,
                                        struct error *err);

#endif
