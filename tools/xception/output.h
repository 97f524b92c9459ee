/* SPDX-License-Identifier: Apache-2.0 */
/* How is a file written so that it is complete or not there? Gathered, then written by the
 * library; a device, a pipe or what a link leads to gets it as it comes. And never over what is
 * read. */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"
#include "pictures.h"

struct output {
    FILE *file;
    char *text;
    size_t size; /* of text, when it is gathered */
    char path[4096];
};
/* folder/name, or with folder NULL the path `name`; false after saying why not. */
bool output_open(struct output *o, const char *folder, const char *name);
/* EXIT_DONE, or another code after saying why not: then nothing is left. */
int output_close(struct output *o);

/* Is its folder there, and may files be made in it? Asked before the work; false after saying why
 * not. NULL: nothing is written. */
bool output_has_place(const char *path);

/* Is it a folder that holds something else than these names? Hidden files do not count. */
bool output_has_others(const char *folder, const char *const *name, int names);

/* Does its name end so, in small or capital letters? */
bool output_ends(const char *path, const char *end);
/* Does it say what will be in it, by one of these endings (other NULL: one is enough)? `what`: "a
 * map"; false after saying what it should be. NULL: nothing is written. */
bool output_is_named(const char *path, const char *what, const char *end, const char *other);

/* Is `path` (NULL: nothing is written) the same file as an operand, as that of another flag, or as
 * one of the pictures (NULL: none)? Says so. */
bool output_is_input(const struct args *args, const char *path, const struct pictures *pictures);
/* Is one of the pictures in this folder? */
bool output_has_input(const char *folder, const struct pictures *pictures);
/* The input that it is, or NULL; says nothing. */
const char *output_input(const struct args *args, const char *path,
                         const struct pictures *pictures);
/* Is it a picture of this data set, or a file that holds some? Says so. data: what was opened. */
bool output_is_sample(const char *path, const char *data, const xc_dataset *set);

#endif
