/* SPDX-License-Identifier: Apache-2.0 */
/* How much time has passed? Seconds since some moment; never goes backwards. */
#ifndef XC_BASE_CLOCK_H
#define XC_BASE_CLOCK_H

#include <time.h>

static inline double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
