/* SPDX-License-Identifier: Apache-2.0 */
/* How does a text grow piece by piece? */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct text *t, size_t more)
{
    const size_t needed = t->size + more + 1;
    if (needed <= t->room) return true;
    const size_t room = needed > 2 * t->room ? needed : 2 * t->room;
    char *at = realloc(t->at, room);
    if (!at) return false;
    t->at = at;
    t->room = room;
    return true;
}

void text_add(struct text *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(NULL, 0, format, list);
    va_end(list);
    t->failed = t->failed || length < 0 || !make_room(t, (size_t)length);
    if (t->failed) return;
    va_start(list, format);
    vsnprintf(t->at + t->size, t->room - t->size, format, list);
    va_end(list);
    t->size += (size_t)length;
}

void text_add_csv(struct text *t, const char *field)
{
    if (*field != ' ' && !strpbrk(field, ",\"\r\n")) {
        text_add(t, "%s", field);
        return;
    }
    text_add(t, "\"");
    for (; *field; field++) text_add(t, *field == '"' ? "\"\"" : "%c", *field);
    text_add(t, "\"");
}

/* Bytes of the UTF-8 character that text begins with; 0: it is none. */
static size_t character(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t n = *p < 0x80                 ? 1
                     : *p >= 0xc2 && *p < 0xe0 ? 2
                     : *p >= 0xe0 && *p < 0xf0 ? 3
                     : *p >= 0xf0 && *p < 0xf5 ? 4
                                               : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    const bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    const bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : n;
}

void text_add_xml(struct text *t, const char *text, size_t most)
{
    for (size_t seen = 0, n; *text; text += n ? n : 1) {
        n = character(text);
        if (++seen > most) {
            text_add(t, "\u2026");
            return;
        }
        if (n == 0 || !strncmp(text, "\xef\xbf\xbe", 3) || !strncmp(text, "\xef\xbf\xbf", 3))
            text_add(t, "\ufffd");
        else if (*text == '<')
            text_add(t, "&lt;");
        else if (*text == '>') /* "]]>" is none */
            text_add(t, "&gt;");
        else if (*text == '&')
            text_add(t, "&amp;");
        else if ((unsigned char)*text >= ' ')
            text_add(t, "%.*s", (int)n, text);
    }
}

/* Of the character that text begins with; 0: a terminal should not get it (C0, DEL, C1). */
static size_t printable_character(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
    return control ? 0 : character(text);
}

void text_printable(char *text)
{
    while (text && *text) {
        const size_t length = printable_character(text);
        if (length == 0) *text = '?';
        text += length ? length : 1;
    }
}
