/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How exact are our exp, tanh and logistic function, and the multiply-add of processors without
 * one? Compiled twice, for float (against libm's double) and, with REF_DOUBLE, for double (against
 * its long double). An error is counted in units in the last place of the true value.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/ref/math.h"

#include <cmocka.h> /* last: it has a macro called fail */

#ifdef REF_DOUBLE
#define DIGITS 53
#define LEAST_EXPONENT (-1074)
#define EXP_OVERFLOWS 709.79
#else
#define DIGITS 24
#define LEAST_EXPONENT (-149)
#define EXP_OVERFLOWS 88.73f
#endif

static double ulps(real got, long double want)
{
    int exponent;
    (void)frexpl(want, &exponent);
    if (exponent - DIGITS < LEAST_EXPONENT) exponent = LEAST_EXPONENT + DIGITS;
    return (double)(fabsl((long double)got - want) / ldexpl(1, exponent - DIGITS));
}

/* Random numbers of all sizes up to high. */
static real number(uint64_t *state, double high)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    const double fraction = (double)(*state >> 11) * 0x1p-53 * 2 - 1;
    return (real)ldexp(fraction * high, *state >> 60 & 1 ? 0 : -(int)(*state >> 40 & 31));
}

typedef real function(real x);
typedef long double truth(long double x);

static double worst_ulps(function *mine, truth *want, double high, const char *name)
{
    uint64_t state = 1;
    double worst = 0;
    for (int i = 0; i < 200000; i++) {
        const real x = number(&state, high);
        const double error = ulps(mine(x), want(x));
        if (!(error <= worst) && !isnan(worst)) worst = error; /* NaN is the worst */
    }
    print_message("%s: %.2f ulp\n", name, worst);
    return worst;
}

static long double true_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

static real minus_1(real x)
{
    return real_exp_minus_1(x < 0 ? x : -x);
}

static long double true_minus_1(long double x)
{
    return expm1l(-fabsl(x));
}

static void functions_are_exact(void **state)
{
    (void)state;
    assert_true(worst_ulps(real_exp, expl, (double)EXP_OVERFLOWS - 0.1, "exp") < 1);
    assert_true(worst_ulps(minus_1, true_minus_1, 45, "exp - 1") < 2);
    assert_true(worst_ulps(real_sigmoid, true_sigmoid, 40, "sigmoid") < 3);
    assert_true(worst_ulps(real_tanh, tanhl, 20, "tanh") < 4);
}

/* From the smallest result to the largest in small steps, never less than before. */
static void exp_ascends(void **state)
{
    (void)state;
    real before = 0;
    for (real x = EXP_LOW - 1; x < EXP_HIGH; x += (real)0.001) {
        const real y = real_exp(x);
        assert_true(y >= before);
        before = y;
    }
}

static void ends_are_right(void **state)
{
    (void)state;
    const real infinity = (real)INFINITY, nan = (real)NAN;
    assert_true(real_exp(-infinity) == 0 && real_exp(infinity) == infinity);
    assert_true(real_exp(0) == 1 && real_exp(-(real)0.0) == 1);
    assert_true(real_exp(EXP_OVERFLOWS) == infinity && isfinite(real_exp(EXP_OVERFLOWS - 1)));
    assert_true(real_exp(EXP_LOW) == 0 && real_exp(EXP_LOW + 2) > 0);
    assert_true(real_exp_minus_1(-infinity) == -1 && real_exp_minus_1(0) == 0);
    assert_true(real_sigmoid(-infinity) == 0 && real_sigmoid(infinity) == 1);
    assert_true(real_sigmoid(0) == (real)0.5);
    assert_true(real_tanh(-infinity) == -1 && real_tanh(infinity) == 1 && real_tanh(0) == 0);
    assert_true(isnan(real_exp(nan)) && isnan(real_exp_minus_1(nan)));
    assert_true(isnan(real_sigmoid(nan)) && isnan(real_tanh(nan)));
    assert_true(ulps(real_exp(EXP_LOW + 5), expl(EXP_LOW + 5)) <= 0.5001); /* subnormal */
}

static void same_bits(real a, real b, real c)
{
    const real got = real_fma(a, b, c);
    const real want = sizeof(real) == sizeof(double) ? (real)fma(a, b, c)
                                                     : (real)fmaf((float)a, (float)b, (float)c);
    if (isnan(want) && isnan(got)) return;
    if (memcmp(&got, &want, sizeof got) != 0)
        fail_msg("%a * %a + %a is %a, not %a", (double)a, (double)b, (double)c, (double)want,
                 (double)got);
}

static void multiply_add_rounds_once(void **state)
{
    (void)state;
    /* 0x1.000002p0 times the last is just below half a unit of 1: too close for double. */
    static const float edges[] = {
        0,
        -0.0f,
        1,
        -1,
        0x1p-149f,
        -0x1p-149f,
        0x1p-126f,
        0x1.8p-75f,
        0x1.fffffep127f,
        INFINITY,
        -INFINITY,
        NAN,
        0x1.000002p0f,
        0x1p24f,
        0x1.000002p24f,
        -0x1.000002p0f,
        0x1.fffffcp-25f,
    };
    enum { EDGES = sizeof edges / sizeof *edges };
    for (int i = 0; i < EDGES * EDGES * EDGES; i++)
        same_bits(edges[i % EDGES], edges[i / EDGES % EDGES], edges[i / EDGES / EDGES]);
    uint64_t random = 7;
    for (int i = 0; i < 300000; i++) {
        const real a = number(&random, 2), b = number(&random, 2);
        same_bits(a, b, number(&random, 4));
        same_bits(a, b, -(a * b));             /* only the rounding error of the product is left */
        same_bits(a, b, a * b * (real)0x1p24); /* the product is about half a unit */
        same_bits(a * (real)0x1p-70, b * (real)0x1p-70, number(&random, 2) * (real)0x1p-138);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_are_exact),
        cmocka_unit_test(exp_ascends),
        cmocka_unit_test(ends_are_right),
        cmocka_unit_test(multiply_add_rounds_once),
    };
    return cmocka_run_group_tests_name("kernel math", tests, NULL, NULL);
}
