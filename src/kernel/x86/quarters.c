/* SPDX-License-Identifier: Apache-2.0 */
/* Which sums of the quarters of its input does the fast multiplication read? A vector at a time. */
#include "kernel/ref/block.h"
#include "kernel/x86/vec.h"
#include "kernel/x86/x86.h"

struct rows {
    const float *a[4];
    float *s[4];
};

INLINE void sum_vec(const struct rows *r, int c, int n, bool whole)
{
    const lanes k = first_lanes(n - c);
    vec a[4], s[4];
    for (int i = 0; i < 4; i++) a[i] = whole ? load(r->a[i] + c) : load_lanes(r->a[i] + c, k);
    s[0] = add(a[2], a[3]);
    s[1] = sub(s[0], a[0]);
    s[2] = sub(a[0], a[2]);
    s[3] = sub(a[1], s[1]);
    for (int i = 0; i < 4; i++)
        if (whole)
            store(r->s[i] + c, s[i]);
        else
            store_lanes(r->s[i] + c, k, s[i]);
}

void X86(quarters)(const struct quarters_call *call, size_t from, size_t to)
{
    const int n = call->out[0].c;
    for (; from < to; from++) {
        const struct place at = {0, 0, (int)from};
        struct rows r;
        for (int i = 0; i < 4; i++) {
            r.a[i] = pixel_at(&call->in[i], at);
            r.s[i] = pixel_at(&call->out[i], at);
        }
        int c = 0;
        for (; c + VL <= n; c += VL) sum_vec(&r, c, n, true);
        if (c < n) sum_vec(&r, c, n, false);
    }
}
