/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. */
#include "verbs.h"

#include <string.h>

const struct verb *const verbs[] = {
    &verb_classify, &verb_train,   &verb_eval, &verb_explain, &verb_study,
    &verb_summary,  &verb_convert, &verb_data, &verb_tour,    &verb_bench,
    &verb_doctor,   &verb_help,    NULL,
};

const struct verb *verb_find(const char *name)
{
    for (int i = 0; verbs[i]; i++)
        if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
    return NULL;
}
