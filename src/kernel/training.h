/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which inner loops does training add to those of kernel.h, and what is their contract?
 *
 * The rules of kernel.h hold: a call and a range of output units; any cut of [0, units) into ranges
 * gives the same bits. So a sum over pixels is cut by a rule of its own, struct chunks: into groups
 * of whole images, and those into chunks of SUM_CHUNK pixels. The units are the sums of groups or
 * chunks, which a second call adds up. So whole images are a range of units for every kernel here,
 * and steps that follow each other may run image by image while their maps are in the cache.
 *
 * bf16: the rules of kernel.h; parameters, their gradients, sums, statistics and all vectors of
 * channels are float32. What a convolution multiplies (also dout) is rounded to bf16. Its sums go
 * in pairs of products as there: those of dw in pairs of pixels within a chunk, of a depthwise dw
 * in pairs of pixels within a row; those of dx in pairs of its k (taps, then o), depthwise in pairs
 * of kernel rows within a kernel column, both turned round. Level "amx": dw goes in blocks of 32
 * pixels within a chunk, filled up with zeros, and dw itself is what they are added to, one after
 * the other: chunks have no sums of their own. Loss and softmax have float32 only.
 *
 * A gradient dx is the derivative of the loss by x. With `add` a call adds into dx, without it dx
 * is overwritten (the first writer saves a pass of zeros). Gradients of parameters are always added
 * to. The gradient of a convolution's input is a convolution of dout with the weights that `pack`
 * turned round (backward = true): conv and pointwise of kernel.h do it, with strides once for each
 * phase (graph/learn_conv.c).
 */
#ifndef XC_KERNEL_TRAINING_H
#define XC_KERNEL_TRAINING_H

#include "kernel/kernel.h"

#define SUM_CHUNK 128
struct chunks {
    size_t pixels, group; /* of all images; of the images of a group (the last may be smaller) */
};
struct stretch { /* of pixels */
    size_t from, to;
};

static inline size_t chunk_groups(const struct chunks *c)
{
    return (c->pixels + c->group - 1) / c->group;
}
/* Of a group that is not the last. */
static inline size_t group_chunks(const struct chunks *c)
{
    return (c->group + SUM_CHUNK - 1) / SUM_CHUNK;
}
static inline size_t chunk_count(const struct chunks *c)
{
    const size_t whole = c->pixels / c->group, rest = c->pixels % c->group;
    return whole * group_chunks(c) + (rest + SUM_CHUNK - 1) / SUM_CHUNK;
}
static inline struct stretch group_span(const struct chunks *c, size_t group)
{
    const size_t from = group * c->group, left = c->pixels - from;
    return (struct stretch){from, left < c->group ? c->pixels : from + c->group};
}
static inline struct stretch chunk_span(const struct chunks *c, size_t chunk)
{
    const struct stretch group = group_span(c, chunk / group_chunks(c));
    const size_t from = group.from + chunk % group_chunks(c) * SUM_CHUNK;
    return (struct stretch){from, group.to - from < SUM_CHUNK ? group.to : from + SUM_CHUNK};
}
/* Of all images of v, `images` to a group; 0: one group. */
static inline struct chunks chunks_of(const struct view *v, int images)
{
    const size_t image = (size_t)v->h * (size_t)v->w, n = (size_t)v->n;
    return (struct chunks){n * image, (images ? (size_t)images : n) * image};
}

/* dw[g][ky][kx][k][o] = for each group g, sum of the chunks in index order: one accumulator from
 * +0, acc = fmaf(in, dout, acc), pixels ascending; padding reads +0. images 0: one group, dw is
 * added to. Dense and grouped; a dense layer is a 1x1 convolution of 1x1 maps. Units: rows
 * kh*kw*c/groups of dw, group after group. */
struct conv_dw_call {
    enum dtype type;
    struct view in, dout;
    struct window window;
    int groups, images;
    struct prologue prologue; /* of in */
    void *dw;                 /* (chunk groups, kh, kw, c/groups, oc) */
};

/* sum[i] += (part[0][i] + part[1][i] + ...). Units: numbers. */
struct sum_parts_call {
    enum dtype type;
    size_t numbers, parts;
    const void *part; /* (parts, numbers) */
    void *sum;
};

/* Both gradients of a depthwise convolution. dx = [dx +] sum over the taps, in the order of the
 * pixels of dout that they fall on (ky, kx descending); taps on no pixel read +0. dw as in conv_dw,
 * but a chunk is as many whole rows of dout, within an image, as SUM_CHUNK pixels hold (at least
 * one). dx.data NULL, dw NULL: not wanted. Units: channels, group after group. */
struct depthwise_grad_call {
    enum dtype type;
    struct view in, dout, dx;
    struct window window;
    struct prologue prologue;
    int images;
    const void *weight; /* (kh, kw, c), as the convolution has it */
    void *dw;           /* (chunk groups, kh, kw, c) */
    bool add;           /* to dx */
};
static inline int depthwise_chunk_rows(int w)
{
    return w < SUM_CHUNK ? SUM_CHUNK / w : 1;
}

/* sum[c] += chunks in index order, of one group. Units: channels. */
struct channel_sum_call {
    enum dtype type;
    struct view in;
    void *sum;
};

/* Max pooling that notes the tap ky*kw + kx of the first largest value (or NaN). At most 255 taps.
 * Units: output pixels. */
#define POOL_MAX_TAPS 255
struct pool_index_call {
    enum dtype type;
    struct view in, out;
    struct window window;
    struct prologue prologue;
    uint8_t *index; /* (n, oh, ow, c), no gaps */
};

/* dx = [dx +] the dout of every window that a pixel lies in (max: and was the largest of; average:
 * divided by the number of its taps, or kh*kw), windows in index order. Units: pixels of dx. */
struct pool_dx_call {
    enum dtype type;
    struct view dout, dx;
    struct window window;
    const uint8_t *index; /* max */
    bool count_pad;       /* average */
    bool add;
};

/* in (n, h, w, c), out (n, 1, 1, c). Max: the first pixel equal to out gets all; average: dout /
 * (h*w). Units: channels n*c (max), pixels of dx (average). */
struct global_dx_call {
    enum dtype type;
    struct view in, out, dout, dx; /* in, out: max only */
    bool add;
};

/* y = act(scale in + shift); v = act'(y) dout, then times factor[c]; dx = [dx +] v. dx may be dout.
 * Slopes where there is none: ReLU 0 at 0, clip 0 at both ends. Units: pixels. */
struct map_dx_call {
    enum dtype type;
    struct view in, dout, dx;
    struct prologue prologue; /* of in: scale, shift, act */
    const void *factor;       /* (c) or NULL */
    bool add;
};

/* Batch norm: mean and variance over the pixels of a batch, and what follows from them. */
struct norm_sums_call { /* per chunk: first value, sum of x - first, sum of squares. Units: chunks.
                         */
    enum dtype type;
    struct view in;
    int images;
    void *partial; /* (chunks, 3, c) */
};

/* In double: the chunks combined in index order, then mean, rstd = 1/sqrt(variance + epsilon),
 * scale = gamma rstd, shift = beta - mean scale; the moving statistics move. Units: channels. */
struct norm_finish_call {
    enum dtype type;
    struct chunks chunks;
    int c;
    const void *partial;      /* NULL: frozen, take the moving statistics */
    const void *gamma, *beta; /* or NULL: 1, 0 */
    void *moving_mean, *moving_variance;
    double epsilon, keep;              /* moving = keep moving + (1 - keep) new */
    bool unbiased;                     /* the moving variance counts pixels - 1 */
    void *mean, *rstd, *scale, *shift; /* (c) */
};

/* z = scale in + shift, y = act(z), dz = act'(y) dout. Per chunk: sum of dz, sum of dz (in - mean).
 * Units: chunks. */
struct norm_dsums_call {
    enum dtype type;
    struct view in, dout;
    int images;
    struct prologue prologue;
    const void *mean;
    void *partial; /* (chunks, 2, c) */
};

/* dbeta += S, dgamma += T rstd, in double; dx = a dz + b (in - mean) + k with a = gamma rstd,
 * b = -a rstd^2 T / pixels, k = -a S / pixels. Units: channels. */
struct norm_dfinish_call {
    enum dtype type;
    struct chunks chunks;
    int c;
    const void *partial, *gamma, *rstd;
    void *dgamma, *dbeta;
    void *a, *b, *k; /* (c) */
};

/* dx = [dx +] fmaf(a, dz, fmaf(b, in - mean, k)). dx may be dout. Units: pixels. */
struct norm_dx_call {
    enum dtype type;
    struct view in, dout, dx;
    struct prologue prologue;
    const void *mean, *a, *b, *k;
    bool add;
};

/* out = [out +] (kept ? in / (1 - rate) : 0). What is kept is a function of (seed, layer, step,
 * sample, position in the sample): forward and backward are the same call. Units: pixels. */
struct draw {
    uint64_t seed;
    uint32_t step, first; /* number of the batch's first sample within the step */
};
struct dropout_call {
    enum dtype type;
    struct view in, out;
    double rate;
    uint32_t layer;
    const struct draw *draw;
    bool add;
};

/* dx = [dx +] out (dout - sum of dout out): through a softmax inside a network. Units: pixels. */
struct softmax_dx_call {
    enum dtype type;
    struct view out, dout, dx;
    bool add;
};

/* With q[c] = target[c] class_weight[c] row_weight[n], p = softmax(in) or sigmoid(in):
 *   softmax  loss[n] = sum of -q log p,                                      din = p sum(q) - q
 *   sigmoid  loss[n] = sum of w (-t log p - (1 - t) log(1 - p)),             din = w (p - t)
 * (w = class_weight row_weight), both times weight *scale. Label smoothing and soft targets are in
 * target. loss is double and made of our own logarithm. Units: rows n. */
struct loss_call {
    enum dtype type;
    struct view in, din;                   /* (n, 1, 1, c); din.data NULL: not wanted */
    const void *target;                    /* (n, c) */
    const void *row_weight, *class_weight; /* (n), (c), or NULL: 1 */
    const double *scale;
    double weight; /* of this loss among several */
    double *loss;  /* (n) */
    bool add;      /* to loss */
};

struct tap_range { /* rows of a window, or columns: first, first + step, ... */
    int first, step, count;
};

/* A weight matrix as kernels want it: from is Keras' (kh, kw, k, groups*o). Forward: of all taps, k
 * rows a tap, o columns a group. Backward: of taps (y, x) in the opposite order, o rows a tap, k
 * columns a group. Units: panels of the result. */
struct pack_call {
    enum dtype type;
    const void *from; /* parameters */
    void *to;
    struct tap_range y, x;
    int kw, k, o, groups; /* k, o: of one group */
    enum packing packing;
    bool backward;
};
static inline size_t pack_taps(const struct pack_call *c)
{
    return (size_t)c->y.count * (size_t)c->x.count;
}
/* Which of the window is tap i of the result? */
static inline size_t pack_tap(const struct pack_call *c, size_t i)
{
    const size_t columns = (size_t)c->x.count, at = c->backward ? pack_taps(c) - 1 - i : i;
    const size_t y = (size_t)c->y.first + at / columns * (size_t)c->y.step;
    return y * (size_t)c->kw + (size_t)c->x.first + at % columns * (size_t)c->x.step;
}
struct matrix pack_matrix(const struct pack_call *call);

/* Units: lines of 64 bytes; to begins on one. */
struct zero_call {
    void *to;
    size_t bytes;
};

/* X(slot, call): the kernels of training, each called name_fn(const struct name_call *, ...). */
#define TRAINING_KERNELS(X)                                                                        \
    X(conv_dw, conv_dw)                                                                            \
    X(sum_parts, sum_parts)                                                                        \
    X(depthwise_grad, depthwise_grad)                                                              \
    X(channel_sum, channel_sum)                                                                    \
    X(pool_index, pool_index)                                                                      \
    X(pool_max_dx, pool_dx)                                                                        \
    X(pool_average_dx, pool_dx)                                                                    \
    X(global_max_dx, global_dx)                                                                    \
    X(global_average_dx, global_dx)                                                                \
    X(map_dx, map_dx)                                                                              \
    X(norm_sums, norm_sums)                                                                        \
    X(norm_finish, norm_finish)                                                                    \
    X(norm_dsums, norm_dsums)                                                                      \
    X(norm_dfinish, norm_dfinish)                                                                  \
    X(norm_dx, norm_dx)                                                                            \
    X(dropout, dropout)                                                                            \
    X(softmax_dx, softmax_dx)                                                                      \
    X(loss_softmax, loss)                                                                          \
    X(loss_sigmoid, loss)                                                                          \
    X(pack, pack)                                                                                  \
    X(zero, zero)

struct training_kernels {
#define SLOT(slot, call) void (*slot)(const struct call##_call *call_, size_t from, size_t to);
    TRAINING_KERNELS(SLOT)
#undef SLOT
    size_t conv_dw_grain, depthwise_grad_grain;
    /* What dense layers use: of float32 where the maps are brain floats. */
    struct {
        enum dtype type;
        conv_fn *product;
        size_t dw_grain;
        enum packing packing;
        void (*dw)(const struct conv_dw_call *call, size_t from, size_t to);
        void (*pack)(const struct pack_call *call, size_t from, size_t to);
    } dense;
};

/* As kernels_init: the plain ones, then what each level that flags allow does better. */
void training_kernels_init(struct training_kernels *k, enum dtype type, unsigned flags);

#endif
