/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernels does this processor get? The plain ones first, then each level that the flags
 * allow overwrites what it does better, lowest first: the best variant is the last assignment.
 */
#include "kernel/ref/ref.h"
#ifdef KERNEL_X86
#include "kernel/x86/x86.h"
#endif

#ifdef KERNEL_X86
static void init_avx2(struct kernels *k)
{
    k->level = "avx2";
    k->conv = k->pointwise = conv_avx2;
    k->dense = dense_avx2;
    k->depthwise = depthwise_avx2;
    k->pool_max = pool_max_avx2;
    k->pool_average = pool_average_avx2;
    k->global_max = global_max_avx2;
    k->global_average = global_average_avx2;
    k->map = map_avx2;
    k->quarters = quarters_avx2;
    k->series = series_avx2;
    k->winograd_in = winograd_in_avx2;
    k->winograd_out = winograd_out_avx2;
    k->peak = peak_avx2;
    k->conv_packing = k->pointwise_packing = k->dense_packing = PACK_PANEL16;
}

static void init_avx512(struct kernels *k)
{
    k->level = "avx512";
    k->conv = k->pointwise = conv_avx512;
    k->dense = dense_avx512;
    k->depthwise = depthwise_avx512;
    k->pool_max = pool_max_avx512;
    k->pool_average = pool_average_avx512;
    k->global_max = global_max_avx512;
    k->global_average = global_average_avx512;
    k->map = map_avx512;
    k->quarters = quarters_avx512;
    k->series = series_avx512;
    k->winograd_in = winograd_in_avx512;
    k->winograd_out = winograd_out_avx512;
    k->peak = peak_avx512;
}
#endif

static void init_f32(struct kernels *k, unsigned flags)
{
    ref_kernels_f32(k);
    k->level = "ref";
#ifdef KERNEL_REF_FMA
    if (!(flags & CPU_FMA)) return;
    ref_kernels_f32_fma(k);
    k->level = "ref-fma";
#endif
#ifdef KERNEL_X86
    if (!(flags & CPU_AVX2)) return;
    init_avx2(k);
    if (!(flags & CPU_AVX512)) return;
    init_avx512(k);
#endif
    (void)flags;
}

static void init_f64(struct kernels *k, unsigned flags)
{
    ref_kernels_f64(k);
    k->level = "ref";
#ifdef KERNEL_REF_FMA
    if (!(flags & CPU_FMA)) return;
    ref_kernels_f64_fma(k);
    k->level = "ref-fma";
#else
    (void)flags;
#endif
}

#ifdef KERNEL_X86
#define INIT_BF16(name)                                                                            \
    static void init_bf16_##name(struct kernels *k)                                                \
    {                                                                                              \
        k->level = #name;                                                                          \
        k->conv = k->pointwise = conv_bf16_##name;                                                 \
        k->depthwise = depthwise_bf16_##name;                                                      \
        k->pool_max = pool_max_bf16_##name;                                                        \
        k->pool_average = pool_average_bf16_##name;                                                \
        k->global_max = global_max_bf16_##name;                                                    \
        k->global_average = global_average_bf16_##name;                                            \
        k->map = map_bf16_##name;                                                                  \
        k->conv_packing = k->pointwise_packing = PACK_PAIRS16;                                     \
    }
INIT_BF16(avx2)
INIT_BF16(avx512)
INIT_BF16(avx512bf16)

static void init_bf16_amx(struct kernels *k)
{
    k->level = "amx";
    k->has_products = k->in_blocks = true;
    k->peak = peak_bf16_amx;
    k->conv = k->pointwise = conv_bf16_amx;
    k->depthwise = depthwise_bf16_amx;
    k->block_bytes = 640 << 10; /* their processors have 2 MiB, and weights pass by only once */
}
#endif

static void init_bf16_plain(struct kernels *k, unsigned flags)
{
    ref_kernels_bf16(k);
    k->level = "ref";
#ifdef KERNEL_REF_FMA
    if (!(flags & CPU_FMA)) return;
    ref_kernels_bf16_fma(k);
    k->level = "ref-fma";
#endif
    (void)flags;
}

static void init_bf16_levels(struct kernels *k, unsigned flags)
{
#ifdef KERNEL_X86
    if (!(flags & CPU_FMA) || !(flags & CPU_AVX2)) return;
    init_bf16_avx2(k);
    if (!(flags & CPU_AVX512)) return;
    init_bf16_avx512(k);
    if (!(flags & CPU_BF16) || !bf16_check_avx512bf16()) return;
    init_bf16_avx512bf16(k);
    k->has_products = !(cpu_flags() & CPU_AMX); /* those with tiles do pairs at half speed */
    k->peak = peak_bf16_avx512bf16;
    if (flags & CPU_AMX && bf16_check_amx()) init_bf16_amx(k);
#endif
    (void)k;
    (void)flags;
}

/* Dense layers, softmax and the fast algorithms are those of float32, and so is the speed where
 * pairs are made of its multiply-adds. */
static void init_bf16(struct kernels *k, unsigned flags)
{
    struct kernels f32;
    init_f32(&f32, flags);
    init_bf16_plain(k, flags);
    k->dense = f32.dense;
    k->quarters = f32.quarters;
    k->series = f32.series;
    k->winograd_in = f32.winograd_in;
    k->winograd_out = f32.winograd_out;
    k->dense_packing = f32.dense_packing;
    k->softmax = f32.softmax;
    k->peak = f32.peak;
    init_bf16_levels(k, flags);
}

void kernels_init(struct kernels *k, enum dtype type, unsigned flags)
{
    if (type == DTYPE_F64)
        init_f64(k, flags);
    else if (type == DTYPE_BF16)
        init_bf16(k, flags);
    else
        init_f32(k, flags);
}
