/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do parameters become what kernels read? Batch norm is folded in double and rounded once:
 *
 *   s = gamma / sqrt(variance + epsilon),  w' = w * s,  b' = beta + (b - mean) * s
 *
 * A parameter that kernels can read as it lies (float32, nothing folded, plain packing) is not
 * copied: the weights then point into the caller's memory. Everything else is one block, sized
 * before it is filled; numbers go from the parameter straight to their place in a panel, so that no
 * intermediate copy exists.
 */
#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "graph/plan_int.h"

#define PANELS_AT_ONCE 4 /* rows of the parameter are read in runs of these */
#define MOST_COLUMNS 64  /* of a panel */

struct filling {
    const struct graph *g;
    const float *const *data;
    const int *norm_of;
    const struct kernels *k;
    struct weights *w;
};

/* ---- the size of the block ---------------------------------------------------------------------
 */

static bool is_linear(const struct node *n)
{
    return n->kind == OP_CONV || n->kind == OP_DENSE;
}

static int kernel_of(const struct graph *g, const struct node *n)
{
    int kernel = node_param(g, n, PARAM_KERNEL);
    return kernel >= 0 ? kernel : node_param(g, n, PARAM_DEPTHWISE);
}

/* Takes count numbers from the block. Before there is a block, only the size grows; sizes come from
 * the architecture and are checked once, here. */
static bool take(struct weights *w, size_t count, size_t *used, const void **where)
{
    size_t bytes, end;
    if (!size_mul(count, dtype_size(w->type), &bytes) || !size_align(bytes, 64, &bytes) ||
        !size_add(*used, bytes, &end))
        return false;
    if (w->block) *where = (const char *)w->block + *used;
    *used = end;
    return true;
}

static int channels_into(const struct filling *f, const struct node *n)
{
    return f->g->node[n->input[0]].out.c;
}

static enum packing packing_of(const struct filling *f, const struct node *n)
{
    if (n->kind == OP_DENSE) return f->k->dense_packing;
    return op_conv_packing(n, channels_into(f, n), f->k);
}

static struct matrix matrix_of(const struct filling *f, const struct node *n)
{
    int c = channels_into(f, n);
    if (n->kind == OP_DENSE) return (struct matrix){(size_t)c, (size_t)n->units, 1};
    return op_conv_matrix(n, c);
}

static bool place_linear(const struct filling *f, int i, size_t *used)
{
    const struct node *n = &f->g->node[i];
    struct ready *r = &f->w->ready[i];
    const struct matrix m = matrix_of(f, n);
    int kernel = kernel_of(f->g, n), bias = node_param(f->g, n, PARAM_BIAS);
    bool normed = f->norm_of[i] >= 0 || f->w->type != DTYPE_F32;
    size_t count;
    if (normed || packing_of(f, n) != PACK_PLAIN) {
        if (!packing_numbers(packing_of(f, n), &m, &count)) return false;
        if (!take(f->w, count, used, &r->weight)) return false;
    } else {
        r->weight = f->data[kernel];
    }
    if (normed)
        return (bias < 0 && f->norm_of[i] < 0) || take(f->w, (size_t)n->out.c, used, &r->bias);
    r->bias = bias >= 0 ? f->data[bias] : NULL;
    return true;
}

static bool place_channels(const struct filling *f, int i, size_t *used)
{
    size_t c = (size_t)f->g->node[i].out.c;
    struct ready *r = &f->w->ready[i];
    return take(f->w, c, used, &r->scale) && take(f->w, c, used, &r->shift);
}

static bool is_folded(const struct filling *f, int i)
{
    return f->norm_of[f->g->node[i].input[0]] == i;
}

static bool place_all(const struct filling *f, size_t *used)
{
    *used = 0;
    for (int i = 1; i < f->g->nodes; i++) {
        const struct node *n = &f->g->node[i];
        bool outside = n->kind == OP_BATCH_NORM && !is_folded(f, i);
        if (is_linear(n) && !place_linear(f, i, used)) return false;
        if ((outside || n->kind == OP_AFFINE) && !place_channels(f, i, used)) return false;
    }
    return true;
}

/* ---- the numbers -------------------------------------------------------------------------------
 */

static void put(const struct weights *w, const void *where, size_t i, double value)
{
    if (w->type == DTYPE_F64)
        ((double *)where)[i] = value;
    else
        ((float *)where)[i] = (float)value;
}

struct normalizer { /* y = beta + (x - mean) * scale */
    double scale, mean, beta;
};

static struct normalizer normalizer_of(const struct filling *f, const struct node *n, size_t c)
{
    const float *const *data = f->data;
    int gamma = node_param(f->g, n, PARAM_GAMMA), beta = node_param(f->g, n, PARAM_BETA);
    double variance = (double)data[node_param(f->g, n, PARAM_VARIANCE)][c];
    double spread = sqrt(variance + n->norm.epsilon);
    return (struct normalizer){.scale = (gamma >= 0 ? (double)data[gamma][c] : 1) / spread,
                               .mean = (double)data[node_param(f->g, n, PARAM_MEAN)][c],
                               .beta = beta >= 0 ? (double)data[beta][c] : 0};
}

static void fill_norm(const struct filling *f, int i)
{
    const struct node *n = &f->g->node[i];
    const struct ready *r = &f->w->ready[i];
    for (size_t c = 0; c < (size_t)n->out.c; c++) {
        struct normalizer s = normalizer_of(f, n, c);
        put(f->w, r->scale, c, s.scale);
        put(f->w, r->shift, c, s.beta - s.mean * s.scale);
    }
}

static void fill_affine(const struct filling *f, int i)
{
    const struct node *n = &f->g->node[i];
    const struct ready *r = &f->w->ready[i];
    for (size_t c = 0; c < (size_t)n->out.c; c++) {
        size_t given = n->out.c <= 4 ? c : 0;
        put(f->w, r->scale, c, (double)n->affine.scale[given]);
        put(f->w, r->shift, c, (double)n->affine.shift[given]);
    }
}

struct column { /* what happens to the parameters of an output */
    double scale, bias;
};

static struct column column_of(const struct filling *f, int i, size_t c)
{
    const struct node *n = &f->g->node[i];
    int bias = node_param(f->g, n, PARAM_BIAS);
    struct normalizer s = {1, 0, 0};
    if (f->norm_of[i] >= 0) s = normalizer_of(f, &f->g->node[f->norm_of[i]], c);
    double b = bias >= 0 ? (double)f->data[bias][c] : 0;
    return (struct column){s.scale, s.beta + (b - s.mean) * s.scale};
}

static void fill_bias(const struct filling *f, int i)
{
    const struct ready *r = &f->w->ready[i];
    int bias = node_param(f->g, &f->g->node[i], PARAM_BIAS);
    if (!r->bias || (bias >= 0 && r->bias == f->data[bias])) return;
    for (size_t c = 0; c < (size_t)f->g->node[i].out.c; c++)
        put(f->w, r->bias, c, column_of(f, i, c).bias);
}

/* to[j] = from[j] * scale[j], rounded once */
static void fill_row(const struct weights *w, const void *weight, const struct panel *p, size_t row,
                     const float *from, const double *scale)
{
    size_t at = p->at + row * p->stride;
    if (w->type == DTYPE_F64) {
        double *to = (double *)weight + at;
        for (size_t j = 0; j < p->columns; j++) to[j] = (double)from[j] * scale[j];
    } else {
        float *to = (float *)weight + at;
        for (size_t j = 0; j < p->columns; j++) to[j] = (float)((double)from[j] * scale[j]);
    }
}

struct linear { /* a node whose panels are being filled */
    const struct filling *f;
    int node;
};

/* The zeros behind the columns of a panel are there already: the block came zeroed. */
static void fill_panels(void *ctx, size_t from, size_t to)
{
    const struct linear *l = ctx;
    const struct filling *f = l->f;
    const struct node *n = &f->g->node[l->node];
    const struct matrix m = matrix_of(f, n);
    const float *data = f->data[kernel_of(f->g, n)];
    const void *weight = f->w->ready[l->node].weight;
    const size_t columns = m.columns * m.groups;
    double scale[PANELS_AT_ONCE][MOST_COLUMNS];
    struct panel panel[PANELS_AT_ONCE];
    for (size_t count; from < to; from += count) {
        count = to - from < PANELS_AT_ONCE ? to - from : PANELS_AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            panel[i] = packing_panel(packing_of(f, n), &m, from + i);
            for (size_t j = 0; j < panel[i].columns; j++)
                scale[i][j] = column_of(f, l->node, panel[i].first + j).scale;
        }
        for (size_t row = 0; row < m.rows; row++)
            for (size_t i = 0; i < count; i++)
                fill_row(f->w, weight, &panel[i], row, data + row * columns + panel[i].first,
                         scale[i]);
    }
}

static void fill_linear(struct filling *f, int i, struct pool *pool)
{
    const struct node *n = &f->g->node[i];
    const struct matrix m = matrix_of(f, n);
    struct linear l = {f, i};
    fill_bias(f, i);
    if (f->w->ready[i].weight == f->data[kernel_of(f->g, n)]) return;
    pool_for(pool, packing_panels(packing_of(f, n), &m), 1, fill_panels, &l);
}

static void fill_nodes(struct filling *f, struct pool *pool)
{
    for (int i = 0; i < f->g->nodes; i++) {
        const struct ready *r = &f->w->ready[i];
        if (r->weight) fill_linear(f, i, pool);
        if (r->scale && f->g->node[i].kind == OP_BATCH_NORM) fill_norm(f, i);
        if (r->scale && f->g->node[i].kind == OP_AFFINE) fill_affine(f, i);
    }
}

/* ---- the object --------------------------------------------------------------------------------
 */

static xc_status make(struct filling *f, struct pool *pool, struct error *err)
{
    struct weights *w = f->w;
    if (!place_all(f, &w->bytes)) return fail(err, XC_ERR_LIMIT, "the parameters are too large");
    if (w->bytes) {
        w->block = aligned_new(w->bytes);
        if (!w->block) return fail_memory(err, w->bytes);
        (void)place_all(f, &w->bytes);
    }
    fill_nodes(f, pool);
    return XC_OK;
}

xc_status weights_new(const struct graph *g, const float *const *data, const struct kernels *k,
                      struct pool *pool, struct weights **out, struct error *err)
{
    size_t nodes = (size_t)g->nodes;
    struct weights *w = calloc(1, sizeof *w);
    int *norm_of = calloc(nodes, sizeof *norm_of);
    xc_status status = XC_OK;
    if (w) w->ready = calloc(nodes, sizeof *w->ready);
    if (!w || !norm_of || !w->ready) {
        status = fail_memory(err, nodes * sizeof *w->ready);
        goto out;
    }
    w->type = k->type;
    fold_find(g, norm_of);
    struct filling f = {g, data, norm_of, k, w};
    status = make(&f, pool, err);
out:
    free(norm_of);
    if (status != XC_OK) {
        weights_free(w);
        w = NULL;
    }
    *out = w;
    return status;
}

void weights_free(struct weights *w)
{
    if (!w) return;
    free(w->block);
    free(w->ready);
    free(w);
}

size_t weights_bytes(const struct weights *w)
{
    return w->bytes;
}
