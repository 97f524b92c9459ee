/* SPDX-License-Identifier: Apache-2.0 */
/* How is the option table shown to a person: as help, and as a man page? */
#ifndef TOOL_HELP_H
#define TOOL_HELP_H

#include "options.h"

void help_all(FILE *out);
/* all: rare flags, too */
void help_verb(const struct verb *verb, bool all, FILE *out);
/* mdoc(7); verb NULL: the page xception(1) */
void man_page(const struct verb *verb, FILE *out);

#endif
