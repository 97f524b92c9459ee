/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part of a network learns, and when? What is frozen is always a beginning: nodes 0 .. last.
 * It is computed by the inference plan up to the `cut`, the last node that nothing behind it looks
 * past (the end of a block); the rest of it, if a layer inside a block was named, goes along with
 * what learns and keeps its numbers.
 */
#ifndef XC_TRAIN_FREEZE_H
#define XC_TRAIN_FREEZE_H

#include "graph/graph.h"

enum { FREEZE_TEXT = 64, UNFREEZE_TEXT = 256, MAX_PHASES = 8 };

struct freezing {
    const char *freeze;   /* none, stem, entry, middle, all-but-head, or a block: up to its end */
    const char *unfreeze; /* "BLOCK@EPOCH,...": from that epoch (1, 2, ...) on it learns, and all
                           * behind it; also all, entry, middle, exit. "": nothing changes */
    int epochs;
};

struct phase {
    uint32_t epoch; /* 0, 1, ...: the first that it holds for */
    int last;       /* the last frozen node; -1: none */
    int cut;        /* the node whose values are what learns is given; 0: pictures */
};
struct phases {
    struct phase at[MAX_PHASES];
    int count; /* at least 1 */
};
/* arch: the canonical string. The sentence names the word that does not fit. */
XC_NODISCARD xc_status freeze_phases(const struct graph *g, const char *arch,
                                     const struct freezing *f, struct phases *out,
                                     struct error *err);
int freeze_phase_of(const struct phases *p, uint32_t epoch);

/* Does this node learn with what stands behind the cut? An auxiliary one does when all that it
 * reads of the network stands there: beside frozen layers it would only teach itself. */
bool freeze_leaves(const struct graph *g, int cut, int node);
/* What stands behind that node as a network of its own, with the same names. */
XC_NODISCARD xc_status freeze_tail(const struct graph *g, int cut, struct graph **out,
                                   struct error *err);

/* The node whose values are the features that the head classifies: the global pooling that dense
 * layers stand behind; -1 when the network has no such end. */
int head_begin(const struct graph *g);
/* Is this node a part of what another one is made for when the classes are others: what stands
 * behind the features or, where there are none, the last layer? */
bool head_has(const struct graph *g, int node);

#endif
