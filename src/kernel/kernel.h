/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which inner loops exist, and what is their contract?
 *
 * A kernel is single-threaded, allocates nothing, checks nothing and knows no tensor: it gets a
 * call (a description with raw pointers and byte strides) and a range of its output units. Any cut
 * of [0, units) into ranges gives the same bits.
 *
 * Numbers (fp32; float64 alike): one accumulator an output, started at the bias (or +0), then
 * acc = fmaf(a, w, acc) with k ascending, k = (ky, kx, input channel); taps that fall on padding
 * read +0. Then v = acc + add, then v = act(v). ReLU is `0 > x ? 0 : x`, so NaN survives it.
 *
 * bf16: weights of convolutions and what views of that type hold are bf16; sums, biases, scales and
 * everything between loading and storing are float32; a result is rounded once, as it is stored
 * (bf16_from_f32). A convolution multiplies bf16 only: it rounds what a prologue gives, or an
 * input of float32. Its sums go in pairs of products,
 *
 *     acc = dot(a[2j], w[2j], dot(a[2j+1], w[2j+1], acc)),
 *
 * where dot is a fused multiply-add that takes subnormal numbers for zero and gives none: what the
 * instruction vdpbf16ps does. k and its pairs run through all taps; an odd number of them ends with
 * a product of zeros. Depthwise: pairs are of kernel rows, within a kernel column, column after
 * column. The level "amx" has the order of its instruction in all but depthwise: products go in
 * blocks of 32 (the last one filled up with zeros), each
 *
 *     acc = acc + (even + odd), even = dot(a[2j], w[2j], even), odd = dot(a[2j+1], w[2j+1], odd)
 *
 * with j ascending, even and odd from +0, and sums flushed like products. All other inputs and
 * outputs are bf16 or float32, as their views say; dense layers and softmax have float32 only.
 *
 * What is to come is a new field value or a new variant, never a new signature.
 */
#ifndef XC_KERNEL_KERNEL_H
#define XC_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

/* (n, h, w, c) numbers: channels are contiguous, the other strides are in bytes. */
struct view {
    void *data;
    int n, h, w, c;
    ptrdiff_t image, row, pixel;
    enum dtype type;
};

/* alpha, beta: ACT_ELU x < 0 ? alpha * (exp(x) - 1) : x, with all digits near 0; ACT_CLIP
 * min(max(x, alpha), beta), which is HardTanh for -1, 1 and ReLU6 for 0, 6. */
enum act { ACT_NONE, ACT_RELU, ACT_ELU, ACT_SIGMOID, ACT_CLIP, ACT_TANH };
struct activation {
    enum act kind;
    double alpha, beta;
};

/* Applied to every value as it is loaded: act(scale[c] * x + shift[c]) as one fma; padding is not
 * touched by it. scale and shift are both NULL or both there, of the call's type. */
struct prologue {
    const void *scale, *shift; /* (c) */
    struct activation act;
};

struct epilogue {
    const void *bias; /* (oc), in the call's type, or NULL: where the accumulator starts */
    struct view add;  /* added after the sum; data NULL = none; the shape of the output */
    struct activation act;
};

/* How a weight matrix lies in memory. PACK_PLAIN is Keras' layout, one row of all columns after the
 * other. PACK_PANEL16: panels of 16 columns of a group, one row of a panel after the other; the
 * last panel of a group is filled up with zeros. PACK_PAIRS16: the same panels, but two rows at a
 * time, number by number in turn; zeros stand for the last row's partner if it has none. */
enum packing { PACK_PLAIN, PACK_PANEL16, PACK_PAIRS16 };
const char *packing_name(enum packing packing); /* "plain", "panel16", "pairs16" */
bool packing_parse(const char *name, enum packing *out);

/* A row for each k of a sum, a column for each output. */
struct matrix {
    size_t rows, columns, groups; /* columns: of one group */
};

/* A run of columns that lie side by side, `depth` rows interleaved: column first + j for j <
 * columns, zero for columns <= j < width. panel_at: which number of the packed matrix is (row, j)?
 */
enum { PACKING_MOST_COLUMNS = 64 }; /* of a panel */
struct panel {
    size_t first, columns, width, at, stride, depth;
};
static inline size_t panel_at(const struct panel *p, size_t row, size_t j)
{
    return p->at + row / p->depth * p->stride + j * p->depth + row % p->depth;
}
size_t packing_panels(enum packing packing, const struct matrix *m);
struct panel packing_panel(enum packing packing, const struct matrix *m, size_t i);
/* How many numbers are stored; false when size_t cannot say. */
bool packing_numbers(enum packing packing, const struct matrix *m, size_t *numbers);

struct window { /* kernel extents, strides, dilations, padding before; padding after is implied */
    int kh, kw, sy, sx, dy, dx, pad_top, pad_left;
};

/* Convolution; out overlaps nothing that is read, but may be what is added where a window is one
 * pixel and the input is taken as it is (no prologue), and where it is depthwise. groups 1 = dense,
 * groups == c and oc == c = depthwise (multiplier 1), else grouped. Units: output pixels n*oh*ow.
 * weight: (kh, kw, c/groups, oc), depthwise (kh, kw, c). */
struct conv_call {
    enum dtype type;
    struct view in, out;
    struct window window;
    int groups;
    const void *weight;
    const void *then; /* weights that are read after these; NULL: those that lie behind them */
    enum packing packing;
    struct prologue prologue;
    struct epilogue epilogue;
};

/* Max: padding counts as -infinity, NaN wins. Average: sum of the taps in (ky, kx) order divided by
 * their number, or by kh*kw when count_pad. Units: output pixels. */
struct pool_call {
    enum dtype type;
    struct view in, out;
    struct window window;
    bool count_pad;
    struct epilogue epilogue; /* bias unused */
};

/* Over all pixels of an image: in (n, h, w, c), out (n, 1, 1, c). Units: n * c. The average sums
 * chunks of REDUCE_CHUNK pixels, each in index order, adds the chunk sums in index order, then
 * divides by h*w. */
#define REDUCE_CHUNK 256
struct global_pool_call {
    enum dtype type;
    struct view in, out;
};

/* out = act(scale[c] * in + shift[c]) (scale NULL = copy), then the epilogue's add and act. Units:
 * pixels n*h*w. Also activation alone, addition (epilogue.add), and copying into a channel range
 * (concat: out points at the first channel). In place is allowed. */
struct map_call {
    enum dtype type;
    struct view in, out;
    struct prologue prologue;
    struct epilogue epilogue; /* bias unused */
};

/* What the fast multiplication (Strassen, Winograd) reads of a matrix in quarters, in = A11, A12,
 * A21, A22: out[0] = A21 + A22, out[1] = out[0] - A11, out[2] = A11 - A21, out[3] = A12 - out[1].
 * All views are rows of as many pixels (n = h = 1) and channels; out[3], which is written last, may
 * be any of `in`. Units: pixels. */
struct quarters_call {
    enum dtype type;
    struct view in[4], out[4];
};

/* Partial sums of a series of products, in[0] B0 + in[1] B1 + ..., one accumulator an output. Of
 * its sum after in[i] Bi, which begins with the bias,
 *
 *     out[i] = act[i]((sum + add[i][0]) + add[i][1])
 *
 * and the sum itself goes on. All views are rows of as many pixels (n = h = 1); out[i] may be
 * add[i][0]. The weights lie one below the other in one packed matrix, whose columns are a multiple
 * of SERIES_COLUMNS. Units: pixels. */
enum { SERIES_MOST = 3, SERIES_COLUMNS = 32 };
struct series_call {
    int count; /* of the products */
    struct view in[SERIES_MOST], out[SERIES_MOST];
    struct view add[SERIES_MOST][2]; /* data NULL = none; the second one only beside the first */
    struct activation act[SERIES_MOST];
    const void *bias;   /* (oc) or NULL */
    const void *weight; /* packed as for pointwise convolutions */
};

/* The two ends of Winograd's F(4, 3): four neighbouring outputs of a window of three columns from
 * six products where twelve are due (Lavin, Gray 2016, "Fast Algorithms for Convolutional Neural
 * Networks"). What one side of a product holds is a view of six images.
 *
 * In: columns d0 .. d5 of an image are those from 4 x - left on, row y - top, after `act`; those
 * outside of it are +0. With e = d4 - 4 d2, f = d3 - 4 d1, g = d4 - d2, h = d3 - d1
 *
 *     out[0] = 4 d0 + (d4 - 5 d2)   out[1] = e + f     out[2] = e - f
 *     out[5] = 4 d1 + (d5 - 5 d3)   out[3] = g + 2 h   out[4] = g - 2 h
 *
 * Units: pixels of an image of out. */
enum { WINOGRAD_WINDOW = 3, WINOGRAD_OUTPUTS = 4, WINOGRAD_PRODUCTS = 6 };
struct winograd_in_call {
    enum dtype type;
    struct view in, out;
    int top, left;
    struct activation act;
};

/* Out: with s = in[1] + in[2], t = in[1] - in[2], u = in[3] + in[4], v = in[3] - in[4]
 *
 *     y0 = (in[0] + s) + u   y1 = t + 2 v   y2 = s + 4 u   y3 = (t + 8 v) + in[5]
 *
 * then y + bias, and the rest of the epilogue: columns 4 x .. 4 x + 3 of out, as far as they exist.
 * Factors and sums are one fma in both. Units: pixels of an image of in. */
struct winograd_out_call {
    enum dtype type;
    struct view in, out;
    struct epilogue epilogue;
};

/* out[n][o] = bias[o] + sum_k in[n][k] * weight[k][o]; in is dense rows of k = c numbers.
 * Units: n * out.c (outputs). weight (c, out.c). */
struct dense_call {
    enum dtype type;
    struct view in, out; /* h = w = 1 */
    const void *weight;
    enum packing packing;
    struct epilogue epilogue;
};

/* Softmax over channels: exp(x - max), summed in index order, divided. Units: pixels n*h*w. */
struct softmax_call {
    enum dtype type;
    struct view in, out;
};

typedef void conv_fn(const struct conv_call *call, size_t from, size_t to);
typedef void pool_kernel_fn(const struct pool_call *call, size_t from, size_t to);
typedef void global_pool_fn(const struct global_pool_call *call, size_t from, size_t to);
typedef void map_fn(const struct map_call *call, size_t from, size_t to);
typedef void quarters_fn(const struct quarters_call *call, size_t from, size_t to);
typedef void series_fn(const struct series_call *call, size_t from, size_t to);
typedef void winograd_in_fn(const struct winograd_in_call *call, size_t from, size_t to);
typedef void winograd_out_fn(const struct winograd_out_call *call, size_t from, size_t to);
typedef void dense_fn(const struct dense_call *call, size_t from, size_t to);
typedef void softmax_fn(const struct softmax_call *call, size_t from, size_t to);
/* For measuring only: multiply-adds that wait for nothing, with the instructions that the kernels
 * of the table use most. Gives how many it did. */
typedef size_t peak_fn(size_t rounds);

/* The inner loops of one precision at one instruction-set level. */
struct kernels {
    const char *level; /* "ref", "ref-fma", "avx2", ... */
    enum dtype type;
    bool has_products; /* brain floats: instructions multiply them, faster than float32 */
    bool in_blocks;    /* sums have the order of tile registers, above */
    conv_fn *conv;     /* dense and grouped */
    conv_fn *depthwise;
    conv_fn *pointwise; /* 1x1, any stride, groups 1 */
    /* Of the map between a depthwise and a pointwise convolution: what stays in the cache. */
    size_t block_bytes;
    enum packing conv_packing, pointwise_packing, dense_packing; /* depthwise: always plain */
    pool_kernel_fn *pool_max, *pool_average;
    global_pool_fn *global_max, *global_average;
    map_fn *map;
    quarters_fn *quarters;
    series_fn *series; /* in the packing of pointwise convolutions of float32 or float64 */
    winograd_in_fn *winograd_in;
    winograd_out_fn *winograd_out;
    dense_fn *dense;
    softmax_fn *softmax;
    peak_fn *peak;
};

/* CPU features, found once. */
enum cpu_flag {
    CPU_FMA = 1u << 0,
    CPU_AVX2 = 1u << 1,
    CPU_AVX512 = 1u << 2, /* F, BW, DQ, VL and the operating system's consent */
    CPU_VNNI = 1u << 3,
    CPU_BF16 = 1u << 4,
    CPU_AMX = 1u << 5 /* of brain floats; kernels_init asks the system for leave to use it */
};
unsigned cpu_flags(void);
/* Words for the flags, space-separated, into text (always terminated). */
void cpu_flags_text(unsigned flags, char *text, size_t size);
/* The word of level i, from "ref" upwards: "ref-fma", "avx2", "avx512", "avx512bf16", "amx".
 * NULL after the last. */
const char *cpu_level(size_t i);
/* The flags that a level allows; false for an unknown word. */
bool cpu_level_flags(const char *level, unsigned *allowed);

/* Fills k with the plain kernels for type (F32, F64 or BF16), then lets each level that flags allow
 * overwrite what it improves. Plain fp32 comes in two objects of one source: with hardware fma, and
 * without (the same bits, slowly). */
void kernels_init(struct kernels *k, enum dtype type, unsigned flags);

#endif
