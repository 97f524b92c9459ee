/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the activations of a vector? Step by step what ref/math.h does to a number, so the bits
 * are the same; where that returns early, the lane takes the other value at the end.
 */
#ifndef XC_KERNEL_X86_ACT_H
#define XC_KERNEL_X86_ACT_H

#include "kernel/ref/math.h"
#include "kernel/x86/vec.h"

/* 2^n */
INLINE vec vec_power(ints n)
{
    return AS_FLOAT(EPI32(slli)(EPI32(add)(n, EPI32(set1)(EXPONENT_BIAS)), MANTISSA_BITS));
}

/* exp(r) - 1 and n, for x = n ln 2 + r. */
INLINE vec vec_exp_parts(vec x, ints *n)
{
    const vec rounder = splat(ROUNDER);
    const vec whole = sub(fused(x, splat((float)1.44269504088896340736), rounder), rounder);
    const vec r = PS(fnmadd)(whole, splat(LN2_LOWER), PS(fnmadd)(whole, splat(LN2_UPPER), x));
    vec sum = splat(inverse_factorial[EXP_TERMS]);
    for (int k = EXP_TERMS - 1; k >= 2; k--) sum = fused(sum, r, splat(inverse_factorial[k]));
    *n = EPI32(cvttps)(whole);
    return fused(mul(r, r), sum, r);
}

static inline vec vec_exp(vec x)
{
    ints n;
    const vec e = add(splat(1), vec_exp_parts(x, &n));
    const ints half = EPI32(srai)(EPI32(sub)(n, EPI32(srai)(n, 31)), 1); /* n / 2 */
    vec y = mul(mul(e, vec_power(half)), vec_power(EPI32(sub)(n, half)));
    y = choose(less(x, splat(EXP_LOW)), zero(), y);
    y = choose(less(splat(EXP_HIGH), x), splat(INFINITY), y);
    return choose(is_nan(x), x, y);
}

static inline vec vec_exp_minus_1(vec x)
{
    ints n;
    const vec e = vec_exp_parts(x, &n), power = vec_power(n);
    vec y = fused(power, e, sub(power, splat(1)));
    y = choose(less(x, splat(-40)), splat(-1), y);
    return choose(is_nan(x), x, y);
}

static inline vec vec_sigmoid(vec x)
{
    const choice negative = less(x, zero());
    const vec e = vec_exp(choose(negative, x, mul(x, splat(-1))));
    return quotient(choose(negative, e, splat(1)), add(splat(1), e));
}

static inline vec vec_tanh(vec x)
{
    const choice negative = less(x, zero());
    const vec e = vec_exp_minus_1(mul(x, choose(negative, splat(2), splat(-2))));
    const vec t = quotient(sub(zero(), e), add(splat(2), e));
    return choose(negative, mul(t, splat(-1)), t);
}

static inline vec activate_vec(const struct activation *act, vec v)
{
    const vec alpha = splat((float)act->alpha);
    switch (act->kind) {
    case ACT_NONE:
        break;
    case ACT_RELU:
        return max_of(zero(), v);
    case ACT_ELU:
        return choose(less(v, zero()), mul(alpha, vec_exp_minus_1(v)), v);
    case ACT_SIGMOID:
        return vec_sigmoid(v);
    case ACT_CLIP:
        return min_of(splat((float)act->beta), max_of(alpha, v));
    case ACT_TANH:
        return vec_tanh(v);
    }
    return v;
}

#endif
