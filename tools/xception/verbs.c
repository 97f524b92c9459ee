/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. */
#include "verbs.h"

#include <string.h>

const struct verb *const verbs[] = {
#define VERB_X(name) &verb_##name,
    VERB_LIST(VERB_X)
#undef VERB_X
        NULL,
};

const struct verb *verb_find(const char *name)
{
    for (int i = 0; verbs[i]; i++)
        if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
    return NULL;
}
