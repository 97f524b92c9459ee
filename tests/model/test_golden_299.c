/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the published numbers met at the full size, where a pool meets an even side and the flavours
 * part? One pass a flavour and an instruction-set level, but for the one that has
 * no fused multiply-add: it takes minutes.
 */
#include "harness.h"
#include "kernel/kernel.h"
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
        golden_check(&KERAS, cpu_level(i), XC_PRECISION_F32, 1e-5 * KERAS.max);
}

static void test_timm(void **state)
{
    (void)state;
    golden_check(&TIMM, NULL, XC_PRECISION_F64, 0.6e-6);
}

RUN(cmocka_unit_test(test_keras), cmocka_unit_test(test_timm))
