/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do a convolution of brain floats (bf16_conv.c) and its matrix product say to each other?
 * The convolution cuts its work into blocks of rows and passes over some columns; the product is
 * that of an instruction set: bf16_multiply.c for vectors, amx_multiply.c for tile registers.
 */
#ifndef XC_KERNEL_X86_BF16_CONV_H
#define XC_KERNEL_X86_BF16_CONV_H

#include "kernel/x86/amx.h"
#include "kernel/x86/bf16_tiles.h"

enum {
    RUNS = 64,
#ifdef KERNEL_AMX
    TILE_ROWS = 32,
    LEAST_ROWS = 12,
    BLOCK_ROWS = 384, /* the rows that a scratch holds: all 19 of 19 pixels of 728 */
    BLOCK_BYTES = 1024 << 10,
    GATHERED_ROWS = 4 * TILE_ROWS,
#else
    TILE_ROWS = BF16_ROWS,
    LEAST_ROWS = 4,
    BLOCK_ROWS = 14 * MOST_ROWS, /* ten of them */
    BLOCK_BYTES = 512 << 10,
    GATHERED_ROWS = 2 * MOST_ROWS,
#endif
    COLUMNS = 2 * PANEL, /* that have sums in the room at a time */
    DEEP_COLUMNS = 8 * COLUMNS,
    ROOM = BLOCK_ROWS * COLUMNS < GATHERED_ROWS * DEEP_COLUMNS ? GATHERED_ROWS * DEEP_COLUMNS
                                                               : BLOCK_ROWS * COLUMNS,
    HALF = sizeof(uint16_t)
};

/* Output pixels that are equally far apart, like their rows of A and of the addend. */
struct run {
    const char *a, *add;
    char *c;
    int rows;
};

struct product { /* of one group */
    const struct conv_call *call;
    int group, columns;
    size_t depth; /* numbers in a row of A */
    struct strip strip;
    const float *bias;
    bool finished;    /* tiles leave outputs, not sums */
    const void *then; /* what is read after the last panel of a pass; NULL: what is behind */
    size_t step;      /* from a gathered row to the next, in numbers; 0: A is the input */
    struct run run[RUNS];
    int runs;
#ifdef KERNEL_AMX
    int tile_rows; /* that the tile registers have; 0: none yet */
#endif
    float room[ROOM]; /* (rows of the block, width) */
};

/* Columns of the group that are worked on. */
struct pass {
    int first, end, width;
};

INLINE void bf16_limit(struct strip *s, const struct activation *act)
{
    if (act->kind == ACT_RELU) s->low = 0;
    if (act->kind == ACT_CLIP) {
        s->low = (float)act->alpha;
        s->high = (float)act->beta;
    }
}

/* Outputs of the runs where the product is finished, otherwise their sums, in the room. */
void BF16(multiply)(struct product *p, struct pass pass);

#endif
