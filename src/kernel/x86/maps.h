/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the maps of training consist of? Kernels that include this file are compiled for float32
 * and, with KERNEL_BF16_MAPS, for brain floats, at each instruction set: MAPS(name) tells the
 * objects apart. They compute in float32; products that the contract wants in pairs come from
 * multiply_add, PIXELS of them at a time, between sums_begin and sums_end.
 *
 * Views that are not all of the kernel's own type (a picture, what a head reads) go to the plain
 * kernel, PLAIN(name).
 */
#ifndef XC_KERNEL_X86_MAPS_H
#define XC_KERNEL_X86_MAPS_H

#ifdef KERNEL_BF16_MAPS
#include "kernel/x86/bf16.h"

#define MAPS(name) BF16(name)
#define PLAIN(name) name##_bf16_fma
#define MAPS_TYPE DTYPE_BF16
enum { PIXELS = 2 };
typedef uint16_t number;

INLINE vec load_numbers(const number *p)
{
    return widened(load_halves(p, VL));
}

INLINE void store_numbers(number *p, vec v)
{
    store_halves(p, VL, narrowed(v));
}

#ifdef __AVX512F__
typedef lanes part; /* of a vector: which numbers exist */

INLINE part first_part(int n)
{
    return first_lanes(n);
}

INLINE halves part_halves(const number *p, part k)
{
    return _mm256_maskz_loadu_epi16(k, p);
}

INLINE void store_part_of(number *p, part k, vec v)
{
    _mm256_mask_storeu_epi16(p, k, narrowed(v));
}
#else
typedef int part;

INLINE part first_part(int n)
{
    return n;
}

INLINE halves part_halves(const number *p, part n)
{
    return load_halves(p, n);
}

INLINE void store_part_of(number *p, part n, vec v)
{
    store_halves(p, n, narrowed(v));
}
#endif

INLINE vec load_part_of(const number *p, part some)
{
    return widened(part_halves(p, some));
}

INLINE vec multiply_add(vec a, vec b, vec acc)
{
    return pair_dot(a, b, acc);
}

INLINE unsigned sums_begin(void)
{
    return dot_begin();
}

INLINE void sums_end(unsigned before)
{
    dot_end(before);
}

#else
#include "kernel/x86/vec.h"

#define MAPS(name) X86(name)
#define PLAIN(name) name##_f32_fma
#define MAPS_TYPE DTYPE_F32
enum { PIXELS = 1 };
typedef float number;
typedef lanes part;

INLINE vec load_numbers(const number *p)
{
    return load(p);
}

INLINE void store_numbers(number *p, vec v)
{
    store(p, v);
}

INLINE part first_part(int n)
{
    return first_lanes(n);
}

INLINE vec load_part_of(const number *p, part k)
{
    return load_lanes(p, k);
}

INLINE void store_part_of(number *p, part k, vec v)
{
    store_lanes(p, k, v);
}

INLINE vec multiply_add(vec a, vec b, vec acc)
{
    return fused(a, b, acc);
}

INLINE unsigned sums_begin(void)
{
    return 0;
}

INLINE void sums_end(unsigned before)
{
    (void)before;
}

INLINE vec pinned(vec v)
{
    return v;
}
#endif

/* Is the view of the kernel's own type? What is not there is. */
static inline bool is_own(const struct view *v)
{
    return MAPS_TYPE == DTYPE_F32 || !v->data || v->type == MAPS_TYPE;
}

#endif
