/* SPDX-License-Identifier: Apache-2.0 */
/* What can this process still do when the file turns out to be hostile? Two steps: limits before
 * the file is opened, and the loss of nearly every system call before it is parsed. */
#ifndef XC_IMPORT_SANDBOX_H
#define XC_IMPORT_SANDBOX_H

#include "weight/weight.h"

/* Memory, CPU time, no file output, no core file, no child, no inherited descriptor, death with the
 * parent. */
void sandbox_limit(const struct foreign_limits *limits);
/* From here on: memory, the clock, writing to standard output and error, and the end. */
void sandbox_enter(void);

#endif
