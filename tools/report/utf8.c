/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

size_t utf8_bytes(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t n = *p < 0x80                 ? 1
                     : *p >= 0xc2 && *p < 0xe0 ? 2
                     : *p >= 0xe0 && *p < 0xf0 ? 3
                     : *p >= 0xf0 && *p < 0xf5 ? 4
                                               : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))) return 0;
    if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))) return 0;
    return n;
}

size_t utf8_printable(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t n = utf8_bytes(text);
    const int control = *p < 32 || *p == 127 || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
    return control ? 0 : n;
}
