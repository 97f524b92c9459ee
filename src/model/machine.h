/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does this machine compute with: which threads, which kernels, in which precision if nobody
 * says? And how fast is it at this minute?
 */
#ifndef XC_MODEL_MACHINE_H
#define XC_MODEL_MACHINE_H

#include <xception.h>

#include "kernel/kernel.h"
#include "thread/pool.h"

/* What a context gives to the layers below: no file below src/api knows xc_context. */
struct machine {
    struct pool *pool; /* NULL = serial */
    unsigned flags;    /* CPU features in use */
    struct kernels f32, f64, bf16;
};

void machine_init(struct machine *m, unsigned flags); /* all but the pool */
/* The flags of an instruction-set level; the sentence begins with `what`. */
XC_NODISCARD xc_status machine_level(const char *what, const char *level, unsigned *flags,
                                     struct error *err);
/* What XC_PRECISION_AUTO is here: bf16 where instructions multiply such numbers, else float32. */
xc_precision machine_precision(const struct machine *m, xc_precision wanted);

/* precision: not XC_PRECISION_AUTO */
static inline const struct kernels *machine_kernels(const struct machine *m, xc_precision precision)
{
    return precision == XC_PRECISION_F64    ? &m->f64
           : precision == XC_PRECISION_BF16 ? &m->bf16
                                            : &m->f32;
}

/* Multiply-adds a second that all threads reach together; takes about `seconds`. */
double machine_peak(const struct machine *m, xc_precision precision, double seconds);

#endif
