/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of the public interface share? The sentence of this thread's last failure, the
 * way option structs are read, and what a context is. The files map include/xception.h to the
 * layers below and check arguments; nothing is decided here.
 */
#ifndef XC_API_API_H
#define XC_API_API_H

#include "base/rounding.h"
#include "data/dataset.h"
#include "metric/scores.h"
#include "model/model.h"

struct xc_context {
    struct machine machine;
    char features[96];
    xc_log_fn *log;
    void *log_user;
};

struct xc_dataset {
    struct dataset *d;
};

struct xc_scores {
    struct scores *s;
};

/* Where this thread's sentences go; xc_error() shows it. */
struct error *api_error(void);

/* Option structs begin with their size. `to` holds the defaults of a struct of `known` bytes; what
 * the caller's struct has replaces them: an older, shorter one leaves the rest. from NULL: nothing.
 * Refused: a size of 0 (not initialised) or one of a newer header. */
XC_NODISCARD xc_status options_read(void *to, size_t known, const void *from, const char *what);

/* Is it one of xc_precision? */
XC_NODISCARD xc_status check_precision(xc_precision precision);

/* "NAME is NULL" as the sentence. */
XC_NODISCARD xc_status refuse_null(const char *name);

#endif
