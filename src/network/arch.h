/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which networks exist, and how is one named? An architecture string is NAME[,knob=value]...; the
 * same string always gives the same graph. Each network, or family of them, is one
 * readable file whose opts_* calls are the list of its own knobs.
 *
 * Knobs that every network has:
 *   input=HxWxC  classes=N  flavour=keras|timm
 *   pre=affine:SCALE:SHIFT[/...]   layers between input and trunk; SCALE, SHIFT: a number, or one a
 *                                  channel joined by +
 *   head=LAYER/LAYER/...           what follows the trunk's last map instead of the network's own
 *                                  end: avg max flatten dropout:RATE dense:UNITS[:ACT]
 *                                  bn[:EPSILON[:MOMENTUM]] relu elu sigmoid tanh softmax;
 *                                  head=none ends at the map
 * Layers of pre= are named rescaling; those of head= avg_pool, max_pool, flatten, dropout, dense,
 * batch_norm, ..., with _1, _2 on repeats; the last dense layer is `predictions`. An activation
 * belongs to its dense layer (`dense_relu`, `predictions_softmax`).
 */
#ifndef XC_NETWORK_ARCH_H
#define XC_NETWORK_ARCH_H

#include "graph/graph.h"

struct arch_opts; /* arch_opts.h: the knobs of a string, taken one by one */

/* One line of the catalogue; each stands in the file of its network. */
struct arch {
    const char *name, *help;
    int side, channels, classes; /* defaults */
    int least_side; /* that its makers allow, where windows may hang over; 0: where none does */
    const char *flavour;      /* "keras" or "timm": the default one */
    const char *keras, *timm; /* the preprocessing of each flavour; NULL: there is no such one */
    const void *variant;      /* the file's own numbers, where it holds several networks */
    /* Takes its knobs from opts and builds; arch_build finishes the graph. */
    xc_status (*build)(const struct arch *arch, struct arch_opts *opts, struct graph **out,
                       struct error *err);
};

/* 0 = the string's own, or else the network's default. */
struct arch_input {
    int h, w, c, classes;
};

/* Builds the graph. *canonical (may be NULL): NAME, input, classes, then every knob that is not the
 * default, in a fixed order; it lives in the graph's arena. XC_ERR_ARCH names the knob, its value,
 * and what is allowed; at most 4096 nodes and 2^31 numbers (XC_ERR_LIMIT). */
XC_NODISCARD xc_status arch_build(const char *spec, const struct arch_input *input,
                                  struct graph **out, const char **canonical, struct error *err);
const struct arch *arch_at(int i); /* NULL past the last */
/* By name up to a comma; letters' case does not matter, _ is read as -. NULL when there is none. */
const struct arch *arch_find(const char *spec);
/* The value of a knob in a canonical string, copied to out ("" when it is not there). */
void arch_knob(const char *spec, const char *knob, char *out, size_t size);
/* "keras" or "timm", default or not. */
const char *arch_flavour(const char *spec);
/* The preprocessing that the published weights of this network and flavour want: a name of
 * preprocess_named. */
const char *arch_recipe(const char *spec);
/* The smallest side to run it at: the makers', or graph_min_side; 1 where maps smaller than a
 * window are meant (stem-stride=1, spectrum). */
int arch_min_side(const struct graph *g);

#endif
