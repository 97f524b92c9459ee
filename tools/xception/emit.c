/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and numbers of the machine formats. */
#include "emit.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum format format_of(const char *word)
{
    static const char *const words[] = {"text", "csv", "tsv", "json", "jsonl"};
    for (int i = 0; word && i < 5; i++)
        if (strcmp(words[i], word) == 0) return (enum format)i;
    return FORMAT_TEXT;
}

/* Bytes of the UTF-8 character at p, 0 when it is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : 4;
    char text[5] = {0};
    for (size_t i = 0; i < n && p[i]; i++) text[i] = (char)p[i];
    json_t *s = json_string(text); /* NULL when it is not UTF-8 */
    json_decref(s);
    return s && strlen(text) == n ? n : 0;
}

void emit_string(const char *text)
{
    putchar('"');
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = utf8_length(p);
        if (n == 0)
            fputs("\\ufffd", stdout);
        else if (*p == '"' || *p == '\\')
            printf("\\%c", *p);
        else if (*p < 32 || *p == 127)
            printf("\\u%04x", *p);
        else
            fwrite(p, 1, n, stdout);
        p += n ? n : 1;
    }
    putchar('"');
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
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text, next = (unsigned char)text[1];
        bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0; /* U+0080 to U+009F in UTF-8 */
        if (c1) text++;
        putchar(c1 || ((c < 32 || c == 127) && !(newlines && c == '\n')) ? '?' : *text);
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

void emit_field(enum format format, const char *text)
{
    if (format != FORMAT_CSV) {
        emit_plain(text);
        return;
    }
    if (!text[strcspn(text, ",\"\r\n")]) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

void emit_channels(FILE *out, const float *value, uint32_t channels)
{
    bool same = true;
    for (uint32_t c = 1; c < channels && c < 4; c++)
        if (value[c] < value[0] || value[c] > value[0]) same = false;
    for (uint32_t c = 0; c < (same ? 1 : channels) && c < 4; c++)
        fprintf(out, c ? " %g" : "%g", (double)value[c]);
}
