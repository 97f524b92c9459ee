/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the operators of training write on? A tape: steps in the order of execution, and pieces
 * of memory that live from the first step that names them to the last, which learn_chain.c finds
 * once it knows the order. learn_place.c then puts the pieces into one arena.
 *
 *   learn.c        which nodes take part; forward loop, loss, backward loop
 *   learn_tape.c   steps, pieces, values and gradients of nodes
 *   learn_conv.c   ... forward and backward of the operators, side by side
 *   learn_again.c  what is computed once more rather than kept
 *   learn_chain.c  which steps take the batch a few images at a time, one after the other
 *   learn_run.c    the loop over the steps
 */
#ifndef XC_GRAPH_LEARN_INT_H
#define XC_GRAPH_LEARN_INT_H

#include "graph/learn.h"
#include "graph/memory.h"
#include "graph/op.h"

/* ---- steps ----------------------------------------------------------------------------------- */

/* The calls of kernel.h that training uses, and those of training.h. */
#define LEARN_CALLS(X)                                                                             \
    X(conv)                                                                                        \
    X(pool)                                                                                        \
    X(global_pool)                                                                                 \
    X(map)                                                                                         \
    X(softmax)                                                                                     \
    X(conv_dw)                                                                                     \
    X(sum_parts)                                                                                   \
    X(depthwise_grad)                                                                              \
    X(channel_sum)                                                                                 \
    X(pool_index)                                                                                  \
    X(pool_dx)                                                                                     \
    X(global_dx)                                                                                   \
    X(map_dx)                                                                                      \
    X(norm_sums)                                                                                   \
    X(norm_finish)                                                                                 \
    X(norm_dsums)                                                                                  \
    X(norm_dfinish)                                                                                \
    X(norm_dx)                                                                                     \
    X(dropout)                                                                                     \
    X(softmax_dx)                                                                                  \
    X(loss)                                                                                        \
    X(pack)                                                                                        \
    X(zero)

enum learn_kind {
#define KIND(name) LEARN_##name,
    LEARN_CALLS(KIND)
#undef KIND
};

union learn_call {
#define CALL(name) struct name##_call name;
    LEARN_CALLS(CALL)
#undef CALL
};

union learn_fn {
#define FN(name) void (*name)(const struct name##_call *call, size_t from, size_t to);
    LEARN_CALLS(FN)
#undef FN
};

/* What an address counts from. All but the arena and the constants are the caller's. */
enum base {
    BASE_NONE, /* the pointer stays NULL */
    BASE_ARENA,
    BASE_CONST,
    BASE_INPUT,
    BASE_TARGET,
    BASE_ROW_WEIGHT,
    BASE_CLASS_WEIGHT,
    BASE_PARAM,
    BASE_GRAD,
    BASE_LOSS,
    BASE_SCALE,
    BASE_DRAW,
    BASE_COUNT
};

struct ref {
    enum base base;
    int piece; /* BASE_ARENA */
    size_t at; /* bytes; on the tape inside the piece, in a finished step inside the arena */
    /* Of memory that holds only the images of one slice, in a finished step: bytes of an image, and
     * of a slice. One slice for each thread. */
    size_t image, slice;
};

struct link { /* the pointer at byte `field` of the call */
    size_t field;
    struct ref ref;
};

#define STEP_MAX_LINKS 10
struct learn_step {
    enum learn_kind kind;
    union learn_fn fn;
    union learn_call call;
    size_t units, grain;
    int node, links;
    struct link link[STEP_MAX_LINKS];
    int images; /* the least it takes at once, with so many units; 0: it takes all */
    size_t per_slice;
};

/* Steps first .. last: all of them for `images` images, then for the next ones. */
struct chain {
    int first, last, images;
};

struct piece {
    size_t bytes, at;
    size_t image;    /* bytes of an image in a map */
    size_t slice;    /* of the images of a slice, when it holds no more than these; or 0 */
    int first, last; /* steps; first -1: never used */
    int holders;     /* gradients of nodes that lie in it */
    bool lasting;    /* is read after the last step */
};

struct place { /* of a result in the arena */
    struct view view;
    size_t at;
};

struct learn {
    struct arena arena;
    const struct graph *g;
    struct learn_step *step;
    int steps;
    struct chain *chain; /* every step is in one */
    int chains, images, threads;
    uint64_t macs;
    size_t bytes;
    void *constants;
    bool *trains; /* by node */
    struct place logits, value[LEARN_MAX_WATCHES], gradient[LEARN_MAX_WATCHES];
};

/* ---- the tape -------------------------------------------------------------------------------- */

struct map { /* numbers of a node, or of its gradient */
    struct ref ref;
    struct view view; /* data NULL */
};

/* What a node's numbers are: act(scale map + shift) if it is lazy, map being that of node `of`.
 * Readers that cannot do this as they load ask for tape_stored. */
struct value {
    struct map map, stored;
    struct ref scale, shift; /* BASE_NONE: none */
    struct activation act;
    bool lazy, kept; /* kept: stored is there */
    int of;
};

struct tape {
    const struct graph *g;
    const struct kernels *k;
    const struct training_kernels *t;
    const struct learn_opts *opts;
    struct learn *learn;
    struct arena *scratch;
    const struct shape *shape; /* by node, with the batch */
    const enum dtype *type;    /* by node: of its numbers and of their gradient */
    bool *used, *needs;        /* by node: takes part; wants its gradient */
    int *readers;              /* by node, those that take part */
    struct value *value;       /* by node */
    struct map *grad;          /* by node; piece -1: none yet */
    struct ref *extra;         /* by node: what its backward step needs besides */
    struct activation *gate;   /* by node: the gradient is that behind this activation */
    bool *gone, *again;        /* by node: not kept for the backward pass; there once more */
    int candidates;            /* convolutions that may be gone, but for cheap ones */
    struct map watched[LEARN_MAX_WATCHES]; /* values as the forward pass left them */
    bool backward;
    struct piece *piece;
    int pieces, piece_room, step_room;
    struct learn_step spare; /* what is written to once the tape has failed */
    struct error err;
};

size_t tape_size(const struct tape *t); /* of a parameter, or a sum */
int tape_piece(struct tape *t, size_t bytes);
struct ref tape_vectors(struct tape *t, size_t count, int c); /* (count, c) sums */
struct ref tape_numbers(struct tape *t, enum dtype type, size_t count);
struct map tape_map(struct tape *t, int node); /* fresh, padded to lines */
/* A step of this kind for the node; valid until the next one. */
struct learn_step *tape_step(struct tape *t, int node, enum learn_kind kind, size_t units);
void tape_link(struct tape *t, struct learn_step *s, size_t field, struct ref ref);
#define LINK(t, s, field, ref) tape_link(t, s, offsetof(union learn_call, field), ref)
struct ref ref_at(struct ref ref, size_t bytes);
bool ref_is(struct ref ref);
size_t map_pixels(const struct map *m);
xc_status tape_fail(struct tape *t, xc_status status, int node, const char *why);

/* A parameter of a node, and its gradient; BASE_NONE where there is none. */
struct ref tape_param(const struct tape *t, int node, enum param_role role);
struct ref tape_param_grad(const struct tape *t, int node, enum param_role role);
bool tape_trains(const struct tape *t, int node); /* does it learn? */
bool tape_frozen(const struct tape *t, int node);
int tape_watched(const struct tape *t, int node); /* its number among the watched, or -1 */

/* The value of a node: for readers with a prologue, and for others. */
struct value tape_value(struct tape *t, int node);
struct map tape_stored(struct tape *t, int node);
void tape_set(struct tape *t, int node, struct map map);
struct map tape_new_value(struct tape *t, int node); /* fresh, and set */
/* Links the prologue of a call; field: where struct prologue begins in the union. */
void tape_prologue(struct tape *t, struct learn_step *s, size_t field, const struct value *v);
#define PROLOGUE(t, s, field, v) tape_prologue(t, s, offsetof(union learn_call, field), v)

/* Where to write the gradient of a node, and whether to add to what is there. */
struct map tape_grad_into(struct tape *t, int node, bool *add);
/* The same, over the gradient of `own` (the node whose backward step this is) if that is free. */
struct map tape_grad_over(struct tape *t, int node, int own, bool *add);
/* The gradient of a node is (plus) this one, which is not written to while others hold it. */
void tape_grad_share(struct tape *t, int node, struct map map);
void tape_grad_release(struct tape *t, int node);
/* Nobody writes over the gradient of the node any more. */
void tape_grad_keep(struct tape *t, int node);
/* out = in [+ add] */
void tape_copy(struct tape *t, int node, const struct map *in, const struct map *add,
               const struct map *out);

/* ---- operators ------------------------------------------------------------------------------- */

/* forward gives the node its value; backward hands the node's gradient on to inputs that need it
 * and to its parameters. NULL: cannot be trained. */
struct rule {
    void (*forward)(struct tape *t, int node);
    void (*backward)(struct tape *t, int node);
};
extern const struct rule rule_conv, rule_dense, rule_norm, rule_affine, rule_act, rule_softmax,
    rule_pool, rule_global_pool, rule_add, rule_concat, rule_flatten, rule_dropout;

bool conv_is_cheap(const struct tape *t, int node); /* depthwise */

/* Chooses what is gone: cheap convolutions and `count` others; false: no memory. */
bool learn_choose_again(struct tape *t, int count);
void tape_compute_again(struct tape *t, int node);

/* Images of a group (training.h), for maps of so many pixels; 0: all. */
int tape_images(const struct tape *t, size_t pixels);
/* Where a gradient of a parameter is summed up by groups of images, it goes to parts first: */
struct ref tape_parts(struct tape *t, int images, size_t numbers, struct ref sum);
void tape_sum_parts(struct tape *t, int node, int images, size_t numbers, struct ref part,
                    struct ref sum);

/* Cuts the tape into chains, and finds how long pieces live; false: no memory. */
bool learn_chains(struct tape *t);
/* Gives the pieces offsets; false: they do not fit an address space. */
bool learn_place(struct tape *t);

#endif
