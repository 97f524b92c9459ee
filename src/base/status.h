/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong, and how is it said? A fallible function takes a `struct error *` lent by its
 * caller, writes one sentence where the facts are, and returns the status. The first sentence
 * stands: callers may put a place in front of it (error_prefix), never replace it.
 */
#ifndef XC_BASE_STATUS_H
#define XC_BASE_STATUS_H

#include "xception.h"

#define ERROR_TEXT_SIZE 512

struct error {
    xc_status status;
    char text[ERROR_TEXT_SIZE];
};

/* Writes the sentence (cut at ERROR_TEXT_SIZE, at a character boundary) and returns status.
 * err may be NULL. */
XC_NODISCARD xc_status fail(struct error *err, xc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* fail() with XC_ERR_IO or XC_ERR_SPACE after errno, as "path: what: strerror"; of a long path the
 * beginning and the end. */
XC_NODISCARD xc_status fail_errno(struct error *err, const char *path, const char *what);
XC_NODISCARD xc_status fail_memory(struct error *err, size_t bytes);
/* Puts "place: " in front of the sentence, shortened like a path. */
void error_prefix(struct error *err, const char *place);

/* Only in functions that own nothing at that point. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        xc_status try_status_ = (expression);                                                      \
        if (try_status_ != XC_OK) return try_status_;                                              \
    } while (0)

#endif
