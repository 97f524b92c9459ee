/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/blocks.h"

conv_fn conv_bf16_blocks;
void conv_dw_bf16_blocks(const struct conv_dw_call *call, size_t from, size_t to);

void blocks_kernels(struct kernels *k)
{
    k->level = "ref, in blocks";
    k->conv = k->pointwise = conv_bf16_blocks;
}

void blocks_training(struct training_kernels *k)
{
    k->conv_dw = conv_dw_bf16_blocks;
}
