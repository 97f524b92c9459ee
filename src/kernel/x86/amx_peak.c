/* SPDX-License-Identifier: Apache-2.0 */
/* How many multiply-adds can tile registers do when they wait for nothing? (peak.c has those of
 * vectors.) An instruction takes sixteen cycles, and its sums are there after about fifty: four. */
#include "kernel/x86/amx.h"
#include "kernel/x86/x86.h"

size_t peak_bf16_amx(size_t rounds)
{
    amx_configure(AMX_ROWS);
    AMX_ZERO(4);
    AMX_ZERO(5);
    for (size_t r = 0; r < rounds; r++) {
        AMX_DOT(0, 4, 5);
        AMX_DOT(1, 4, 5);
        AMX_DOT(2, 4, 5);
        AMX_DOT(3, 4, 5);
    }
    amx_release();
    return rounds * 4 * AMX_ROWS * AMX_ROWS * 2 * AMX_PAIRS;
}
