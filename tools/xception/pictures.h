/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures did the user mean? Files as given, folders walked (sorted; links to folders
 * followed, each folder once; hidden entries left out; names that end like a picture), "-" for
 * stdin, and the NUL-separated list of --files0-from.
 */
#ifndef TOOL_PICTURES_H
#define TOOL_PICTURES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <xception.h>

struct pictures {
    char **path;
    size_t count, room;
    size_t unreadable; /* folders and lists that could not be read to their end; said already */
    size_t others;     /* pictures in folders, of kinds that are not read; */
    char *other;       /* the first one */
};

/* False after printing a sentence; *code: EXIT_DONE, or the exit code then. */
bool pictures_find(struct pictures *p, char *const *operand, int operands, const char *files0,
                   int *code);
void pictures_free(struct pictures *p);

/* xc_image_load, or all of stdin for "-". */
xc_status picture_load(const char *path, xc_image **out);

/* The last folder of a path, `length` bytes; none: 0 of them. */
const char *picture_folder(const char *path, size_t *length);

/* Pictures in their order, a few at a time, each decoded by a thread of its own while those before
 * are looked at. */
enum { AHEAD_MOST = 16 };
struct decoded {
    const char *path;
    xc_image *image; /* NULL: it cannot be read */
    xc_status status;
    char why[512]; /* the sentence, when status is not XC_OK */
};
struct ahead {
    char *const *path;
    size_t count, at, each; /* at: the first one of those in hand */
    struct decoding {
        pthread_t thread;
        bool started;
        struct decoded decoded;
    } one[AHEAD_MOST];
};
/* each: 1..AHEAD_MOST. */
void ahead_begin(struct ahead *a, char *const *path, size_t count, size_t each);
/* How many, 0 at the end, `each` but for the last ones. The images are the caller's. */
size_t ahead_take(struct ahead *a, struct decoded out[AHEAD_MOST]);
void ahead_end(struct ahead *a);

#endif
