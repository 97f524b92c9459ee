/* SPDX-License-Identifier: Apache-2.0 */
/* How does a person read a network? Layers, not nodes: one line each, in order of first use. */
#ifndef XC_MODEL_LAYER_H
#define XC_MODEL_LAYER_H

#include "graph/graph.h"

/* The layers of a graph at its own input size; texts and the list live in the arena. */
XC_NODISCARD xc_status layers_of(const struct graph *g, struct arena *a, xc_layer **out,
                                 uint32_t *count, struct error *err);

#endif
