/* SPDX-License-Identifier: Apache-2.0 */
/* What can this process still do when the file turns out to be hostile? Two steps: limits before
 * the file is opened, and the loss of nearly every system call before it is parsed. */
#ifndef XC_IMPORT_SANDBOX_H
#define XC_IMPORT_SANDBOX_H

#include "weight/weight.h"

#if defined(__has_feature)
#define SANDBOX_FEATURE(name) __has_feature(name)
#else
#define SANDBOX_FEATURE(name) 0
#endif
/* A sanitizer needs terabytes of address space and more system calls: then there is no limit on
 * memory and no filter, but the other limits hold. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    SANDBOX_FEATURE(address_sanitizer) || SANDBOX_FEATURE(thread_sanitizer) ||                     \
    SANDBOX_FEATURE(memory_sanitizer)
#define SANDBOX_SANITIZED 1
#else
#define SANDBOX_SANITIZED 0
#endif
#ifdef XC_HAVE_SECCOMP
#define SANDBOX_WHOLE (!SANDBOX_SANITIZED)
#else
#define SANDBOX_WHOLE 0
#endif

/* Memory, CPU time, no file output, no core file, no child, no inherited descriptor, death with the
 * parent. */
void sandbox_limit(const struct foreign_limits *limits);
/* From here on: memory, the clock, writing to standard output and error, and the end. */
void sandbox_enter(void);

#endif
