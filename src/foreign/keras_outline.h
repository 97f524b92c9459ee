/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the graph of a Keras config look like from afar? It is cut into what stands before the
 * trunk (arithmetic on pixels), the modules of the trunk, and the head. Nothing is judged here: the
 * outline of a graph that is no network of ours is of no use, and that shows later.
 */
#ifndef XC_FOREIGN_KERAS_OUTLINE_H
#define XC_FOREIGN_KERAS_OUTLINE_H

#include "graph/graph.h"

#define OUTLINE_MODULES 512 /* of a trunk */
#define OUTLINE_HEAD 64     /* nodes of a head */

/* A stretch of the trunk that ends in a sum or a pool. */
struct module {
    int units;      /* separable convolutions */
    int unit[2];    /* the first and the last of them: nodes of their results */
    bool pool, sum; /* what there is of these */
};

struct outline {
    const struct graph *g;
    int begin;                     /* node that the trunk reads */
    int end;                       /* last node of the trunk */
    int head[OUTLINE_HEAD], heads; /* nodes after it, in order */
    int conv[3], convs;            /* convolutions that are neither depthwise nor 1x1 */
    struct module module[OUTLINE_MODULES];
    int modules; /* the last one is what follows the last sum or pool */
    bool sums;
};

/* False: more of something than any network here has. */
bool outline_read(const struct graph *g, struct outline *out);

#endif
