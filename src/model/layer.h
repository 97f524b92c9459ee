/* SPDX-License-Identifier: Apache-2.0 */
/* How does a person read a network? Layers, not nodes: one line each, in order of first use. */
#ifndef XC_MODEL_LAYER_H
#define XC_MODEL_LAYER_H

#include "graph/graph.h"

struct layers {
    xc_layer *at; /* those of auxiliary losses are the last */
    uint32_t count, auxiliary;
};
/* The layers of a graph at its own input size; texts and the list live in the arena. */
XC_NODISCARD xc_status layers_of(const struct graph *g, struct arena *a, struct layers *out,
                                 struct error *err);

#endif
