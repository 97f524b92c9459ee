/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do parameters become what kernels read? Batch norm is folded in double and rounded once:
 *
 *   s = gamma / sqrt(variance + epsilon),  w' = w * s,  b' = beta + (b - mean) * s
 *
 * Numbers go from the parameter straight to their place in a panel, so that no intermediate copy
 * exists; when the parameters lie in a mapped file, those of a layer leave memory as soon as the
 * layer is done, so that there are never two copies either.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "graph/plan_int.h"

#define PANELS_AT_ONCE 4 /* rows of the parameter are read in runs of these */

/* ---- batch norm ------------------------------------------------------------------------------ */

struct normalizer { /* y = beta + (x - mean) * scale */
    double scale, mean, beta;
};

struct statistics { /* of a batch norm, by channel; gamma and beta may be NULL; all NULL: none */
    const float *gamma, *beta, *mean, *variance;
    double epsilon;
};

static const float *numbers_of(const struct filling *f, int node, enum param_role role)
{
    int param = node_param(f->g, &f->g->node[node], role);
    return param >= 0 ? f->from->data[param] : NULL;
}

static struct statistics statistics_of(const struct filling *f, int norm)
{
    if (norm < 0) return (struct statistics){0};
    return (struct statistics){.gamma = numbers_of(f, norm, PARAM_GAMMA),
                               .beta = numbers_of(f, norm, PARAM_BETA),
                               .mean = numbers_of(f, norm, PARAM_MEAN),
                               .variance = numbers_of(f, norm, PARAM_VARIANCE),
                               .epsilon = f->g->node[norm].norm.epsilon};
}

static struct normalizer normalizer_at(const struct statistics *s, size_t c)
{
    if (!s->variance) return (struct normalizer){1, 0, 0};
    double spread = sqrt((double)s->variance[c] + s->epsilon);
    return (struct normalizer){.scale = (s->gamma ? (double)s->gamma[c] : 1) / spread,
                               .mean = (double)s->mean[c],
                               .beta = s->beta ? (double)s->beta[c] : 0};
}

/* ---- channels -------------------------------------------------------------------------------- */

static void put(const struct weights *w, const void *where, size_t i, double value)
{
    if (w->type == DTYPE_F64)
        ((double *)where)[i] = value;
    else
        ((float *)where)[i] = (float)value;
}

static void fill_norm(const struct filling *f, int i)
{
    const struct ready *r = &f->w->ready[i];
    const struct statistics s = statistics_of(f, i);
    for (size_t c = 0; c < (size_t)f->g->node[i].out.c; c++) {
        struct normalizer n = normalizer_at(&s, c);
        put(f->w, r->scale, c, n.scale);
        put(f->w, r->shift, c, n.beta - n.mean * n.scale);
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

static void fill_bias(const struct filling *f, int i)
{
    const struct statistics s = statistics_of(f, f->norm_of[i]);
    const float *bias = numbers_of(f, i, PARAM_BIAS);
    const void *to = f->w->ready[i].bias;
    if (!to || to == bias) return;
    for (size_t c = 0; c < (size_t)f->g->node[i].out.c; c++) {
        struct normalizer n = normalizer_at(&s, c);
        put(f->w, to, c, n.beta + ((bias ? (double)bias[c] : 0) - n.mean) * n.scale);
    }
}

/* ---- panels ---------------------------------------------------------------------------------- */

struct linear { /* a node whose panels are being filled */
    const struct filling *f;
    int node;
    enum packing packing;
    struct matrix matrix;
    struct statistics norm;
    enum dtype type;
};

/* to[j] = from[j] * scale[j], rounded once. A whole panel is the usual width, and quick. */
static void fold_f32(float *restrict to, const float *restrict from, const double *restrict scale,
                     size_t columns)
{
    if (columns == 16)
        for (size_t j = 0; j < 16; j++) to[j] = (float)((double)from[j] * scale[j]);
    else
        for (size_t j = 0; j < columns; j++) to[j] = (float)((double)from[j] * scale[j]);
}

/* Through a float whose last digit is odd when anything was lost: it lies on the same side of every
 * tie between brain floats as x does, so x is rounded once. */
static uint16_t bf16_from_f64(double x)
{
    const double inside = fmin(fmax(x, -(double)FLT_MAX), (double)FLT_MAX);
    union {
        float value;
        uint32_t bits;
    } odd = {(float)x};
    if (!(fabs(x) <= (double)FLT_MAX) || (double)odd.value == inside)
        return bf16_from_f32(odd.value);
    if (fabs((double)odd.value) > fabs(x)) odd.bits--;
    odd.bits |= 1;
    return bf16_from_f32(odd.value);
}

static void fold_bf16(uint16_t *to, const struct panel *p, size_t row, const float *from,
                      const double *scale)
{
    for (size_t j = 0; j < p->columns; j++)
        to[panel_at(p, row, j)] = bf16_from_f64((double)from[j] * scale[j]);
}

static void fill_row(enum dtype type, const void *weight, const struct panel *p, size_t row,
                     const float *from, const double *scale)
{
    size_t at = p->at + row * p->stride;
    double *wide = (double *)weight + at;
    if (type == DTYPE_BF16)
        fold_bf16((uint16_t *)weight, p, row, from, scale);
    else if (type == DTYPE_F32)
        fold_f32((float *)weight + at, from, scale, p->columns);
    else
        for (size_t j = 0; j < p->columns; j++) wide[j] = (double)from[j] * scale[j];
}

/* The zeros behind the columns of a panel are there already: the block came zeroed. */
static void fill_panels(void *ctx, size_t from, size_t to)
{
    const struct linear *l = ctx;
    const float *data = l->f->from->data[weights_kernel(l->f, l->node)];
    const void *weight = l->f->w->ready[l->node].weight;
    const size_t columns = l->matrix.columns * l->matrix.groups;
    double scale[PANELS_AT_ONCE][PACKING_MOST_COLUMNS];
    struct panel panel[PANELS_AT_ONCE];
    for (size_t count; from < to; from += count) {
        count = to - from < PANELS_AT_ONCE ? to - from : PANELS_AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            panel[i] = packing_panel(l->packing, &l->matrix, from + i);
            for (size_t j = 0; j < panel[i].columns; j++)
                scale[i][j] = normalizer_at(&l->norm, panel[i].first + j).scale;
        }
        for (size_t row = 0; row < l->matrix.rows; row++)
            for (size_t i = 0; i < count; i++)
                fill_row(l->type, weight, &panel[i], row, data + row * columns + panel[i].first,
                         scale[i]);
    }
}

static void fill_linear(const struct filling *f, int i, struct pool *pool)
{
    const int kernel = weights_kernel(f, i);
    struct linear l = {f,
                       i,
                       weights_packing(f, i),
                       weights_matrix(f, i),
                       statistics_of(f, f->norm_of[i]),
                       weights_type(f, i, WEIGHTS_KERNEL)};
    fill_bias(f, i);
    if (f->w->ready[i].weight == f->from->data[kernel]) return;
    pool_for(pool, packing_panels(l.packing, &l.matrix), 1, fill_panels, &l);
    if (f->from->file)
        file_forget(f->from->file, f->from->data[kernel],
                    f->g->param.at[kernel].count * sizeof(float));
}

void weights_fill(const struct filling *f, struct pool *pool)
{
    for (int i = 0; i < f->g->nodes; i++) {
        const struct ready *r = &f->w->ready[i];
        if (r->weight) fill_linear(f, i, pool);
        if (r->scale && f->g->node[i].kind == OP_BATCH_NORM) fill_norm(f, i);
        if (r->scale && f->g->node[i].kind == OP_AFFINE) fill_affine(f, i);
    }
}
