/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/memory.h"

#include <stdint.h>

#include "base/checked.h"

enum { LINE = 64 };

size_t memory_pixel(int c, enum dtype type)
{
    const size_t bytes = (size_t)c * dtype_size(type);
    return 2 * bytes < LINE ? bytes : (bytes + LINE - 1) / LINE * LINE;
}

ptrdiff_t memory_scratch_pixel(int numbers, size_t size)
{
    const size_t lines = ((size_t)numbers * size + LINE - 1) / LINE;
    return (ptrdiff_t)((lines | 1) * LINE);
}

bool memory_live_together(const struct life *a, const struct life *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void sort_by_size(const struct life *life, int count, int *order)
{
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && life[order[at - 1]].bytes < life[i].bytes; at--) order[at] = order[at - 1];
        order[at] = i;
    }
}

/* placed: by offset */
static size_t best_gap(const struct life *life, const struct life *l, const int *placed, int count)
{
    size_t best = SIZE_MAX, best_room = SIZE_MAX, end = 0;
    for (int i = 0; i < count; i++) {
        const struct life *other = &life[placed[i]];
        if (!memory_live_together(other, l)) continue;
        const size_t room = other->at > end ? other->at - end : 0;
        if (room >= l->bytes && room < best_room) {
            best = end;
            best_room = room;
        }
        if (other->at + other->bytes > end) end = other->at + other->bytes;
    }
    return best == SIZE_MAX ? end : best;
}

bool memory_place(struct life *life, int count, int *room, size_t *bytes)
{
    int *order = room, *placed = room + count;
    sort_by_size(life, count, order);
    for (int i = 0; i < count; i++) {
        struct life *l = &life[order[i]];
        size_t end;
        l->at = best_gap(life, l, placed, i);
        if (!size_add(l->at, l->bytes, &end)) return false;
        if (end > *bytes) *bytes = end;
        int at = i;
        for (; at > 0 && life[placed[at - 1]].at > l->at; at--) placed[at] = placed[at - 1];
        placed[at] = order[i];
    }
    return true;
}
