/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which plain kernels exist? One for each slot of the table, in the numbers of this object set; but
 * dense layers, softmax and the fast algorithms have no brain floats.
 */
#include "kernel/ref/ref.h"

#include "kernel/ref/real.h"

void REF(ref_kernels)(struct kernels *k)
{
    *k = (struct kernels){
        .type = REF_TYPE,
        .conv = REF(conv),
        .depthwise = REF(depthwise),
        .pointwise = REF(conv),
        .block_bytes = 320 << 10,
        .conv_packing = PACK_PLAIN,
        .pointwise_packing = PACK_PLAIN,
        .dense_packing = PACK_PLAIN,
        .pool_max = REF(pool_max),
        .pool_average = REF(pool_average),
        .global_max = REF(global_max),
        .global_average = REF(global_average),
        .map = REF(map),
#ifndef REF_BF16
        .quarters = REF(quarters),
        .series = REF(series),
        .winograd_in = REF(winograd_in),
        .winograd_out = REF(winograd_out),
        .dense = REF(dense),
        .softmax = REF(softmax),
#endif
        .peak = REF(peak),
    };
}

void REF(ref_training)(struct training_kernels *k)
{
    *k = (struct training_kernels){
#define SLOT(slot, call) .slot = REF(slot),
        TRAINING_KERNELS(SLOT)
#undef SLOT
            .conv_dw_grain = 1,
        .depthwise_grad_grain = 1,
    };
}
