/* SPDX-License-Identifier: Apache-2.0 */
/* How late is it? The same clock in every process. */
#ifndef REPORT_SECONDS_H
#define REPORT_SECONDS_H

#include <time.h>

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
