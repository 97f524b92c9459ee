/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do two pictures look the same, though their pixels differ: another size, another compression, the
 * border cut? Two summaries that must agree: the signs of the lowest frequencies of the brightness
 * (the "pHash" of C. Zauner's thesis, 2010), which find candidates, and 8x8 colours, which judge
 * them.
 */
#ifndef XC_DATA_NEAR_H
#define XC_DATA_NEAR_H

#include "image/image.h"

enum { LOOK_SIDE = 8 };
struct look {
    uint64_t signs;
    uint8_t colour[LOOK_SIDE * LOOK_SIDE * 3];
    bool flat; /* nearly one colour: signs of nothing */
};
XC_NODISCARD xc_status look_of(const xc_image *image, struct look *out, struct error *err);
bool look_near(const struct look *a, const struct look *b);

#endif
