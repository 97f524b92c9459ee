/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which views of a picture are averaged (test-time augmentation)? Views are cut from a prepared
 * picture, so preprocessing is the model's own. Corners and centre come from a picture 8/7 as
 * large, as 256 is to 224 (Krizhevsky et al. 2012).
 */
#ifndef XC_TRAIN_VIEWS_H
#define XC_TRAIN_VIEWS_H

#include "graph/graph.h"

struct views {
    int crops, turns;   /* 1 or 5; 1, or 2: mirrored, too */
    struct shape small; /* what the network takes: n = batch */
    struct shape large; /* what is cut from */
};

struct views views_of(xc_tta tta, struct shape input);
int views_count(const struct views *v);
/* View i of n pictures: from (n, large), to (n, small). */
void views_cut(const struct views *v, int i, int n, const float *from, float *to);

#endif
