/* SPDX-License-Identifier: Apache-2.0 */
/* Which levels are kernels of their own? A processor and a build have the upper ones only up to
 * some point, and what has run once need not run again. */
#ifndef XC_TESTS_KERNEL_LEVELS_H
#define XC_TESTS_KERNEL_LEVELS_H

#include <string.h>

#include "kernel/kernel.h"

/* Are the kernels of level i others than those of the level below, where the processor has `flags`?
 * The lowest level's are. */
static inline bool level_differs(size_t i, enum dtype type, unsigned flags)
{
    struct kernels k, below;
    unsigned allowed = 0;
    if (i == 0) return true;
    cpu_level_flags(cpu_level(i), &allowed);
    kernels_init(&k, type, flags & allowed);
    cpu_level_flags(cpu_level(i - 1), &allowed);
    kernels_init(&below, type, flags & allowed);
    return strcmp(k.level, below.level) != 0;
}

#endif
