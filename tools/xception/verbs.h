/* SPDX-License-Identifier: Apache-2.0 */
/* Which verbs exist? Each is one verb_*.c file. */
#ifndef TOOL_VERBS_H
#define TOOL_VERBS_H

#include "options.h"

#define MAX_VERBS 32

extern const struct verb verb_classify, verb_train, verb_eval, verb_explain, verb_study,
    verb_summary, verb_convert, verb_data, verb_tour, verb_bench, verb_doctor, verb_help;
extern const struct verb *const verbs[]; /* in the order that help shows; NULL at the end */

const struct verb *verb_find(const char *name); /* NULL: no such verb */

#endif
