/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the frozen layers say about each picture? Computed once with the inference plan and kept
 * (kept.h); then an epoch costs no pictures and no frozen layer. With views, view v of a picture
 * is what augmentation makes of it in epoch v, and epoch e uses view e mod V.
 */
#ifndef XC_TRAIN_FEATURES_H
#define XC_TRAIN_FEATURES_H

#include "data/loader.h"
#include "train/runner.h"

struct features;

/* trunk: gives rows for batches of the loader, which it does not own. tick (may be NULL) is told
 * after each batch; false ends it with XC_ERR_CANCELLED. */
struct features_opts {
    struct loader *loader; /* in the order of names, nothing dropped */
    struct runner *trunk;
    int views, classes;
    bool bf16;
    const char *folder; /* NULL: in memory */
    xc_progress_fn *tick;
    void *user;
};
XC_NODISCARD xc_status features_new(const struct features_opts *opts, struct features **out,
                                    struct error *err);
void features_free(struct features *f);
uint32_t features_rows(const struct features *f);

/* Row `place` of a view to x (width); its label, weight and targets (NULL when there are none). */
struct feature_row {
    const float *target;
    float weight;
    bool bad; /* could not be read: x is of no use */
    int32_t label;
    uint32_t sample;
};
XC_NODISCARD xc_status features_read(const struct features *f, int view, uint32_t place, float *x,
                                     struct feature_row *out, struct error *err);
size_t features_width(const struct features *f);
const char *features_bad(const struct features *f, size_t i); /* as loader_bad */

#endif
