/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which numbers do the plain kernels compute with? Each file of this folder is compiled several
 * times, as named in CMakeLists.txt: REF_SUFFIX tells the objects apart, REF_DOUBLE makes `real`
 * double, REF_BF16 makes the weights of convolutions, `operand`, brain floats; with REF_BLOCKS,
 * their sums are those of tile registers (for tests). What has linkage is called REF(name), so
 * conv.c holds conv_f32, conv_f32_fma, conv_f64...
 *
 * The surprise is real_fma: a processor without the instruction gets the same bits from double.
 */
#ifndef XC_KERNEL_REF_REAL_H
#define XC_KERNEL_REF_REAL_H

#include <math.h>

#include "kernel/training.h"

#if defined(REF_DOUBLE)
#define REF_TYPE DTYPE_F64
typedef double real, operand;
#elif defined(REF_BF16)
#define REF_TYPE DTYPE_BF16
typedef float real;
typedef uint16_t operand;
#else
#define REF_TYPE DTYPE_F32
typedef float real, operand;
#endif

#ifndef REF_SUFFIX
#define REF_SUFFIX alone /* a test that includes math.h for itself */
#endif
#define REF(name) REF_PASTE(name, REF_SUFFIX)
#define REF_PASTE(name, suffix) REF_JOIN(name, suffix)
#define REF_JOIN(name, suffix) name##_##suffix

/* The kernels of this object set; ref.c puts them into the table. */
conv_fn REF(conv), REF(depthwise);
pool_kernel_fn REF(pool_max), REF(pool_average);
global_pool_fn REF(global_max), REF(global_average);
map_fn REF(map);
quarters_fn REF(quarters);
series_fn REF(series);
winograd_in_fn REF(winograd_in);
winograd_out_fn REF(winograd_out);
dense_fn REF(dense);
softmax_fn REF(softmax);
peak_fn REF(peak);
#define REF_TRAINING(slot, call) void REF(slot)(const struct call##_call *, size_t, size_t);
TRAINING_KERNELS(REF_TRAINING)
#undef REF_TRAINING

/* a * b + c, rounded once. */
#if defined(REF_DOUBLE)
static inline real real_fma(real a, real b, real c)
{
    return __builtin_fma(a, b, c);
}
#elif defined(__FMA__) || defined(__aarch64__) || defined(__FP_FAST_FMAF)
static inline real real_fma(real a, real b, real c)
{
    return __builtin_fmaf(a, b, c);
}
#else
/* The product is exact in double; the sum is rounded to odd there, after which the rounding to
 * float is the only one that counts (Boldo, Melquiond 2008, "Emulation of FMA and correctly rounded
 * sums"). */
static inline real real_fma(real a, real b, real c)
{
    union {
        double value;
        uint64_t bits;
    } sum, error, odd;
    const double product = (double)a * b;
    sum.value = product + c;
    const double part = sum.value - product;
    error.value = (product - (sum.value - part)) + (c - part); /* sum + error is exact */
    odd.bits = (sum.bits - ((sum.bits ^ error.bits) >> 63)) | 1;
    const bool inexact = (error.value < 0) | (error.value > 0); /* false for infinity and NaN */
    return (real)(inexact ? odd.value : sum.value);
}
#endif

/* acc + x w, as the sums of a convolution take it. */
#ifdef REF_BF16
static inline float flush(float x) /* subnormal: zero */
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

/* The surprise is a result that becomes 0x1p-126 only because there are no finer numbers below:
 * with more room for its exponent it is smaller, and flushed. */
static inline real real_dot(real x, operand weight, real acc)
{
    const float w = flush(f32_from_bf16(weight));
    x = flush(x), acc = flush(acc);
    const float sum = real_fma(x, w, acc), roomy = real_fma(x * 0x1p40f, w, acc * 0x1p40f);
    const float low = fabsf(roomy) < 0x1p-86f ? copysignf(0, sum) : sum;
    return fabsf(sum) > 0x1p-126f ? sum : low;
}
#else
static inline real real_dot(real x, operand w, real acc)
{
    return real_fma(x, w, acc);
}
#endif

#endif
