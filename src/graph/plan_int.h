/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the five loops of the planner hand to each other?
 *
 *   chain.c   nodes  -> chains   which nodes run together, who reads whom, what must be kept
 *   band.c    chains -> groups   which chains run in bands of rows
 *   place.c   chains -> values   which memory a node's numbers lie in, from when to when, where
 *   plan.c    both   -> steps    kernel calls with offsets
 *   slice.c   steps  -> stages   the rows of a step that run at a time, and who runs them
 *
 * A chain has the number of its last node, so that "chain 17 reads node 5" and "node 5 is last read
 * at 17" speak of one order, the order of execution.
 */
#ifndef XC_GRAPH_PLAN_INT_H
#define XC_GRAPH_PLAN_INT_H

#include "graph/memory.h"
#include "graph/op.h"
#include "graph/plan.h"
#include "graph/strassen.h"
#include "graph/winograd.h"

#define NOWHERE SIZE_MAX

/* ---- weights --------------------------------------------------------------------------------- */

/* Of one node; NULL where the operator has none. The weights of a convolution are in the plan's
 * type; everything else is, too, but for float32 where that is bf16. */
struct ready {
    const void *weight, *bias, *scale, *shift;
    const void *fast; /* the weight as the fast algorithm wants it, where weights are fast */
};

struct weights {
    struct ready *ready; /* by node */
    enum dtype type;
    void *memory; /* what free() takes; NULL: the block is somebody else's */
    char *block;  /* everything that could not be used as it lies */
    size_t bytes; /* memory of its own */
    bool fast;
};

/* Weights that are being made; data NULL: of numbers that were folded before. */
struct filling {
    const struct graph *g;
    const struct weights_source *from;
    const int *norm_of;
    const struct kernels *k;
    struct weights *w;
};

struct matrix weights_matrix(const struct filling *f, int node);
enum packing weights_packing(const struct filling *f, int node);
int weights_kernel(const struct filling *f, int node); /* the parameter that is the matrix */
enum dtype weights_type(const struct filling *f, int node, enum weights_role role);
/* Computes every number that is not used as it lies. */
void weights_fill(const struct filling *f, struct pool *pool);

/* The weight matrix of a convolution (its input has c channels) or dense layer, and how the kernel
 * that will run wants it. */
struct matrix op_conv_matrix(const struct node *node, int c);
enum packing op_conv_packing(const struct node *node, int c, const struct kernels *k);
/* Does an output pixel read the input pixel at its own place, and nothing else? */
bool op_conv_is_pixelwise(const struct node *node);
/* The fast algorithm, where that is wanted, of a node whose input has c channels. */
enum fast op_conv_fast(const struct node *node, int c);

/* norm_of[i]: the batch norm that goes into the weights of node i, or -1. */
void fold_find(const struct graph *g, int *norm_of);

/* ---- chains ---------------------------------------------------------------------------------- */

struct chain {
    int root;  /* the operator that does the work; -1: no chain ends at this node */
    int norm;  /* batch norm inside the weights, or -1 */
    int act;   /* activation of the result, or -1 */
    int in;    /* node that is read: view it as this one, keep its source alive */
    int load;  /* activation applied as it is read, or -1 */
    int other; /* node whose value is added, or -1 */
    /* A depthwise convolution that runs first, and what belongs to it, or -1: root reads its result
     * from a scratch; `in` and `load` are what it reads. */
    int depthwise, depthwise_norm, depthwise_act;
};

/* Chains first .. last run in bands of the last one's rows, of which a band has at most so many;
 * what lies between them exists by bands only. heavy: in weights. */
struct group {
    int first, last, bands, rows;
    bool heavy;
};

struct reach { /* row r of a group's result needs rows [step * r + low, step * r + high] */
    int step, low, high;
};

struct schedule {
    const struct graph *g;
    enum dtype *type;          /* by node */
    bool fast;                 /* the fast algorithms, where they are possible */
    const struct shape *shape; /* by node, with the batch */
    int *source;    /* the node that a node is another name of (dropout, flatten), or itself */
    bool *kept;     /* by source: an output or a tap */
    int *readers;   /* by source: how often it is read */
    int *last_read; /* by source: last chain that reads it; g->nodes when kept */
    int *norm_of;
    bool *on_load;       /* activations that their readers apply */
    struct chain *chain; /* by last node */
    struct group *group;
    int groups;
    int *group_of;       /* by chain; -1: it runs as a whole */
    struct reach *reach; /* by chain in a group: how it is read */
};

/* The algorithm of the chain of this root. */
enum fast schedule_fast(const struct schedule *s, int root);
/* g and shape are there already; type: the precision. */
XC_NODISCARD xc_status schedule_build(struct schedule *s, enum dtype type,
                                      const struct plan_opts *opts, struct arena *a,
                                      struct error *err);

/* ---- groups ---------------------------------------------------------------------------------- */

/* type: the precision. */
XC_NODISCARD xc_status bands_find(struct schedule *s, enum dtype type, const struct plan_opts *opts,
                                  struct arena *a, struct error *err);
/* The group inside which a chain's result exists by bands only, or -1. */
int band_group(const struct schedule *s, int chain);
/* How many rows of a chain's result are in memory at a time. */
int band_rows_held(const struct schedule *s, int chain);

/* ---- values ---------------------------------------------------------------------------------- */

struct value {
    struct shape shape;
    enum dtype type;
    size_t pixel, row, image, bytes; /* strides */
    int parent;                      /* the value that this one is a range of channels of, or -1 */
    size_t at; /* byte offset inside the parent, the arena, or a thread's scratch (group >= 0) */
    int first, last; /* chains: written, last read */
    bool fixed;      /* must not move into another */
    int group;       /* inside which it exists by bands only, or -1 */
};

struct places {
    struct value *value;
    int values;
    int *value_of;     /* by source node; -1: has no memory */
    size_t bytes;      /* of the arena */
    size_t band_bytes; /* of the largest group's values that exist by bands only */
};

/* Joins lives in s where an input of a concatenation becomes part of it. */
XC_NODISCARD xc_status places_find(struct places *p, struct schedule *s, struct arena *a,
                                   struct error *err);
/* The view of a node (data NULL) and where it begins in the arena. */
struct view place_view(const struct places *p, const struct schedule *s, int node, size_t *at);
/* Do two values that live at the same time and in the same place share a byte? The number of the
 * first such value, or -1.
 */
int places_overlap(const struct places *p);

/* ---- steps ----------------------------------------------------------------------------------- */

enum call_kind {
    CALL_CONV,
    CALL_SEPARABLE,
    CALL_WINOGRAD,
    CALL_POOL,
    CALL_GLOBAL_POOL,
    CALL_MAP,
    CALL_DENSE,
    CALL_SOFTMAX
};

/* A pointwise convolution and what comes before it, a block of rows at a time: what is between them
 * lies in a scratch, one a thread. Before it: a depthwise convolution, or, when Strassen's
 * algorithm reads what is activated on load, that activation; or nothing. */
struct separable_call {
    struct conv_call pointwise; /* but for `in`, which is what comes before reads */
    struct conv_call depthwise; /* its output is the scratch in any case */
    conv_fn *depthwise_kernel;  /* or NULL */
    const struct kernels *fast; /* of Strassen's algorithm, or NULL */
    size_t block_rows;          /* at most */
    size_t scratch;             /* bytes between the two convolutions; behind is that of `fast` */
};

union call {
    struct {
        enum dtype type;
        struct view in, out;
    } io; /* all calls begin like this */
    struct conv_call conv;
    struct separable_call separable;
    struct winograd_call winograd;
    struct pool_call pool;
    struct global_pool_call global_pool;
    struct map_call map;
    struct dense_call dense;
    struct softmax_call softmax;
};

union kernel_fn {
    conv_fn *conv;
    pool_kernel_fn *pool;
    global_pool_fn *global_pool;
    map_fn *map;
    dense_fn *dense;
    softmax_fn *softmax;
};

struct step {
    enum call_kind kind;
    union kernel_fn kernel;
    union call call;     /* complete but for the data of its views */
    size_t in, out, add; /* where those begin in the arena; add may be NOWHERE */
    size_t per_image, grain;
    size_t panels; /* of output channels that threads may share instead of pixels, or 0 */
    struct chain chain;
    int node;  /* the last node of the chain */
    int group; /* of steps that take turns, or -1 */
};

/* The epilogue of a call, and its window, or NULL when its kind has none. */
struct epilogue *call_epilogue(enum call_kind kind, union call *call);
struct window *call_window(enum call_kind kind, union call *call);

struct emit { /* what an operator may look at when it fills its step */
    const struct graph *g;
    const struct kernels *k;
    const struct shape *shape;
    const struct ready *ready; /* by node */
};

struct activation emit_act(const struct emit *e, int node); /* of an activation node; -1: none */
size_t emit_pixels(struct view v);                          /* of one image */
/* The step that changes numbers one by one: a copy, but for the chain's addition and activation. */
void emit_map(const struct emit *e, const struct chain *chain, struct step *step);

/* ---- slices ---------------------------------------------------------------------------------- */

struct place { /* offset in the arena, or in the scratch of the thread that runs the slice */
    size_t at; /* or NOWHERE */
    bool mine;
};

struct slice { /* rows of a step */
    int step;
    struct place in, out, add; /* where its rows begin; add may be NOWHERE */
    int rows, in_rows, pad_top;
    size_t per_image;             /* units */
    size_t kept_from, kept_bytes; /* what moves to the beginning of each image's buffer before */
    size_t kept_to;
};

/* What runs between two moments in which all threads wait for each other. A step on its own is one
 * slice, shared by all threads. A group's bands are shared instead: each thread makes some of them
 * one after the other, in its own scratch; or, together, each slice of them, in the scratch of the
 * first. at[BAND_PLACES * i + place]: the slices of band i where a thread makes it in that place;
 * they end where the next ones begin. */
enum band_place { BAND_FIRST, BAND_SECOND, BAND_LATER, BAND_PLACES };
struct stage {
    int slice;
    int bands; /* 0: a step on its own */
    bool together;
    int *at;
};

/* Where the slices of a band begin (at[0]) and end (at[1]) for a thread whose bands begin with
 * `first`. */
static inline const int *stage_band(const struct stage *s, size_t band, size_t first)
{
    const size_t place = band - first < BAND_LATER ? band - first : BAND_LATER;
    return &s->at[BAND_PLACES * band + place];
}

XC_NODISCARD xc_status stages_make(struct plan *p, const struct schedule *s, struct error *err);

struct plan {
    struct arena arena;
    const struct graph *g;
    struct step *step;
    struct slice *slice;
    struct stage *stage; /* in the order in which they run */
    int steps, slices, stages, batch;
    size_t bytes;          /* of the arena */
    size_t bands, scratch; /* of one thread: rows of bands, and all with them */
    bool runs;             /* it has weights */
    bool *visible;         /* by node: the input, outputs and taps */
    struct view *view;
    size_t *view_at;
    struct shape *shape;
};

#endif
