/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to each value by itself, with a brain float or a float32 on each side. A vector is
 * read before it is written, so in may be out.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/bf16.h"
#include "kernel/x86/x86.h"

INLINE void map_vec(const struct map_call *call, struct place at, int c)
{
    const struct prologue *p = &call->prologue;
    const struct epilogue *e = &call->epilogue;
    const int end = call->out.c;
    vec v = load_typed(call->in.type, pixel_at(&call->in, at), c, end);
    if (p->scale) v = fused(load_channels(p->scale, c, end), v, load_channels(p->shift, c, end));
    v = activate_vec(&p->act, v);
    if (e->add.data) v = add(v, load_typed(e->add.type, pixel_at(&e->add, at), c, end));
    store_typed(call->out.type, pixel_at(&call->out, at), c, end, activate_vec(&e->act, v));
}

void BF16(map)(const struct map_call *call, size_t from, size_t to)
{
    for (; from < to; from++) {
        const struct place at = place_of(&call->out, from);
        for (int c = 0; c < call->out.c; c += VL) map_vec(call, at, c);
    }
}
