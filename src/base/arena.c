/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do many small things that die together live? A chain of zeroed blocks, each twice the one
 * before; a request that is larger gets a block of its own size. Nothing is freed alone.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"

enum { PAGE = 4096, FIRST_BLOCK = 4096, LARGEST_STEP = 1 << 20, LINE = 64 };

struct arena_block {
    struct arena_block *before;
    size_t size, used;
    max_align_t data[];
};

static struct arena_block *block_new(struct arena_block *before, size_t need)
{
    size_t size = before ? before->size : FIRST_BLOCK / 2;
    size = size < LARGEST_STEP ? size * 2 : LARGEST_STEP;
    if (size < need) size = need;
    size_t bytes;
    if (!size_add(size, sizeof(struct arena_block), &bytes)) return NULL;
    struct arena_block *block = calloc(1, bytes);
    if (!block) return NULL;
    block->before = before;
    block->size = size;
    return block;
}

void *arena_push(struct arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes)) return NULL;
    if (!size_align(bytes ? bytes : 1, _Alignof(max_align_t), &bytes)) return NULL;
    if (!a->last || a->last->size - a->last->used < bytes) {
        struct arena_block *block = block_new(a->last, bytes);
        if (!block) return NULL;
        a->last = block;
    }
    void *place = (char *)a->last->data + a->last->used;
    a->last->used += bytes;
    return place;
}

char *arena_strdup(struct arena *a, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_push(a, size, 1);
    if (copy) memcpy(copy, text, size);
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : arena_push(a, (size_t)length + 1, 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

void arena_free(struct arena *a)
{
    while (a->last) {
        struct arena_block *before = a->last->before;
        free(a->last);
        a->last = before;
    }
}

void *aligned_new(size_t bytes)
{
    size_t size;
    if (!size_align(bytes ? bytes : 1, LINE, &size)) return NULL;
    void *memory = aligned_alloc(LINE, size);
    if (memory) memset(memory, 0, size);
    return memory;
}

void *aligned_large(size_t bytes, void **memory)
{
    size_t size;
    *memory = size_add(bytes, LINE, &size) ? calloc(1, size) : NULL;
    if (!*memory) return NULL;
#ifdef MADV_HUGEPAGE /* fewer pages to find the way to, when all of it is read in every run */
    const uintptr_t first = ((uintptr_t)*memory + PAGE - 1) / PAGE * PAGE;
    const uintptr_t behind = ((uintptr_t)*memory + size) / PAGE * PAGE;
    if (first < behind) (void)madvise((void *)first, behind - first, MADV_HUGEPAGE);
#endif
    return (char *)*memory + (LINE - (uintptr_t)*memory % LINE);
}
