/* SPDX-License-Identifier: Apache-2.0 */
/* How does a text grow piece by piece (sticky: once memory is short, nothing is added any more),
 * and what are its characters? */
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
void text_add_csv(struct text *t, const char *field); /* quoted when needed */
/* So many characters of a text at most (then an ellipsis), as XML takes them: bytes that are not
 * UTF-8, and the two characters that XML has not, become U+FFFD; control characters are left out.
 */
void text_add_xml(struct text *t, const char *text, size_t most);

/* What may not reach a terminal becomes '?': control characters, bytes that are not UTF-8. */
void text_printable(char *text);

#endif
