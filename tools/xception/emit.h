/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do values become JSON, CSV, TSV and text on stdout? JSON values are written piece by piece in
 * the order given; the commas are the caller's.
 */
#ifndef TOOL_EMIT_H
#define TOOL_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum format { FORMAT_TEXT, FORMAT_CSV, FORMAT_TSV, FORMAT_JSON, FORMAT_JSONL };
enum format format_of(const char *word); /* NULL: text; words as in FORMAT_CHOICES */
#define FORMAT_CHOICES "text|csv|tsv|json|jsonl"

/* A quoted JSON string; bytes that are not UTF-8 become U+FFFD. */
void emit_string(const char *text);
void emit_json(FILE *out, const char *text); /* the same, elsewhere */
/* The shortest decimal that reads back as the same float (0.1, not 0.100000001); NaN and
 * infinities, which JSON has not, as null. */
void emit_float(float value);
/* One field of a CSV line, quoted when needed. */
void emit_csv(FILE *out, const char *text);
/* The same, or of a TSV (control characters as '?') line. */
void emit_field(enum format format, const char *text);
/* Text for a person: control characters (C0, DEL, C1) as '?'. emit_lines keeps the newlines. */
void emit_plain(const char *text);
void emit_lines(const char *text);

/* "0.485 0.456 0.406"; one number where all channels agree. */
void emit_channels(FILE *out, const float *value, uint32_t channels);

#endif
