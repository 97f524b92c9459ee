/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of our architectures is the network of a Keras config? Knobs are read off the graph, the
 * string is built, and the two graphs must then be the same in every operator, attribute and wire:
 * a guess that is wrong is refused, with the first layer that does not fit.
 */
#ifndef XC_FOREIGN_KERAS_TRUNK_H
#define XC_FOREIGN_KERAS_TRUNK_H

#include "network/arch.h"

struct keras_match {
    const char *arch;    /* canonical */
    struct graph *graph; /* of that string; the caller's */
    int *node;           /* for each node of the config's graph, that of `graph`; or -1 */
};

/* Texts and `node` live in the arena. */
XC_NODISCARD xc_status keras_recognise(const struct graph *config, struct arena *a,
                                       struct keras_match *out, struct error *err);

#endif
