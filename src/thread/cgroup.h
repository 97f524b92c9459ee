/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the control groups of this process allow? Versions 1 and 2; the smallest limit of the
 * group and of every parent counts.
 */
#ifndef XC_THREAD_CGROUP_H
#define XC_THREAD_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

/* What one group allows, from the files in its folder; 0: no limit. */
typedef int64_t cgroup_fn(const char *folder);
/* First line of a file of the folder. */
bool cgroup_line(const char *folder, const char *name, char *line, int size);
/* controller: "cpu", "memory". root: "" for this machine; a test gives a folder with its own proc/
 * and sys/. 0: no limit. */
int64_t cgroup_least(const char *root, const char *controller, cgroup_fn *v2, cgroup_fn *v1);

#endif
