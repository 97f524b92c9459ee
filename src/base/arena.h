/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do many small things that die together live? Blocks that grow; a pointer stays valid until
 * arena_free. Memory is zeroed. Used for graphs, names and parsed headers, never while running.
 */
#ifndef XC_BASE_ARENA_H
#define XC_BASE_ARENA_H

#include <stddef.h>

struct arena {
    struct arena_block *last;
};

/* count x size bytes, aligned for any type; NULL when out of memory or when the product overflows
 */
void *arena_push(struct arena *a, size_t count, size_t size);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

/* Zeroed memory on a 64-byte boundary, for numbers; release with free(). NULL when out of memory.
 */
void *aligned_new(size_t bytes);
/* The same for much memory, which is not touched before it is used: *memory is what free() takes.
 */
void *aligned_large(size_t bytes, void **memory);

#endif
