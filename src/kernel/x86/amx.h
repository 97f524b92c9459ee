/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are tile registers, and how is one named? Eight of up to 16 rows of 64 bytes. An instruction
 * multiplies two of them: C (rows, 16 sums) += A (rows, pairs) B (pairs, 16 columns), where a word
 * of A or B is a pair of brain floats as in bf16_tiles.c. For every sum of C it does
 *
 *     even = dot(a[2j], b[2j], even), odd = dot(a[2j+1], b[2j+1], odd), j ascending, from +0,
 *     c = c + (even + odd),
 *
 * each step rounded to nearest even, subnormal numbers taken for zero and flushed (Intel's manual,
 * TDPBF16PS; bf16_check.c asks the processor).
 *
 * The surprise is why no intrinsics are used: those of gcc 12 do not say that a load reads memory.
 */
#ifndef XC_KERNEL_X86_AMX_H
#define XC_KERNEL_X86_AMX_H
#ifdef KERNEL_AMX

#include <stddef.h>
#include <stdint.h>

enum { AMX_ROWS = 16, AMX_PAIRS = 16, AMX_LINE = 64, AMX_TILE = AMX_ROWS * AMX_LINE };

/* Registers 0 to 3 are sums, 4 and 6 of A, both of so many rows, 5 and 7 of B. */
static inline void amx_configure(int rows)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = AMX_LINE;
        c.rows[i] = (uint8_t)(i == 5 || i == 7 ? AMX_PAIRS : rows);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(c) : "memory");
}

/* What a thread holds in tiles is saved whenever another one runs. */
static inline void amx_release(void)
{
    __asm__ volatile("tilerelease" ::: "memory");
}

#define AMX_ASM(text, ...) __asm__ volatile(text ::__VA_ARGS__ : "memory")
#define AMX_ZERO(t) AMX_ASM("tilezero %%tmm" #t)
#define AMX_LOAD(t, from, row)                                                                     \
    AMX_ASM("tileloadd (%0,%1,1), %%tmm" #t, "r"(from), "r"((ptrdiff_t)(row)))
#define AMX_STORE(t, to, row)                                                                      \
    AMX_ASM("tilestored %%tmm" #t ", (%0,%1,1)", "r"(to), "r"((ptrdiff_t)(row)))
#define AMX_DOT(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c ::)

#endif
#endif
