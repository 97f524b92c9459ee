/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many threads may this process use? The smaller of its affinity mask and the processor quota
 * of its control group, every parent included. Hyper-threads count as processors.
 */
#include "thread/cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thread/pool.h"

enum { PATH_ROOM = 4096, LARGEST_MASK = 1 << 16 };

static bool read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool got = fgets(line, size, f) != NULL;
    fclose(f);
    return got;
}

/* quota microseconds of every period, rounded up to whole processors; 0 = no limit */
static int cpus_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* version 2: "max 100000" or "150000 100000" */
static int quota_v2(const char *folder)
{
    char path[PATH_ROOM + 16], line[64], *rest;
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line)) return 0;
    long long quota = strtoll(line, &rest, 10);
    return rest == line ? 0 : cpus_of(quota, strtoll(rest, NULL, 10));
}

/* version 1: two files, quota -1 without a limit */
static int quota_v1(const char *folder)
{
    char path[PATH_ROOM + 32], quota[64], period[64];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, quota, sizeof quota)) return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, period, sizeof period)) return 0;
    return cpus_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The smallest quota from mount/group up to the mount itself. The group may not exist below the
 * mount (a container sees its host's path): then only the parents that do exist count. */
static int smallest_quota(const char *mount, const char *group, int (*quota)(const char *))
{
    char folder[PATH_ROOM];
    int length = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (length < 0 || length >= (int)sizeof folder) return 0;
    size_t mount_length = strlen(mount);
    int least = 0;
    for (;;) {
        int here = quota(folder);
        if (here > 0 && (least == 0 || here < least)) least = here;
        char *slash = strrchr(folder + mount_length, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Is "cpu" one of the words of "cpu,cpuacct"? */
static bool names_cpu(const char *list)
{
    for (const char *word = list; word; word = strchr(word, ',')) {
        word += *word == ',';
        size_t length = strcspn(word, ",");
        if (length == 3 && memcmp(word, "cpu", 3) == 0) return true;
    }
    return false;
}

/* One line of /proc/self/cgroup, "id:controllers:group". */
static int quota_of_line(const char *root, char *line)
{
    char mount[PATH_ROOM];
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return 0;
    *group++ = '\0';
    controllers++;
    bool v2 = *controllers == '\0';
    if (!v2 && !names_cpu(controllers)) return 0;
    const char *folder = v2 ? "" : "/";
    int length = snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s%s", root, folder, controllers);
    if (length < 0 || length >= (int)sizeof mount) return 0;
    return smallest_quota(mount, group, v2 ? quota_v2 : quota_v1);
}

int cpus_quota(const char *root)
{
    char path[PATH_ROOM], line[PATH_ROOM];
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    int least = 0;
    while (fgets(line, sizeof line, f)) {
        int here = quota_of_line(root, line);
        if (here > 0 && (least == 0 || here < least)) least = here;
    }
    fclose(f);
    return least;
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
