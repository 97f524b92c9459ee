/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are exp, tanh and the logistic function here? The same bits with every C library: a libm
 * gives its own last digit, and two of them differ.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2, then exp(x) = 2^n exp(r), and exp(r) - 1 is its Taylor
 * series. Errors stay below 1 unit in the last place for exp, 4 for the others.
 */
#ifndef XC_KERNEL_REF_MATH_H
#define XC_KERNEL_REF_MATH_H

#include "kernel/ref/real.h"

/* ln 2 in two parts; the upper one has zeros at its end, so that n times it is exact. ROUNDER + x
 * has no room for a fraction. Below EXP_LOW everything rounds to 0, above EXP_HIGH to infinity. */
#ifdef REF_DOUBLE
#define EXP_TERMS 14
#define LN2_UPPER 6.93147180369123816490e-01
#define LN2_LOWER 1.90821492927058770002e-10
#define ROUNDER 0x1.8p52
#define EXP_LOW (-746.0)
#define EXP_HIGH 710.0
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
typedef uint64_t real_bits;
#else
#define EXP_TERMS 8
#define LN2_UPPER 6.93145751953125e-01f
#define LN2_LOWER 1.42860676533018e-06f
#define ROUNDER 0x1.8p23f
#define EXP_LOW (-104.0f)
#define EXP_HIGH 89.0f
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
typedef uint32_t real_bits;
#endif

/* 1 / k! */
#define INVERSE(factorial) (real)(1.0 / (factorial))
static const real inverse_factorial[] = {
    1,
    1,
    INVERSE(2.0),
    INVERSE(6.0),
    INVERSE(24.0),
    INVERSE(120.0),
    INVERSE(720.0),
    INVERSE(5040.0),
    INVERSE(40320.0),
    INVERSE(362880.0),
    INVERSE(3628800.0),
    INVERSE(39916800.0),
    INVERSE(479001600.0),
    INVERSE(6227020800.0),
    INVERSE(87178291200.0),
};
#undef INVERSE

/* 2^n, for n in the range of normal numbers. */
static inline real power_of_two(int n)
{
    const union {
        real_bits bits;
        real value;
    } power = {(real_bits)(n + EXPONENT_BIAS) << MANTISSA_BITS};
    return power.value;
}

/* exp(r) - 1 and n, for x = n ln 2 + r. */
static inline real exp_parts(real x, int *n)
{
    const real whole = real_fma(x, (real)1.44269504088896340736, ROUNDER) - ROUNDER;
    const real r = real_fma(-whole, LN2_LOWER, real_fma(-whole, LN2_UPPER, x));
    real sum = inverse_factorial[EXP_TERMS];
    for (int k = EXP_TERMS - 1; k >= 2; k--) sum = real_fma(sum, r, inverse_factorial[k]);
    *n = (int)whole;
    return real_fma(r * r, sum, r);
}

static inline real real_exp(real x)
{
    if (x != x) return x;
    if (x < EXP_LOW) return 0;
    if (x > EXP_HIGH) return (real)INFINITY;
    int n;
    const real e = 1 + exp_parts(x, &n);
    return e * power_of_two(n / 2) * power_of_two(n - n / 2); /* rounded once if subnormal */
}

/* exp(x) - 1 for x <= 0, with all its digits near 0. */
static inline real real_exp_minus_1(real x)
{
    if (x != x) return x;
    if (x < -40) return -1;
    int n;
    const real e = exp_parts(x, &n);
    const real power = power_of_two(n);
    return real_fma(power, e, power - 1);
}

/* 1 / (1 + exp(-x)), written so that nothing overflows. */
static inline real real_sigmoid(real x)
{
    const real e = real_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

static inline real real_tanh(real x)
{
    const real e = real_exp_minus_1(x < 0 ? 2 * x : -2 * x);
    const real t = (0 - e) / (2 + e);
    return x < 0 ? -t : t;
}

#endif
