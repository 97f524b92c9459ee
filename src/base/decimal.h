/* SPDX-License-Identifier: Apache-2.0 */
/* How is a decimal number read and written the same way whatever the locale of the host is? */
#ifndef XC_BASE_DECIMAL_H
#define XC_BASE_DECIMAL_H

#include <stdbool.h>

#define DECIMAL_SIZE 40

/* [-]digits[.digits][e[+-]digits], finite. What follows the number, or NULL when there is none. */
const char *decimal_read(const char *text, double *out);
/* The shortest text that reads back as the same number; whole numbers below a million without an
 * exponent. value is finite. */
void decimal_write(double value, char out[DECIMAL_SIZE]);

#endif
