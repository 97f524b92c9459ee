/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernels does training get on this processor? The plain ones first, then what each level
 * that the flags allow does better, as in kernel.c. And the shape of the weights that `pack` makes.
 */
#include "kernel/training.h"

#include "kernel/ref/ref.h"
#ifdef KERNEL_X86
#include "kernel/x86/train.h"
#include "kernel/x86/x86.h"
#endif

#ifdef KERNEL_X86
static void init_avx2(struct training_kernels *k)
{
    k->conv_dw = conv_dw_avx2;
    k->depthwise_grad = depthwise_grad_avx2;
    k->channel_sum = channel_sum_avx2;
    k->norm_sums = norm_sums_avx2;
    k->norm_dsums = norm_dsums_avx2;
    k->norm_dx = norm_dx_avx2;
    k->map_dx = map_dx_avx2;
    k->pool_index = pool_index_avx2;
    k->pool_max_dx = pool_max_dx_avx2;
    k->pool_average_dx = pool_average_dx_avx2;
    k->conv_dw_grain = 6;
    k->depthwise_grad_grain = 16;
}

static void init_avx512(struct training_kernels *k)
{
    k->conv_dw = conv_dw_avx512;
    k->depthwise_grad = depthwise_grad_avx512;
    k->channel_sum = channel_sum_avx512;
    k->norm_sums = norm_sums_avx512;
    k->norm_dsums = norm_dsums_avx512;
    k->norm_dx = norm_dx_avx512;
    k->map_dx = map_dx_avx512;
    k->pool_index = pool_index_avx512;
    k->pool_max_dx = pool_max_dx_avx512;
    k->pool_average_dx = pool_average_dx_avx512;
    k->pack = pack_avx512;
    k->conv_dw_grain = 14;
}

#define INIT_BF16(name, rows)                                                                      \
    static void init_bf16_##name(struct training_kernels *k)                                       \
    {                                                                                              \
        k->conv_dw = conv_dw_bf16_##name;                                                          \
        k->conv_dw_grain = rows;                                                                   \
        k->depthwise_grad = depthwise_grad_bf16_##name;                                            \
        k->depthwise_grad_grain = 32;                                                              \
        k->channel_sum = channel_sum_bf16_##name;                                                  \
        k->norm_sums = norm_sums_bf16_##name;                                                      \
        k->norm_dsums = norm_dsums_bf16_##name;                                                    \
        k->norm_dx = norm_dx_bf16_##name;                                                          \
        k->map_dx = map_dx_bf16_##name;                                                            \
        k->pool_index = pool_index_bf16_##name;                                                    \
        k->pool_max_dx = pool_max_dx_bf16_##name;                                                  \
        k->pool_average_dx = pool_average_dx_bf16_##name;                                          \
    }
INIT_BF16(avx2, 3)
INIT_BF16(avx512, 8)
INIT_BF16(avx512bf16, 14)
#endif

static void init_f32(struct training_kernels *k, unsigned flags)
{
    ref_training_f32(k);
#ifdef KERNEL_REF_FMA
    if (!(flags & CPU_FMA)) return;
    ref_training_f32_fma(k);
#endif
#ifdef KERNEL_X86
    if (!(flags & CPU_AVX2)) return;
    init_avx2(k);
    if (!(flags & CPU_AVX512)) return;
    init_avx512(k);
#endif
    (void)flags;
}

static void init_f64(struct training_kernels *k, unsigned flags)
{
    ref_training_f64(k);
#ifdef KERNEL_REF_FMA
    if (flags & CPU_FMA) ref_training_f64_fma(k);
#else
    (void)flags;
#endif
}

static void init_bf16(struct training_kernels *k, unsigned flags)
{
    ref_training_bf16(k);
#ifdef KERNEL_REF_FMA
    if (!(flags & CPU_FMA)) return;
    ref_training_bf16_fma(k);
#endif
#ifdef KERNEL_X86
    if (!(flags & CPU_AVX2)) return;
    init_bf16_avx2(k);
    if (!(flags & CPU_AVX512)) return;
    init_bf16_avx512(k);
    k->pack = pack_bf16_avx512;
    if (!(flags & CPU_BF16) || !bf16_check_avx512bf16()) return;
    init_bf16_avx512bf16(k);
    k->pack = pack_bf16_avx512bf16;
    if (!(flags & CPU_AMX) || !bf16_check_amx()) return;
    k->conv_dw = conv_dw_bf16_amx;
    k->depthwise_grad = depthwise_grad_bf16_amx;
    k->conv_dw_grain = 32;
#endif
    (void)flags;
}

static void init_type(struct training_kernels *k, enum dtype type, unsigned flags)
{
    if (type == DTYPE_F64)
        init_f64(k, flags);
    else if (type == DTYPE_BF16)
        init_bf16(k, flags);
    else
        init_f32(k, flags);
}

static void init_dense(struct training_kernels *k, enum dtype type, unsigned flags)
{
    struct training_kernels t;
    struct kernels forward;
    init_type(&t, type, flags);
    kernels_init(&forward, type, flags);
    k->dense.type = type;
    k->dense.product = forward.pointwise;
    k->dense.packing = forward.pointwise_packing;
    k->dense.dw = t.conv_dw;
    k->dense.dw_grain = t.conv_dw_grain;
    k->dense.pack = t.pack;
}

void training_kernels_init(struct training_kernels *k, enum dtype type, unsigned flags)
{
    init_type(k, type, flags);
    init_dense(k, type == DTYPE_BF16 ? DTYPE_F32 : type, flags);
}

struct matrix pack_matrix(const struct pack_call *call)
{
    const size_t taps = pack_taps(call), k = (size_t)call->k, o = (size_t)call->o;
    const size_t groups = (size_t)call->groups;
    if (call->backward) return (struct matrix){taps * o, k, groups};
    return (struct matrix){taps * k, o, groups};
}
