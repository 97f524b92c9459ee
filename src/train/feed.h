/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do the batches of a step come from? From pictures (data/loader.h), from what the frozen
 * layers make of them now, or from what they made of them once (features.h): the same batches, in
 * the same order, with the same bits, from any place of an epoch.
 */
#ifndef XC_TRAIN_FEED_H
#define XC_TRAIN_FEED_H

#include "train/features.h"

struct feed;

struct feed_opts {
    int batch, classes;
    int views; /* epoch e sees view e mod views; 0: each epoch one of its own */
    bool shuffle, drop_last, bf16;
    uint64_t seed;
};
/* All take their first argument, also when they fail. */
XC_NODISCARD xc_status feed_pictures(struct loader *l, struct feed **out, struct error *err);
/* trunk must outlive the feed. */
XC_NODISCARD xc_status feed_trunk(struct loader *l, const struct runner *trunk,
                                  const struct feed_opts *opts, struct feed **out,
                                  struct error *err);
XC_NODISCARD xc_status feed_features(struct features *f, const struct feed_opts *opts,
                                     struct feed **out, struct error *err);
void feed_free(struct feed *f);
uint32_t feed_samples(const struct feed *f);
void feed_begin(struct feed *f, uint32_t epoch, uint32_t position);
/* As loader_next. */
XC_NODISCARD xc_status feed_next(struct feed *f, const struct batch **out, struct error *err);
/* What could not be read, as loader_bad. */
const char *feed_bad(const struct feed *f, size_t i);

#endif
