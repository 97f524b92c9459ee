/* SPDX-License-Identifier: Apache-2.0 */
/* How does a text grow piece by piece? Sticky: once memory is short, nothing is added any more. */
#ifndef XC_BASE_TEXT_H
#define XC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *at; /* NUL-terminated once something was added; free() */
    size_t size, room;
    bool failed;
};

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
