/* SPDX-License-Identifier: Apache-2.0 */
/* How is a file written so that it is complete or not there? Beside its place, then moved. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
    FILE *file;
    char part[4200], path[4096];
};
/* folder/name, or with folder NULL the path `name`; false after saying why not. */
bool output_open(struct output *o, const char *folder, const char *name);
/* EXIT_DONE, or EXIT_LIMIT after saying why not: then nothing is left. */
int output_close(struct output *o);

#endif
