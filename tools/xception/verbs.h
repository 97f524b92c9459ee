/* SPDX-License-Identifier: Apache-2.0 */
/* Which verbs exist? Each is one verb_*.c file, in the order that help shows. */
#ifndef TOOL_VERBS_H
#define TOOL_VERBS_H

#include "options.h"

/* clang-format off */
#define VERB_LIST(X) \
    X(classify) \
    X(train) \
    X(eval) \
    X(explain) \
    X(embed) \
    X(study) \
    X(tour) \
    X(summary) \
    X(convert) \
    X(data) \
    X(bench) \
    X(doctor) \
    X(config) \
    X(completion) \
    X(help)
/* clang-format on */
#define MAX_VERBS 32

#define VERB_X(name) extern const struct verb verb_##name;
VERB_LIST(VERB_X)
#undef VERB_X
extern const struct verb *const verbs[]; /* NULL at the end */

const struct verb *verb_find(const char *name); /* NULL: no such verb */

#endif
