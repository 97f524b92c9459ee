/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does text that came out of a file get into a sentence? As printable UTF-8: a name may hold
 * terminal escapes, and what the helper writes may hold anything.
 */
#ifndef XC_WEIGHT_PRINTABLE_H
#define XC_WEIGHT_PRINTABLE_H

/* In place: control characters and bytes that are not UTF-8 become '?'. NULL is allowed. */
void text_printable(char *text);

#endif
