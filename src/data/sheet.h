/* SPDX-License-Identifier: Apache-2.0 */
/* What does the network see? A grid of prepared samples with their classes, as one picture. */
#ifndef XC_DATA_SHEET_H
#define XC_DATA_SHEET_H

#include "data/augment.h"
#include "data/dataset.h"

struct sheet_opts {
    uint8_t split;
    int h, w, columns, rows;
    const xc_preprocess *preprocess;
    struct augment augment;
    uint64_t seed;
    uint32_t epoch;
};
/* The first samples of the epoch's order, row by row; a sample that cannot be read is red.
 * Where pictures are mixed, the part of its own class and the other one stand below. *out:
 * image_free. */
XC_NODISCARD xc_status sheet_make(const struct dataset *d, const struct sheet_opts *opts,
                                  xc_image **out, struct error *err);

#endif
