/* SPDX-License-Identifier: Apache-2.0 */
/* Networks for the tests: Xception as published, and random ones with every operator. */
#include "graph/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"

struct conv_attr attr_conv(int oc, int k, int stride, enum pad_kind pad)
{
    return (struct conv_attr){
        .oc = oc, .kh = k, .kw = k, .sy = stride, .sx = stride, .pad = {.kind = pad}};
}

int net_pick(uint64_t seed, uint32_t which, int low, int high)
{
    return low + (int)(rng_uniform(seed, RNG_TEST, 3, which, 0) * (float)(high - low + 1));
}

/* ---- Xception -------------------------------------------------------------------------------- */

static char *named(char *text, size_t size, const char *name, const char *suffix)
{
    snprintf(text, size, "%s%s", name, suffix);
    return text;
}

static int norm(struct graph *g, const char *name, int x)
{
    char text[64];
    return graph_batch_norm(g, named(text, sizeof text, name, "_bn"), x,
                            (struct batch_norm_attr){.epsilon = 1e-3, .momentum = 0.99});
}

static int relu(struct graph *g, const char *name, int x)
{
    char text[64];
    return graph_relu(g, named(text, sizeof text, name, "_act"), x);
}

static int stem(struct graph *g, const char *name, int x, int oc, int stride)
{
    return relu(g, name,
                norm(g, name, graph_conv(g, name, x, attr_conv(oc, 3, stride, PAD_VALID))));
}

static int separable(struct graph *g, int block, int k, int x, int oc, bool activate)
{
    char name[40];
    snprintf(name, sizeof name, "block%d_sepconv%d", block, k);
    if (activate) x = relu(g, name, x);
    return norm(g, name, graph_sepconv(g, name, x, attr_conv(oc, 3, 1, PAD_SAME)));
}

static int down(struct graph *g, int block, int x, int c1, int c2)
{
    char name[40];
    int y = separable(g, block, 1, x, c1, block > 2);
    y = separable(g, block, 2, y, c2, true);
    snprintf(name, sizeof name, "block%d_residual", block);
    int shortcut = graph_conv(g, name, x, attr_conv(c2, 1, 2, PAD_SAME));
    snprintf(name, sizeof name, "block%d_pool", block);
    y = graph_pool(g, name, y, (struct pool_attr){POOL_MAX, 3, 3, 2, 2, {.kind = PAD_SAME}, false});
    snprintf(name, sizeof name, "block%d_residual", block);
    shortcut = norm(g, name, shortcut);
    snprintf(name, sizeof name, "block%d_add", block);
    return graph_add(g, name, y, shortcut);
}

static int middle(struct graph *g, int block, int x)
{
    char name[40];
    int y = x;
    for (int k = 1; k <= 3; k++) y = separable(g, block, k, y, 728, true);
    snprintf(name, sizeof name, "block%d_add", block);
    return graph_add(g, name, y, x);
}

struct graph *net_xception(int h, int w)
{
    struct graph *g = graph_new(h, w, 3);
    int x = stem(g, "block1_conv1", 0, 32, 2);
    x = stem(g, "block1_conv2", x, 64, 1);
    x = down(g, 2, x, 128, 128);
    x = down(g, 3, x, 256, 256);
    x = down(g, 4, x, 728, 728);
    for (int block = 5; block <= 12; block++) x = middle(g, block, x);
    x = down(g, 13, x, 728, 1024);
    x = relu(g, "block14_sepconv1", separable(g, 14, 1, x, 1536, false));
    x = relu(g, "block14_sepconv2", separable(g, 14, 2, x, 2048, false));
    x = graph_global_pool(g, "avg_pool", x, POOL_AVERAGE);
    x = graph_dense(g, "predictions", x, 1000, true);
    graph_output(g, "logits", x);
    graph_output(g, "probs", graph_softmax(g, "probs", x));
    return g;
}

struct graph *net_small(void)
{
    struct graph *g = graph_new(12, 12, 3);
    if (!g) return NULL;
    int x = stem(g, "conv", 0, 8, 2);
    x = down(g, 3, x, 8, 16);
    x = graph_concat(g, "join", (int[]){x, graph_relu(g, "relu", x)}, 2);
    x = graph_dense(g, "fc", graph_flatten(g, "flat", x), 4, true);
    graph_output(g, "y", graph_softmax(g, "soft", x));
    return g;
}

/* ---- random networks ------------------------------------------------------------------------- */

#define MAX_OPEN 64

struct maker {
    struct graph *g;
    uint64_t seed;
    uint32_t drawn;
    int made;
    char name[40];
};

static int draw(struct maker *m, int from, int to) /* both included */
{
    float u = rng_uniform(m->seed, RNG_TEST, 0, 0, m->drawn++);
    return from + (int)(u * (float)(to - from + 1));
}

static bool chance(struct maker *m, int percent)
{
    return draw(m, 1, 100) <= percent;
}

static const char *next_name(struct maker *m)
{
    snprintf(m->name, sizeof m->name, "n%d", m->made++);
    return m->name;
}

static struct shape shape_at(const struct maker *m, int x)
{
    return m->g->node[x].out;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static struct padding random_padding(struct maker *m, int extent_h, int extent_w, struct shape s)
{
    struct padding p = {.kind = (enum pad_kind)draw(m, PAD_VALID, PAD_EXPLICIT)};
    if (p.kind == PAD_EXPLICIT) {
        p.top = draw(m, 0, extent_h - 1), p.bottom = draw(m, 0, extent_h - 1);
        p.left = draw(m, 0, extent_w - 1), p.right = draw(m, 0, extent_w - 1);
    }
    if (p.kind != PAD_SAME && (extent_h > s.h || extent_w > s.w)) p.kind = PAD_SAME;
    return p;
}

static int random_conv(struct maker *m, int x)
{
    struct shape s = shape_at(m, x);
    struct conv_attr a = {.oc = draw(m, 1, 9),
                          .kh = draw(m, 1, 3),
                          .kw = draw(m, 1, 3),
                          .sy = draw(m, 1, 2),
                          .sx = draw(m, 1, 2),
                          .dy = draw(m, 1, 2),
                          .dx = draw(m, 1, 2),
                          .bias = chance(m, 40)};
    if (chance(m, 30)) a.kh = a.kw = a.dy = a.dx = 1;
    if (chance(m, 20)) a.oc = 16; /* whole cache lines */
    if (chance(m, 25)) a.groups = GROUPS_DEPTHWISE;
    if (a.groups == 0 && s.c % 2 == 0 && chance(m, 30)) {
        a.groups = 2;
        a.oc *= 2;
    }
    a.pad = random_padding(m, (a.kh - 1) * a.dy + 1, (a.kw - 1) * a.dx + 1, s);
    if (chance(m, 25)) return graph_sepconv(m->g, next_name(m), x, a);
    return graph_conv(m->g, next_name(m), x, a);
}

static int random_norm(struct maker *m, int x)
{
    struct batch_norm_attr a = {
        .epsilon = 1e-3, .no_gamma = chance(m, 20), .no_beta = chance(m, 20)};
    return graph_batch_norm(m->g, next_name(m), x, a);
}

static int random_act(struct maker *m, int x)
{
    struct activation a = {.kind = (enum act)draw(m, ACT_RELU, ACT_TANH), .alpha = 1};
    if (chance(m, 50)) a.kind = ACT_RELU;
    if (a.kind == ACT_CLIP) a.alpha = -1, a.beta = 1;
    return graph_act(m->g, next_name(m), x, a);
}

static int random_pool(struct maker *m, int x)
{
    struct shape s = shape_at(m, x);
    struct pool_attr a = {.kind = chance(m, 50) ? POOL_MAX : POOL_AVERAGE,
                          .kh = draw(m, 1, 3),
                          .kw = draw(m, 1, 3),
                          .sy = draw(m, 1, 2),
                          .sx = draw(m, 1, 2),
                          .count_pad = chance(m, 50)};
    a.pad = random_padding(m, a.kh, a.kw, s);
    return graph_pool(m->g, next_name(m), x, a);
}

static int random_affine(struct maker *m, int x)
{
    const float scale[4] = {0.5f, 1.25f, -1, 2}, shift[4] = {0.25f, -0.5f, 0, 0.125f};
    int c = shape_at(m, x).c;
    return graph_affine(m->g, next_name(m), x, scale, shift, c <= 4 && chance(m, 50) ? c : 1);
}

/* A branch and its sum with x: a residual block whose shortcut is x itself. */
static int random_residual(struct maker *m, int x)
{
    struct conv_attr a = attr_conv(shape_at(m, x).c, 3, 1, PAD_SAME);
    int y = chance(m, 50) ? graph_relu(m->g, next_name(m), x) : x;
    y = chance(m, 50) ? graph_sepconv(m->g, next_name(m), y, a)
                      : graph_conv(m->g, next_name(m), y, a);
    if (chance(m, 70)) y = random_norm(m, y);
    if (chance(m, 20)) y = graph_dropout(m->g, next_name(m), y, 0.5);
    if (chance(m, 20)) y = random_act(m, y);
    return chance(m, 50) ? graph_add(m->g, next_name(m), y, x)
                         : graph_add(m->g, next_name(m), x, y);
}

/* x beside others of its size; the same one may come twice. */
static int random_concat(struct maker *m, int x)
{
    int pick[NODE_MAX_INPUTS] = {x}, count = 1;
    struct shape s = shape_at(m, x);
    for (int i = m->g->nodes - 1; i > 0 && count < NODE_MAX_INPUTS; i--) {
        struct shape t = shape_at(m, i);
        if (t.h == s.h && t.w == s.w && t.c + s.c < 40 && chance(m, 40)) pick[count++] = i;
    }
    return graph_concat(m->g, next_name(m), pick, count);
}

static int random_sum(struct maker *m, int x)
{
    for (int i = m->g->nodes - 1; i >= 0; i--)
        if (i != x && shape_equal(shape_at(m, i), shape_at(m, x)) && chance(m, 60))
            return graph_add(m->g, next_name(m), x, i);
    return graph_add(m->g, next_name(m), x, x);
}

static int random_flat(struct maker *m, int x)
{
    int y = graph_flatten(m->g, next_name(m), x), units = draw(m, 1, 20);
    if (chance(m, 30)) y = random_act(m, y);
    return graph_dense(m->g, next_name(m), y, units, chance(m, 60));
}

typedef int random_fn(struct maker *m, int x);

static int random_dropout(struct maker *m, int x)
{
    return graph_dropout(m->g, next_name(m), x, 0.25);
}

static int random_softmax(struct maker *m, int x)
{
    return graph_softmax(m->g, next_name(m), x);
}

static int random_global(struct maker *m, int x)
{
    return graph_global_pool(m->g, next_name(m), x, chance(m, 50) ? POOL_MAX : POOL_AVERAGE);
}

static int random_step(struct maker *m)
{
    static random_fn *const kinds[] = {
        random_conv,    random_conv,    random_conv,   random_norm,     random_act,
        random_act,     random_pool,    random_affine, random_residual, random_residual,
        random_concat,  random_concat,  random_sum,    random_sum,      random_flat,
        random_dropout, random_softmax, random_global};
    int kind = draw(m, 0, (int)(sizeof kinds / sizeof *kinds) - 1);
    int x = draw(m, m->g->nodes > 6 ? m->g->nodes - 6 : 0, m->g->nodes - 1);
    x = kinds[kind](m, x);
    if (kinds[kind] == random_conv && chance(m, 70)) x = random_norm(m, x);
    if (kinds[kind] == random_conv && chance(m, 50)) x = random_act(m, x);
    return x;
}

static bool is_read(const struct graph *g, int node)
{
    for (int i = node + 1; i < g->nodes; i++)
        for (int j = 0; j < g->node[i].inputs; j++)
            if (g->node[i].input[j] == node) return true;
    return false;
}

/* Everything that nobody reads yet, pooled and side by side. */
static int gather(struct maker *m)
{
    int before = m->g->nodes, open[MAX_OPEN] = {0}, count = 0;
    for (int i = 0; i < before && count < MAX_OPEN; i++)
        if (!is_read(m->g, i)) open[count++] = random_global(m, i);
    int x = open[0];
    for (int i = 1; i < count;) {
        int pick[NODE_MAX_INPUTS] = {x}, n = 1;
        while (n < NODE_MAX_INPUTS && i < count) pick[n++] = open[i++];
        x = graph_concat(m->g, next_name(m), pick, n);
    }
    return x;
}

struct graph *net_random(uint64_t seed)
{
    struct maker m = {.seed = seed};
    int h = draw(&m, 3, 12), w = draw(&m, 3, 12);
    m.g = graph_new(h, w, draw(&m, 1, 5));
    int steps = draw(&m, 2, 18);
    for (int i = 0; i < steps; i++) random_step(&m);
    if (chance(&m, 30)) graph_output(m.g, "extra", draw(&m, 1, least(m.g->nodes - 1, 9)));
    int x = gather(&m);
    x = graph_dense(m.g, next_name(&m), x, 5, true);
    graph_output(m.g, "logits", x);
    graph_output(m.g, "probs", graph_softmax(m.g, next_name(&m), x));
    return m.g;
}

/* ---- a tower --------------------------------------------------------------------------------- */

struct graph *net_tower(uint64_t seed)
{
    struct maker m = {.seed = seed};
    const int h = draw(&m, 1, 61),
              w = draw(&m, 3, 23); /* a statement each: arguments have no order */
    struct graph *g = m.g = graph_new(h, w, 3);
    int x = 0, floors = draw(&m, 2, 6);
    for (int i = 0; i < floors; i++) {
        const int c = draw(&m, 2, 20), stride = draw(&m, 1, 2), side = draw(&m, 1, 5);
        struct conv_attr a = attr_conv(c, side, stride, PAD_SAME);
        a.dy = draw(&m, 1, 2);
        const struct pool_attr pool = {POOL_MAX, draw(&m, 1, 3),     3,    stride,
                                       stride,   {.kind = PAD_SAME}, false};
        int y = graph_sepconv(g, next_name(&m), x, attr_conv(c, 3, 1, PAD_SAME));
        y = graph_relu(g, next_name(&m), y);
        y = graph_pool(g, next_name(&m), y, pool);
        x = graph_conv(g, next_name(&m), x, a);
        x = graph_add(g, next_name(&m), y, x);
    }
    graph_output(g, "y", x);
    return g;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static double value_of(const struct param *p, uint64_t seed, uint32_t which, size_t i)
{
    double u = (double)rng_uniform(seed, RNG_TEST, 1, which, (uint32_t)i) - 0.5;
    double fan_in = (double)p->count / (double)p->dim[p->rank - 1];
    switch (p->role) {
    case PARAM_KERNEL:
        return u * sqrt(24 / fan_in);
    case PARAM_DEPTHWISE:
        return u * sqrt(12.0 / 9);
    case PARAM_GAMMA:
        return 1 + 0.2 * u;
    case PARAM_VARIANCE:
        return 1 + 0.4 * u;
    default:
        return 0.2 * u;
    }
}

float **net_data(const struct graph *g, uint64_t seed)
{
    float **data = calloc((size_t)g->param.count + 1, sizeof *data);
    float *block = calloc(g->param.total + 1, sizeof *block);
    data[0] = block;
    for (int i = 0; i < g->param.count; i++) {
        const struct param *p = &g->param.at[i];
        data[i] = block + p->offset;
        for (size_t k = 0; k < p->count; k++) data[i][k] = (float)value_of(p, seed, (uint32_t)i, k);
    }
    return data;
}

void net_data_free(float **data)
{
    if (data) free(data[0]);
    free(data);
}

double net_input(uint64_t seed, size_t i)
{
    return 2.0 * (double)rng_uniform(seed, RNG_TEST, 2, 0, (uint32_t)i) - 1;
}
