/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the published numbers met at the full size, where a pool meets an even side and the flavours
 * part? One pass a flavour and an instruction-set level, but for the one that has
 * no fused multiply-add: it takes minutes. And has every way to run it the same bits: at this size
 * there are bands, which threads share in two ways, blocks of rows, and shared panels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "kernel/levels.h"
#include "model/golden.h"

static const struct golden KERAS = {
    "xception", 299, {164.601186, -2.215774, 329.947301, -226.515766}, 446.864273, 806};
static const struct golden TIMM = {"xception,flavour=timm",
                                   299,
                                   {171.177259, -2.304887, 357.191539, -232.074776},
                                   474.434866,
                                   697};

static void test_keras(void **state)
{
    (void)state;
    assert_string_equal(cpu_level(0), "ref");
    for (size_t i = 1; cpu_level(i); i++)
        if (i == 1 || level_differs(i, DTYPE_F32, cpu_flags()))
            golden_check(&KERAS, cpu_level(i), XC_PRECISION_F32, 1e-5 * KERAS.max);
}

static void test_timm(void **state)
{
    (void)state;
    golden_check(&TIMM, NULL, XC_PRECISION_F64, 0.6e-6);
}

static float *logits_of(struct golden_how how, xc_precision precision, size_t *count)
{
    struct golden_run r = golden_run(&KERAS, how, precision, NULL);
    float *logits = read_result(r.session, "logits", count);
    golden_end(&r);
    return logits;
}

static void must_equal(const float *a, const float *b, size_t count, struct golden_how how)
{
    if (memcmp(a, b, count * sizeof *a) == 0) return;
    print_error("other bits: %s, %d threads\n", how.level ? how.level : "best level", how.threads);
    _fail(__FILE__, __LINE__);
}

/* The levels from `first` on that are kernels of their own, and 1 to 3 threads. */
static float *same_bits(size_t first, bool fast, xc_precision precision, size_t *count)
{
    const enum dtype type = precision == XC_PRECISION_BF16 ? DTYPE_BF16 : DTYPE_F32;
    float *expected = logits_of((struct golden_how){2, NULL, fast}, precision, count);
    for (size_t i = first; cpu_level(i); i++)
        for (int threads = 1; threads <= 3; threads++) {
            if (i > first && !level_differs(i, type, cpu_flags())) continue;
            const struct golden_how how = {threads, cpu_level(i), fast};
            float *logits = logits_of(how, precision, count);
            must_equal(expected, logits, *count, how);
            free(logits);
        }
    return expected;
}

static void test_same_bits(void **state)
{
    (void)state;
    size_t count, levels = 0;
    while (cpu_level(levels)) levels++;
    float *f32 = same_bits(1, false, XC_PRECISION_F32, &count);
    free(same_bits(levels - 1, false, XC_PRECISION_BF16, &count));
    float *fast = same_bits(levels - 1, true, XC_PRECISION_F32, &count);
    double worst = 0;
    for (size_t i = 0; i < count; i++) worst = worse(worst, fabs((double)fast[i] - (double)f32[i]));
    print_message("fast: off by %.2g of the largest logit\n", worst / KERAS.max);
    assert_true(worst > 0 && worst <= 1e-5 * KERAS.max);
    free(f32);
    free(fast);
}

/* Image 2 of 3 as if it were alone. */
static void test_any_place(void **state)
{
    (void)state;
    static const xc_precision precision[] = {XC_PRECISION_F32, XC_PRECISION_BF16};
    for (int i = 0; i < 2; i++) {
        struct golden_run r =
            golden_run(&KERAS, (struct golden_how){2, NULL, false}, precision[i], NULL);
        size_t count;
        float *alone, *both, *input = make_input(3, KERAS.side, 3);
        xc_session *three = make_session(r.model, 3, precision[i], NULL);
        CHECK(xc_run(r.session, input + (size_t)KERAS.side * KERAS.side * 3, 1));
        CHECK(xc_run(three, input, 3));
        alone = read_result(r.session, "logits", &count);
        both = read_result(three, "logits", &count);
        assert_memory_equal(alone, both + count / 3, count / 3 * sizeof *alone);
        free(alone);
        free(both);
        free(input);
        xc_session_free(three);
        golden_end(&r);
    }
}

RUN(cmocka_unit_test(test_keras), cmocka_unit_test(test_timm), cmocka_unit_test(test_same_bits),
    cmocka_unit_test(test_any_place))
