/* SPDX-License-Identifier: Apache-2.0 */
/* What does the inference plan say for these rows, at this node? */
#include "train/runner.h"

#include <stdlib.h>
#include <string.h>

struct runner {
    const struct machine *m;
    struct weights *own;
    struct plan *plan;
    void *arena;
    struct view in, out;
};

int runner_logits(const struct graph *g)
{
    const int last = g->output[0].node;
    const struct node *n = &g->node[last];
    const bool sigmoid = n->kind == OP_ACT && n->act.kind == ACT_SIGMOID;
    return n->kind == OP_SOFTMAX || sigmoid ? n->input[0] : last;
}

static xc_status set_up(struct runner *r, const struct graph *g, const struct weights *w,
                        struct shape input, int node, struct error *err)
{
    const struct plan_opts opts = {.input = input, .tap = &node, .taps = 1};
    TRY(plan_new(g, w, &r->m->f32, &opts, &r->plan, err));
    const size_t bytes = plan_arena_bytes(r->plan, pool_threads(r->m->pool));
    r->arena = aligned_new(bytes);
    if (!r->arena) return fail_memory(err, bytes);
    if (plan_view(r->plan, 0, r->arena, &r->in) && plan_view(r->plan, node, r->arena, &r->out))
        return XC_OK;
    return fail(err, XC_ERR_INTERNAL, "the plan does not keep what is asked for");
}

xc_status runner_of(const struct machine *m, const struct graph *g, const struct weights *w,
                    struct shape input, int node, struct runner **out, struct error *err)
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

xc_status runner_new(const struct machine *m, const struct graph *g, const float *block,
                     struct shape input, int node, struct runner **out, struct error *err)
{
    struct weights *w = NULL;
    const float **data = calloc((size_t)g->param.count + 1, sizeof *data);
    *out = NULL;
    if (!data) return fail_memory(err, (size_t)g->param.count * sizeof *data);
    for (int i = 0; i < g->param.count; i++) data[i] = block + g->param.at[i].offset;
    const struct weights_source from = {.data = data};
    xc_status status = weights_new(g, &from, &m->f32, m->pool, &w, err);
    if (status == XC_OK) status = runner_of(m, g, w, input, node, out, err);
    free(data);
    if (status == XC_OK)
        (*out)->own = w;
    else
        weights_free(w);
    return status;
}

void runner_free(struct runner *r)
{
    if (!r) return;
    plan_free(r->plan);
    weights_free(r->own);
    free(r->arena);
    free(r);
}

size_t runner_width(const struct runner *r)
{
    return (size_t)r->out.h * (size_t)r->out.w * (size_t)r->out.c;
}

static char *pixel_at(const struct view *v, int n, int y, int x)
{
    return (char *)v->data + n * v->image + y * v->row + x * v->pixel;
}

static void put(const struct view *to, const float *x, int n)
{
    const size_t bytes = (size_t)to->c * sizeof *x;
    for (int i = 0; i < n; i++)
        for (int y = 0; y < to->h; y++)
            for (int at = 0; at < to->w; at++, x += to->c) memcpy(pixel_at(to, i, y, at), x, bytes);
}

static void take(const struct view *from, int n, float *out)
{
    const size_t bytes = (size_t)from->c * sizeof *out;
    for (int i = 0; i < n; i++)
        for (int y = 0; y < from->h; y++)
            for (int at = 0; at < from->w; at++, out += from->c)
                memcpy(out, pixel_at(from, i, y, at), bytes);
}

xc_status runner_run(struct runner *r, const float *x, int n, float *out, struct error *err)
{
    put(&r->in, x, n);
    const xc_status status = plan_run_images(r->plan, n, r->arena, r->m->pool, NULL, NULL);
    if (status != XC_OK) return fail(err, status, "the run was %s", xc_status_text(status));
    take(&r->out, n, out);
    return XC_OK;
}
