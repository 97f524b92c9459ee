/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By which rules are floats computed here? By IEEE 754's own, to nearest, with subnormals and
 * without traps, whatever a program has set for itself (-ffast-math sets more at its start): bits
 * would depend on who computes.
 *
 *   ROUNDING_RULES;   up to the end of the block; then the caller's are back
 */
#ifndef XC_BASE_ROUNDING_H
#define XC_BASE_ROUNDING_H

#include <fenv.h>

/* For the rest of a thread's life. */
void rounding_rules(void);

fenv_t rounding_begin(void); /* the caller's */
void rounding_end(const fenv_t *callers);
#define ROUNDING_RULES                                                                             \
    __attribute__((cleanup(rounding_end), unused)) const fenv_t rounding_of_caller =               \
        rounding_begin()

#endif
