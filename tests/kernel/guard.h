/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a kernel touch what is not its own, be it by one byte, be it only to read? Each operand lies
 * between two pages that nobody may touch, flush with one of them.
 */
#ifndef XC_TESTS_KERNEL_GUARD_H
#define XC_TESTS_KERNEL_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guarded {
    unsigned char *room; /* whole pages between the two */
    size_t room_bytes;
    unsigned char *first; /* bytes of them are asked for: the first ones or the last */
    size_t bytes;
};

/* Aborts when there is no memory. */
struct guarded guarded_new(size_t bytes, bool at_end);
void guarded_free(struct guarded *g);

/* Calls f(ctx). NULL, or the address of the first access that the processor refused; what f held
 * then is lost. */
const void *guarded_call(void (*f)(void *ctx), void *ctx);

#endif
