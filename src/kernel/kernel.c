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

/* Dense layers and softmax are those of float32. */
static void init_bf16(struct kernels *k, unsigned flags)
{
    struct kernels f32;
    init_f32(&f32, flags);
    ref_kernels_bf16(k);
    k->level = "ref";
#ifdef KERNEL_REF_FMA
    if (flags & CPU_FMA) {
        ref_kernels_bf16_fma(k);
        k->level = "ref-fma";
    }
#endif
    k->dense = f32.dense;
    k->dense_packing = f32.dense_packing;
    k->softmax = f32.softmax;
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
