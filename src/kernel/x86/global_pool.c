/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The largest value, or the mean, of a channel over its whole image, a few vectors of channels at a
 * time. The mean is a sum of sums over REDUCE_CHUNK pixels, in this order whoever computes it.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/vec.h"
#include "kernel/x86/x86.h"

enum { VECTORS = 4 };
#define EACH_VECTOR(X) X(0) X(1) X(2) X(3)

/* acc = the sum, or the maximum, of acc and pixels [p, end) of an image, row by row. */
INLINE void take_pixels(const struct view *in, int image, int p, int end, int first,
                        const int vectors, lanes k, const bool average, vec acc[VECTORS])
{
    while (p < end) {
        const int x = p % in->w;
        const float *from = pixel_at(in, (struct place){image, p / in->w, x}) + first;
        for (int last = end - p < in->w - x ? end : p - x + in->w; p < last; p++) {
#define TAKE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        const vec v = vectors > 1 ? load(from + i * VL) : load_lanes(from, k);                     \
        acc[i] = average ? add(acc[i], v) : larger_of(acc[i], v);                                  \
    }
            EACH_VECTOR(TAKE)
#undef TAKE
            from = (const void *)((const char *)from + in->pixel);
        }
    }
}

INLINE void max_channels(const struct view *in, int image, int first, const int vectors, lanes k,
                         vec acc[VECTORS])
{
#define START(i) acc[i] = splat(-INFINITY);
    EACH_VECTOR(START)
#undef START
    take_pixels(in, image, 0, in->h * in->w, first, vectors, k, false, acc);
}

INLINE void average_channels(const struct view *in, int image, int first, const int vectors,
                             lanes k, vec acc[VECTORS])
{
    const int pixels = in->h * in->w;
    const vec divisor = splat((float)pixels);
#define START(i) acc[i] = zero();
#define START_SUM(i) sum[i] = zero();
#define ADD_SUM(i) acc[i] = add(acc[i], sum[i]);
#define DIVIDE(i) acc[i] = quotient(acc[i], divisor);
    EACH_VECTOR(START)
    for (int chunk = 0; chunk < pixels; chunk += REDUCE_CHUNK) {
        const int end = pixels - chunk < REDUCE_CHUNK ? pixels : chunk + REDUCE_CHUNK;
        vec sum[VECTORS];
        EACH_VECTOR(START_SUM)
        take_pixels(in, image, chunk, end, first, vectors, k, true, sum);
        EACH_VECTOR(ADD_SUM)
    }
    EACH_VECTOR(DIVIDE)
#undef START
#undef START_SUM
#undef ADD_SUM
#undef DIVIDE
}

INLINE void reduce(const struct global_pool_call *call, int image, int first, int end,
                   const int vectors, const bool average)
{
    const lanes k = first_lanes(end - first);
    vec acc[VECTORS];
    if (average)
        average_channels(&call->in, image, first, vectors, k, acc);
    else
        max_channels(&call->in, image, first, vectors, k, acc);
    float *out = pixel_at(&call->out, (struct place){image, 0, 0}) + first;
#define GIVE(i)                                                                                    \
    if (i < vectors && vectors > 1) store(out + i * VL, acc[i]);
    EACH_VECTOR(GIVE)
#undef GIVE
    if (vectors == 1) store_lanes(out, k, acc[0]);
}

/* Units are image * c + channel: a run of them within each image. */
INLINE void reduce_range(const struct global_pool_call *call, size_t from, size_t to,
                         const bool average)
{
    const size_t c = (size_t)call->in.c;
    for (size_t count; from < to; from += count) {
        const int image = (int)(from / c);
        int first = (int)(from % c);
        count = to - from < c - from % c ? to - from : c - from % c;
        const int end = first + (int)count;
        for (; first + VECTORS * VL <= end; first += VECTORS * VL)
            reduce(call, image, first, end, VECTORS, average);
        for (; first < end; first += VL) reduce(call, image, first, end, 1, average);
    }
}

void X86(global_max)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce_range(call, from, to, false);
}

void X86(global_average)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce_range(call, from, to, true);
}
