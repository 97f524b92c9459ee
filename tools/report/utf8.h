/* SPDX-License-Identifier: Apache-2.0 */
/* What is a character of a text that comes from outside? */
#ifndef REPORT_UTF8_H
#define REPORT_UTF8_H

#include <stddef.h>

/* Bytes of the UTF-8 character that text, which is not empty, begins with; 0: it begins with none.
 */
size_t utf8_bytes(const char *text);
/* The same, but 0 also where a terminal would obey: C0, DEL and C1. */
size_t utf8_printable(const char *text);

#endif
