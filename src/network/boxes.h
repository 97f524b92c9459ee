/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which boxes is Xception made of? For the networks that are built of the same ones (faces.c).
 * Every box takes the node it reads and gives the node of its result.
 */
#ifndef XC_NETWORK_BOXES_H
#define XC_NETWORK_BOXES_H

#include "network/flavour.h"

struct boxes { /* what all boxes of one network have in common */
    struct graph *g;
    struct flavour flavour;
    bool no_residual;
    bool pointwise_first;      /* the "extreme Inception" of the paper's figure 4 */
    struct activation between; /* depthwise and pointwise; ACT_NONE */
};

/* Convolution 3x3, BN, ReLU: block1_convK, block1_convK_bn, block1_convK_act. */
int box_conv(const struct boxes *b, int k, int x, int channels, int stride, enum pad_kind pad);
/* Two separable convolutions, each 3x3 with BN (blockN_sepconvK, blockN_sepconvK_bn), a ReLU
 * between them, then a 3x3 max-pool; beside them, on what the block reads, a 1x1 convolution with
 * BN; both added. stride 1: no pool, and the shortcut keeps the size. */
struct reduction {
    int first, second; /* channels of the two */
    bool relu;         /* before the first, too */
    int stride;
};
int box_reduction(const struct boxes *b, int block, int x, struct reduction r);

#endif
