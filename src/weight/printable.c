/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes of a sentence may reach a terminal? Whole UTF-8 characters that are not control
 * characters (C0, DEL, C1). Overlong forms and surrogates count as bytes that are not UTF-8.
 */
#include "weight/printable.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text that may stay, or 0. Stops before a NUL by itself: it is no
 * continuation byte. */
static size_t good_length(const unsigned char *text)
{
    if (text[0] < 0x80) return text[0] >= 0x20 && text[0] != 0x7F;
    size_t length = text[0] >= 0xF0 ? 4 : text[0] >= 0xE0 ? 3 : 2;
    if (text[0] < 0xC2 || text[0] > 0xF4) return 0;
    uint32_t code = text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80) return 0;
        code = code << 6 | (text[i] & 0x3F);
    }
    static const uint32_t LEAST[] = {0, 0, 0xA0, 0x800, 0x10000};
    if (code < LEAST[length] || code > 0x10FFFF) return 0;
    return code >= 0xD800 && code <= 0xDFFF ? 0 : length;
}

void text_printable(char *text)
{
    while (text && *text) {
        size_t length = good_length((const unsigned char *)text);
        if (length == 0) *text = '?';
        text += length ? length : 1;
    }
}
