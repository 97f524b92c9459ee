/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of whole models need: contexts, models and inputs in one line each, asserting. */
#ifndef XC_TESTS_MODEL_SETUP_H
#define XC_TESTS_MODEL_SETUP_H

#include "xception.h"

/* Small, but with every kind of block: strided residuals, identity shortcuts, exit. */
#define SMALL_ARCH "xception,width=0.125,middle=1"

xc_context *make_context(int threads);
xc_context *make_context_at(int threads, const char *level); /* of the processor; NULL: its best */
xc_model *make_model(xc_context *context, const char *arch, uint32_t side, xc_weights weights);
/* taps: NULL-terminated, or NULL. */
xc_session *make_session(xc_model *model, uint32_t max_batch, xc_precision precision,
                         const char *const *taps);
xc_session *make_fast_session(xc_model *model, uint32_t max_batch, const char *const *taps);
/* (n, side, side, channels): image i has pixel(y, x, c) = (3x + 5y + 7c + 11i) mod 256, / 127.5
 * - 1. Release with free(). */
float *make_input(uint32_t n, uint32_t side, uint32_t channels);
/* A result of the last run; release with free(). */
float *read_result(const xc_session *session, const char *name, size_t *count);

#define CHECK(call) check_status(call, #call, __FILE__, __LINE__)
void check_status(xc_status status, const char *call, const char *file, int line);
/* The call is refused with this status, and its sentence holds this text. */
#define REFUSED(call, status, text) check_refused(call, status, text, #call, __FILE__, __LINE__)
void check_refused(xc_status got, xc_status want, const char *text, const char *call,
                   const char *file, int line);

#endif
