/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does one model see what another one is shown? At its own size, with pixels on its own scale
 * and colours in its own order.
 */
#ifndef XC_TRAIN_SIGHT_H
#define XC_TRAIN_SIGHT_H

#include "model/model.h"

enum { SIGHT_CHANNELS = sizeof((xc_preprocess *)0)->mean / sizeof(float) };

struct sight {
    struct shape from, to;
    bool differs; /* if not, it sees the same */
    bool resized, turned;
    /* value = scale * value + shift; further channels stay as they are */
    float scale[SIGHT_CHANNELS], shift[SIGHT_CHANNELS];
};

/* What `seer` sees of pictures for `shown`; both want as many channels. */
struct sight sight_of(const xc_model *seer, const xc_model *shown);
/* n pictures (h, w, c), one after the other; resized with Pillow's bilinear filter. */
XC_NODISCARD xc_status sight_turn(const struct sight *s, const float *from, int n, float *to,
                                  struct error *err);

#endif
