/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this process use tile registers, and does the processor's tdpbf16ps do what amx.h says? Linux
 * gives so much state only to a process that asks (its Documentation/arch/x86/xstate.rst); a
 * thousand sums are compared before the instruction is used.
 */
#include <sys/syscall.h>
#include <unistd.h>

#define REF_BF16
#include "kernel/ref/real.h"
#include "kernel/x86/amx.h"
#include "kernel/x86/awkward.h"
#include "kernel/x86/x86.h"

enum { WORDS = AMX_ROWS * AMX_PAIRS, SUMS = AMX_ROWS * AMX_ROWS };

struct operands {
    uint16_t a[2 * WORDS], b[2 * WORDS];
    float c[SUMS];
};

/* As the instruction has it: row i of A, column j of B. */
static float sum_of(const struct operands *o, int i, int j)
{
    float even = 0, odd = 0;
    for (int k = 0; k < AMX_PAIRS; k++) {
        const uint16_t *a = &o->a[2 * (i * AMX_PAIRS + k)], *b = &o->b[2 * (k * AMX_ROWS + j)];
        even = real_dot(f32_from_bf16(a[0]), b[0], even);
        odd = real_dot(f32_from_bf16(a[1]), b[1], odd);
    }
    return flush(flush(o->c[i * AMX_ROWS + j]) + flush(even + odd));
}

/* Ordinary, and one of 32 awkward, which spoils 16 sums; or mostly zeros and else awkward, so that
 * small numbers are not lost among large ones. */
static uint16_t half_of(uint32_t *random, bool ordinary)
{
    const uint32_t r = awkward_next(random);
    if (!ordinary) return r % 8 == 0 ? awkward_half(random) : 0;
    if (r % 32 == 0) return awkward_half(random);
    return (uint16_t)((r & 0x8000) | (0x3f80 - 0x400 + (r >> 4 & 0x7ff)));
}

static bool may_use_tiles(void)
{
#ifdef SYS_arch_prctl
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return false;
#endif
}

static bool agrees(const struct operands *o)
{
    float got[SUMS];
    AMX_LOAD(0, o->c, AMX_LINE);
    AMX_LOAD(4, o->a, AMX_LINE);
    AMX_LOAD(5, o->b, AMX_LINE);
    AMX_DOT(0, 4, 5);
    AMX_STORE(0, got, AMX_LINE);
    for (int i = 0; i < SUMS; i++)
        if (!same_float(got[i], sum_of(o, i / AMX_ROWS, i % AMX_ROWS))) return false;
    return true;
}

bool bf16_check_amx(void)
{
    uint32_t random = 1;
    bool ok = true;
    if (!may_use_tiles()) return false;
    amx_configure(AMX_ROWS);
    for (int round = 0; round < 4 && ok; round++) {
        struct operands o;
        for (int i = 0; i < 2 * WORDS; i++) {
            o.a[i] = half_of(&random, round % 2);
            o.b[i] = half_of(&random, round % 2);
            o.c[i / 2] = awkward_sum(&random);
        }
        ok = agrees(&o);
    }
    amx_release();
    return ok;
}
