/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does one sample become its place in a batch? Read, decoded, seen as the augmentation says (or
 * exactly as in evaluation), scaled. One viewer a thread. Private to src/data.
 */
#ifndef XC_DATA_VIEW_H
#define XC_DATA_VIEW_H

#include "data/augment.h"
#include "data/cache.h"
#include "data/dataset.h"

struct viewing { /* shared by all viewers, constant */
    const struct dataset *d;
    struct cache *cache; /* NULL: none */
    const xc_preprocess *preprocess;
    const struct augment *augment;
    xc_image_limits limits;
    int h, w, c;
    float table[3][256]; /* byte to input, by channel */
};
/* Checks that the parts fit together and fills the table. */
XC_NODISCARD xc_status viewing_init(struct viewing *v, struct error *err);

struct viewer;
XC_NODISCARD xc_status viewer_new(const struct viewing *v, struct viewer **out, struct error *err);
void viewer_free(struct viewer *v);
/* x: (h, w, c) */
XC_NODISCARD xc_status viewer_make(struct viewer *v, const struct view_key *key, float *x,
                                   struct error *err);

#endif
