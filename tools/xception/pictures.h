/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures did the user mean? Files as given, folders walked (sorted; links to folders and
 * hidden entries left out; names that end like a picture), "-" for stdin, and the NUL-separated
 * list of --files0-from.
 */
#ifndef TOOL_PICTURES_H
#define TOOL_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <xception.h>

struct pictures {
    char **path;
    size_t count, room;
    size_t unreadable; /* folders and lists that could not be read to their end; said already */
};

/* False after printing a sentence; *code is then the exit code. */
bool pictures_find(struct pictures *p, char *const *operand, int operands, const char *files0,
                   int *code);
void pictures_free(struct pictures *p);

/* xc_image_load, or all of stdin for "-". */
xc_status picture_load(const char *path, xc_image **out);

#endif
