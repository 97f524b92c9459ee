/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does each piece of a training step lie? Largest first, each into the smallest gap among the
 * pieces that live at the same time. Links of the steps then say where in the arena.
 */
#include "base/checked.h"
#include "graph/learn_int.h"

static bool live_together(const struct piece *a, const struct piece *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Pieces that are used, largest first; of equal ones the earlier. */
static int by_size(const struct tape *t, int *order)
{
    int count = 0;
    for (int i = 0; i < t->pieces; i++) {
        if (t->piece[i].first < 0) continue;
        int at = count++;
        for (; at > 0 && t->piece[order[at - 1]].bytes < t->piece[i].bytes; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return count;
}

/* placed: by offset. */
static size_t best_gap(const struct tape *t, const struct piece *p, const int *placed, int count)
{
    size_t best = SIZE_MAX, best_room = SIZE_MAX, end = 0;
    for (int i = 0; i < count; i++) {
        const struct piece *other = &t->piece[placed[i]];
        if (!live_together(other, p)) continue;
        const size_t room = other->at > end ? other->at - end : 0;
        if (room >= p->bytes && room < best_room) {
            best = end;
            best_room = room;
        }
        if (other->at + other->bytes > end) end = other->at + other->bytes;
    }
    return best == SIZE_MAX ? end : best;
}

static bool give_offsets(struct tape *t, const int *order, int *placed, int count)
{
    for (int i = 0; i < count; i++) {
        struct piece *p = &t->piece[order[i]];
        size_t end;
        p->at = best_gap(t, p, placed, i);
        if (!size_add(p->at, p->bytes, &end)) return false;
        if (end > t->learn->bytes) t->learn->bytes = end;
        int at = i;
        for (; at > 0 && t->piece[placed[at - 1]].at > p->at; at--) placed[at] = placed[at - 1];
        placed[at] = order[i];
    }
    return true;
}

bool learn_place(struct tape *t)
{
    const size_t n = (size_t)t->pieces;
    int *order = arena_push(t->scratch, n, sizeof *order);
    int *placed = arena_push(t->scratch, n, sizeof *placed);
    if (!order || !placed || !give_offsets(t, order, placed, by_size(t, order))) return false;
    for (int i = 0; i < t->learn->steps; i++) {
        struct learn_step *s = &t->learn->step[i];
        for (int j = 0; j < s->links; j++)
            if (s->link[j].ref.base == BASE_ARENA) {
                const struct piece *p = &t->piece[s->link[j].ref.piece];
                s->link[j].ref.at += p->at;
                s->link[j].ref.slice = p->slice;
                s->link[j].ref.image = p->slice ? p->image : 0;
            }
    }
    return true;
}
