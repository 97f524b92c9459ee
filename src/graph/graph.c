/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a network written down? The graph_* calls that append nodes and parameters. What a node
 * means is asked from its operator (op.h); what it costs and whether it fits another size is in
 * shapes.c.
 *
 * The first mistake stays in g->err; every later call returns -1 at once. So numbers from a file
 * (a Keras model_config) can be passed in as they are.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"

/* ---- the one way in -------------------------------------------------------------------------- */

/* Takes the status of a fail() into g->err, puts the layer's name in front; always -1. */
static int mistake(struct graph *g, const char *layer, xc_status status)
{
    g->err.status = status;
    if (layer) error_prefix(&g->err, layer);
    return -1;
}

struct graph *graph_new(int h, int w, int c)
{
    struct graph *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->room = 64;
    g->node = arena_push(&g->arena, (size_t)g->room, sizeof *g->node);
    const char *name = arena_strdup(&g->arena, "input");
    if (!g->node || !name) {
        graph_free(g);
        return NULL;
    }
    g->input = (struct shape){1, h, w, c};
    g->node[0] = (struct node){.kind = OP_INPUT, .name = name, .layer = name, .out = g->input};
    g->nodes = g->all = 1;
    if (h < 1 || w < 1 || c < 1 || h > GRAPH_MAX_SIDE || w > GRAPH_MAX_SIDE ||
        c > GRAPH_MAX_CHANNELS)
        mistake(g, "input",
                fail(&g->err, XC_ERR_ARCH, "%dx%dx%d is not the size of a picture", h, w, c));
    return g;
}

void graph_free(struct graph *g)
{
    if (!g) return;
    arena_free(&g->arena);
    free(g);
}

static bool grow(struct graph *g)
{
    if (g->all < g->room) return true;
    struct node *more = arena_push(&g->arena, (size_t)g->room * 2, sizeof *more);
    if (!more) return false;
    memcpy(more, g->node, (size_t)g->all * sizeof *more);
    g->node = more;
    g->room *= 2;
    return true;
}

static bool inputs_exist(const struct graph *g, const struct node *n)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] < 0 || n->input[i] >= g->all) return false;
    return true;
}

static xc_status check(struct graph *g, const char *name, struct node *n)
{
    struct shape in[NODE_MAX_INPUTS];
    if (!name || !*name) return fail(&g->err, XC_ERR_ARCH, "a layer needs a name");
    if (g->all >= GRAPH_MAX_NODES)
        return fail(&g->err, XC_ERR_LIMIT, "more than %d nodes", GRAPH_MAX_NODES);
    if (graph_find(g, name) >= 0)
        return fail(&g->err, XC_ERR_ARCH, "there is another layer of this name");
    if (!inputs_exist(g, n)) return fail(&g->err, XC_ERR_ARCH, "reads a layer that does not exist");
    for (int i = 0; i < n->inputs; i++) in[i] = g->node[n->input[i]].out;
    return op_of(n)->shape(n, in, &n->out, &g->err);
}

/* Appends n; -1 (and the sticky error) when it is wrong. layer NULL: the one that graph_layer set,
 * or else its own. */
static int push(struct graph *g, const char *name, const char *layer, struct node n)
{
    if (g->err.status != XC_OK) return -1;
    if (g->layer) layer = g->layer;
    xc_status status = check(g, name, &n);
    if (status != XC_OK) return mistake(g, layer ? layer : name, status);
    n.name = arena_strdup(&g->arena, name);
    n.layer = layer ? arena_strdup(&g->arena, layer) : n.name;
    if (!n.name || !n.layer || !grow(g)) return mistake(g, NULL, fail_memory(&g->err, sizeof n));
    g->node[g->all] = n;
    if (!g->behind) g->nodes++;
    return g->all++;
}

/* A parameter of the newest node, named LAYER/PART. */
static void push_param(struct graph *g, const char *part, enum param_role role, int rank,
                       const int *dim)
{
    if (g->err.status != XC_OK) return;
    struct node *n = &g->node[g->all - 1];
    char *name = arena_printf(&g->arena, "%s/%s", n->layer, part);
    int index = -1;
    xc_status status = name
                           ? param_add(&g->param, &g->arena, name, role, rank, dim, &index, &g->err)
                           : fail_memory(&g->err, strlen(n->layer));
    if (status != XC_OK)
        mistake(g, NULL, status);
    else
        n->param[n->params++] = index;
}

static void push_vector(struct graph *g, enum param_role role, int count)
{
    push_param(g, param_role_name(role), role, 1, &count);
}

static int newest(const struct graph *g)
{
    return g->err.status == XC_OK ? g->all - 1 : -1;
}

void graph_layer(struct graph *g, const char *layer)
{
    g->layer = layer ? arena_strdup(&g->arena, layer) : NULL;
    if (layer && !g->layer && g->err.status == XC_OK)
        mistake(g, NULL, fail_memory(&g->err, strlen(layer)));
}

/* ---- layers with parameters ------------------------------------------------------------------ */

static int or_one(int value)
{
    return value == 0 ? 1 : value;
}

static int channels_of(const struct graph *g, int x)
{
    return x >= 0 && x < g->all ? g->node[x].out.c : 0;
}

/* part: the name of the kernel, after the slash; NULL: the role's own. */
static int push_conv(struct graph *g, const char *name, const char *layer, int x,
                     struct conv_attr a, const char *part)
{
    bool depthwise = a.groups == GROUPS_DEPTHWISE;
    int c = channels_of(g, x);
    a.sy = or_one(a.sy), a.sx = or_one(a.sx), a.dy = or_one(a.dy), a.dx = or_one(a.dx);
    a.groups = or_one(a.groups);
    if (depthwise) a.oc = c;
    struct node n = {.kind = OP_CONV, .input = {x}, .inputs = 1, .conv = a};
    if (push(g, name, layer, n) < 0) return -1;
    enum param_role role = depthwise ? PARAM_DEPTHWISE : PARAM_KERNEL;
    const int dense[4] = {a.kh, a.kw, depthwise ? c : c / a.groups, a.oc};
    const int single[4] = {a.kh, a.kw, c, 1};
    push_param(g, part ? part : param_role_name(role), role, 4, depthwise ? single : dense);
    if (a.bias) push_vector(g, PARAM_BIAS, a.oc);
    return newest(g);
}

int graph_conv(struct graph *g, const char *name, int x, struct conv_attr a)
{
    bool pointwise = a.kh == 1 && a.kw == 1 && a.groups != GROUPS_DEPTHWISE;
    return push_conv(g, name, NULL, x, a, g->layer && pointwise ? "pointwise_kernel" : NULL);
}

int graph_sepconv(struct graph *g, const char *name, int x, struct conv_attr a)
{
    struct conv_attr depthwise = a, pointwise = {.oc = a.oc, .kh = 1, .kw = 1, .bias = a.bias};
    depthwise.groups = GROUPS_DEPTHWISE;
    depthwise.bias = false;
    char *inner = arena_printf(&g->arena, "%s/depthwise", name ? name : "");
    if (!inner && g->err.status == XC_OK) return mistake(g, NULL, fail_memory(&g->err, 1));
    int y = push_conv(g, inner, name, x, depthwise, NULL);
    return push_conv(g, name, name, y, pointwise, "pointwise_kernel");
}

int graph_dense(struct graph *g, const char *name, int x, int units, bool bias)
{
    struct node n = {.kind = OP_DENSE, .input = {x}, .inputs = 1, .units = units};
    const int dim[2] = {channels_of(g, x), units};
    if (push(g, name, NULL, n) < 0) return -1;
    push_param(g, param_role_name(PARAM_KERNEL), PARAM_KERNEL, 2, dim);
    if (bias) push_vector(g, PARAM_BIAS, units);
    return newest(g);
}

int graph_batch_norm(struct graph *g, const char *name, int x, struct batch_norm_attr a)
{
    struct node n = {.kind = OP_BATCH_NORM, .input = {x}, .inputs = 1, .norm = a};
    int c = channels_of(g, x);
    if (g->err.status == XC_OK && !(a.epsilon >= 0 && isfinite(a.epsilon)))
        return mistake(
            g, name, fail(&g->err, XC_ERR_ARCH, "epsilon %g is not a positive number", a.epsilon));
    if (push(g, name, NULL, n) < 0) return -1;
    if (!a.no_gamma) push_vector(g, PARAM_GAMMA, c);
    if (!a.no_beta) push_vector(g, PARAM_BETA, c);
    push_vector(g, PARAM_MEAN, c);
    push_vector(g, PARAM_VARIANCE, c);
    return newest(g);
}

/* ---- layers without parameters --------------------------------------------------------------- */

int graph_affine(struct graph *g, const char *name, int x, const float *scale, const float *shift,
                 int channels)
{
    struct node n = {.kind = OP_AFFINE, .input = {x}, .inputs = 1};
    int c = channels_of(g, x);
    if (g->err.status == XC_OK && channels != 1 && (channels != c || channels > 4))
        return mistake(g, name,
                       fail(&g->err, XC_ERR_SHAPE,
                            "%d factors for %d channels, expected one, or up to 4", channels, c));
    for (int i = 0; i < 4; i++) {
        int from = i < channels ? i : 0;
        n.affine.scale[i] = scale[from];
        n.affine.shift[i] = shift[from];
    }
    return push(g, name, NULL, n);
}

int graph_act(struct graph *g, const char *name, int x, struct activation a)
{
    return push(g, name, NULL, (struct node){.kind = OP_ACT, .input = {x}, .inputs = 1, .act = a});
}

int graph_relu(struct graph *g, const char *name, int x)
{
    return graph_act(g, name, x, (struct activation){.kind = ACT_RELU});
}

int graph_softmax(struct graph *g, const char *name, int x)
{
    return push(g, name, NULL, (struct node){.kind = OP_SOFTMAX, .input = {x}, .inputs = 1});
}

int graph_pool(struct graph *g, const char *name, int x, struct pool_attr a)
{
    a.sy = or_one(a.sy), a.sx = or_one(a.sx);
    return push(g, name, NULL,
                (struct node){.kind = OP_POOL, .input = {x}, .inputs = 1, .pool = a});
}

int graph_global_pool(struct graph *g, const char *name, int x, enum pool_kind kind)
{
    return push(g, name, NULL,
                (struct node){.kind = OP_GLOBAL_POOL, .input = {x}, .inputs = 1, .global = kind});
}

int graph_add(struct graph *g, const char *name, int x, int y)
{
    return push(g, name, NULL, (struct node){.kind = OP_ADD, .input = {x, y}, .inputs = 2});
}

int graph_concat(struct graph *g, const char *name, const int *x, int count)
{
    struct node n = {.kind = OP_CONCAT, .inputs = count};
    if (g->err.status == XC_OK && (count < 1 || count > NODE_MAX_INPUTS))
        return mistake(
            g, name,
            fail(&g->err, XC_ERR_LIMIT, "joins %d maps, expected 1..%d", count, NODE_MAX_INPUTS));
    if (g->err.status != XC_OK) return -1;
    for (int i = 0; i < count; i++) n.input[i] = x[i];
    return push(g, name, NULL, n);
}

int graph_flatten(struct graph *g, const char *name, int x)
{
    return push(g, name, NULL, (struct node){.kind = OP_FLATTEN, .input = {x}, .inputs = 1});
}

int graph_dropout(struct graph *g, const char *name, int x, double rate)
{
    if (g->err.status == XC_OK && !(rate >= 0 && rate < 1))
        return mistake(g, name,
                       fail(&g->err, XC_ERR_ARCH, "dropout rate %g, expected 0 <= rate < 1", rate));
    return push(g, name, NULL,
                (struct node){.kind = OP_DROPOUT, .input = {x}, .inputs = 1, .dropout = rate});
}

/* ---- a copy ---------------------------------------------------------------------------------- */

int graph_copy(struct graph *g, const struct graph *from, int node, const int *input)
{
    const struct node *old = &from->node[node];
    struct node n = *old;
    memcpy(n.input, input, (size_t)n.inputs * sizeof *input);
    n.params = 0;
    if (push(g, old->name, old->layer, n) < 0) return -1;
    for (int i = 0; i < old->params && g->err.status == XC_OK; i++) {
        const struct param *p = &from->param.at[old->param[i]];
        struct node *copy = &g->node[g->all - 1];
        const xc_status status = param_add(&g->param, &g->arena, p->name, p->role, p->rank, p->dim,
                                           &copy->param[i], &g->err);
        if (status != XC_OK) return mistake(g, NULL, status);
        copy->params++;
    }
    return newest(g);
}

/* ---- closing --------------------------------------------------------------------------------- */

void graph_output(struct graph *g, const char *name, int x)
{
    if (g->err.status != XC_OK) return;
    const char *copy = arena_strdup(&g->arena, name);
    if (x < 0 || x >= g->nodes)
        mistake(g, name, fail(&g->err, XC_ERR_ARCH, "is an output that does not exist"));
    else if (g->outputs == GRAPH_MAX_OUTPUTS)
        mistake(g, name, fail(&g->err, XC_ERR_LIMIT, "more than %d outputs", GRAPH_MAX_OUTPUTS));
    else if (!copy)
        mistake(g, name, fail_memory(&g->err, strlen(name)));
    else
        g->output[g->outputs++] = (struct output){copy, x};
}

void graph_begin_auxiliary(struct graph *g)
{
    g->behind = true;
}

void graph_auxiliary(struct graph *g, int x, double weight)
{
    if (g->err.status != XC_OK) return;
    bool twice = false;
    for (int i = 0; i < g->auxiliaries; i++) twice |= g->auxiliary[i].node == x;
    if (x < g->nodes || x >= g->all || twice)
        mistake(g, NULL,
                fail(&g->err, XC_ERR_ARCH,
                     "an auxiliary loss of a node of the network, or a second one"));
    else if (g->auxiliaries == GRAPH_MAX_AUXILIARY)
        mistake(g, NULL,
                fail(&g->err, XC_ERR_LIMIT, "more than %d auxiliary losses", GRAPH_MAX_AUXILIARY));
    else
        g->auxiliary[g->auxiliaries++] = (struct auxiliary){x, weight};
}

/* By a node below `end`, or as a result. */
static bool is_used(const struct graph *g, int node, int end)
{
    for (int i = 0; i < g->outputs; i++)
        if (g->output[i].node == node) return true;
    for (int i = 0; i < g->auxiliaries; i++)
        if (g->auxiliary[i].node == node) return true;
    for (int i = node + 1; i < end; i++)
        for (int j = 0; j < g->node[i].inputs; j++)
            if (g->node[i].input[j] == node) return true;
    return false;
}

static xc_status check_whole(struct graph *g)
{
    if (g->err.status != XC_OK) return g->err.status;
    if (g->outputs == 0) return fail(&g->err, XC_ERR_ARCH, "the network has no output");
    for (int i = 0; i < g->all; i++)
        if (!is_used(g, i, i < g->nodes ? g->nodes : g->all))
            return fail(&g->err, XC_ERR_ARCH, "%s: nobody reads it, and it is not an output",
                        g->node[i].name);
    return XC_OK;
}

xc_status graph_finish(struct graph *g, struct error *err)
{
    xc_status status = check_whole(g);
    return status == XC_OK ? XC_OK : fail(err, status, "%s", g->err.text);
}

int graph_find(const struct graph *g, const char *name)
{
    for (int i = 0; i < g->all; i++)
        if (strcmp(g->node[i].name, name) == 0) return i;
    return -1;
}

int graph_find_layer(const struct graph *g, const char *name)
{
    int node = graph_find(g, name);
    if (node >= g->nodes) return -1;
    for (int i = g->nodes - 1; node < 0 && i >= 0; i--)
        if (strcmp(g->node[i].layer, name) == 0) node = i;
    const size_t length = strlen(name);
    for (int i = g->nodes - 1; node < 0 && i >= 0; i--)
        if (strncmp(g->node[i].name, name, length) == 0 && g->node[i].name[length] == '_') node = i;
    return node;
}

int graph_logits(const struct graph *g)
{
    const int last = g->output[0].node;
    const struct node *n = &g->node[last];
    const bool sigmoid = n->kind == OP_ACT && n->act.kind == ACT_SIGMOID;
    return n->kind == OP_SOFTMAX || sigmoid ? n->input[0] : last;
}
