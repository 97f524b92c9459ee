/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which weights do the fast algorithms read? Those of the direct one, shared, and a block of its
 * own for the layers that it takes: 7/4 of theirs, or twice as many.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "graph/plan_int.h"

enum { LINE = 64 };

static bool describe(const struct graph *g, int i, const struct kernels *k,
                     struct fast_weights *out)
{
    const struct node *n = &g->node[i];
    const int c = i > 0 ? g->node[n->input[0]].out.c : 0;
    const enum fast fast = i > 0 ? op_conv_fast(n, c) : FAST_NONE;
    if (fast == FAST_NONE) return false;
    *out = (struct fast_weights){.fast = fast,
                                 .matrix = op_conv_matrix(n, c),
                                 .channels = (size_t)c,
                                 .packing = op_conv_packing(n, c, k),
                                 .type = k->type};
    return true;
}

static bool count(const struct fast_weights *w, size_t *numbers)
{
    return w->fast == FAST_STRASSEN ? strassen_numbers(w, numbers) : winograd_numbers(w, numbers);
}

/* Where a layer's numbers begin in the block; *used grows by them. */
static bool place(const struct fast_weights *w, size_t *used, size_t *at)
{
    size_t bytes;
    *at = *used;
    return count(w, &bytes) && size_mul(bytes, dtype_size(w->type), &bytes) &&
           size_align(bytes, LINE, &bytes) && size_add(*used, bytes, used);
}

static xc_status take(const struct graph *g, const struct kernels *k, struct weights *w,
                      struct error *err)
{
    struct fast_weights layer;
    size_t at;
    for (int i = 0; i < g->nodes; i++)
        if (describe(g, i, k, &layer) && !place(&layer, &w->bytes, &at))
            return fail(err, XC_ERR_LIMIT, "the parameters are too large");
    w->block = aligned_large(w->bytes, &w->memory);
    return w->block ? XC_OK : fail_memory(err, w->bytes);
}

/* Nobody reads the direct algorithm's numbers of a layer that the fast one takes: when they lie in
 * a file, they leave memory. (Should a session want them after all, they come back.) */
static void forget(const struct file_view *file, const struct fast_weights *layer)
{
    size_t numbers;
    if (file && packing_numbers(layer->packing, &layer->matrix, &numbers))
        file_forget(file, layer->from, numbers * dtype_size(layer->type));
}

static void fill(const struct graph *g, const struct kernels *k, const struct file_view *file,
                 struct weights *w, struct pool *pool)
{
    struct fast_weights layer;
    size_t used = 0, at;
    for (int i = 0; i < g->nodes; i++) {
        if (!describe(g, i, k, &layer) || !place(&layer, &used, &at)) continue;
        layer.from = w->ready[i].weight;
        layer.to = w->block + at;
        (layer.fast == FAST_STRASSEN ? strassen_fill : winograd_fill)(&layer, pool);
        w->ready[i].fast = layer.to;
        forget(file, &layer);
    }
}

xc_status weights_fast(const struct graph *g, const struct weights *direct,
                       const struct file_view *file, const struct kernels *k, struct pool *pool,
                       struct weights **out, struct error *err)
{
    const size_t nodes = (size_t)g->nodes;
    struct weights *w = calloc(1, sizeof *w);
    xc_status status = XC_OK;
    *out = NULL;
    if (w) w->ready = calloc(nodes, sizeof *w->ready);
    if (!w || !w->ready) {
        weights_free(w);
        return fail_memory(err, nodes * sizeof *w->ready);
    }
    memcpy(w->ready, direct->ready, nodes * sizeof *w->ready);
    w->type = direct->type;
    w->fast = true;
    status = take(g, k, w, err);
    if (status == XC_OK)
        fill(g, k, file, w, pool);
    else
        weights_free(w);
    if (status == XC_OK) *out = w;
    return status;
}
