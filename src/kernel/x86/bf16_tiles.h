/* SPDX-License-Identifier: Apache-2.0 */
/* The tiles of bf16_tiles.c; k counts pairs. They store sums in float32, or outputs (rounded). */
#ifndef XC_KERNEL_X86_BF16_TILES_H
#define XC_KERNEL_X86_BF16_TILES_H

#include "kernel/x86/bf16.h"
#include "kernel/x86/gemm.h"

#if defined(__AVX512BF16__)
enum { BF16_ROWS = 14 };
#elif defined(__AVX512F__)
enum { BF16_ROWS = 12 };
#else
enum { BF16_ROWS = 4 };
#endif
extern const struct gemm BF16(tiles); /* of up to BF16_ROWS rows */

#endif
