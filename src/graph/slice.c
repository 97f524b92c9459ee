/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows of a step run when, and who runs them? The last loop of the planner. A step on its own
 * is one slice of all its rows, which threads share. The steps of a group take turns: a few rows of
 * the group's result, and before them whatever rows of the other steps these need and are not there
 * yet. Threads share the bands: each makes neighbouring ones on its own, so that rows stay in its
 * cache and nobody waits; its first band finds nothing there and begins with all rows that it
 * needs. The bands of a heavy group come one after the other, and threads share each slice.
 *
 * Of a value inside a group each thread has a buffer that begins with the first row that its band
 * reads. When that row moves on, what the buffer already holds of the rest moves to its beginning.
 * A thread's first band reads more than those behind it, which find most rows made.
 */
#include "graph/plan_int.h"

/* ---- the rows of a band ---------------------------------------------------------------------- */

struct rows {
    int from, to;
};

struct band { /* rows of the group's result */
    const struct plan *p;
    const struct schedule *s;
    const struct group *group;
    struct range steps;   /* of the group */
    int before, from, to; /* the rows before it begin with `before` */
    bool first;           /* that a thread makes */
};

static int clip(int64_t row, int h)
{
    return row < 0 ? 0 : row > h ? h : (int)row;
}

/* The rows of a value that rows [from, to) of the result need; none before the first. */
static struct rows rows_in(const struct band *b, int chain, int from, int to)
{
    const struct reach *r = &b->s->reach[chain];
    const int h = b->s->shape[chain].h;
    if (to <= 0) return (struct rows){0, 0};
    return (struct rows){clip((int64_t)r->step * from + r->low, h),
                         clip((int64_t)r->step * (to - 1) + r->high + 1, h)};
}

static bool is_inside(const struct band *b, int node)
{
    return node > 0 && b->s->chain[node].root >= 0 && b->group->first <= node &&
           node < b->group->last;
}

/* The first row that the band makes of a value: those in front are there. */
static int made_from(const struct band *b, int chain)
{
    const int from = rows_in(b, chain, b->from, b->to).from;
    const int there = b->first ? 0 : rows_in(b, chain, b->before, b->from).to;
    return from > there ? from : there;
}

static int row_read(struct step *step, int row)
{
    const struct window *window = call_window(step->kind, &step->call);
    return window ? row * window->sy - window->pad_top : row;
}

/* The rows of a value inside the group that the band reads or makes; its buffer begins with them.
 */
static struct rows rows_present(const struct band *b, int chain)
{
    struct rows held = rows_in(b, chain, b->from, b->to);
    if (b->first) return held;
    int from = made_from(b, chain);
    for (size_t i = b->steps.from; i < b->steps.to; i++) {
        struct step *step = &b->p->step[i];
        const struct chain *c = &step->chain;
        const int made = made_from(b, step->node), read = row_read(step, made);
        if (b->s->source[c->in] == chain && read < from) from = read;
        if (c->other >= 0 && b->s->source[c->other] == chain && made < from) from = made;
    }
    if (from > held.from) held.from = from;
    return held;
}

/* The rows of what a step reads that are in memory; the first of them is where its value begins. */
static struct rows rows_of_source(const struct band *b, int node)
{
    const int x = b->s->source[node];
    if (is_inside(b, x)) return rows_present(b, x);
    return (struct rows){0, b->s->shape[x].h};
}

/* ---- slices ---------------------------------------------------------------------------------- */

static struct slice whole(struct step *step, int index)
{
    const struct window *window = call_window(step->kind, &step->call);
    return (struct slice){.step = index,
                          .in = {step->in, false},
                          .out = {step->out, false},
                          .add = {step->add, false},
                          .rows = step->call.io.out.h,
                          .in_rows = step->call.io.in.h,
                          .pad_top = window ? window->pad_top : 0,
                          .per_image = step->per_image};
}

static size_t bytes_of_rows(struct view v, int rows)
{
    return (size_t)rows * (size_t)v.row;
}

/* Rows [rows.from, rows.to) of the step, whose buffer begins with row `base`. */
static void cut(const struct band *b, struct step *step, struct rows rows, int base,
                struct slice *slice)
{
    const struct chain *c = &step->chain;
    slice->rows = rows.to - rows.from;
    slice->per_image = step->per_image / (size_t)step->call.io.out.h * (size_t)slice->rows;
    if (slice->rows == 0) return;
    const bool window = call_window(step->kind, &step->call);
    const struct rows in = rows_of_source(b, c->in);
    const int first = row_read(step, rows.from), from = clip(first, in.to);
    slice->out.at += bytes_of_rows(step->call.io.out, rows.from - base);
    slice->in.at += bytes_of_rows(step->call.io.in, from - in.from);
    slice->in_rows = window ? in.to - from : slice->rows;
    slice->pad_top = first < 0 ? -first : 0;
    if (c->other >= 0)
        slice->add.at += bytes_of_rows(call_epilogue(step->kind, &step->call)->add,
                                       rows.from - rows_of_source(b, c->other).from);
}

/* What the step has to do in this band, and which of the rows before are kept; false: nothing. */
static bool take_turn(const struct band *b, const struct band *before, struct step *step, int index,
                      struct slice *slice)
{
    const bool inside = is_inside(b, step->node);
    const struct rows now = rows_present(b, step->node), old = rows_present(before, step->node);
    const int from = made_from(b, step->node);
    *slice = whole(step, index);
    slice->in.mine = is_inside(b, b->s->source[step->chain.in]);
    slice->out.mine = inside;
    slice->add.mine = step->chain.other >= 0 && is_inside(b, b->s->source[step->chain.other]);
    if (inside && !b->first && now.from > old.from && now.from < old.to) {
        slice->kept_to = slice->out.at;
        slice->kept_from = slice->kept_to + bytes_of_rows(step->call.io.out, now.from - old.from);
        slice->kept_bytes = bytes_of_rows(step->call.io.out, old.to - now.from);
    }
    cut(b, step, (struct rows){from, now.to > from ? now.to : from}, inside ? now.from : 0, slice);
    return slice->rows > 0 || slice->kept_bytes > 0;
}

/* The slices of a band; returns how many. slice NULL: only counts. */
static int slices_of_band(const struct band *b, const struct band *before, struct slice *slice)
{
    int count = 0;
    for (size_t i = b->steps.from; i < b->steps.to; i++) {
        struct slice one;
        if (!take_turn(b, before, &b->p->step[i], (int)i, &one)) continue;
        if (slice) slice[count] = one;
        count++;
    }
    return count;
}

/* Where band i begins: they are of about equal height, the first one of the highest: the first
 * thread of several has nothing to make again. */
static int band_from(const struct schedule *s, const struct group *group, int i)
{
    return (int)(((int64_t)s->shape[group->last].h * i + group->bands - 1) / group->bands);
}

static struct band band_at(const struct plan *p, const struct schedule *s, struct range steps,
                           int i, bool first)
{
    const struct group *group = &s->group[p->step[steps.from].group];
    return (struct band){.p = p,
                         .s = s,
                         .group = group,
                         .steps = steps,
                         .before = i > 0 ? band_from(s, group, i - 1) : 0,
                         .from = i < 0 ? 0 : band_from(s, group, i),
                         .to = band_from(s, group, i + 1),
                         .first = first};
}

/* All bands of a group, in all the places that they may have in a thread's order; p->slice NULL:
 * only counts. */
static void add_group(struct plan *p, const struct schedule *s, struct range steps, int *at)
{
    const int bands = s->group[p->step[steps.from].group].bands;
    for (int i = 0; i < BAND_PLACES * bands; i++) {
        const int band = i / BAND_PLACES, place = i % BAND_PLACES;
        if (at) at[i] = p->slices;
        if (place > band) continue; /* too few bands in front of it */
        const struct band b = band_at(p, s, steps, band, place == BAND_FIRST);
        const struct band before = band_at(p, s, steps, band - 1, place == BAND_SECOND);
        p->slices += slices_of_band(&b, &before, p->slice ? p->slice + p->slices : NULL);
    }
    if (at) at[BAND_PLACES * bands] = p->slices;
}

static xc_status add_stage(struct plan *p, const struct schedule *s, struct range steps,
                           struct error *err)
{
    const int group = p->step[steps.from].group;
    struct stage *stage = p->stage ? &p->stage[p->stages] : NULL;
    p->stages++;
    if (stage) *stage = (struct stage){.slice = p->slices};
    if (group < 0) {
        if (p->slice) p->slice[p->slices] = whole(&p->step[steps.from], (int)steps.from);
        p->slices++;
        return XC_OK;
    }
    if (stage) {
        stage->bands = s->group[group].bands;
        stage->together = s->group[group].heavy;
        stage->at =
            arena_push(&p->arena, BAND_PLACES * (size_t)stage->bands + 1, sizeof *stage->at);
        if (!stage->at)
            return fail_memory(err, BAND_PLACES * (size_t)stage->bands * sizeof *stage->at);
    }
    add_group(p, s, steps, stage ? stage->at : NULL);
    return XC_OK;
}

static xc_status add_stages(struct plan *p, const struct schedule *s, struct error *err)
{
    p->slices = p->stages = 0;
    for (int i = 0, end; i < p->steps; i = end) {
        const int group = p->step[i].group;
        for (end = i + 1; group >= 0 && end < p->steps && p->step[end].group == group;) end++;
        TRY(add_stage(p, s, (struct range){(size_t)i, (size_t)end}, err));
    }
    return XC_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

xc_status stages_make(struct plan *p, const struct schedule *s, struct error *err)
{
    TRY(add_stages(p, s, err)); /* counts them */
    p->slice = arena_push(&p->arena, (size_t)p->slices, sizeof *p->slice);
    p->stage = arena_push(&p->arena, (size_t)p->stages, sizeof *p->stage);
    if (!p->slice || !p->stage) return fail_memory(err, (size_t)p->slices * sizeof *p->slice);
    return add_stages(p, s, err);
}
