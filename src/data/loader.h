/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who fills the next batch while this one is used? Threads take samples in the order of the epoch
 * and fill a ring of batches; batches leave in order. The bytes are the same for any number of
 * threads. All memory of batches is taken by loader_new.
 */
#ifndef XC_DATA_LOADER_H
#define XC_DATA_LOADER_H

#include "data/augment.h"
#include "data/dataset.h"

struct loader;

struct loader_opts {
    uint8_t split;
    bool shuffle;   /* an order for each epoch; else ascending names */
    bool drop_last; /* a last batch that is short is left out */
    bool stop_on_bad;
    int batch, h, w, c;
    int threads;        /* 1..64 */
    int ahead;          /* batches in the ring, at least 2; 0 = 3 */
    size_t cache_bytes; /* 0 = no cache */
    size_t most_bad;    /* more pictures than this that cannot be read end it; 0 = no limit */
    uint64_t seed;
    const xc_preprocess *preprocess; /* copied */
    struct augment augment;          /* all zero: as in evaluation */
};

/* The rows of pictures that cannot be read weigh 0 (until they are mixed) and repeat others, so
 * that statistics over a batch are those of pictures. Where none can be read they are zeros. */
struct batch {
    int n, h, w, c;
    uint32_t position;      /* of its first sample in the epoch */
    const float *x;         /* (n, h, w, c) */
    const int32_t *label;   /* (n) */
    const float *weight;    /* (n) */
    const float *target;    /* (n, classes), or NULL: neither mixed nor multi-label */
    const uint32_t *sample; /* (n): index in the data set */
    const bool *bad;        /* (n): it cannot be read */
};
bool batch_is_bad(const struct batch *b); /* all of it */
/* Makes the bad rows of x (n, width) repeat others. */
void batch_repeat(const bool *bad, int n, size_t width, float *x);

/* The data set must outlive the loader. */
XC_NODISCARD xc_status loader_new(const struct dataset *d, const struct loader_opts *opts,
                                  struct loader **out, struct error *err);
void loader_free(struct loader *l);
uint32_t loader_samples(const struct loader *l); /* of an epoch */
uint32_t loader_batches(const struct loader *l); /* of an epoch from its start */
/* Starts an epoch at a position (the sample cursor, a multiple of the batch). view: the epoch that
 * augmentation sees; epoch itself in general. What was in flight is dropped. */
void loader_begin(struct loader *l, uint32_t epoch, uint32_t view, uint32_t position);
/* The next batch, valid until the next call of begin, next or free; *out is NULL at the end. */
XC_NODISCARD xc_status loader_next(struct loader *l, const struct batch **out, struct error *err);
/* What could not be read, each once, in the order met; NULL past the last. The caller's thread. */
const char *loader_bad(const struct loader *l, size_t i, uint32_t *sample);

#endif
