/* SPDX-License-Identifier: Apache-2.0 */
/* How many processors may this process use? The two parts of pool_default_threads. */
#ifndef XC_THREAD_CPUS_H
#define XC_THREAD_CPUS_H

/* Processors in the affinity mask, at least 1. */
int cpus_affinity(void);
/* Processors that the control group (version 1 or 2) grants, rounded up; 0 = no limit. root: ""
 * for this machine; a test gives a folder with its own proc/ and sys/. */
int cpus_quota(const char *root);

#endif
