/* SPDX-License-Identifier: Apache-2.0 */
/* How do the files of `xception study` share the work? verb_study.c: flags -> plan -> report.
 * study_run.c: the cells, each in a process of its own. Everything else is in tools/study. */
#ifndef TOOL_STUDY_RUN_H
#define TOOL_STUDY_RUN_H

#include <study.h>
#include "options.h"

/* What a sentence of tools/study becomes: stderr, and the exit code. */
int study_say(xc_status status, const struct why *why);

/* Runs the cells that are not done, one after the other. EXIT_DONE; EXIT_SOME_FAILED: some have no
 * result; EXIT_LIMIT: nothing more can be written; 130, 143: stopped by a signal. */
int study_cells(const struct args *args, const struct plan *p, const char *folder);
/* The process of one cell. */
int study_cell(const struct args *args, xc_context *context, const struct plan *p,
               const char *folder, uint32_t cell);

#endif
