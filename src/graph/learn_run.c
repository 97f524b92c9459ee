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

static void run_step(const struct learn_step *s, const void *const base[BASE_COUNT],
                     struct pool *pool)
{
    struct work w = {s->fn, s->call};
    for (int i = 0; i < s->links; i++) {
        const struct link *link = &s->link[i];
        const char *from = base[link->ref.base];
        const char *to = from ? from + link->ref.at : NULL;
        memcpy((char *)&w.call + link->field, &to, sizeof to);
    }
    pool_for(pool, s->units, s->grain, run_kind[s->kind], &w);
}

xc_status learn_run(const struct learn *l, const struct learn_io *io, void *arena,
                    struct pool *pool, const atomic_bool *cancel)
{
    const void *base[BASE_COUNT];
    find_bases(l, io, arena, base);
    for (int i = 0; i < l->steps; i++) {
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed)) return XC_ERR_CANCELLED;
        const double start = io->seconds ? clock_seconds() : 0;
        run_step(&l->step[i], base, pool);
        if (io->seconds) io->seconds[i] += clock_seconds() - start;
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
