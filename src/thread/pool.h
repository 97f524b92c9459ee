/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is one loop spread over cores? pool_for cuts [0, n) into as many contiguous ranges as there
 * are threads, each a multiple of grain (the last may be short); the caller takes the first.
 * Helpers spin for a moment, unless they outnumber the processors, then sleep. When the pool is
 * NULL or busy with another caller's loop, the caller does the whole range itself: results never
 * depend on who did the work.
 */
#ifndef XC_THREAD_POOL_H
#define XC_THREAD_POOL_H

#include "base/status.h"

enum { POOL_MAX_THREADS = 256 };

struct pool;
typedef void pool_fn(void *ctx, size_t from, size_t to);

/* threads: 1..POOL_MAX_THREADS, the caller included. A pool does not survive fork(). */
XC_NODISCARD xc_status pool_new(int threads, struct pool **out, struct error *err);
void pool_free(struct pool *pool);
int pool_threads(const struct pool *pool); /* NULL: 1 */
/* Part i of `parts`: whole grains, the first parts one longer. */
struct range {
    size_t from, to;
};
struct range range_part(size_t n, size_t grain, size_t parts, size_t i);
void pool_for(struct pool *pool, size_t n, size_t grain, pool_fn *fn, void *ctx);
/* What this process may use: affinity mask and cgroup (v1, v2) quota, at least 1. */
int pool_default_threads(void);

#endif
