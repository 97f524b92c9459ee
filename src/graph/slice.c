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
 */
#include "graph/plan_int.h"

/* ---- the rows of a band ------------------------------------------------------------------------
 */

struct rows {
    int from, to;
};

struct band { /* rows of the group's result */
    const struct schedule *s;
    const struct group *group;
    int before, from, to; /* the rows before it begin with `before` */
    bool first;           /* that a thread makes */
};

static int clip(int64_t row, int h)
{
    return row < 0 ? 0 : row > h ? h : (int)row;
}

/* The rows of a value that are in memory during band [from, to); none before the first. */
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

/* The rows of what a step reads that are in memory; the first of them is where its value begins. */
static struct rows rows_of_source(const struct band *b, int node)
{
    const int x = b->s->source[node];
    if (is_inside(b, x)) return rows_in(b, x, b->from, b->to);
    return (struct rows){0, b->s->shape[x].h};
}

/* ---- slices ------------------------------------------------------------------------------------
 */

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
    const struct window *window = call_window(step->kind, &step->call);
    const struct rows in = rows_of_source(b, c->in);
    const int first = window ? rows.from * window->sy - window->pad_top : rows.from;
    const int from = clip(first, in.to);
    slice->out.at += bytes_of_rows(step->call.io.out, rows.from - base);
    slice->in.at += bytes_of_rows(step->call.io.in, from - in.from);
    slice->in_rows = window ? in.to - from : slice->rows;
    slice->pad_top = first < 0 ? -first : 0;
    if (c->other >= 0)
        slice->add.at += bytes_of_rows(call_epilogue(step->kind, &step->call)->add,
                                       rows.from - rows_of_source(b, c->other).from);
}

/* What the step has to do in this band; false: nothing. */
static bool take_turn(const struct band *b, struct step *step, int index, struct slice *slice)
{
    const bool inside = is_inside(b, step->node);
    const struct rows now = rows_in(b, step->node, b->from, b->to);
    const int behind = b->first ? 0 : b->from; /* the rows of the result that are there */
    const struct rows before = rows_in(b, step->node, b->before, behind);
    const int from = now.from > before.to ? now.from : before.to;
    *slice = whole(step, index);
    slice->in.mine = is_inside(b, b->s->source[step->chain.in]);
    slice->out.mine = inside;
    slice->add.mine = step->chain.other >= 0 && is_inside(b, b->s->source[step->chain.other]);
    if (inside && now.from > before.from && now.from < before.to) {
        slice->kept_to = slice->out.at;
        slice->kept_from =
            slice->kept_to + bytes_of_rows(step->call.io.out, now.from - before.from);
        slice->kept_bytes = bytes_of_rows(step->call.io.out, before.to - now.from);
    }
    cut(b, step, (struct rows){from, now.to > from ? now.to : from}, inside ? now.from : 0, slice);
    return slice->rows > 0 || slice->kept_bytes > 0;
}

/* The slices of a band of the group whose steps these are; returns how many. slice NULL: only
 * counts. */
static int slices_of_band(const struct plan *p, const struct band *b, struct range steps,
                          struct slice *slice)
{
    int count = 0;
    for (size_t i = steps.from; i < steps.to; i++) {
        struct slice one;
        if (!take_turn(b, &p->step[i], (int)i, &one)) continue;
        if (slice) slice[count] = one;
        count++;
    }
    return count;
}

/* Where band i begins: they are of about equal height. */
static int band_from(const struct schedule *s, const struct group *group, int i)
{
    return (int)((int64_t)s->shape[group->last].h * i / group->bands);
}

/* All bands of a group, each behind another and as a thread's first; p->slice NULL: only counts. */
static void add_group(struct plan *p, const struct schedule *s, struct range steps, int *at)
{
    const struct group *group = &s->group[p->step[steps.from].group];
    for (int i = 0; i < 2 * group->bands; i++) {
        const int band = i / 2;
        const struct band b = {.s = s,
                               .group = group,
                               .before = band ? band_from(s, group, band - 1) : 0,
                               .from = band_from(s, group, band),
                               .to = band_from(s, group, band + 1),
                               .first = i % 2 != 0};
        if (at) at[i] = p->slices;
        p->slices += slices_of_band(p, &b, steps, p->slice ? p->slice + p->slices : NULL);
    }
    if (at) at[2 * group->bands] = p->slices;
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
        stage->at = arena_push(&p->arena, 2 * (size_t)stage->bands + 1, sizeof *stage->at);
        if (!stage->at) return fail_memory(err, (size_t)stage->bands * sizeof *stage->at);
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

/* ---- the whole ---------------------------------------------------------------------------------
 */

xc_status stages_make(struct plan *p, const struct schedule *s, struct error *err)
{
    TRY(add_stages(p, s, err)); /* counts them */
    p->slice = arena_push(&p->arena, (size_t)p->slices, sizeof *p->slice);
    p->stage = arena_push(&p->arena, (size_t)p->stages, sizeof *p->stage);
    if (!p->slice || !p->stage) return fail_memory(err, (size_t)p->slices * sizeof *p->slice);
    return add_stages(p, s, err);
}
