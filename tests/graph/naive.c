/* SPDX-License-Identifier: Apache-2.0 */
/* The plain formula of each operator, in double, on dense (n, h, w, c) arrays. */
#include <math.h>
#include <stdlib.h>

#include "graph/net.h"

struct map {
    struct shape s;
    double *v;
};

static double *at(struct map m, int n, int y, int x, int c)
{
    return &m.v[(((size_t)n * (size_t)m.s.h + (size_t)y) * (size_t)m.s.w + (size_t)x) *
                    (size_t)m.s.c +
                (size_t)c];
}

static double activate(struct activation a, double x)
{
    switch (a.kind) {
    case ACT_RELU:
        return x > 0 ? x : 0;
    case ACT_ELU:
        return x < 0 ? a.alpha * (exp(x) - 1) : x;
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_CLIP:
        return x < a.alpha ? a.alpha : x > a.beta ? a.beta : x;
    case ACT_TANH:
        return tanh(x);
    default:
        return x;
    }
}

/* Padding before the first window, on one axis. */
static int before(struct padding p, int given, int n, int out, int extent, int stride)
{
    if (p.kind == PAD_VALID) return 0;
    if (p.kind == PAD_EXPLICIT) return given;
    int total = (out - 1) * stride + extent - n;
    return total > 0 ? total / 2 : 0;
}

struct slide { /* a window of one output pixel */
    int y0, x0;
};

static struct slide slide_of(struct padding p, struct shape in, struct shape out, int kh, int kw,
                             int sy, int sx, int y, int x)
{
    return (struct slide){y * sy - before(p, p.top, in.h, out.h, kh, sy),
                          x * sx - before(p, p.left, in.w, out.w, kw, sx)};
}

static bool inside(struct shape s, int y, int x)
{
    return y >= 0 && y < s.h && x >= 0 && x < s.w;
}

static double conv_sum(const struct conv_attr *a, struct map in, const float *weight, int n,
                       struct slide w, int o, int oc)
{
    bool depthwise = a->groups == GROUPS_DEPTHWISE;
    int groups = depthwise ? in.s.c : a->groups, cg = in.s.c / groups;
    int first = o / (oc / groups) * cg;
    double sum = 0;
    for (int ky = 0; ky < a->kh; ky++)
        for (int kx = 0; kx < a->kw; kx++) {
            int y = w.y0 + ky * a->dy, x = w.x0 + kx * a->dx;
            if (!inside(in.s, y, x)) continue;
            for (int c = 0; c < cg; c++) {
                size_t k = (size_t)((ky * a->kw + kx) * cg + c) * (size_t)oc + (size_t)o;
                sum += *at(in, n, y, x, first + c) * (double)weight[k];
            }
        }
    return sum;
}

static double pool_value(const struct pool_attr *a, struct map in, int n, struct slide w, int c)
{
    double sum = 0, max = -INFINITY;
    int count = 0;
    for (int ky = 0; ky < a->kh; ky++)
        for (int kx = 0; kx < a->kw; kx++) {
            int y = w.y0 + ky, x = w.x0 + kx;
            if (!inside(in.s, y, x)) continue;
            double v = *at(in, n, y, x, c);
            sum += v;
            max = v > max ? v : max;
            count++;
        }
    if (a->kind == POOL_MAX) return max;
    return sum / (a->count_pad ? a->kh * a->kw : count);
}

static double global_value(enum pool_kind kind, struct map in, int n, int c)
{
    double sum = 0, max = -INFINITY;
    for (int y = 0; y < in.s.h; y++)
        for (int x = 0; x < in.s.w; x++) {
            double v = *at(in, n, y, x, c);
            sum += v;
            max = v > max ? v : max;
        }
    return kind == POOL_MAX ? max : sum / (in.s.h * in.s.w);
}

static double softmax_value(struct map in, int n, int y, int x, int c)
{
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < in.s.c; i++) max = fmax(max, *at(in, n, y, x, i));
    for (int i = 0; i < in.s.c; i++) sum += exp(*at(in, n, y, x, i) - max);
    return exp(*at(in, n, y, x, c) - max) / sum;
}

static const float *param_of(const struct graph *g, const struct node *node, float *const *data,
                             enum param_role role)
{
    for (int i = 0; i < node->params; i++)
        if (g->param.at[node->param[i]].role == role) return data[node->param[i]];
    return NULL;
}

static double norm_value(const struct graph *g, const struct node *node, float *const *data,
                         double x, int c)
{
    const float *gamma = param_of(g, node, data, PARAM_GAMMA);
    const float *beta = param_of(g, node, data, PARAM_BETA);
    double mean = (double)param_of(g, node, data, PARAM_MEAN)[c];
    double variance = (double)param_of(g, node, data, PARAM_VARIANCE)[c];
    double y = (x - mean) / sqrt(variance + node->norm.epsilon);
    return (gamma ? (double)gamma[c] : 1) * y + (beta ? (double)beta[c] : 0);
}

static double concat_value(const struct map *in, int n, int y, int x, int c)
{
    while (c >= in->s.c) c -= in++->s.c;
    return *at(*in, n, y, x, c);
}

struct eval {
    const struct graph *g;
    float *const *data;
    const struct node *node;
    struct map in[NODE_MAX_INPUTS], out;
};

static double linear_value(const struct eval *e, int n, int y, int x, int c)
{
    const struct node *node = e->node;
    const float *kernel = param_of(e->g, node, e->data, PARAM_KERNEL);
    const float *bias = param_of(e->g, node, e->data, PARAM_BIAS);
    struct conv_attr a = node->conv;
    if (node->kind == OP_DENSE)
        a = (struct conv_attr){.kh = 1, .kw = 1, .sy = 1, .sx = 1, .dy = 1, .dx = 1, .groups = 1};
    if (!kernel) kernel = param_of(e->g, node, e->data, PARAM_DEPTHWISE);
    struct slide w = slide_of(a.pad, e->in->s, e->out.s, (a.kh - 1) * a.dy + 1,
                              (a.kw - 1) * a.dx + 1, a.sy, a.sx, y, x);
    return conv_sum(&a, e->in[0], kernel, n, w, c, e->out.s.c) + (bias ? (double)bias[c] : 0);
}

static double value_at(const struct eval *e, int n, int y, int x, int c)
{
    const struct node *node = e->node;
    const struct pool_attr *p = &node->pool;
    switch (node->kind) {
    case OP_CONV:
    case OP_DENSE:
        return linear_value(e, n, y, x, c);
    case OP_BATCH_NORM:
        return norm_value(e->g, node, e->data, *at(e->in[0], n, y, x, c), c);
    case OP_AFFINE: {
        int i = e->out.s.c <= 4 ? c : 0;
        double scale = (double)node->affine.scale[i], shift = (double)node->affine.shift[i];
        return scale * *at(e->in[0], n, y, x, c) + shift;
    }
    case OP_ACT:
        return activate(node->act, *at(e->in[0], n, y, x, c));
    case OP_SOFTMAX:
        return softmax_value(e->in[0], n, y, x, c);
    case OP_POOL:
        return pool_value(p, e->in[0], n,
                          slide_of(p->pad, e->in->s, e->out.s, p->kh, p->kw, p->sy, p->sx, y, x),
                          c);
    case OP_GLOBAL_POOL:
        return global_value(node->global, e->in[0], n, c);
    case OP_ADD:
        return *at(e->in[0], n, y, x, c) + *at(e->in[1], n, y, x, c);
    case OP_CONCAT:
        return concat_value(e->in, n, y, x, c);
    default: /* dropout and flatten: the same numbers in the same order */
        return e->in[0].v[at(e->out, n, y, x, c) - e->out.v];
    }
}

static void evaluate(const struct eval *e)
{
    struct shape s = e->out.s;
    for (int n = 0; n < s.n; n++)
        for (int y = 0; y < s.h; y++)
            for (int x = 0; x < s.w; x++)
                for (int c = 0; c < s.c; c++) *at(e->out, n, y, x, c) = value_at(e, n, y, x, c);
}

double **naive_run(const struct graph *g, const struct shape *shapes, float *const *data,
                   uint64_t input_seed)
{
    double **value = calloc((size_t)g->nodes, sizeof *value);
    for (int i = 0; i < g->nodes; i++) {
        struct eval e = {.g = g, .data = data, .node = &g->node[i]};
        size_t count = 0;
        if (!shape_count(shapes[i], &count)) continue;
        value[i] = calloc(count, sizeof **value);
        e.out = (struct map){shapes[i], value[i]};
        for (int j = 0; j < e.node->inputs; j++)
            e.in[j] = (struct map){shapes[e.node->input[j]], value[e.node->input[j]]};
        if (i > 0)
            evaluate(&e);
        else
            for (size_t k = 0; k < count; k++) value[0][k] = net_input(input_seed, k);
    }
    return value;
}

void naive_free(const struct graph *g, double **value)
{
    for (int i = 0; i < g->nodes; i++) free(value[i]);
    free(value);
}
