/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a decimal number read and written the same way whatever the locale of the host is? C's own
 * functions follow the host's locale ("0,5"), so reading uses strtod_l with the C locale, and
 * writing puts the point back. Hexadecimal floats, infinities and NaN are no numbers here.
 */
#include "base/decimal.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *s)
{
    while (is_digit(*s)) s++;
    return s;
}

/* The end of the number that text begins with, or NULL. */
static const char *number_end(const char *text)
{
    const char *s = *text == '-' ? text + 1 : text;
    if (!is_digit(*s)) return NULL;
    s = skip_digits(s);
    if (*s == '.') s = skip_digits(s + 1);
    if (*s != 'e' && *s != 'E') return s;
    const char *exponent = s + 1;
    if (*exponent == '-' || *exponent == '+') exponent++;
    return is_digit(*exponent) ? skip_digits(exponent) : s;
}

const char *decimal_read(const char *text, double *out)
{
    char copy[DECIMAL_SIZE];
    const char *end = number_end(text);
    if (!end || (size_t)(end - text) >= sizeof copy) return NULL;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = '\0';
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return NULL;
    *out = strtod_l(copy, NULL, plain);
    freelocale(plain);
    return isfinite(*out) ? end : NULL;
}

/* From printf's %g in any locale: whatever is no digit, sign or exponent is the point, which may
 * take several bytes. "1e+05" becomes "1e5". */
static void tidy(const char *from, char *to)
{
    for (; *from && *from != 'e'; from++) {
        if (is_digit(*from) || *from == '-')
            *to++ = *from;
        else if (to[-1] != '.')
            *to++ = '.';
    }
    if (*from == 'e') {
        *to++ = *from++;
        if (*from == '-') *to++ = '-';
        from += strspn(from, "+-0");
        while (is_digit(*from)) *to++ = *from++;
    }
    *to = '\0';
}

void decimal_write(double value, char out[DECIMAL_SIZE])
{
    char raw[64];
    double back;
    if (value == 0) value = 0;                       /* no "-0" */
    if (fabs(value) < 1e6 && value == rint(value)) { /* not 2e1 */
        snprintf(out, DECIMAL_SIZE, "%.0f", value);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(raw, sizeof raw, "%.*g", digits, value);
        tidy(raw, out);
        if (decimal_read(out, &back) && back == value) return;
    }
}
