/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do parameters become what kernels read? Batch norm is folded in double and rounded once:
 *
 *   s = gamma / sqrt(variance + epsilon),  w' = w * s,  b' = beta + (b - mean) * s
 *
 * A parameter that kernels can read as it lies (float32, nothing folded) is not copied: the weights
 * then point into the caller's memory. Everything else is one block, sized before it is filled, so
 * that no intermediate copy exists.
 */
#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "graph/plan_int.h"

#define OUTPUTS_AT_ONCE 64 /* of a kernel: their factors stay in the first-level cache */

struct filling {
    const struct graph *g;
    const float *const *data;
    const int *norm_of;
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

static bool place_linear(const struct filling *f, int i, size_t *used)
{
    const struct node *n = &f->g->node[i];
    const struct param_table *t = &f->g->param;
    struct ready *r = &f->w->ready[i];
    int kernel = kernel_of(f->g, n), bias = node_param(f->g, n, PARAM_BIAS);
    bool copied = f->norm_of[i] >= 0 || f->w->type != DTYPE_F32;
    if (!copied) {
        r->weight = f->data[kernel];
        r->bias = bias >= 0 ? f->data[bias] : NULL;
        return true;
    }
    if (!take(f->w, t->at[kernel].count, used, &r->weight)) return false;
    bool biased = bias >= 0 || f->norm_of[i] >= 0;
    return !biased || take(f->w, (size_t)n->out.c, used, &r->bias);
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

/* Outputs from .. from + count of a kernel, which has its outputs innermost. */
static void fill_outputs(const struct filling *f, int i, size_t from, size_t count)
{
    const struct node *n = &f->g->node[i];
    const struct node *norm = f->norm_of[i] >= 0 ? &f->g->node[f->norm_of[i]] : NULL;
    const struct ready *r = &f->w->ready[i];
    int kernel = kernel_of(f->g, n), bias = node_param(f->g, n, PARAM_BIAS);
    size_t oc = (size_t)n->out.c, rows = f->g->param.at[kernel].count / oc;
    double scale[OUTPUTS_AT_ONCE];
    for (size_t j = 0; j < count; j++) {
        struct normalizer s =
            norm ? normalizer_of(f, norm, from + j) : (struct normalizer){1, 0, 0};
        double b = bias >= 0 ? (double)f->data[bias][from + j] : 0;
        scale[j] = s.scale;
        if (r->bias) put(f->w, r->bias, from + j, s.beta + (b - s.mean) * s.scale);
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t at = row * oc + from, j = 0; j < count; j++, at++)
            put(f->w, r->weight, at, (double)f->data[kernel][at] * scale[j]);
}

static void fill_linear(const struct filling *f, int i)
{
    const struct node *n = &f->g->node[i];
    size_t oc = (size_t)n->out.c;
    if (f->w->ready[i].weight == f->data[kernel_of(f->g, n)]) return;
    for (size_t o = 0; o < oc; o += OUTPUTS_AT_ONCE)
        fill_outputs(f, i, o, oc - o < OUTPUTS_AT_ONCE ? oc - o : OUTPUTS_AT_ONCE);
}

static void fill_nodes(void *ctx, size_t from, size_t to)
{
    const struct filling *f = ctx;
    for (size_t i = from; i < to; i++) {
        const struct ready *r = &f->w->ready[i];
        if (r->weight) fill_linear(f, (int)i);
        if (r->scale && f->g->node[i].kind == OP_BATCH_NORM) fill_norm(f, (int)i);
        if (r->scale && f->g->node[i].kind == OP_AFFINE) fill_affine(f, (int)i);
    }
}

/* ---- the object --------------------------------------------------------------------------------
 */

static xc_status make(struct filling *f, struct pool *pool, struct error *err)
{
    struct weights *w = f->w;
    size_t nodes = (size_t)f->g->nodes;
    if (!place_all(f, &w->bytes)) return fail(err, XC_ERR_LIMIT, "the parameters are too large");
    if (w->bytes) {
        w->block = aligned_new(w->bytes);
        if (!w->block) return fail_memory(err, w->bytes);
        (void)place_all(f, &w->bytes);
    }
    pool_for(pool, nodes, 1, fill_nodes, f);
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
    struct filling f = {g, data, norm_of, w};
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
