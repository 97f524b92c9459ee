/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory may this process use? */
#ifndef XC_THREAD_MEMORY_H
#define XC_THREAD_MEMORY_H

#include <stdint.h>

/* Bytes that the control groups allow; 0: no limit. root: as in cgroup_least. */
uint64_t memory_of_groups(const char *root);
/* The smaller of that and of what the machine has; 0: unknown. */
uint64_t memory_allowed(void);

#endif
