/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does each piece of a training step lie? Apart from those that live at the same time
 * (memory.h). Links of the steps then say where in the arena.
 */
#include "graph/learn_int.h"

/* Pieces that are used. */
static bool give_offsets(struct tape *t, struct life *life, int *room)
{
    int count = 0, at = 0;
    for (const struct piece *p = t->piece; p < t->piece + t->pieces; p++)
        if (p->first >= 0)
            life[count++] = (struct life){.bytes = p->bytes, .first = p->first, .last = p->last};
    if (!memory_place(life, count, room, &t->learn->bytes)) return false;
    for (struct piece *p = t->piece; p < t->piece + t->pieces; p++)
        if (p->first >= 0) p->at = life[at++].at;
    return true;
}

bool learn_place(struct tape *t)
{
    const size_t n = (size_t)t->pieces;
    struct life *life = arena_push(t->scratch, n, sizeof *life);
    int *room = arena_push(t->scratch, 2 * n, sizeof *room);
    if (!life || !room || !give_offsets(t, life, room)) return false;
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
