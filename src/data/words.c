/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which number has a word? Words are numbered as they come; an open table of twice their count
 * finds them again (FNV-1a, so that no random number of the process shows).
 */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>

struct words {
    struct arena arena;
    const char **word;
    int32_t *slot; /* number + 1; 0 = free */
    size_t slots;  /* a power of two */
    int32_t count;
};

enum { FIRST_SLOTS = 64, MOST_WORDS = 1 << 29 };

struct words *words_new(void)
{
    return calloc(1, sizeof(struct words));
}

void words_free(struct words *w)
{
    if (!w) return;
    arena_free(&w->arena);
    free(w->word);
    free(w->slot);
    free(w);
}

static size_t hash_of(const char *word, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)word[i]) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

/* Where the word stands, or the free slot where it would. */
static int32_t *find(const struct words *w, const char *word, size_t length)
{
    size_t at = hash_of(word, length) & (w->slots - 1);
    for (;; at = (at + 1) & (w->slots - 1)) {
        if (w->slot[at] == 0) break;
        const char *there = w->word[w->slot[at] - 1];
        if (!strncmp(there, word, length) && there[length] == '\0') break;
    }
    return &w->slot[at];
}

static bool grow(struct words *w)
{
    size_t slots = w->slots ? w->slots * 2 : FIRST_SLOTS;
    int32_t *slot = calloc(slots, sizeof *slot);
    const char **word = realloc(w->word, slots / 2 * sizeof *word);
    if (word) w->word = word;
    if (!slot || !word) {
        free(slot);
        return false;
    }
    free(w->slot);
    w->slot = slot;
    w->slots = slots;
    for (int32_t i = 0; i < w->count; i++) *find(w, w->word[i], strlen(w->word[i])) = i + 1;
    return true;
}

int32_t words_put(struct words *w, const char *word, size_t length)
{
    if ((size_t)w->count >= w->slots / 2 && (w->count >= MOST_WORDS || !grow(w))) return -1;
    int32_t *slot = find(w, word, length);
    if (*slot) return *slot - 1;
    char *kept = arena_push(&w->arena, length + 1, 1);
    if (!kept) return -1;
    memcpy(kept, word, length);
    w->word[w->count] = kept;
    *slot = ++w->count;
    return *slot - 1;
}

int32_t words_count(const struct words *w)
{
    return w->count;
}

const char *words_at(const struct words *w, int32_t i)
{
    return w->word[i];
}
