/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a person read a plan? One line a step: the operator, its nodes in the order in which
 * they act ("relu > conv" is done on load, "conv > relu" on the result), shapes, where the result
 * lies in the arena, multiply-adds; and of a step that runs in bands, with which others it takes
 * turns. Whole numbers only, so the locale does not matter.
 */
#include "graph/plan_int.h"

struct text {
    struct arena *arena;
    const char *so_far; /* NULL: out of memory */
};

static void join(struct text *t, const char *between, const char *more)
{
    if (t->so_far) t->so_far = arena_printf(t->arena, "%s%s%s", t->so_far, between, more);
}

static void join_node(struct text *t, const struct graph *g, const char *between, int node)
{
    if (node >= 0) join(t, between, g->node[node].name);
}

static const char *chain_text(const struct plan *p, const struct step *step, struct arena *a)
{
    const struct chain *c = &step->chain;
    const struct node *root = &p->g->node[c->root];
    struct text t = {a, ""};
    if (c->load >= 0) join(&t, p->g->node[c->load].name, " > ");
    join_node(&t, p->g, "", c->depthwise);
    join_node(&t, p->g, " > ", c->depthwise_norm);
    join_node(&t, p->g, " > ", c->depthwise_act);
    if (c->depthwise >= 0) join(&t, " > ", "");
    join_node(&t, p->g, "", c->root);
    join_node(&t, p->g, " > ", c->norm);
    if (c->other >= 0 && root->kind != OP_ADD) join_node(&t, p->g, " + ", c->other);
    join_node(&t, p->g, " > ", c->act);
    return t.so_far;
}

int plan_steps(const struct plan *p)
{
    return p->steps;
}

static uint64_t macs_of(const struct plan *p, int node)
{
    return node < 0 ? 0 : graph_macs(p->g, node, p->shape);
}

struct plan_step plan_step_at(const struct plan *p, int i)
{
    const struct step *step = &p->step[i];
    const struct node *root = &p->g->node[step->chain.root];
    const struct view *out = &step->call.io.out;
    return (struct plan_step){root->name,
                              op_of(root)->name,
                              {out->n, out->h, out->w, out->c},
                              macs_of(p, step->chain.root) + macs_of(p, step->chain.depthwise)};
}

/* "" or, for a step of a group, how many turns it takes when one thread makes all bands. */
static const char *turns_text(const struct plan *p, int step, struct arena *a)
{
    int turns = 0;
    if (p->step[step].group < 0) return "";
    for (const struct stage *s = p->stage; s < p->stage + p->stages; s++)
        for (int band = 0; band < s->bands; band++) {
            const int *at = stage_band(s, (size_t)band, 0);
            for (int i = at[0]; i < at[1]; i++) turns += p->slice[i].step == step;
        }
    return arena_printf(a, ", group %d, %d turns", p->step[step].group, turns);
}

static const char *step_line(const struct plan *p, int i, struct arena *a)
{
    const struct step *step = &p->step[i];
    const struct view *in = &step->call.io.in;
    const struct plan_step what = plan_step_at(p, i);
    const char *nodes = chain_text(p, step, a);
    const char *turns = turns_text(p, i, a);
    if (!nodes || !turns) return NULL;
    return arena_printf(a, "%3d %-11s %dx%dx%dx%d -> %dx%dx%dx%d @%zu %llu  %s%s\n", i, what.op,
                        in->n, in->h, in->w, in->c, what.out.n, what.out.h, what.out.w, what.out.c,
                        step->out, (unsigned long long)what.macs, nodes, turns);
}

const char *plan_dump(const struct plan *p, struct arena *a)
{
    struct arena scratch = {0};
    struct text whole = {&scratch, ""};
    for (int i = 0; i < p->steps && whole.so_far; i++) {
        const char *line = step_line(p, i, &scratch);
        if (line)
            join(&whole, "", line);
        else
            whole.so_far = NULL;
    }
    const char *text = whole.so_far ? arena_strdup(a, whole.so_far) : NULL;
    arena_free(&scratch);
    return text;
}
