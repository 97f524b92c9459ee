/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of `xception embed` share? Rows: one a picture, numbers that describe it.
 * verb_embed.c reads flags and prints rows, embed_rows.c computes, saves and loads them,
 * embed_near.c compares them, embed_map.c draws them in two dimensions.
 */
#ifndef TOOL_EMBED_H
#define TOOL_EMBED_H

#include "bar.h"
#include "emit.h"
#include "engine.h"
#include "pictures.h"

struct rows {
    float *at; /* (count, width) */
    char **path;
    size_t count, width;
    size_t failed; /* pictures that could not be read; said already */
    void *storage; /* what at and path lie in, of a loaded index; or NULL */
    char *text;
};
void rows_free(struct rows *r);
/* Of the pictures, in their order; known: with which they will be compared, or no rows. The exit
 * code after printing a sentence, EXIT_DONE, or EXIT_SOME_FAILED. */
int rows_compute(const struct args *args, const struct pictures *pictures, const struct rows *known,
                 struct rows *out);
/* PATH.npy, and the names of its rows beside it: PATH.txt, one a line. */
int rows_save(const struct rows *r, const char *path);
/* "x.npy" -> "x.txt"; false: it does not end so, or is too long. */
bool rows_names(const char *path, char *names, size_t room);
bool rows_path(const char *path); /* Is it such a path? False after printing the sentence. */
int rows_load(const char *path, struct rows *out);
/* Every row to length 1, so that products are cosines. */
void rows_normalize(struct rows *r);

/* Are the rows of --nearest so long? Says it. */
bool near_fits(const struct args *args, const struct rows *index, size_t width);
int near_print(const struct args *args, struct rows *index, struct rows *queries);
int duplicates_print(const struct args *args, struct rows *rows);
int map_write(const struct rows *rows, const char *path); /* .svg or .html */

#endif
