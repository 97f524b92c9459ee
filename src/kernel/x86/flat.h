/* SPDX-License-Identifier: Apache-2.0 */
/* Which pixels lie behind each other without gaps, so that rows of A and C go on over the ends of
 * rows and images? */
#ifndef XC_KERNEL_X86_FLAT_H
#define XC_KERNEL_X86_FLAT_H

#include "kernel/kernel.h"

static inline bool is_flat(const struct view *v)
{
    return v->row == v->w * v->pixel && (v->n == 1 || v->image == v->h * v->row);
}

static inline bool outputs_are_flat(const struct conv_call *call)
{
    return is_flat(&call->out) && (!call->epilogue.add.data || is_flat(&call->epilogue.add));
}

/* Does an output pixel read the input pixel at its own place, through all images? Of a band there
 * may be more rows of the input than of the output. */
static inline bool is_flat_throughout(const struct conv_call *call)
{
    const struct window *win = &call->window;
    const bool alike = call->in.w == call->out.w && (call->in.n == 1 || call->in.h == call->out.h);
    return alike && outputs_are_flat(call) && is_flat(&call->in) && win->kh == 1 && win->kw == 1 &&
           win->sy == 1 && win->sx == 1;
}

/* In blocks of about equally many, at most so many each. */
static inline size_t block_rows(size_t rows, size_t most)
{
    const size_t blocks = (rows + most - 1) / most;
    return (rows + blocks - 1) / blocks;
}

#endif
