/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory may this process use? */
#include "thread/memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "thread/cgroup.h"

/* version 1 says "none" with a number near the largest */
static int64_t bytes_of(const char *line)
{
    const long long bytes = strtoll(line, NULL, 10); /* "max": 0 */
    return bytes > 0 && bytes < (1LL << 60) ? bytes : 0;
}

static int64_t limit_v2(const char *folder)
{
    char line[64];
    return cgroup_line(folder, "memory.max", line, sizeof line) ? bytes_of(line) : 0;
}

static int64_t limit_v1(const char *folder)
{
    char line[64];
    return cgroup_line(folder, "memory.limit_in_bytes", line, sizeof line) ? bytes_of(line) : 0;
}

uint64_t memory_of_groups(const char *root)
{
    return (uint64_t)cgroup_least(root, "memory", limit_v2, limit_v1);
}

uint64_t memory_allowed(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    const uint64_t all = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
    const uint64_t groups = memory_of_groups("");
    return groups > 0 && (all == 0 || groups < all) ? groups : all;
}
