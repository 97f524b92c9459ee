/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Its kernels, and its speed: all threads do independent multiply-adds for a while. Clocks and
 * neighbours change, so a measurement asks before and after.
 */
#include "model/machine.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

enum { ROUNDS = 2000 }; /* between two looks at the clock: less than 0.1 ms but for plain C */

struct probe {
    peak_fn *peak;
    double end;
    atomic_size_t macs;
};

static void probe_thread(void *ctx, size_t from, size_t to)
{
    struct probe *p = ctx;
    size_t macs = 0;
    for (; from < to; from++) do
            macs += p->peak(ROUNDS);
        while (clock_seconds() < p->end);
    atomic_fetch_add(&p->macs, macs);
}

void machine_init(struct machine *m, unsigned flags)
{
    m->flags = flags;
    kernels_init(&m->f32, DTYPE_F32, flags);
    kernels_init(&m->f64, DTYPE_F64, flags);
    kernels_init(&m->bf16, DTYPE_BF16, flags);
}

xc_status machine_level(const char *what, const char *level, unsigned *flags, struct error *err)
{
    char known[128] = "";
    if (cpu_level_flags(level, flags)) return XC_OK;
    for (size_t i = 0, n = 0; cpu_level(i) && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", cpu_level(i));
    return fail(err, XC_ERR_ARGUMENT, "%s: \"%s\" is none of %s", what, level, known);
}

xc_precision machine_precision(const struct machine *m, xc_precision wanted)
{
    if (wanted != XC_PRECISION_AUTO) return wanted;
    return m->bf16.has_products ? XC_PRECISION_BF16 : XC_PRECISION_F32;
}

double machine_peak(const struct machine *m, xc_precision precision, double seconds)
{
    const double start = clock_seconds();
    struct probe p = {.peak = machine_kernels(m, machine_precision(m, precision))->peak,
                      .end = start + seconds};
    atomic_init(&p.macs, 0);
    pool_for(m->pool, (size_t)pool_threads(m->pool), 1, probe_thread, &p);
    return (double)atomic_load(&p.macs) / (clock_seconds() - start);
}
