/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tiles make up a series of products? Those of gemm.c: panels one after the other, all tiles
 * of the rows with each, and what follows comes from memory meanwhile. A tile's sums stay in
 * registers from the first product to the last, and are written on their way.
 */
#include <math.h>

#include "kernel/ref/block.h"
#include "kernel/x86/gemm.h"

static const float zeros[SERIES_COLUMNS];

/* The places of pixel `from` on, first column. */
static void start(struct series_strip *s, const struct series_call *call, size_t from)
{
    const struct place at = {0, 0, (int)from};
    for (int i = 0; i < call->count; i++) {
        const struct activation *act = &call->act[i];
        const struct view *views[] = {&call->out[i], &call->add[i][0], &call->add[i][1]};
        s->end[i].a = (const char *)pixel_at(&call->in[i], at);
        s->end[i].a_row = call->in[i].pixel;
        for (int j = 0; j < 3 && views[j]->data; j++) {
            s->end[i].at[j] = (char *)pixel_at(views[j], at);
            s->end[i].row[j] = views[j]->pixel;
            s->end[i].views = j + 1;
        }
        s->end[i].low = act->kind == ACT_RELU   ? 0
                        : act->kind == ACT_CLIP ? (float)act->alpha
                                                : -INFINITY;
        s->end[i].high = act->kind == ACT_CLIP ? (float)act->beta : INFINITY;
    }
}

/* Moves by rows of outputs, and by bytes of them. */
static void advance(struct series_strip *s, int rows, ptrdiff_t bytes)
{
    for (int i = 0; i < s->count; i++) {
        s->end[i].a += rows * s->end[i].a_row;
        for (int j = 0; j < s->end[i].views; j++)
            s->end[i].at[j] += rows * s->end[i].row[j] + bytes;
    }
}

/* The tiles of a panel, as few and as equal as possible. */
static void multiply(const struct gemm *g, struct series_strip s, int rows, int tiles)
{
    const int low = rows / tiles, higher = rows % tiles;
    s.tiles = higher;
    if (higher) s.fetch = g->series[low](&s);
    advance(&s, higher * (low + 1), 0);
    s.tiles = tiles - higher;
    g->series[low - 1](&s);
}

/* How many k of a tile fetch outputs and what is added to them. */
static int other_fetches(const struct series_strip *s, int rows, int tiles)
{
    int views = 0;
    for (int i = 0; i < s->count; i++) views += s->end[i].views;
    const int other = views * ((rows + tiles - 1) / tiles);
    return other < s->count * s->k ? other : s->count * s->k;
}

/* The activations that tiles cannot do, over outputs that are still near. */
static void finish(const struct series_call *call, size_t from, size_t to)
{
    for (int i = 0; i < call->count; i++) {
        const enum act kind = call->act[i].kind;
        if (kind == ACT_NONE || kind == ACT_RELU || kind == ACT_CLIP) continue;
        for (size_t pixel = from; pixel < to; pixel++)
            activate(&call->act[i], pixel_at(&call->out[i], (struct place){0, 0, (int)pixel}),
                     call->out[i].c);
    }
}

void gemm_series(const struct gemm *g, const struct series_call *call, size_t from, size_t to)
{
    const int rows = (int)(to - from), tiles = (rows + g->rows - 1) / g->rows;
    const float *bias = call->bias;
    struct series_strip s = {.count = call->count, .k = call->in[0].c, .b = call->weight};
    if (from == to) return;
    s.panel = (ptrdiff_t)PANEL * s.count * s.k;
    start(&s, call, from);
    const int other = other_fetches(&s, rows, tiles);
    s.pace = gemm_pace(tiles, s.count * s.k, tiles == 1 ? 0 : other);
    for (int column = 0; column < call->out[0].c; column += g->series_columns) {
        const float *next = s.b + g->series_columns / PANEL * s.panel;
        s.fetch = (const char *)(tiles == 1 ? s.b + (AHEAD + other) * PANEL : next);
        s.bias = bias ? bias + column : zeros;
        multiply(g, s, rows, tiles);
        advance(&s, 0, g->series_columns * (ptrdiff_t)sizeof(float));
        s.b = next;
    }
    finish(call, from, to);
}
