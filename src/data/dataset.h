/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which samples are there? A data set is a sorted table of names, labels and places; the bytes of a
 * picture are read when they are asked for. Where the table came from (folders, tar files, lists,
 * IDX, CIFAR, a program's own functions) shows nowhere behind dataset_open.
 */
#ifndef XC_DATA_DATASET_H
#define XC_DATA_DATASET_H

#include "base/arena.h"
#include "base/status.h"

enum { DATASET_MAX_CLASSES = 100000, DATASET_MAX_PICTURE = 64 << 20 };
#define DATASET_MAX_SAMPLES 100000000u

struct sample {
    const char *name;     /* stable and unique: the path under the root, or the key of a shard */
    uint64_t offset;      /* in its store */
    uint64_t bytes;       /* of the file, the member, or the raw pixels */
    const int32_t *extra; /* further labels, ascending (extra_count) */
    int32_t extra_count;
    int32_t label;  /* class index; the smallest where there are several */
    uint32_t store; /* index in dataset.store */
    uint32_t group; /* samples of one group are never divided by a split; 0 = alone */
    float weight;
    uint8_t split; /* xc_split */
};

enum store_kind {
    STORE_FILES,  /* every sample is a file: folder/name */
    STORE_PART,   /* bytes at an offset of an open file */
    STORE_MEMORY, /* bytes at an offset of memory */
    STORE_CALL    /* a function of the program */
};

struct store {
    enum store_kind kind;
    const char *path; /* folder in front of names, or the file that is open */
    int fd;
    uint8_t *memory; /* free() */
    size_t at;       /* of the first sample in it */
    xc_read_fn *read;
    void *user;
};

/* Samples that are pixels and no pictures: 8 bits, h x w x c. */
struct raw_shape {
    uint32_t h, w, c; /* c: 1, 3 or 4; all 0 = encoded pictures */
    bool planar;      /* (c, h, w) */
};

struct dataset {
    struct arena arena; /* names, extra labels */
    const char *path, *kind;
    struct sample *sample; /* ascending names (strcmp) */
    size_t samples;
    size_t count[XC_SPLITS];
    const char **class_name; /* byte order, or the numbers 0 .. classes - 1 */
    int classes;
    bool classes_given, drop_unknown; /* how it was opened */
    bool multi_label;
    struct raw_shape raw;
    struct store *store;
    size_t stores;
    const char **note; /* what was left out, one sentence each */
    size_t notes;
    char fingerprint[65]; /* SHA-256 of names, sizes and labels */
    double val_split;     /* what dataset_split did; 0: nothing */
    uint64_t split_seed;
};

struct dataset_opts {
    const char *const *class_name; /* the classes there are (of a model); NULL: found */
    int classes;
    bool drop_unknown; /* samples of other classes are left out instead of refused */
    double val_split;  /* hold out this part of train; 0 = none */
    uint64_t seed;     /* of the split */
};

/* path: a folder, a tar file, shards with braces ("s-{000..009}.tar"), a .csv .tsv .jsonl list, an
 * IDX or a CIFAR file. *out is the caller's, NULL after a failure. */
XC_NODISCARD xc_status dataset_open(const char *path, const struct dataset_opts *opts,
                                    struct dataset **out, struct error *err);
/* A table of the program's own. */
XC_NODISCARD xc_status dataset_call(const xc_source *source, const struct dataset_opts *opts,
                                    struct dataset **out, struct error *err);
void dataset_free(struct dataset *d);

/* Can a network learn from this? At least two classes, none with a single picture, and none that
 * only validation has. */
XC_NODISCARD xc_status dataset_trainable(const struct dataset *d, struct error *err);
/* Samples of a split that count: those of weight 0 do not. */
size_t dataset_weighed(const struct dataset *d, xc_split split);
/* Moves part of train to val: stratified by class, whole groups, a function of (seed, names). */
XC_NODISCARD xc_status dataset_split(struct dataset *d, double part, uint64_t seed,
                                     struct error *err);
const char *split_name(xc_split split);                          /* "train", "val", "test" */
bool split_parse(const char *word, size_t length, uint8_t *out); /* all usual spellings */

/* Memory that grows to the largest picture and is used again. Starts as zeros. */
struct sample_bytes {
    uint8_t *data;
    size_t size, room;
};
/* Any thread; the buffer is the thread's. The sentence names the sample. */
XC_NODISCARD xc_status dataset_read(const struct dataset *d, size_t index,
                                    struct sample_bytes *bytes, struct error *err);
/* SHA-256 of the pictures' bytes: all up to 64 MiB and 16384 files, else every second, third, ...
 * picture. False: the program's own functions read them, and answer for them. */
bool dataset_content(const struct dataset *d, char hex[65]);
void sample_bytes_free(struct sample_bytes *bytes);
/* The same, decoded (raw pixels: copied). */
XC_NODISCARD xc_status dataset_image(const struct dataset *d, size_t index,
                                     struct sample_bytes *bytes, const xc_image_limits *limits,
                                     xc_image **out, struct error *err);

#endif
