/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the network fit another input size, and what does it cost? Shapes of all nodes, the
 * smallest input, multiply-adds, parameter counts.
 *
 * The smallest side is found by trying sides upward: the rule "no window larger than its map" is
 * stricter than graph_shapes, which lets a padded window hang over (a 3x3 "same" over 2x2 has a
 * result; a network trained there has learned the padding).
 */
#include <stdlib.h>

#include "graph/op.h"

/* A parameter's shape follows from the channels that its node reads, and from nothing else. */
static bool parameters_fit(const struct graph *g, const struct node *n, struct shape in)
{
    return n->params == 0 || g->node[n->input[0]].out.c == in.c;
}

static xc_status shape_of(const struct graph *g, const struct node *n, struct shape *shapes,
                          struct shape *out, struct error *err)
{
    struct shape in[NODE_MAX_INPUTS];
    size_t count;
    for (int i = 0; i < n->inputs; i++) in[i] = shapes[n->input[i]];
    TRY(op_of(n)->shape(n, in, out, err));
    if (!parameters_fit(g, n, in[0]))
        return fail(err, XC_ERR_SHAPE, "was made for %d numbers and would read %d",
                    g->node[n->input[0]].out.c, in[0].c);
    if (!shape_count(*out, &count))
        return fail(err, XC_ERR_LIMIT, "%dx%dx%dx%d is too large", out->n, out->h, out->w, out->c);
    return XC_OK;
}

static xc_status shapes_below(const struct graph *g, int end, struct shape input, struct shape *out,
                              struct error *err)
{
    if (input.n < 1 || input.h < 1 || input.w < 1 || input.h > GRAPH_MAX_SIDE ||
        input.w > GRAPH_MAX_SIDE || input.c != g->input.c)
        return fail(err, XC_ERR_SHAPE, "input: %dx%dx%dx%d, expected (n, h, w, %d)", input.n,
                    input.h, input.w, input.c, g->input.c);
    out[0] = input;
    for (int i = 1; i < end; i++) {
        const struct node *n = &g->node[i];
        xc_status status = shape_of(g, n, out, &out[i], err);
        if (status != XC_OK) {
            error_prefix(err, n->layer);
            return status;
        }
    }
    return XC_OK;
}

xc_status graph_shapes(const struct graph *g, struct shape input, struct shape *out,
                       struct error *err)
{
    return shapes_below(g, g->nodes, input, out, err);
}

xc_status graph_all_shapes(const struct graph *g, struct shape input, struct shape *out,
                           struct error *err)
{
    return shapes_below(g, g->all, input, out, err);
}

static bool windows_fit(const struct graph *g, const struct shape *shapes)
{
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        if (!op_of(n)->sliding) continue;
        const struct sliding sliding = op_of(n)->sliding(n);
        if (!sliding_fits(&sliding, shapes[n->input[0]])) return false;
    }
    return true;
}

int graph_min_side(const struct graph *g)
{
    const int most = 4096;
    struct shape *shapes = calloc((size_t)g->nodes, sizeof *shapes);
    int found = shapes ? 0 : -1;
    for (int side = 1; shapes && side <= most && !found; side++) {
        struct shape input = {1, side, side, g->input.c};
        if (graph_shapes(g, input, shapes, NULL) == XC_OK && windows_fit(g, shapes)) found = side;
    }
    free(shapes);
    return found;
}

uint64_t graph_macs(const struct graph *g, int i, const struct shape *shapes)
{
    const struct node *n = &g->node[i];
    const struct op *op = op_of(n);
    return op->macs ? op->macs(n, &shapes[n->input[0]], shapes[i]) : 0;
}

uint64_t graph_params(const struct graph *g)
{
    return g->param.total;
}

uint64_t graph_trainable(const struct graph *g)
{
    uint64_t sum = 0;
    for (int i = 0; i < g->param.count; i++)
        if (param_trainable(&g->param.at[i])) sum += g->param.at[i].count;
    return sum;
}
