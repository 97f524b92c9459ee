/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which networks exist, and how is one named? An architecture string is NAME[,knob=value]...; the
 * same string always gives the same graph. Each network is one readable file (xception.c,
 * aligned.c, ...).
 *
 * Knobs that every network has:
 *   input=HxWxC  classes=N  flavour=keras|timm
 *   pre=affine:SCALE:SHIFT[/...]            layers between input and trunk (SCALE, SHIFT: a number,
 * or one a channel joined by '+') head=LAYER/LAYER/...                    what follows the trunk's
 * last map instead of the network's own head: avg max flatten dropout:R dense:N[:ACT] bn relu
 *                                           softmax; "head=none" ends at the map
 * Head layers are named avg_pool, max_pool, flatten, dropout, batch_norm, dense, ... with _1, _2 on
 * repeats; the last dense layer is `predictions` (softmax: `predictions_softmax`).
 */
#ifndef XC_MODEL_ARCH_H
#define XC_MODEL_ARCH_H

#include "graph/graph.h"

struct arch_opts; /* arch_opts.h: the knobs of a string, taken one by one */

/* One line of the catalogue. */
struct arch {
    const char *name, *help;
    int side, channels, classes; /* defaults */
    /* Parses knobs of its own from `opts`, builds the whole graph. */
    xc_status (*build)(const struct arch *arch, struct arch_opts *opts, struct graph **out,
                       struct error *err);
};

/* 0 = the string's own, or else the network's default. */
struct arch_input {
    int h, w, c, classes;
};

/* Builds the graph. *canonical (may be NULL): the string with every non-default knob in a fixed
 * order, input and classes always there; it lives in the graph's arena. XC_ERR_ARCH names the knob,
 * its value, and what is allowed. */
XC_NODISCARD xc_status arch_build(const char *spec, const struct arch_input *input,
                                  struct graph **out, const char **canonical, struct error *err);
const struct arch *arch_at(int i); /* NULL past the last */
/* The value of a knob in a canonical string, copied to out ("" when it is not there). */
void arch_knob(const char *spec, const char *knob, char *out, size_t size);

#endif
