/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and numbers of the machine formats. */
#include "emit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum format format_of(const char *word)
{
    static const char *const words[] = {"text", "csv", "tsv", "json", "jsonl"};
    for (int i = 0; word && i < 5; i++)
        if (strcmp(words[i], word) == 0) return (enum format)i;
    return FORMAT_TEXT;
}

void emit_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        const size_t n = utf8_bytes((const char *)p);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 32 || *p == 127)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, n, out);
        p += n ? n : 1;
    }
    fputc('"', out);
}

void emit_string(const char *text)
{
    emit_json(stdout, text);
}

void emit_float(float value)
{
    char text[32] = "null";
    if (isfinite(value))
        for (int digits = 6; digits <= 9; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, (double)value);
            if (strtof(text, NULL) == value) break;
        }
    fputs(text, stdout);
}

static void emit_text(const char *text, bool newlines)
{
    while (*text) {
        const size_t n = newlines && *text == '\n' ? 1 : utf8_printable(text);
        const size_t bytes = utf8_bytes(text);
        if (n)
            fwrite(text, 1, n, stdout);
        else
            putchar('?');
        text += bytes ? bytes : 1;
    }
}

void emit_plain(const char *text)
{
    emit_text(text, false);
}

void emit_lines(const char *text)
{
    emit_text(text, true);
}

void emit_csv(FILE *out, const char *text)
{
    if (*text != ' ' && !strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void emit_field(enum format format, const char *text)
{
    if (format == FORMAT_CSV)
        emit_csv(stdout, text);
    else
        emit_plain(text);
}

void emit_channels(FILE *out, const float *value, uint32_t channels)
{
    bool same = true;
    for (uint32_t c = 1; c < channels && c < 4; c++)
        if (value[c] < value[0] || value[c] > value[0]) same = false;
    for (uint32_t c = 0; c < (same ? 1 : channels) && c < 4; c++)
        fprintf(out, c ? " %g" : "%g", (double)value[c]);
}
