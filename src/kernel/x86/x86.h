/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of x86-64 processors by instruction set; kernel.c puts them into the table. */
#ifndef XC_KERNEL_X86_X86_H
#define XC_KERNEL_X86_X86_H

#include "kernel/kernel.h"

conv_fn conv_avx2, conv_avx512; /* dense, grouped and pointwise; PACK_PANEL16 */
dense_fn dense_avx2, dense_avx512;
conv_fn depthwise_avx2, depthwise_avx512;
pool_kernel_fn pool_max_avx2, pool_max_avx512, pool_average_avx2, pool_average_avx512;
global_pool_fn global_max_avx2, global_max_avx512, global_average_avx2, global_average_avx512;
map_fn map_avx2, map_avx512;
quarters_fn quarters_avx2, quarters_avx512;
series_fn series_avx2, series_avx512; /* PACK_PANEL16 */
winograd_in_fn winograd_in_avx2, winograd_in_avx512;
winograd_out_fn winograd_out_avx2, winograd_out_avx512;
peak_fn peak_avx2, peak_avx512;

/* Brain floats: convolutions have PACK_PAIRS16. */
#define BF16_LEVEL(level)                                                                          \
    conv_fn conv_bf16_##level, depthwise_bf16_##level;                                             \
    pool_kernel_fn pool_max_bf16_##level, pool_average_bf16_##level;                               \
    global_pool_fn global_max_bf16_##level, global_average_bf16_##level;                           \
    map_fn map_bf16_##level;
BF16_LEVEL(avx2)
BF16_LEVEL(avx512)
BF16_LEVEL(avx512bf16)
#undef BF16_LEVEL
peak_fn peak_bf16_avx512bf16;
bool bf16_check_avx512bf16(void); /* the instruction is the plain kernels' dot */
conv_fn conv_bf16_amx, depthwise_bf16_amx;
peak_fn peak_bf16_amx;
bool bf16_check_amx(void); /* there is leave to use tiles, and the instruction is that of amx.h */

#endif
