/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which steps take the batch a few images at a time? Each map is larger than the caches, but what a
 * convolution reads of a slice is still there if the step before it has just written it. So steps
 * that follow each other make a chain, and a chain runs slice by slice; it ends where something is
 * needed of all images: the statistics of a batch norm, or a weight gradient too large to be summed
 * up by parts.
 *
 * A map that lives inside one chain needs memory for one slice a thread only. Any other piece that
 * a chain uses lives as long as the chain, since no two slices are equally far.
 *
 * Results do not depend on any of this: all kernels give the same bits for any cut (training.h).
 */
#include "graph/learn_int.h"

enum { LEAST_PIXELS = 512, LEAST_SLICES = 8 };

/* The smallest power of two, so that slices of different maps fit together. */
int tape_images(const struct tape *t, size_t pixels)
{
    const int n = t->opts->input.n;
    int images = 1;
    while (images < n && (size_t)images * pixels < LEAST_PIXELS) images *= 2;
    return images * LEAST_SLICES <= n ? images : 0;
}

static size_t parts_of(const struct tape *t, int images)
{
    return ((size_t)t->opts->input.n + (size_t)images - 1) / (size_t)images;
}

struct ref tape_parts(struct tape *t, int images, size_t numbers, struct ref sum)
{
    if (!images || !ref_is(sum)) return sum;
    return tape_vectors(t, parts_of(t, images), (int)numbers);
}

void tape_sum_parts(struct tape *t, int node, int images, size_t numbers, struct ref part,
                    struct ref sum)
{
    if (!images || !ref_is(sum)) return;
    struct learn_step *s = tape_step(t, node, LEARN_sum_parts, numbers);
    s->fn.sum_parts = t->t->sum_parts;
    s->grain = 64;
    s->call.sum_parts = (struct sum_parts_call){
        .type = t->k->type, .numbers = numbers, .parts = parts_of(t, images)};
    LINK(t, s, sum_parts.part, part);
    LINK(t, s, sum_parts.sum, sum);
}

/* ---- slices of a step ------------------------------------------------------------------------ */

/* Units of these are the same number for every image. */
static bool is_by_image(enum learn_kind kind)
{
    switch (kind) {
    case LEARN_conv:
    case LEARN_pool:
    case LEARN_map:
    case LEARN_pool_index:
    case LEARN_pool_dx:
    case LEARN_map_dx:
    case LEARN_norm_dx:
    case LEARN_dropout:
        return true;
    default:
        return false;
    }
}

static void set_slice(const struct tape *t, struct learn_step *s)
{
    const size_t n = (size_t)t->opts->input.n;
    const union learn_call *call = &s->call;
    size_t groups = 0;
    if (s->kind == LEARN_conv_dw) s->images = call->conv_dw.images;
    if (s->kind == LEARN_depthwise_grad) s->images = call->depthwise_grad.images;
    if (s->kind == LEARN_norm_sums) s->images = call->norm_sums.images;
    if (s->kind == LEARN_norm_dsums) s->images = call->norm_dsums.images;
    if (s->kind == LEARN_zero && call->zero.bytes == s->units * 64 && s->units % n == 0)
        s->images = 1;
    if (is_by_image(s->kind) && s->units % n == 0 && !s->images)
        s->images = tape_images(t, s->units / n);
    if (!s->images) return;
    groups = (n + (size_t)s->images - 1) / (size_t)s->images;
    if (is_by_image(s->kind))
        s->per_slice = s->units / n * (size_t)s->images;
    else /* the last group may have fewer units than the others */
        s->per_slice = (s->units + groups - 1) / groups;
    if (s->kind == LEARN_norm_sums || s->kind == LEARN_norm_dsums) {
        const struct view *in =
            s->kind == LEARN_norm_sums ? &call->norm_sums.in : &call->norm_dsums.in;
        const struct chunks chunks = chunks_of(in, s->images);
        s->per_slice = group_chunks(&chunks);
    }
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Packed weights depend on no other step, and nothing reads sums of parts. */
static bool may_go_before(const struct learn_step *s)
{
    return s->kind == LEARN_pack;
}

static bool may_go_behind(const struct learn_step *s)
{
    return s->kind == LEARN_sum_parts;
}

static void add_chain(struct learn *l, int first, int last, int images)
{
    l->chain[l->chains++] = (struct chain){first, last, images};
}

/* Threads would have too different numbers of slices: then each step is shared out by itself. */
static bool is_uneven(const struct learn *l, int images)
{
    const int slices = (l->images + images - 1) / images;
    const int most = (slices + l->threads - 1) / l->threads;
    return 4 * slices < 3 * most * l->threads;
}

/* The steps of old[from ..] that make one chain go to `to`; returns where the next chain begins. */
static int take_chain(struct learn *l, const struct learn_step *old, int from, int *to)
{
    int images = 0, end = from;
    for (; end < l->steps; end++) {
        const struct learn_step *s = &old[end];
        if (may_go_before(s) || may_go_behind(s)) continue;
        if (!s->images) break;
        if (s->images > images) images = s->images;
    }
    for (int i = from; i < end; i++)
        if (may_go_before(&old[i])) {
            l->step[*to] = old[i];
            add_chain(l, *to, *to, 0);
            ++*to;
        }
    const int first = *to;
    for (int i = from; i < end; i++)
        if (old[i].images) l->step[(*to)++] = old[i];
    if (*to - first > 1 && !is_uneven(l, images))
        add_chain(l, first, *to - 1, images);
    else
        for (int i = first; i < *to; i++) add_chain(l, i, i, 0);
    for (int i = from; i < end; i++)
        if (may_go_behind(&old[i])) {
            l->step[*to] = old[i];
            add_chain(l, *to, *to, 0);
            ++*to;
        }
    if (end < l->steps && end == from) {
        l->step[*to] = old[end];
        add_chain(l, *to, *to, 0);
        ++*to;
        end++;
    }
    return end;
}

/* ---- lives of pieces ------------------------------------------------------------------------- */

static void live(struct piece *p, int first, int last)
{
    if (p->first < 0 || first < p->first) p->first = first;
    if (last > p->last) p->last = last;
}

static void find_lives(struct tape *t)
{
    struct learn *l = t->learn;
    for (int i = 0; i < t->pieces; i++) t->piece[i].first = t->piece[i].last = -1;
    for (const struct chain *c = l->chain; c < l->chain + l->chains; c++)
        for (int i = c->first; i <= c->last; i++)
            for (int j = 0; j < l->step[i].links; j++) {
                const struct ref *ref = &l->step[i].link[j].ref;
                if (ref->base == BASE_ARENA) live(&t->piece[ref->piece], c->first, c->last);
            }
    for (int i = 0; i < t->pieces; i++)
        if (t->piece[i].lasting && t->piece[i].first >= 0) t->piece[i].last = l->steps - 1;
}

static const struct chain *chain_of(const struct learn *l, int step)
{
    const struct chain *c = l->chain;
    while (c->last < step) c++;
    return c;
}

static void shrink_pieces(struct tape *t)
{
    struct learn *l = t->learn;
    for (int i = 0; i < t->pieces; i++) {
        struct piece *p = &t->piece[i];
        if (p->first < 0 || !p->image || p->lasting) continue;
        const struct chain *c = chain_of(l, p->first);
        if (!c->images || p->last > c->last) continue;
        p->slice = p->image * (size_t)c->images;
        p->bytes = (p->slice * (size_t)l->threads + 63) / 64 * 64;
    }
}

/* ---- maps that follow each other in one place ------------------------------------------------ */

static void rename_piece(struct learn *l, int from, int to)
{
    for (int i = 0; i < l->steps; i++)
        for (int j = 0; j < l->step[i].links; j++) {
            struct ref *ref = &l->step[i].link[j].ref;
            if (ref->base == BASE_ARENA && ref->piece == from) ref->piece = to;
        }
}

/* The first and the last step of a chain that use a piece; false: none. */
static bool uses(const struct learn *l, const struct chain *c, int piece, int *first, int *last)
{
    *first = -1;
    for (int i = c->first; i <= c->last; i++)
        for (int j = 0; j < l->step[i].links; j++) {
            const struct ref *ref = &l->step[i].link[j].ref;
            if (ref->base != BASE_ARENA || ref->piece != piece) continue;
            if (*first < 0) *first = i;
            *last = i;
        }
    return *first >= 0;
}

/* A map that ends in the chain before step `born`, with images as large as those of p. */
static int find_place(const struct tape *t, const struct chain *c, const struct piece *p, int born)
{
    for (int i = 0; i < t->pieces; i++) {
        const struct piece *old = &t->piece[i];
        int first, last;
        if (old->first < 0 || old->first >= c->first || old->last != c->last || old->slice ||
            old->lasting || old->image != p->image || old->bytes != p->bytes)
            continue;
        if (uses(t->learn, c, i, &first, &last) && last < born) return i;
    }
    return -1;
}

/* What a chain hands on may take the place of what it has used up: image by image it is free. */
static void reuse_places(struct tape *t)
{
    struct learn *l = t->learn;
    for (const struct chain *c = l->chain; c < l->chain + l->chains; c++)
        for (int i = 0; c->images && i < t->pieces; i++) {
            struct piece *p = &t->piece[i];
            int born, last;
            if (p->first != c->first || p->last <= c->last || p->lasting || !p->image ||
                !uses(l, c, i, &born, &last))
                continue;
            const int place = find_place(t, c, p, born);
            if (place < 0) continue;
            rename_piece(l, i, place);
            t->piece[place].last = p->last;
            p->first = -1;
        }
}

bool learn_chains(struct tape *t)
{
    struct learn *l = t->learn;
    const int steps = l->steps;
    struct learn_step *old = arena_push(t->scratch, (size_t)steps, sizeof *old);
    l->chain = arena_push(&l->arena, (size_t)steps, sizeof *l->chain);
    if (!old || !l->chain) return false;
    l->images = t->opts->input.n;
    l->threads = t->opts->threads > 0 ? t->opts->threads : 1;
    for (int i = 0; i < steps; i++) {
        set_slice(t, &l->step[i]);
        old[i] = l->step[i];
    }
    for (int from = 0, to = 0; from < steps;) from = take_chain(l, old, from, &to);
    find_lives(t);
    shrink_pieces(t);
    reuse_places(t);
    return true;
}
