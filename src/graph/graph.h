/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a network written down, checked and costed? Nodes in topological order (a node reads only
 * earlier ones), each with one operator; parameters in one table. A graph says nothing about batch,
 * memory or threads: that is the plan (plan.h).
 *
 * Building is by graph_* calls that return the number of the new node. The first mistake is kept in
 * g->err and every later call returns -1, so an architecture file checks once, at graph_finish.
 *
 * A layer is what a person counts: the node `block4_sepconv1/depthwise` and the node
 * `block4_sepconv1` belong to the layer block4_sepconv1. Parameters are LAYER/ROLE.
 */
#ifndef XC_GRAPH_GRAPH_H
#define XC_GRAPH_GRAPH_H

#include "kernel/kernel.h"
#include "tensor/param.h"

#define NODE_MAX_INPUTS 8
#define NODE_MAX_PARAMS 4
#define GRAPH_MAX_OUTPUTS 4
#define GRAPH_MAX_AUXILIARY 2

/* The one list of operators: X(ENUM, table). Each is a `const struct op` in its op_*.c file. */
#include "graph/op_list.h"

enum op_kind {
#define OP_X(name, table) OP_##name,
    OP_LIST(OP_X)
#undef OP_X
        OP_COUNT
};

enum pad_kind {
    PAD_VALID,
    PAD_SAME,    /* TensorFlow: out = ceil(n / s), the odd pixel after */
    PAD_EXPLICIT /* top, left, bottom, right as given */
};

struct padding {
    enum pad_kind kind;
    int top, left, bottom, right;
};

struct conv_attr {
    int oc, kh, kw, sy, sx, dy, dx; /* 0 means 1 for strides and dilations */
    int groups;                     /* 0 or 1 dense, GROUPS_DEPTHWISE, or a divisor of c and oc */
    struct padding pad;
    bool bias;
};
#define GROUPS_DEPTHWISE (-1)

enum pool_kind { POOL_MAX, POOL_AVERAGE };
struct pool_attr {
    enum pool_kind kind;
    int kh, kw, sy, sx;
    struct padding pad;
    bool count_pad; /* average divides by kh*kw even at the border (PyTorch's default) */
};

struct batch_norm_attr {
    double epsilon, momentum;
    bool no_gamma, no_beta; /* Keras scale=False, center=False */
    bool torch_momentum; /* momentum and variance in PyTorch's convention (matters in training) */
};

struct node {
    enum op_kind kind;
    const char *name, *layer;
    int input[NODE_MAX_INPUTS], inputs;
    int param[NODE_MAX_PARAMS], params; /* numbers in graph->param; order fixed by the operator */
    struct shape out;                   /* for batch 1 at the graph's own input size */
    union {
        struct conv_attr conv;
        struct pool_attr pool;
        enum pool_kind global;
        int units; /* dense */
        struct batch_norm_attr norm;
        struct activation act;
        struct {
            float scale[4], shift[4];
        } affine;       /* per channel, c <= 4; one value: all equal */
        double dropout; /* fraction dropped in training; identity at inference */
    };
};

static inline bool node_is_depthwise(const struct node *n)
{
    return n->kind == OP_CONV && n->conv.groups == GROUPS_DEPTHWISE;
}

struct output { /* a named result; output 0 is the classification */
    const char *name;
    int node;
};

struct auxiliary { /* logits in the middle of a network: training adds weight times their loss */
    int node;
    double weight;
};

struct graph {
    struct arena arena;
    struct node *node;
    int nodes; /* behind them, up to `all`, is what auxiliary losses alone need: learn.h knows them,
                * all else ends at `nodes` */
    int all, room;
    struct param_table param;
    struct shape input; /* n = 1 */
    struct output output[GRAPH_MAX_OUTPUTS];
    int outputs;
    struct auxiliary auxiliary[GRAPH_MAX_AUXILIARY];
    int auxiliaries;
    bool behind;       /* set by graph_begin_auxiliary */
    const char *layer; /* set by graph_layer */
    int least_side;    /* as the network's makers say; 0: what graph_min_side finds */
    struct error err;
};

/* ---- building -------------------------------------------------------------------------------- */

/* NULL when out of memory. Node 0 is the input, named "input". */
struct graph *graph_new(int h, int w, int c);
void graph_free(struct graph *g);

/* name: copied; must be unique. */
int graph_conv(struct graph *g, const char *name, int x, struct conv_attr a);
/* Depthwise then pointwise, nothing between (Keras SeparableConv2D): window from a, oc of the
 * pointwise; a.groups is ignored; bias after the pointwise. Two nodes, one layer; returns the
 * second. */
int graph_sepconv(struct graph *g, const char *name, int x, struct conv_attr a);
int graph_dense(struct graph *g, const char *name, int x, int units, bool bias);
int graph_batch_norm(struct graph *g, const char *name, int x, struct batch_norm_attr a);
int graph_affine(struct graph *g, const char *name, int x, const float *scale, const float *shift,
                 int channels); /* channels: 1 or the number of channels of x (<= 4) */
int graph_act(struct graph *g, const char *name, int x, struct activation a);
int graph_relu(struct graph *g, const char *name, int x);
int graph_softmax(struct graph *g, const char *name, int x);
int graph_pool(struct graph *g, const char *name, int x, struct pool_attr a);
int graph_global_pool(struct graph *g, const char *name, int x, enum pool_kind kind);
int graph_add(struct graph *g, const char *name, int x, int y);
int graph_concat(struct graph *g, const char *name, const int *x, int count);
int graph_flatten(struct graph *g, const char *name, int x); /* (h, w, c) order, as Keras */
int graph_dropout(struct graph *g, const char *name, int x, double rate);
/* A node of another graph with its attributes, names and (fresh) parameters, reading `input`. */
int graph_copy(struct graph *g, const struct graph *from, int node, const int *input);
void graph_output(struct graph *g, const char *name, int x);
/* The nodes that follow are for auxiliary losses: graph_auxiliary names the logits. */
void graph_begin_auxiliary(struct graph *g);
void graph_auxiliary(struct graph *g, int x, double weight);
/* Puts the nodes that follow into this layer: parameters are named after it, and the kernel of a
 * 1x1 convolution is `pointwise_kernel`. NULL: each node is its own layer again. */
void graph_layer(struct graph *g, const char *layer);
/* The sticky error, or XC_OK; also checks that every node is read by another or is an output. */
XC_NODISCARD xc_status graph_finish(struct graph *g, struct error *err);

/* ---- asking ---------------------------------------------------------------------------------- */

int graph_find(const struct graph *g, const char *name); /* of all nodes, or -1 */
/* The node of this name, else the last one of the layer of this name, else of the block
 * ("block2" is what begins with "block2_"), or -1. */
int graph_find_layer(const struct graph *g, const char *name);
/* The node before the last softmax or sigmoid of output 0. */
int graph_logits(const struct graph *g);
/* Shapes of all nodes (g->nodes of them) at another input size and batch. XC_ERR_SHAPE with the
 * layer when something does not fit, or when a parameter's shape would change (dense after
 * flatten). */
XC_NODISCARD xc_status graph_shapes(const struct graph *g, struct shape input, struct shape *out,
                                    struct error *err);
/* The same of all nodes (g->all of them). */
XC_NODISCARD xc_status graph_all_shapes(const struct graph *g, struct shape input,
                                        struct shape *out, struct error *err);
/* The smallest square side at which no window (convolution or pool) is larger than the map it
 * slides over: 71 for the standard Xception. 0 when the graph takes no square input (a dense layer
 * after a flatten, and an input that is not square), -1: out of memory. */
int graph_min_side(const struct graph *g);
/* Multiply-adds of node i (convolutions and dense; all else counts nothing), given shapes. */
uint64_t graph_macs(const struct graph *g, int i, const struct shape *shapes);
uint64_t graph_params(const struct graph *g);
uint64_t graph_trainable(const struct graph *g);
/* Are these two the same network? Same operators, attributes and wiring from the outputs back;
 * dropout is looked through, names do not count. When yes, map[i] (b->nodes entries) is the node of
 * a that node i of b corresponds to (-1 where looked through). When no, *where is the first node of
 * b that does not fit. */
bool graph_match(const struct graph *a, const struct graph *b, int *map, int *where);

#endif
