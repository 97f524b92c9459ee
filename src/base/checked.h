/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arithmetic on sizes that came from outside: true means that the result is right, false that it
 * would not fit (and *out is not to be used).
 */
#ifndef XC_BASE_CHECKED_H
#define XC_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool size_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

static inline bool size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* unit: a power of two */
static inline bool size_align(size_t a, size_t unit, size_t *out)
{
    if (!size_add(a, unit - 1, out)) return false;
    *out &= ~(unit - 1);
    return true;
}

#endif
