/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the gradients of what happens to each value by itself? Activations and scales, dropout
 * (its own gradient), and softmax within a pixel.
 */
#include "base/rng.h"
#include "kernel/ref/slope.h"

static void map_dx_block(const struct map_dx_call *call, struct place at, int first, int width)
{
    const real *factor = call->factor;
    real v[BLOCK], room[BLOCK];
    prologue_slope(&call->prologue, numbers_at(&call->in, at, first, width, room), &call->dout, at,
                   first, width, v);
    for (int j = 0; factor && j < width; j++) v[j] *= factor[first + j];
    give_numbers(&call->dx, at, first, width, v, call->add);
}

void REF(map_dx)(const struct map_dx_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++)
        for (int first = 0; first < call->dx.c; first += BLOCK)
            map_dx_block(call, place_of(&call->dx, unit), first, block_width(first, call->dx.c));
}

/* ---- dropout --------------------------------------------------------------------------------- */

/* Number `at` of a sample is kept when word at % 4 of draw at / 4 is at least rate 2^32. Layers are
 * streams of different seeds. */
static void draw_words(const struct dropout_call *call, int n, size_t at, uint32_t word[4])
{
    const uint64_t seed = call->draw->seed + call->layer * UINT64_C(0x9E3779B97F4A7C15);
    rng_words(seed, RNG_DROPOUT, call->draw->step, call->draw->first + (uint32_t)n,
              (uint32_t)(at / 4), word);
}

void REF(dropout)(const struct dropout_call *call, size_t from, size_t to)
{
    const size_t c = (size_t)call->out.c, pixels = (size_t)call->out.h * (size_t)call->out.w;
    const real scale = (real)(1 / (1 - call->rate));
    const double least = call->rate * 0x1p32;
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->out, unit);
        uint32_t word[4];
        for (size_t j = 0, i = unit % pixels * c; j < c; j++, i++) {
            real room;
            const real x = *numbers_at(&call->in, at, (int)j, 1, &room);
            if (j == 0 || i % 4 == 0) draw_words(call, at.n, i, word);
            real v = (double)word[i % 4] >= least ? x * scale : 0;
            give_numbers(&call->out, at, (int)j, 1, &v, call->add);
        }
    }
}

/* ---- softmax --------------------------------------------------------------------------------- */

void REF(softmax_dx)(const struct softmax_dx_call *call, size_t from, size_t to)
{
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->out, unit);
        real sum = 0, y, dy;
        for (int j = 0; j < call->out.c; j++)
            sum = real_fma(*numbers_at(&call->dout, at, j, 1, &dy),
                           *numbers_at(&call->out, at, j, 1, &y), sum);
        for (int j = 0; j < call->out.c; j++) {
            real v = *numbers_at(&call->out, at, j, 1, &y) *
                     (*numbers_at(&call->dout, at, j, 1, &dy) - sum);
            give_numbers(&call->dx, at, j, 1, &v, call->add);
        }
    }
}
