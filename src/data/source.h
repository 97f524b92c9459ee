/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a source hand over what it found? It adds samples with the words of their labels in any
 * order; gather_finish sorts, numbers the classes, refuses doubles and sums up. Private to
 * src/data.
 */
#ifndef XC_DATA_SOURCE_H
#define XC_DATA_SOURCE_H

#include "data/dataset.h"

struct gather {
    struct dataset *d;
    const struct dataset_opts *opts;
    size_t room, store_room, note_room;
    struct words *word;  /* label words, numbered as they come */
    struct words *group; /* group words */
    bool numbers;        /* labels that are whole numbers are class indices */
    /* Entries that were left out: hidden ones; no pictures; pictures outside class folders; links
     * of a tar; folders of training runs. */
    size_t hidden, others, outside, links, runs;
};

struct found {
    const char *name;
    const char *label; /* several are divided by '|' where `divided` */
    const char *group; /* NULL = alone */
    uint64_t offset, bytes;
    uint32_t store;
    float weight;
    uint8_t split;
    bool divided;
};
XC_NODISCARD xc_status gather_add(struct gather *g, const struct found *found, struct error *err);
/* *index: for found.store. The store, its fd and its memory are the data set's from here on, also
 * after a failure. */
XC_NODISCARD xc_status gather_store(struct gather *g, struct store store, uint32_t *index,
                                    struct error *err);
XC_NODISCARD xc_status gather_note(struct gather *g, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The sources; each knows by itself whether a path is its own. */
XC_NODISCARD xc_status source_folder(struct gather *g, const char *path, struct error *err);
XC_NODISCARD xc_status source_tar(struct gather *g, const char *path, struct error *err);
XC_NODISCARD xc_status source_list(struct gather *g, const char *path, struct error *err);
XC_NODISCARD xc_status source_idx(struct gather *g, const char *path, struct error *err);
XC_NODISCARD xc_status source_cifar(struct gather *g, const char *path, struct error *err);
bool folder_has_idx(const char *path);
bool folder_has_cifar(const char *path);
bool folder_has_shards(const char *path);
/* The text of a list, also from memory. separator: ',' or '\t'; 0: JSON lines. */
XC_NODISCARD xc_status list_parse(struct gather *g, const char *text, size_t size, char separator,
                                  uint32_t store, struct error *err);

/* An IDX file: n x h x w x c bytes; labels are n x 1 x 1 x 1. */
enum { IDX_LABELS = 0x801 };
struct idx {
    const uint8_t *numbers; /* in the bytes */
    uint32_t n, h, w, c;
};
XC_NODISCARD xc_status idx_parse(const uint8_t *bytes, size_t size, bool labels, struct idx *out,
                                 struct error *err);

/* Paths "[split/]class/.../picture" to samples: the rule that folders and tar files share. */
struct tree_entry {
    const char *path; /* under the root */
    uint64_t offset, bytes;
    uint32_t store;
};
struct tree {
    struct arena arena;
    struct tree_entry *entry;
    size_t entries, room;
};
XC_NODISCARD xc_status tree_add(struct tree *t, struct tree_entry entry, struct error *err);
/* strip: a single folder that holds everything is no class. */
XC_NODISCARD xc_status tree_gather(const struct tree *t, bool strip, struct gather *g,
                                   struct error *err);
void tree_free(struct tree *t);

/* The split that a file's name tells by one of its words, divided by '-', '_', '.' or digits, as in
 * "imagenet1k-train-0000.tar", or by "t10k" as MNIST's; XC_SPLIT_TRAIN otherwise. */
uint8_t split_of_name(const char *path);

/* Words numbered in the order of their first use. */
struct words *words_new(void);
void words_free(struct words *w);
/* The number of a word, -1 when out of memory. */
int32_t words_put(struct words *w, const char *word, size_t length);
int32_t words_count(const struct words *w);
const char *words_at(const struct words *w, int32_t i);

XC_NODISCARD xc_status gather_finish(struct gather *g, struct error *err);
/* Bytes of a file under 2 GiB in memory, inflated where they are gzip. *data: free(). */
XC_NODISCARD xc_status read_whole(const char *path, uint8_t **data, size_t *size,
                                  struct error *err);

#endif
