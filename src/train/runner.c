/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the inference plan say for these rows, at this node? The plan is of one row; each
 * thread takes rows of its own, or, when there are fewer rows than threads, all work on one.
 */
#include "train/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct runner {
    const struct machine *m;
    struct weights *own;
    struct plan *plan;
    int node, lanes;
    void *arena[POOL_MAX_THREADS]; /* one a lane */
    char *scratch;                 /* of every thread */
    struct view out;               /* its shape */
};

static xc_status set_up(struct runner *r, const struct graph *g, const struct weights *w,
                        struct shape input, int node, struct error *err)
{
    const int threads = pool_threads(r->m->pool);
    const struct plan_opts opts = {
        .input = {1, input.h, input.w, input.c}, .tap = &node, .taps = 1};
    TRY(plan_new(g, w, &r->m->f32, &opts, &r->plan, err));
    r->node = node;
    const size_t bytes = plan_arena_bytes(r->plan);
    const size_t scratch = (size_t)threads * plan_scratch_bytes(r->plan);
    r->scratch = aligned_new(scratch);
    if (!r->scratch) return fail_memory(err, scratch);
    for (; r->lanes < threads && r->lanes < input.n; r->lanes++) {
        r->arena[r->lanes] = aligned_new(bytes);
        if (!r->arena[r->lanes]) return fail_memory(err, bytes);
    }
    if (plan_view(r->plan, node, NULL, &r->out)) return XC_OK;
    return fail(err, XC_ERR_INTERNAL, "the plan does not keep what is asked for");
}

/* With weights that are ready; they must outlive the runner. */
static xc_status open_runner(const struct machine *m, const struct graph *g,
                             const struct weights *w, struct shape input, int node,
                             struct runner **out, struct error *err)
{
    struct runner *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) return fail_memory(err, sizeof *r);
    r->m = m;
    const xc_status status = set_up(r, g, w, input, node, err);
    if (status == XC_OK)
        *out = r;
    else
        runner_free(r);
    return status;
}

static xc_status weights_of(const struct machine *m, const struct graph *g, const float *block,
                            struct weights **out, struct error *err)
{
    const float **data = calloc((size_t)g->param.count + 1, sizeof *data);
    *out = NULL;
    if (!data) return fail_memory(err, (size_t)g->param.count * sizeof *data);
    for (int i = 0; i < g->param.count; i++) data[i] = block + g->param.at[i].offset;
    const struct weights_source from = {.data = data};
    const xc_status status = weights_new(g, &from, &m->f32, m->pool, out, err);
    free(data);
    return status;
}

xc_status runner_new(const struct machine *m, const struct graph *g, const float *block,
                     struct shape input, int node, struct runner **out, struct error *err)
{
    struct weights *w;
    *out = NULL;
    xc_status status = weights_of(m, g, block, &w, err);
    if (status == XC_OK) status = open_runner(m, g, w, input, node, out, err);
    if (status == XC_OK)
        (*out)->own = w;
    else
        weights_free(w);
    return status;
}

xc_status runner_bytes(const struct machine *m, const struct graph *g, struct shape input, int node,
                       uint64_t *bytes, struct error *err)
{
    const int threads = pool_threads(m->pool), lanes = threads < input.n ? threads : input.n;
    const struct plan_opts opts = {
        .input = {1, input.h, input.w, input.c}, .tap = &node, .taps = 1};
    struct plan *plan = NULL;
    TRY(plan_new(g, NULL, &m->f32, &opts, &plan, err));
    *bytes = g->param.total * sizeof(float) + (uint64_t)lanes * plan_arena_bytes(plan) +
             (uint64_t)threads * plan_scratch_bytes(plan);
    plan_free(plan);
    return XC_OK;
}

void runner_free(struct runner *r)
{
    if (!r) return;
    plan_free(r->plan);
    weights_free(r->own);
    for (int i = 0; i < r->lanes; i++) free(r->arena[i]);
    free(r->scratch);
    free(r);
}

size_t runner_width(const struct runner *r)
{
    return (size_t)r->out.h * (size_t)r->out.w * (size_t)r->out.c;
}

static char *pixel_at(const struct view *v, int y, int x)
{
    return (char *)v->data + y * v->row + x * v->pixel;
}

static void put(const struct view *to, const float *x)
{
    for (int y = 0; y < to->h; y++)
        for (int at = 0; at < to->w; at++, x += to->c)
            memcpy(pixel_at(to, y, at), x, (size_t)to->c * sizeof *x);
}

static void take(const struct view *from, float *out)
{
    for (int y = 0; y < from->h; y++)
        for (int at = 0; at < from->w; at++, out += from->c)
            memcpy(out, pixel_at(from, y, at), (size_t)from->c * sizeof *out);
}

static void run_row(const struct runner *r, int lane, struct pool *pool, const float *x, float *out)
{
    struct view in, result;
    plan_view(r->plan, 0, r->arena[lane], &in);
    plan_view(r->plan, r->node, r->arena[lane], &result);
    put(&in, x);
    char *scratch = r->scratch + (size_t)(pool ? 0 : lane) * plan_scratch_bytes(r->plan);
    plan_run(r->plan, r->arena[lane], scratch, pool, NULL); /* cannot fail: nothing cancels it */
    take(&result, out);
}

struct rows {
    const struct runner *r;
    const float *x;
    float *out;
    size_t n, width_in, width_out;
};

static void run_lanes(void *ctx, size_t from, size_t to)
{
    const struct rows *w = ctx;
    for (size_t lane = from; lane < to; lane++) {
        const struct range part = range_part(w->n, 1, (size_t)w->r->lanes, lane);
        for (size_t i = part.from; i < part.to; i++)
            run_row(w->r, (int)lane, NULL, w->x + i * w->width_in, w->out + i * w->width_out);
    }
}

void runner_run(const struct runner *r, const float *x, int n, float *out)
{
    struct view in;
    plan_view(r->plan, 0, NULL, &in);
    struct rows w = {.r = r,
                     .x = x,
                     .out = out,
                     .n = (size_t)n,
                     .width_in = (size_t)in.h * (size_t)in.w * (size_t)in.c,
                     .width_out = runner_width(r)};
    if (n >= r->lanes && r->lanes > 1) {
        pool_for(r->m->pool, (size_t)r->lanes, 1, run_lanes, &w);
        return;
    }
    for (size_t i = 0; i < w.n; i++)
        run_row(r, 0, r->m->pool, x + i * w.width_in, out + i * w.width_out);
}

/* Are the values of a node finite? Of one that cannot be asked: yes. */
static bool is_finite_at(const struct machine *m, const struct graph *g, const struct weights *w,
                         struct shape input, const float *x, int node)
{
    struct runner *r = NULL;
    struct error ignored;
    bool finite = true;
    if (open_runner(m, g, w, input, node, &r, &ignored) != XC_OK) return true;
    const size_t count = runner_width(r);
    float *out = calloc(count, sizeof *out);
    if (out) runner_run(r, x, 1, out);
    for (size_t i = 0; out && i < count; i++) finite = finite && isfinite(out[i]);
    free(out);
    runner_free(r);
    return finite;
}

const char *runner_first_wrong(const struct machine *m, const struct graph *g, const float *block,
                               struct shape input, const float *x)
{
    struct weights *w = NULL;
    struct error ignored;
    const char *wrong = NULL;
    input.n = 1;
    if (weights_of(m, g, block, &w, &ignored) != XC_OK) return NULL;
    for (int i = 1; i < g->nodes && !wrong; i++)
        if (!is_finite_at(m, g, w, input, x, i)) wrong = g->node[i].layer;
    weights_free(w);
    return wrong;
}
