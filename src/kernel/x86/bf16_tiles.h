/* SPDX-License-Identifier: Apache-2.0 */
/* The tiles of bf16_tiles.c; k counts pairs. They store sums in float32, or outputs (rounded). */
#ifndef XC_KERNEL_X86_BF16_TILES_H
#define XC_KERNEL_X86_BF16_TILES_H

#include "kernel/x86/bf16.h"
#include "kernel/x86/gemm.h"

extern const struct gemm BF16(tiles);

#endif
