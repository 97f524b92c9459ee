/* SPDX-License-Identifier: Apache-2.0 */
/* Are the limits of a control group found? Folders that look like /proc and /sys. */
#include "thread/cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "thread/memory.h"
#include "thread/pool.h"

static char root[64];

static int make_root(void **state)
{
    (void)state;
    strcpy(root, "/tmp/xception-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* Writes text to root/folder/name. */
static void plant(const char *folder, const char *name, const char *text)
{
    char command[512], path[512];
    snprintf(command, sizeof command, "mkdir -p '%s/%s'", root, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_no_group(void **state)
{
    (void)state;
    assert_int_equal(cpus_quota(root), 0);
    plant("proc/self", "cgroup", "0::/\n");
    assert_int_equal(cpus_quota(root), 0);
    plant("sys/fs/cgroup", "cpu.max", "max 100000\n");
    assert_int_equal(cpus_quota(root), 0);
}

static void test_version_2_takes_the_smallest_parent(void **state)
{
    (void)state;
    plant("proc/self", "cgroup", "0::/a/b\n");
    plant("sys/fs/cgroup/a/b", "cpu.max", "800000 100000\n");
    assert_int_equal(cpus_quota(root), 8);
    plant("sys/fs/cgroup/a", "cpu.max", "150000 100000\n");
    assert_int_equal(cpus_quota(root), 2);
    plant("sys/fs/cgroup", "cpu.max", "1000 100000\n");
    assert_int_equal(cpus_quota(root), 1);
}

static void test_version_1(void **state)
{
    (void)state;
    plant("proc/self", "cgroup", "5:memory:/x\n4:cpu,cpuacct:/host/path\n1:cpuset:/\n");
    plant("sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "250000\n");
    plant("sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_quota(root), 3);
    plant("sys/fs/cgroup/cpu,cpuacct/host/path", "cpu.cfs_quota_us", "-1\n");
    plant("sys/fs/cgroup/cpu,cpuacct/host/path", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_quota(root), 3);
}

static void test_nonsense(void **state)
{
    (void)state;
    plant("proc/self", "cgroup", "\n:\n::\nx:cpu\n0::/../..\n0::\n");
    plant("sys/fs/cgroup", "cpu.max", "-5 0\n");
    assert_int_equal(cpus_quota(root), 0);
    plant("sys/fs/cgroup", "cpu.max", "99999999999999999999 1\n");
    assert_true(cpus_quota(root) > 0);
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(memory_of_groups(root) == 0);
    plant("proc/self", "cgroup", "5:memory:/x\n0::/a/b\n");
    plant("sys/fs/cgroup/a", "memory.max", "max\n");
    assert_true(memory_of_groups(root) == 0);
    plant("sys/fs/cgroup/a/b", "memory.max", "2147483648\n");
    assert_true(memory_of_groups(root) == 2147483648);
    plant("sys/fs/cgroup/memory/x", "memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(memory_of_groups(root) == 2147483648);
    plant("sys/fs/cgroup/memory", "memory.limit_in_bytes", "1048576\n");
    assert_true(memory_of_groups(root) == 1048576);
}

static void test_this_process(void **state)
{
    (void)state;
    int threads = pool_default_threads();
    assert_true(memory_allowed() > 0);
    assert_true(threads >= 1 && threads <= POOL_MAX_THREADS && threads <= cpus_affinity());
}

#define IN_A_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

RUN(IN_A_ROOT(test_no_group), IN_A_ROOT(test_version_2_takes_the_smallest_parent),
    IN_A_ROOT(test_version_1), IN_A_ROOT(test_nonsense), IN_A_ROOT(test_memory),
    cmocka_unit_test(test_this_process))
