/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do the numbers of a foreign tensor lie, and how do they become ours? Keras' layouts are ours;
 * PyTorch has (out, in, kh, kw) and (out, in). Axes of size 1 do not count: checkpoints exist with
 * pointwise kernels (out, in) and depthwise ones (c, kh, kw), and the numbers lie the same.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "foreign/foreign_map.h"

/* Our axis i has dim[i] numbers, and is axis at[i] of the foreign tensor. */
struct axes {
    int rank, dim[4], at[4];
};

/* The map whose numbers, flattened, are the rows of a dense layer's kernel; 1x1x1: there is none.
 */
static struct shape flattened(const struct graph *g, int param)
{
    for (int i = 0; i < g->all; i++) {
        const struct node *n = &g->node[i], *x = &g->node[n->input[0]];
        if (n->kind != OP_DENSE || n->param[0] != param) continue;
        while (x->kind == OP_DROPOUT) x = &g->node[x->input[0]];
        if (x->kind == OP_FLATTEN) return g->node[x->input[0]].out;
    }
    return (struct shape){1, 1, 1, 1};
}

/* PyTorch flattens (c, h, w), Keras and we (h, w, c). */
static struct axes axes_of(const struct foreign_map *map, int param)
{
    static const int keras[] = {0, 1, 2, 3}, conv[] = {2, 3, 1, 0}, depthwise[] = {2, 3, 0, 1},
                     dense[] = {1, 0};
    const struct param *p = &map->graph->param.at[param];
    struct shape flat = {1, 1, 1, 1};
    if (map->torch && p->rank == 2) flat = flattened(map->graph, param);
    struct axes a = {.rank = p->rank};
    memcpy(a.dim, p->dim, (size_t)p->rank * sizeof *a.dim);
    memcpy(a.at, keras, sizeof keras);
    if (map->torch && p->rank == 4)
        memcpy(a.at, p->role == PARAM_DEPTHWISE ? depthwise : conv, sizeof conv);
    else if (map->torch && p->rank == 2)
        memcpy(a.at, dense, sizeof dense);
    if (flat.h * flat.w == 1) return a;
    a = (struct axes){4, {flat.h, flat.w, flat.c, p->dim[1]}, {0}};
    memcpy(a.at, conv, sizeof conv);
    return a;
}

/* The shape that the tensor should have. */
static void foreign_shape(const struct axes *axes, size_t dim[4])
{
    for (int i = 0; i < axes->rank; i++) dim[axes->at[i]] = (size_t)axes->dim[i];
}

static int squeeze(int rank, const size_t *dim, size_t *out)
{
    int kept = 0;
    for (int i = 0; i < rank; i++)
        if (dim[i] != 1) out[kept++] = dim[i];
    return kept;
}

/* ---- check ----------------------------------------------------------------------------------- */

#define SHAPE_TEXT 160

static void shape_text(int rank, const size_t *dim, char out[SHAPE_TEXT])
{
    size_t at = 0;
    snprintf(out, SHAPE_TEXT, "()");
    for (int i = 0; i < rank && at < SHAPE_TEXT; i++)
        at += (size_t)snprintf(out + at, SHAPE_TEXT - at, i ? "x%zu" : "%zu", dim[i]);
}

static bool has_shape(const struct weight_tensor *t, int rank, const size_t *dim)
{
    size_t wanted[4], there[WEIGHT_MAX_RANK];
    int left = squeeze(rank, dim, wanted);
    return squeeze(t->rank, t->dim, there) == left &&
           memcmp(wanted, there, (size_t)left * sizeof *wanted) == 0;
}

/* (out, c, h, w) written as (out, c h w) */
static bool is_flat(const struct weight_tensor *t, const size_t dim[4])
{
    return t->rank == 2 && t->dim[0] == dim[0] && t->dim[1] == dim[1] * dim[2] * dim[3];
}

static xc_status check_source(const struct foreign_map *map, int i, struct error *err)
{
    const struct param *p = &map->graph->param.at[i];
    const struct weight_tensor *t = map->from[i].tensor;
    if (!t) return XC_OK;
    const struct axes axes = axes_of(map, i);
    size_t dim[4] = {0};
    foreign_shape(&axes, dim);
    if (!has_shape(t, axes.rank, dim) && !(axes.rank > p->rank && is_flat(t, dim))) {
        char got[SHAPE_TEXT], want[SHAPE_TEXT];
        shape_text(t->rank, t->dim, got);
        shape_text(axes.rank, dim, want);
        return fail(err, XC_ERR_SHAPE, "%s: shape %s, expected %s for %s", t->name, got, want,
                    p->name);
    }
    if (t->type != DTYPE_F32 && t->type != DTYPE_F64 && t->type != DTYPE_F16 &&
        t->type != DTYPE_BF16)
        return fail(err, XC_ERR_TENSOR, "%s: type %s, expected F32, F16, BF16 or F64", t->name,
                    dtype_name(t->type));
    return XC_OK;
}

static xc_status check_twice(const struct foreign_map *map, int i, struct error *err)
{
    if (!map->from[i].tensor || map->users[map->from[i].tensor - map->file->tensor] < 2)
        return XC_OK;
    for (int j = 0; j < i; j++)
        if (map->from[i].tensor == map->from[j].tensor)
            return fail(err, XC_ERR_TENSOR, "%s: is wanted for %s and for %s",
                        map->from[i].tensor->name, map->graph->param.at[j].name,
                        map->graph->param.at[i].name);
    return XC_OK;
}

xc_status foreign_map_check(const struct foreign_map *map, struct error *err)
{
    const struct param_table *table = &map->graph->param;
    for (int i = 0; i < table->count && map->missing; i++)
        if (!map->from[i].tensor && !map->from[i].constant)
            return fail(err, XC_ERR_TENSOR, "no tensor for %s (%d of %d parameters are missing)",
                        table->at[i].name, map->missing, table->count);
    for (int i = 0; i < table->count; i++) {
        TRY(check_source(map, i, err));
        TRY(check_twice(map, i, err));
    }
    return XC_OK;
}

/* ---- copy ------------------------------------------------------------------------------------ */

static double element(const struct weight_tensor *t, size_t i)
{
    uint16_t half;
    float single;
    double wide;
    const uint8_t *at = t->data + i * dtype_size(t->type);
    switch (t->type) {
    case DTYPE_F32:
        memcpy(&single, at, sizeof single);
        return (double)single;
    case DTYPE_F64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case DTYPE_F16:
        memcpy(&half, at, sizeof half);
        return (double)f32_from_f16(half);
    default:
        memcpy(&half, at, sizeof half);
        return (double)f32_from_bf16(half);
    }
}

static bool in_place(const struct weight_tensor *t, struct axes axes)
{
    return t->type == DTYPE_F32 && axes.at[0] == 0;
}

/* Ours from front to back; step[i] is how far the next index of our axis i is in the tensor. */
static xc_status permute(const struct weight_tensor *t, const int dim[4], const size_t step[4],
                         float *out, struct error *err)
{
    for (int a = 0; a < dim[0]; a++)
        for (int b = 0; b < dim[1]; b++)
            for (size_t k = 0, n = (size_t)dim[2] * (size_t)dim[3]; k < n; k++) {
                size_t c = k / (size_t)dim[3], d = k % (size_t)dim[3];
                double x = element(t, (size_t)a * step[0] + (size_t)b * step[1] + c * step[2] +
                                          d * step[3]);
                if (isfinite(x) && !isfinite((float)x))
                    return fail(err, XC_ERR_NUMBER, "%s: %g does not fit float32", t->name, x);
                *out++ = (float)x;
            }
    return XC_OK;
}

xc_status foreign_map_copy(const struct foreign_map *map, int i, float *out, struct error *err)
{
    const struct param *p = &map->graph->param.at[i];
    const struct weight_tensor *t = map->from[i].tensor;
    const struct axes axes = axes_of(map, i);
    if (!t) {
        for (size_t k = 0; k < p->count; k++) out[k] = map->from[i].value;
        return XC_OK;
    }
    if (in_place(t, axes)) {
        memcpy(out, t->data, p->count * sizeof *out);
        return XC_OK;
    }
    size_t foreign[4] = {1, 1, 1, 1}, stride[4], step[4] = {0};
    int dim[4] = {1, 1, 1, 1};
    foreign_shape(&axes, foreign);
    stride[3] = 1;
    for (int k = 2; k >= 0; k--) stride[k] = stride[k + 1] * foreign[k + 1];
    for (int k = 0; k < axes.rank; k++) {
        dim[k] = axes.dim[k];
        step[k] = stride[axes.at[k]];
    }
    return permute(t, dim, step, out, err);
}
