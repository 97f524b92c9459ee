/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows or columns of a window are not padding? */
#ifndef XC_KERNEL_X86_SPAN_H
#define XC_KERNEL_X86_SPAN_H

struct span { /* places at, at + step, ... */
    int at, count;
};

/* Of `count` places `step` apart, the first at `at`, those in [0, end). */
static inline struct span clip_span(int at, int count, int step, int end)
{
    if (at >= 0 && at + (count - 1) * step < end) return (struct span){at, count}; /* mostly */
    const int before = at < 0 ? (step - 1 - at) / step : 0;
    const int reach = at < end ? (end - 1 - at) / step + 1 : 0;
    const int inside = (reach < count ? reach : count) - before;
    return (struct span){at + before * step, inside > 0 ? inside : 0};
}

#endif
