/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which arrays do kernels read, and where do they lie? A list of parts, sized from the graph alone,
 * then one of three places for each: the caller's parameter, as it is; a block of our own, which
 * weights_fill fills; or a block that was filled before, such as a mapped file.
 *
 * What surprises: a part that kernels can read as it lies (float32, nothing folded, plain packing)
 * is not copied, so that weights point into the caller's memory, unless the source says copy_all.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "graph/plan_int.h"

enum { LINE = 64, PAGES = 1 << 14, PARTS_A_NODE = 2 }; /* PAGES: lines of a megabyte */

/* ---- what is there to know of a node? -------------------------------------------------------- */

static bool has_matrix(const struct node *n)
{
    return n->kind == OP_CONV || n->kind == OP_DENSE;
}

static int channels_into(const struct filling *f, int node)
{
    return f->g->node[f->g->node[node].input[0]].out.c;
}

enum packing weights_packing(const struct filling *f, int node)
{
    const struct node *n = &f->g->node[node];
    if (n->kind == OP_DENSE) return f->k->dense_packing;
    return op_conv_packing(n, channels_into(f, node), f->k);
}

struct matrix weights_matrix(const struct filling *f, int node)
{
    const struct node *n = &f->g->node[node];
    int c = channels_into(f, node);
    if (n->kind == OP_DENSE) return (struct matrix){(size_t)c, (size_t)n->units, 1};
    return op_conv_matrix(n, c);
}

int weights_kernel(const struct filling *f, int node)
{
    const struct node *n = &f->g->node[node];
    int kernel = node_param(f->g, n, PARAM_KERNEL);
    return kernel >= 0 ? kernel : node_param(f->g, n, PARAM_DEPTHWISE);
}

/* ---- the parts ------------------------------------------------------------------------------- */

struct parts {
    struct weights_part *at;
    int count;
    size_t bytes;
};

/* Only the weights of convolutions are brain floats. */
enum dtype weights_type(const struct filling *f, int node, enum weights_role role)
{
    const bool own = f->g->node[node].kind == OP_CONV && role == WEIGHTS_KERNEL;
    return f->k->type == DTYPE_BF16 && !own ? DTYPE_F32 : f->k->type;
}

/* Sizes come from the architecture and are checked once, here. */
static bool add_part(const struct filling *f, struct parts *p, int node, enum weights_role role,
                     size_t numbers)
{
    struct weights_part part = {
        .node = node, .role = role, .type = weights_type(f, node, role), .at = p->bytes};
    const size_t size = dtype_size(part.type);
    if (!size_mul(numbers, size, &part.bytes) || !size_align(part.bytes, LINE, &part.bytes) ||
        !size_add(p->bytes, part.bytes, &p->bytes))
        return false;
    part.count = part.bytes / size;
    p->at[p->count++] = part;
    return true;
}

static bool add_linear(const struct filling *f, struct parts *p, int i)
{
    const struct node *n = &f->g->node[i];
    const struct matrix m = weights_matrix(f, i);
    size_t numbers;
    if (!packing_numbers(weights_packing(f, i), &m, &numbers) ||
        !add_part(f, p, i, WEIGHTS_KERNEL, numbers))
        return false;
    return (f->norm_of[i] < 0 && node_param(f->g, n, PARAM_BIAS) < 0) ||
           add_part(f, p, i, WEIGHTS_BIAS, (size_t)n->out.c);
}

static bool add_channels(const struct filling *f, struct parts *p, int i)
{
    const size_t c = (size_t)f->g->node[i].out.c;
    return add_part(f, p, i, WEIGHTS_SCALE, c) && add_part(f, p, i, WEIGHTS_SHIFT, c);
}

static bool is_folded(const struct filling *f, int i)
{
    return f->norm_of[f->g->node[i].input[0]] == i;
}

static xc_status list_parts(const struct filling *f, struct arena *a, struct parts *p,
                            struct error *err)
{
    size_t most = PARTS_A_NODE * (size_t)f->g->nodes;
    bool fits = true;
    *p = (struct parts){.at = arena_push(a, most, sizeof *p->at)};
    if (!p->at) return fail_memory(err, most * sizeof *p->at);
    for (int i = 1; fits && i < f->g->nodes; i++) {
        const struct node *n = &f->g->node[i];
        bool outside = n->kind == OP_BATCH_NORM && !is_folded(f, i);
        if (has_matrix(n)) fits = add_linear(f, p, i);
        if (outside || n->kind == OP_AFFINE) fits = add_channels(f, p, i);
    }
    return fits ? XC_OK : fail(err, XC_ERR_LIMIT, "the parameters are too large");
}

/* ---- where they lie -------------------------------------------------------------------------- */

static const void **slot_of(const struct weights *w, const struct weights_part *part)
{
    struct ready *r = &w->ready[part->node];
    switch (part->role) {
    case WEIGHTS_KERNEL:
        return &r->weight;
    case WEIGHTS_BIAS:
        return &r->bias;
    case WEIGHTS_SCALE:
        return &r->scale;
    default:
        return &r->shift;
    }
}

const char *weights_role_name(enum weights_role role)
{
    static const char *const names[] = {"kernel", "bias", "scale", "shift"};
    return names[role];
}

/* The parameter that is this part already, or NULL. */
static const float *as_it_lies(const struct filling *f, const struct weights_part *part)
{
    const int i = part->node;
    if (f->from->copy_all || part->type != DTYPE_F32 || f->norm_of[i] >= 0) return NULL;
    if (part->role == WEIGHTS_BIAS)
        return f->from->data[node_param(f->g, &f->g->node[i], PARAM_BIAS)];
    if (part->role != WEIGHTS_KERNEL || weights_packing(f, i) != PACK_PLAIN) return NULL;
    return f->from->data[weights_kernel(f, i)];
}

static xc_status place(const struct filling *f, const struct parts *p, struct error *err)
{
    struct weights *w = f->w;
    for (int i = 0; i < p->count; i++)
        if (!as_it_lies(f, &p->at[i])) w->bytes += p->at[i].bytes;
    w->block = aligned_large(w->bytes, &w->memory);
    if (!w->block) return fail_memory(err, w->bytes);
    char *next = w->block;
    for (int i = 0; i < p->count; i++) {
        const void **slot = slot_of(w, &p->at[i]);
        *slot = as_it_lies(f, &p->at[i]);
        if (*slot) continue;
        *slot = next;
        next += p->at[i].bytes;
    }
    return XC_OK;
}

/* ---- from a block that was filled before ----------------------------------------------------- */

static bool packs_alike(const struct kernels *a, const struct kernels *b)
{
    return a->conv_packing == b->conv_packing && a->pointwise_packing == b->pointwise_packing &&
           a->dense_packing == b->dense_packing;
}

static void point_into(const struct weights *w, const struct parts *p, const char *block)
{
    for (int i = 0; i < p->count; i++) *slot_of(w, &p->at[i]) = block + p->at[i].at;
}

/* From one packing to another. */
struct repacking {
    struct matrix m;
    enum packing from, to;
    size_t size; /* of a number */
};

/* Columns that are a panel on one side at least; a plain matrix has them side by side. */
static struct panel panel_of(const struct repacking *r, enum packing packing, size_t i)
{
    const enum packing packed = r->from == PACK_PLAIN ? r->to : r->from;
    struct panel p = packing_panel(packing == PACK_PLAIN ? packed : packing, &r->m, i);
    if (packing != PACK_PLAIN) return p;
    p.at = p.first;
    p.stride = r->m.columns * r->m.groups;
    p.depth = 1;
    return p;
}

static void repack(const struct repacking *r, const char *from, char *to)
{
    const size_t panels = packing_panels(r->from == PACK_PLAIN ? r->to : r->from, &r->m);
    for (size_t i = 0; i < panels; i++) {
        const struct panel x = panel_of(r, r->from, i), y = panel_of(r, r->to, i);
        const size_t run = x.depth == 1 && y.depth == 1 ? x.columns : 1; /* side by side */
        for (size_t row = 0; row < r->m.rows; row++)
            for (size_t j = 0; j < x.columns; j += run)
                memcpy(to + panel_at(&y, row, j) * r->size, from + panel_at(&x, row, j) * r->size,
                       run * r->size);
    }
}

/* A block that is read, as weights that would be made of it. */
struct packed {
    struct filling filling;
    struct parts parts;
    const struct weights_packed *from;
};

static void expect_pages(void *ctx, size_t from, size_t to)
{
    const struct weights_packed *p = ctx;
    file_expect(p->file, (const char *)p->block + from * LINE, (to - from) * LINE);
}

/* The first run would wait for each page; here they come all together, on all threads. */
static void use_block(const struct packed *packed, const struct weights *w, struct pool *pool)
{
    struct weights_packed from = *packed->from;
    point_into(w, &packed->parts, from.block);
    if (from.file) pool_for(pool, packed->parts.bytes / LINE, PAGES, expect_pages, &from);
}

static void copy_part(const struct packed *packed, int i, const struct filling *f,
                      const struct weights_part *to)
{
    const struct weights_part *from = &packed->parts.at[i];
    const char *here = (const char *)packed->from->block + from->at;
    char *there = f->w->block + to->at;
    struct repacking r = {.size = dtype_size(to->type)};
    if (from->role == WEIGHTS_KERNEL) {
        r.m = weights_matrix(f, to->node);
        r.from = weights_packing(&packed->filling, from->node);
        r.to = weights_packing(f, to->node);
    }
    if (r.from == r.to)
        memcpy(there, here, from->bytes);
    else
        repack(&r, here, there);
    if (packed->from->file) file_forget(packed->from->file, here, from->bytes);
}

static xc_status copy_parts(const struct packed *packed, const struct filling *f, struct arena *a,
                            struct error *err)
{
    struct parts to;
    TRY(list_parts(f, a, &to, err));
    f->w->bytes = to.bytes;
    f->w->block = aligned_large(to.bytes, &f->w->memory);
    if (!f->w->block) return fail_memory(err, to.bytes);
    for (int i = 0; i < to.count; i++) copy_part(packed, i, f, &to.at[i]);
    point_into(f->w, &to, f->w->block);
    return XC_OK;
}

/* ---- the object ------------------------------------------------------------------------------ */

/* What all ways of making weights begin with; norm_of lives in the arena. */
static xc_status begin(struct filling *f, struct arena *a, struct error *err)
{
    const size_t nodes = (size_t)f->g->nodes;
    int *norm_of = arena_push(a, nodes, sizeof *norm_of);
    f->w = calloc(1, sizeof *f->w);
    if (f->w) f->w->ready = calloc(nodes, sizeof *f->w->ready);
    if (!norm_of || !f->w || !f->w->ready) return fail_memory(err, nodes * sizeof *f->w->ready);
    f->w->type = f->k->type;
    fold_find(f->g, norm_of);
    f->norm_of = norm_of;
    return XC_OK;
}

/* Hands the weights over, or frees them. */
static xc_status end(struct filling *f, struct arena *a, xc_status status, struct weights **out)
{
    arena_free(a);
    if (status != XC_OK) weights_free(f->w);
    *out = status == XC_OK ? f->w : NULL;
    return status;
}

xc_status weights_new(const struct graph *g, const struct weights_source *from,
                      const struct kernels *k, struct pool *pool, struct weights **out,
                      struct error *err)
{
    struct filling f = {.g = g, .from = from, .k = k};
    struct arena a = {0};
    struct parts parts;
    xc_status status = begin(&f, &a, err);
    if (status == XC_OK) status = list_parts(&f, &a, &parts, err);
    if (status == XC_OK) status = place(&f, &parts, err);
    if (status == XC_OK) weights_fill(&f, pool);
    return end(&f, &a, status, out);
}

xc_status weights_parts(const struct graph *g, const struct kernels *k, struct arena *a,
                        struct weights_part **out, int *count, struct error *err)
{
    struct parts parts;
    int *norm_of = arena_push(a, (size_t)g->nodes, sizeof *norm_of);
    if (!norm_of) return fail_memory(err, (size_t)g->nodes * sizeof *norm_of);
    fold_find(g, norm_of);
    const struct filling f = {.g = g, .norm_of = norm_of, .k = k};
    TRY(list_parts(&f, a, &parts, err));
    *out = parts.at;
    *count = parts.count;
    return XC_OK;
}

xc_status weights_from_packed(const struct graph *g, const struct weights_packed *from,
                              const struct kernels *k, struct pool *pool, struct weights **out,
                              struct error *err)
{
    struct filling f = {.g = g, .k = k};
    struct packed packed = {.from = from};
    struct arena a = {0};
    xc_status status = begin(&f, &a, err);
    packed.filling = f;
    packed.filling.k = &from->form;
    if (status == XC_OK) status = list_parts(&packed.filling, &a, &packed.parts, err);
    if (status == XC_OK && packs_alike(&from->form, k) && (uintptr_t)from->block % LINE == 0)
        use_block(&packed, f.w, pool);
    else if (status == XC_OK)
        status = copy_parts(&packed, &f, &a, err);
    return end(&f, &a, status, out);
}

void weights_free(struct weights *w)
{
    if (!w) return;
    free(w->memory);
    free(w->ready);
    free(w);
}

size_t weights_bytes(const struct weights *w)
{
    return w->bytes;
}

const void *weights_block(const struct weights *w)
{
    return w->block;
}
