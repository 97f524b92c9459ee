/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a kernel checked? A trial is one random call of one family: odd shapes, padded strides,
 * starts that no vector is aligned to, NaN between the numbers, a canary around the output, and
 * pages that must not be touched beside every operand. trial_check runs any table of kernels on it,
 * so a new instruction set needs no new line here.
 */
#ifndef XC_TESTS_KERNEL_TRIAL_H
#define XC_TESTS_KERNEL_TRIAL_H

#include "kernel/guard.h"
#include "kernel/kernel.h"

/* Random integers and numbers, the same on every machine. */
struct dice {
    uint64_t state;
};
int dice_int(struct dice *d, int low, int high); /* low and high may both come up */
double dice_number(struct dice *d);              /* in [-2, 2), exact in float */
void dice_fill(enum dtype type, struct dice *d, void *array, size_t count);

/* What the formula says, in double, and how far a sum in the call's arithmetic may be from it. */
struct want {
    double value, bound;
};

struct trial;
struct family {
    const char *name;
    void (*draw)(struct trial *t, struct dice *d); /* fills call, in, out and units */
    void (*run)(const struct kernels *k, const struct trial *t, size_t from, size_t to);
    struct want (*want)(const struct trial *t, int n, int y, int x, int c);
};
extern const struct family conv_family, deep_family, grouped_family, depthwise_family,
    depthwise_3x3_family, pointwise_family, dense_family, pool_max_family, pool_average_family,
    global_max_family, global_average_family, map_family, quarters_family, series_family,
    softmax_family, winograd_in_family, winograd_out_family;

enum { TRIAL_BLOCKS = 8 };
struct trial {
    const struct family *family;
    enum dtype type;  /* of the table; views have their own */
    enum dtype exact; /* of sums, biases, scales: type, or float32 for brain floats */
    double epsilon;   /* of exact */
    double size;      /* of the numbers */
    union {
        struct conv_call conv;
        struct pool_call pool;
        struct global_pool_call global;
        struct map_call map;
        struct quarters_call quarters;
        struct series_call series;
        struct winograd_in_call winograd_in;
        struct winograd_out_call winograd_out;
        struct dense_call dense;
        struct softmax_call softmax;
    };
    struct view out; /* the call's own */
    size_t units;
    struct guarded block[TRIAL_BLOCKS]; /* what the call points into; released with the trial */
    int blocks;
    unsigned char *output, *first; /* memory around out; what the first table checked left in it */
    size_t output_bytes;
    char reason[256];
};

/* NULL when out of memory. The same seed gives the same call and numbers for float32 and float64.
 */
struct trial *trial_new(const struct family *family, enum dtype type, uint64_t seed);
void trial_free(struct trial *t);

/* NULL when k's kernel agrees with the formula, stays inside its operands, gives the same bits for
 * any cut of its units, and the bits of the first table that was checked; else what is wrong. */
const char *trial_check(struct trial *t, const struct kernels *k, uint64_t seed);
/* Of the output's bits, all NaN alike; after trial_check. */
uint64_t trial_hash(const struct trial *t, uint64_t hash);

/* For draw: memory that holds random numbers and nothing else, up to the page that must not be
 * touched. An input has NaN in the gaps between pixels. */
void trial_input(struct trial *t, struct dice *d, struct view *v, struct shape s, enum dtype type);
void trial_output(struct trial *t, struct dice *d, struct view *v, struct shape s, enum dtype type);
const void *trial_numbers(struct trial *t, struct dice *d, enum dtype type, size_t count);
/* For a view that may have either type, where the table has brain floats. */
enum dtype dice_type(const struct trial *t, struct dice *d);
int dice_channels(struct dice *d);
struct activation dice_activation(struct dice *d);
struct prologue dice_prologue(struct trial *t, struct dice *d, int c);
struct epilogue dice_epilogue(struct trial *t, struct dice *d, const struct view *out, bool bias,
                              enum dtype add);
/* A window over (h, w) and the output's size. */
struct window dice_window(struct dice *d, int h, int w, int *oh, int *ow);

/* The numbers of a plain matrix in another packing; release with guarded_free(). */
struct guarded packed_copy(enum dtype type, enum packing packing, const struct matrix *m,
                           const void *plain);

/* For want: the numbers of a view or an array, and the parts that families share. */
double number_of(enum dtype type, const void *array, ptrdiff_t i);
double number_at(const struct view *v, int n, int y, int x, int c);
struct want want_activation(const struct trial *t, struct activation a, struct want v);
/* magnitude: the sum of the absolute values of all terms, of which there are so many. */
struct want want_sum(const struct trial *t, double value, double magnitude, int terms);
struct want want_prologue(const struct trial *t, const struct prologue *p, double x, int c);
/* After the prologue of a convolution. */
struct want want_operand(const struct trial *t, const struct prologue *p, double x, int c);
struct want want_epilogue(const struct trial *t, const struct epilogue *e, struct want v, int n,
                          int y, int x, int c);

#endif
