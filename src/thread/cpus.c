/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many threads may this process use? The smaller of its affinity mask and the processor quota
 * of its control group, every parent included. Hyper-threads count as processors.
 */
#include "thread/cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include "thread/cgroup.h"
#include "thread/pool.h"

enum { LARGEST_MASK = 1 << 16 };

/* quota microseconds of every period, rounded up to whole processors; 0 = no limit */
static int cpus_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* version 2: "max 100000" or "150000 100000" */
static int64_t quota_v2(const char *folder)
{
    char line[64], *rest;
    if (!cgroup_line(folder, "cpu.max", line, sizeof line)) return 0;
    long long quota = strtoll(line, &rest, 10);
    return rest == line ? 0 : cpus_of(quota, strtoll(rest, NULL, 10));
}

/* version 1: two files, quota -1 without a limit */
static int64_t quota_v1(const char *folder)
{
    char quota[64], period[64];
    if (!cgroup_line(folder, "cpu.cfs_quota_us", quota, sizeof quota)) return 0;
    if (!cgroup_line(folder, "cpu.cfs_period_us", period, sizeof period)) return 0;
    return cpus_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

int cpus_quota(const char *root)
{
    return (int)cgroup_least(root, "cpu", quota_v2, quota_v1);
}

int cpus_affinity(void)
{
    for (size_t cpus = CPU_SETSIZE; cpus <= LARGEST_MASK; cpus *= 2) {
        cpu_set_t *mask = CPU_ALLOC(cpus);
        if (!mask) return 1;
        size_t bytes = CPU_ALLOC_SIZE(cpus);
        int code = sched_getaffinity(0, bytes, mask);
        int count = code == 0 ? CPU_COUNT_S(bytes, mask) : 0;
        CPU_FREE(mask);
        if (code == 0) return count > 0 ? count : 1;
        if (errno != EINVAL) return 1; /* EINVAL: the kernel's mask is longer */
    }
    return 1;
}

int pool_default_threads(void)
{
    int cpus = cpus_affinity(), quota = cpus_quota("");
    if (quota > 0 && quota < cpus) cpus = quota;
    return cpus < POOL_MAX_THREADS ? cpus : POOL_MAX_THREADS;
}
