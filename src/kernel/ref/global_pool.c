/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the largest value, or the mean, of a channel over its whole image? The mean is a sum of
 * sums over REDUCE_CHUNK pixels, in this order whoever computes it.
 */
#include "kernel/ref/block.h"

static struct place pixel_number(const struct view *in, int image, int p)
{
    return (struct place){image, p / in->w, p % in->w};
}

static void max_channels(const struct view *in, int image, int first, int width, real *acc)
{
    real room[BLOCK];
    for (int j = 0; j < width; j++) acc[j] = -(real)INFINITY;
    for (int p = 0; p < in->h * in->w; p++)
        keep_larger(acc, numbers_at(in, pixel_number(in, image, p), first, width, room), width);
}

static void average_channels(const struct view *in, int image, int first, int width, real *acc)
{
    const int pixels = in->h * in->w;
    real room[BLOCK];
    for (int j = 0; j < width; j++) acc[j] = 0;
    for (int chunk = 0; chunk < pixels; chunk += REDUCE_CHUNK) {
        const int end = pixels - chunk < REDUCE_CHUNK ? pixels : chunk + REDUCE_CHUNK;
        real sum[BLOCK] = {0};
        for (int p = chunk; p < end; p++)
            add_values(sum, numbers_at(in, pixel_number(in, image, p), first, width, room), width);
        add_values(acc, sum, width);
    }
    divide_values(acc, (real)pixels, width);
}

typedef void reduce_fn(const struct view *in, int image, int first, int width, real *acc);

/* Units are image * c + channel; a block is a run of them within one image. */
static void reduce(const struct global_pool_call *call, size_t from, size_t to, reduce_fn *channels)
{
    const size_t c = (size_t)call->in.c;
    for (size_t unit = from; unit < to;) {
        const int image = (int)(unit / c), first = (int)(unit % c);
        const int end = to - unit < c - unit % c ? first + (int)(to - unit) : call->in.c;
        const int width = block_width(first, end);
        real acc[BLOCK];
        channels(&call->in, image, first, width, acc);
        put_numbers(&call->out, (struct place){image, 0, 0}, first, width, acc);
        unit += (size_t)width;
    }
}

void REF(global_max)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce(call, from, to, max_channels);
}

void REF(global_average)(const struct global_pool_call *call, size_t from, size_t to)
{
    reduce(call, from, to, average_channels);
}
