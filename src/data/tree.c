/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which class and which split has the picture "train/cat/2024/1.jpg"? The first folder is the split
 * where one of the first folders is a training folder, or all of them are splits; the next one is
 * the class, and what lies deeper belongs to it.
 */
#include "data/source.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"

static const struct {
    const char *word;
    uint8_t split;
} spellings[] = {
    {"train", XC_SPLIT_TRAIN},  {"training", XC_SPLIT_TRAIN}, {"val", XC_SPLIT_VAL},
    {"valid", XC_SPLIT_VAL},    {"validation", XC_SPLIT_VAL}, {"validate", XC_SPLIT_VAL},
    {"dev", XC_SPLIT_VAL},      {"eval", XC_SPLIT_VAL},       {"test", XC_SPLIT_TEST},
    {"testing", XC_SPLIT_TEST},
};

const char *split_name(xc_split split)
{
    static const char *const names[XC_SPLITS] = {"train", "val", "test"};
    return (unsigned)split < XC_SPLITS ? names[split] : NULL;
}

bool split_parse(const char *word, size_t length, uint8_t *out)
{
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (strlen(spellings[i].word) != length || strncasecmp(spellings[i].word, word, length))
            continue;
        *out = spellings[i].split;
        return true;
    }
    return false;
}

uint8_t split_of_name(const char *path)
{
    static const char *const between = "-_.0123456789";
    const char *word = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    uint8_t split = XC_SPLIT_TRAIN;
    while (*word) {
        const size_t length = strcspn(word, between);
        if (!strncmp(word, "t10k", 4)) return XC_SPLIT_TEST;
        if (length && split_parse(word, length, &split)) return split;
        word += length;
        word += strspn(word, between);
    }
    return split;
}

xc_status tree_add(struct tree *t, struct tree_entry entry, struct error *err)
{
    if (t->entries == t->room) {
        size_t room = t->room ? t->room * 2 : 256, bytes;
        struct tree_entry *grown =
            size_mul(room, sizeof entry, &bytes) ? realloc(t->entry, bytes) : NULL;
        if (!grown) return fail_memory(err, room * sizeof entry);
        t->entry = grown;
        t->room = room;
    }
    entry.path = arena_strdup(&t->arena, entry.path);
    if (!entry.path) return fail_memory(err, 0);
    t->entry[t->entries++] = entry;
    return XC_OK;
}

void tree_free(struct tree *t)
{
    arena_free(&t->arena);
    free(t->entry);
    *t = (struct tree){0};
}

/* Bytes of the first `depth` folders and their slashes; 0 when there are fewer. */
static size_t folders(const char *path, int depth)
{
    const char *at = path;
    for (int i = 0; i < depth; i++) {
        at = strchr(at, '/');
        if (!at) return 0;
        at++;
    }
    return (size_t)(at - path);
}

/* Length of the one folder around everything, when there are classes below it; 0: there is none. */
static size_t common_folder(const struct tree *t)
{
    uint8_t split;
    size_t length = t->entries ? folders(t->entry[0].path, 1) : 0;
    if (length == 0 || split_parse(t->entry[0].path, length - 1, &split)) return 0;
    for (size_t i = 0; i < t->entries; i++) {
        const char *path = t->entry[i].path;
        if (strncmp(path, t->entry[0].path, length) != 0 || !folders(path + length, 1)) return 0;
    }
    return length;
}

static bool has_splits(const struct tree *t, size_t skip)
{
    bool train = false, all = true;
    for (size_t i = 0; i < t->entries; i++) {
        const char *path = t->entry[i].path + skip;
        size_t first = folders(path, 1), second = folders(path, 2);
        uint8_t split = XC_SPLITS;
        bool known = second && split_parse(path, first - 1, &split);
        train |= known && split == XC_SPLIT_TRAIN;
        all &= known;
    }
    return train || (all && t->entries > 0);
}

/* Doubled split folders ("val" beside "validation") would mix two sets. */
static xc_status spelled_once(const struct tree *t, size_t skip, struct error *err)
{
    const char *seen[XC_SPLITS] = {0};
    for (size_t i = 0; i < t->entries; i++) {
        const char *path = t->entry[i].path + skip;
        size_t first = folders(path, 1);
        uint8_t split;
        if (!first || !split_parse(path, first - 1, &split)) continue;
        if (seen[split] && strncmp(seen[split], path, first) != 0)
            return fail(err, XC_ERR_FORMAT, "two folders for %s: %.*s and %.*s",
                        split_name((xc_split)split), (int)folders(seen[split], 1), seen[split],
                        (int)first, path);
        seen[split] = path;
    }
    return XC_OK;
}

static xc_status add_entry(const struct tree_entry *e, size_t skip, bool splits, struct gather *g,
                           struct error *err)
{
    const char *path = e->path + skip;
    char label[256];
    struct found found = {.name = path,
                          .label = label,
                          .offset = e->offset,
                          .bytes = e->bytes,
                          .store = e->store,
                          .weight = 1.0f};
    size_t split_part = splits ? folders(path, 1) : 0;
    size_t class_part = folders(path + split_part, 1);
    bool known = !splits || (split_part && split_parse(path, split_part - 1, &found.split));
    if (!known || class_part < 2) { /* beside the split or class folders */
        g->outside++;
        return XC_OK;
    }
    if (class_part > sizeof label)
        return fail(err, XC_ERR_LIMIT, "%s: a class name is above %zu bytes", path,
                    sizeof label - 1);
    memcpy(label, path + split_part, class_part - 1);
    label[class_part - 1] = '\0';
    return gather_add(g, &found, err);
}

xc_status tree_gather(const struct tree *t, bool strip, struct gather *g, struct error *err)
{
    size_t skip = strip ? common_folder(t) : 0;
    bool splits = has_splits(t, skip);
    if (splits) TRY(spelled_once(t, skip, err));
    for (size_t i = 0; i < t->entries; i++) TRY(add_entry(&t->entry[i], skip, splits, g, err));
    return XC_OK;
}
