/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do numbers lie in memory? Bytes from pixel to pixel, and places for what lives at the same
 * time: of plans (place.c) and of training steps (learn_place.c) alike.
 */
#ifndef XC_GRAPH_MEMORY_H
#define XC_GRAPH_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/kernel.h"

/* Bytes from pixel to pixel of a map of c channels: whole cache lines, so that every pixel begins
 * on one, but for those that would leave more than half of it empty (a picture's three). */
size_t memory_pixel(int c, enum dtype type);
/* The same in a scratch that tiles read: an odd number of lines, so that the rows of a tile use
 * different sets of the cache. */
ptrdiff_t memory_scratch_pixel(int numbers, size_t size);

struct life {
    size_t bytes, at; /* at: found by memory_place */
    int first, last;  /* it is needed from .. to */
};
/* Largest first (of equal ones the earlier), each into the smallest gap that holds it among those
 * that live when it does. room: 2 * count numbers. *bytes grows to what all of it takes; false when
 * size_t cannot say. */
bool memory_place(struct life *life, int count, int *room, size_t *bytes);
bool memory_live_together(const struct life *a, const struct life *b);

#endif
