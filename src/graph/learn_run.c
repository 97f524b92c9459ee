/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a training step run? Each call is copied to the stack, its pointers get their bases, and
 * the pool hands ranges of its units to the kernel. Nothing is allocated or locked.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "graph/learn_int.h"

struct work {
    union learn_fn fn;
    union learn_call call;
};

#define THUNK(name)                                                                                \
    static void run_##name(void *ctx, size_t from, size_t to)                                      \
    {                                                                                              \
        const struct work *w = ctx;                                                                \
        w->fn.name(&w->call.name, from, to);                                                       \
    }
LEARN_CALLS(THUNK)
#undef THUNK

static pool_fn *const run_kind[] = {
#define RUN(name) [LEARN_##name] = run_##name,
    LEARN_CALLS(RUN)
#undef RUN
};

static const char *const kind_name[] = {
#define NAME(name) [LEARN_##name] = #name,
    LEARN_CALLS(NAME)
#undef NAME
};

/* Bases are only ever read where a call's pointer is to const. */
static void find_bases(const struct learn *l, const struct learn_io *io, void *arena,
                       const void *base[BASE_COUNT])
{
    base[BASE_NONE] = NULL;
    base[BASE_ARENA] = arena;
    base[BASE_CONST] = l->constants;
    base[BASE_INPUT] = io->input;
    base[BASE_TARGET] = io->target;
    base[BASE_ROW_WEIGHT] = io->row_weight;
    base[BASE_CLASS_WEIGHT] = io->class_weight;
    base[BASE_PARAM] = io->param;
    base[BASE_GRAD] = io->grad;
    base[BASE_LOSS] = io->loss;
    base[BASE_SCALE] = &io->scale;
    base[BASE_DRAW] = &io->draw;
}

struct run {
    const struct learn *l;
    const struct chain *chain;
    const void *const *base;
    int parts;
    double *seconds; /* by step, or NULL */
};

/* The call of a step, for the slice that begins with image `first`, on thread `part`. */
static void point(const struct learn_step *s, const void *const base[BASE_COUNT], size_t part,
                  size_t first, struct work *w)
{
    w->fn = s->fn;
    w->call = s->call;
    for (int i = 0; i < s->links; i++) {
        const struct ref *ref = &s->link[i].ref;
        const char *from = base[ref->base];
        const char *to = from ? from + ref->at + part * ref->slice - first * ref->image : NULL;
        memcpy((char *)&w->call + s->link[i].field, &to, sizeof to);
    }
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void run_slice(const struct run *r, size_t part, size_t first)
{
    const struct chain *c = r->chain;
    const size_t n = (size_t)r->l->images, last = smaller(first + (size_t)c->images, n);
    for (int i = c->first; i <= c->last; i++) {
        const struct learn_step *s = &r->l->step[i];
        const size_t images = (size_t)s->images, end = (last + images - 1) / images * s->per_slice;
        const bool timed = r->seconds && part == 0;
        const double start = timed ? clock_seconds() : 0;
        struct work w;
        point(s, r->base, part, first, &w);
        run_kind[s->kind](&w, first / images * s->per_slice, smaller(end, s->units));
        if (timed) r->seconds[i] += clock_seconds() - start;
    }
}

static void run_parts(void *ctx, size_t from, size_t to)
{
    const struct run *r = ctx;
    const size_t images = (size_t)r->chain->images;
    const size_t slices = ((size_t)r->l->images + images - 1) / images;
    for (size_t part = from; part < to; part++) {
        const struct range range = range_part(slices, 1, (size_t)r->parts, part);
        for (size_t i = range.from; i < range.to; i++) run_slice(r, part, i * images);
    }
}

static void run_chain(const struct run *r, struct pool *pool)
{
    if (r->chain->images) {
        pool_for(pool, (size_t)r->parts, 1, run_parts, (void *)r);
        return;
    }
    const struct learn_step *s = &r->l->step[r->chain->first];
    const double start = r->seconds ? clock_seconds() : 0;
    struct work w;
    point(s, r->base, 0, 0, &w);
    pool_for(pool, s->units, s->grain, run_kind[s->kind], &w);
    if (r->seconds) r->seconds[r->chain->first] += clock_seconds() - start;
}

xc_status learn_run(const struct learn *l, const struct learn_io *io, void *arena,
                    struct pool *pool, const atomic_bool *cancel)
{
    const void *base[BASE_COUNT];
    struct run run = {.l = l, .base = base, .parts = pool_threads(pool), .seconds = io->seconds};
    if (run.parts > l->threads) run.parts = l->threads;
    find_bases(l, io, arena, base);
    for (int i = 0; i < l->chains; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) return XC_ERR_CANCELLED;
        run.chain = &l->chain[i];
        run_chain(&run, pool);
    }
    return XC_OK;
}

int learn_steps(const struct learn *l)
{
    return l->steps;
}

const char *learn_kernel(const struct learn *l, int step)
{
    return kind_name[l->step[step].kind];
}

static struct view view_at(struct place p, void *arena)
{
    p.view.data = (char *)arena + p.at;
    return p.view;
}

struct view learn_logits(const struct learn *l, void *arena)
{
    return view_at(l->logits, arena);
}

struct view learn_value(const struct learn *l, int i, void *arena)
{
    return l->value[i].view.c ? view_at(l->value[i], arena) : l->value[i].view;
}

struct view learn_gradient(const struct learn *l, int i, void *arena)
{
    return view_at(l->gradient[i], arena);
}

const char *learn_dump(const struct learn *l, struct arena *a)
{
    enum { WIDTH = 80 };
    const size_t size = (size_t)(l->steps + 1) * WIDTH;
    char *text = arena_push(a, size, 1);
    if (!text) return NULL;
    size_t at = (size_t)snprintf(text, WIDTH, "arena %zu bytes\n", l->bytes);
    for (int i = 0; i < l->steps; i++) {
        const struct learn_step *s = &l->step[i];
        at += (size_t)snprintf(text + at, WIDTH, "%4d %-14s %-36.36s %zu\n", i, kind_name[s->kind],
                               l->g->node[s->node].name, s->units);
    }
    return text;
}
