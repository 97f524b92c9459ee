/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must an operator provide? One constant `struct op` each, in op_*.c, a family a file; the
 * list is op_list.h. What the rest of src/graph wants to know about an operator it asks here; where
 * the subject is how operators go together (chain.c, fold.c, band.c) or what becomes of their
 * weights (weights.c, fill.c, types.c) some are known by name.
 *
 * Shape functions speak of the facts only ("window 3x3 does not fit a 2x2 map"); the caller puts
 * the layer's name in front.
 */
#ifndef XC_GRAPH_OP_H
#define XC_GRAPH_OP_H

#include "graph/graph.h"

struct chain;
struct emit;
struct step;

/* What the planner may do with an operator. */
enum op_trait {
    OP_ALIAS = 1u << 0,    /* computes nothing: its value is its input's */
    OP_EPILOGUE = 1u << 1, /* can add a second map and activate what it computes */
    OP_PROLOGUE = 1u << 2, /* can activate what it loads */
    OP_IN_PLACE = 1u << 3, /* may write where it reads */
    OP_PARTS = 1u << 4     /* one step an input, each into its own channels */
};

/* A sliding window over h x w: what convolutions and pools share. */
struct sliding {
    int kh, kw, sy, sx, dy, dx;
    struct padding pad;
};

struct op {
    const char *name; /* "conv" */
    unsigned traits;
    /* Output for the shapes of its inputs. Attributes may come from a file: nothing is trusted. */
    xc_status (*shape)(const struct node *node, const struct shape *in, struct shape *out,
                       struct error *err);
    /* Multiply-adds; NULL: counts nothing. */
    uint64_t (*macs)(const struct node *node, const struct shape *in, struct shape out);
    struct sliding (*sliding)(const struct node *node); /* NULL: has no window */
    /* Same attributes? NULL: it has none. */
    bool (*equal)(const struct node *a, const struct node *b);
    /* Completes a zeroed step, whose views are there already. NULL: never a step. */
    void (*emit)(const struct emit *e, const struct chain *chain, struct step *step);
};

#define OP_X(name, table) extern const struct op table;
OP_LIST(OP_X)
#undef OP_X

const struct op *op_of(const struct node *node);

/* ---- shared by operators --------------------------------------------------------------------- */

#define GRAPH_MAX_NODES 4096
#define GRAPH_MAX_SIDE (1 << 16)     /* of a map */
#define GRAPH_MAX_CHANNELS (1 << 24) /* after a flatten, too */
#define GRAPH_MAX_WINDOW (1 << 12)   /* kernel sides, strides, dilations, padding */

/* The parameter of node that plays this role, or -1. */
int node_param(const struct graph *g, const struct node *node, enum param_role role);
bool activation_equal(struct activation a, struct activation b);
bool padding_equal(struct padding a, struct padding b);
uint64_t product_u64(const uint64_t *factor, int count); /* saturates */

XC_NODISCARD xc_status sliding_shape(const struct sliding *s, struct shape in, struct shape *out,
                                     struct error *err);
/* Kernel's window for an input of this size; sliding_shape has succeeded on it. */
struct window sliding_window(const struct sliding *s, struct shape in);
/* Makes a call over a whole map one whose first output row is y. */
void call_from_row(struct window *window, struct view *in, int y);
/* Is the window no larger than the map it slides over? */
bool sliding_fits(const struct sliding *s, struct shape in);
/* Of a convolution whose input has c channels; depthwise: a group a channel, and one filter each.
 */
int op_conv_groups(const struct node *node, int c);
bool op_conv_is_depthwise(const struct node *node, int c);
/* types.c: the type of the numbers of each of the first `nodes` in a plan, or a training step, of
 * this precision. */
void types_find(const struct graph *g, int nodes, enum dtype type, enum dtype *of);

#endif
