/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands before and after the trunk of a network? The layers of pre= and head=, which every
 * network takes, and the usual end of a classifier when head= is not given: global average pooling,
 * a dense layer, softmax.
 */
#ifndef XC_NETWORK_HEAD_H
#define XC_NETWORK_HEAD_H

#include "network/flavour.h"

#define HEAD_MAX_LAYERS 32

/* Knobs of the network's own end; refused beside head=. */
enum head_knob {
    HEAD_SOFTMAX = 1u << 0, /* and sigmoid */
    HEAD_DROPOUT = 1u << 1,
    HEAD_FC = 1u << 2,
    HEAD_FLATTEN = 1u << 3 /* VGG's: flatten in place of the mean, fc=4096x2, dropout after each */
};

struct pre_layer {
    int channels; /* of scale and shift: 1, or the input's */
    float scale[4], shift[4];
};

struct head_layer {
    int word, act;   /* rows of head.c's table; act: of a dense layer, or 0 */
    int units;       /* dense */
    double value[2]; /* dropout: rate; bn: epsilon, momentum */
};

struct head {
    int pres;
    struct pre_layer pre[HEAD_MAX_LAYERS];
    bool custom; /* head= was given, and layer[] is all that follows the trunk */
    int layers;
    struct head_layer layer[HEAD_MAX_LAYERS];
    struct batch_norm_attr norm; /* of the flavour */
    bool softmax, sigmoid;       /* the network's own end, from here on */
    bool flatten;
    double dropout;
    int fc_units, fc_layers;
};

/* Takes softmax= (on, or off in the timm flavour), sigmoid= (on: in its place, for several labels a
 * picture), dropout= and fc= as far as `knobs` says, then pre= and head=. */
void head_take(struct arch_opts *o, const struct flavour *flavour, unsigned knobs,
               struct head *head);
/* A new graph with the layers of pre=; *x is what the trunk reads. NULL: out of memory. */
struct graph *head_open(const struct arch_opts *o, const struct head *head, int *x);
/* From the trunk's last map to output 0: the layers of head=, or the usual end. */
void head_close(struct graph *g, const struct head *head, int x, int classes);
/* The layers of head=, ending in output 0. */
void head_close_custom(struct graph *g, const struct head *head, int x);
/* The usual end from its logits on: predictions_softmax or predictions_sigmoid if wanted, and
 * output 0. */
void head_predict(struct graph *g, const struct head *head, int logits);

#endif
