/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do the numbers lie? Values (which memory a node
 * has, and from which chain to which it must stay) and offsets (largest first, each into the
 * smallest gap among the values that live at the same time).
 *
 * Invariants, which places_overlap and the tests look at:
 *   1. two values without parent whose lives overlap share no byte, and two inside the same one
 *      no channel;
 *   2. a value is written first by chain `first` and read last by chain `last`, both included;
 *   3. a value inside another (an input of a concatenation) lives inside the other's life;
 *   4. a node writes in place only over a value that nobody reads later;
 *   5. what a group of chains reads and writes lives as long as the group runs; what exists by
 *      bands only lies in the scratch of the thread that makes the bands.
 *
 * The channels of a pixel are padded (memory.h); inside a concatenation the pixels are those of the
 * whole.
 */
#include "base/checked.h"
#include "graph/plan_int.h"

#define LINE 64

/* ---- values ---------------------------------------------------------------------------------- */

/* rows: how many of each image are in memory */
static bool set_strides(struct value *v, size_t pixel, int rows)
{
    const struct shape *s = &v->shape;
    v->pixel = pixel;
    return size_mul(pixel, (size_t)s->w, &v->row) && size_mul(v->row, (size_t)rows, &v->image) &&
           size_mul(v->image, (size_t)s->n, &v->bytes) && size_align(v->bytes, LINE, &v->bytes);
}

/* Is this map also read as one row? Then its pixels must stay side by side. */
static bool is_flattened(const struct schedule *s, int node)
{
    for (int i = node + 1; i < s->g->nodes; i++)
        if (s->source[i] == node && !shape_equal(s->shape[i], s->shape[node])) return true;
    return false;
}

static xc_status new_value(struct places *p, const struct schedule *s, int node, struct error *err)
{
    struct value v = {
        .shape = s->shape[node], .type = s->type[node], .parent = -1, .first = node, .last = node};
    int rows = node > 0 ? band_rows_held(s, node) : v.shape.h;
    if (!set_strides(&v, memory_pixel(v.shape.c, v.type), rows))
        return fail(err, XC_ERR_LIMIT, "%s: a map of %dx%dx%dx%d is too large",
                    s->g->node[node].name, v.shape.n, v.shape.h, v.shape.w, v.shape.c);
    v.fixed = node == 0 || is_flattened(s, node);
    v.group = node > 0 ? band_group(s, node) : -1;
    p->value[p->values] = v;
    p->value_of[node] = p->values++;
    return XC_OK;
}

/* May chain `out` write over the value of node `over`? */
static bool may_replace(const struct places *p, const struct schedule *s, int over, int out)
{
    if (over < 0) return false;
    over = s->source[over];
    if (s->last_read[over] != out) return false;
    const struct value *v = &p->value[p->value_of[over]];
    return v->parent < 0 && v->type == s->type[out] && shape_equal(v->shape, s->shape[out]);
}

static bool replace(struct places *p, const struct schedule *s, int out)
{
    const struct chain *c = &s->chain[out];
    if (!(op_of(&s->g->node[c->root])->traits & OP_IN_PLACE) || s->group_of[out] >= 0) return false;
    int over = may_replace(p, s, c->in, out)      ? c->in
               : may_replace(p, s, c->other, out) ? c->other
                                                  : -1;
    if (over < 0) return false;
    p->value_of[out] = p->value_of[s->source[over]];
    p->value[p->value_of[out]].fixed |= is_flattened(s, out);
    return true;
}

static size_t channels_bytes(struct shape s, enum dtype type)
{
    return (size_t)s.c * dtype_size(type);
}

/* Makes the inputs of a concatenation ranges of its channels, where they are free to move. The
 * whole then has to stay as long as any of them is read. */
static void adopt_inputs(struct places *p, struct schedule *s, int concat)
{
    const struct node *n = &s->g->node[concat];
    size_t at = 0;
    for (int j = 0; j < n->inputs; j++) {
        int x = s->source[n->input[j]];
        struct value *v = &p->value[p->value_of[x]];
        if (v->parent < 0 && !v->fixed && v->type == s->type[concat] &&
            shape_equal(v->shape, s->shape[x])) {
            v->parent = p->value_of[concat];
            v->at = at;
            if (s->last_read[concat] < s->last_read[x]) s->last_read[concat] = s->last_read[x];
        }
        at += channels_bytes(s->shape[n->input[j]], s->type[concat]);
    }
}

static xc_status give_values(struct places *p, struct schedule *s, struct error *err)
{
    for (int i = 0; i < s->g->nodes; i++) p->value_of[i] = -1;
    TRY(new_value(p, s, 0, err));
    for (int i = 1; i < s->g->nodes; i++) {
        if (s->chain[i].root < 0 || replace(p, s, i)) continue;
        TRY(new_value(p, s, i, err));
        if (op_of(&s->g->node[i])->traits & OP_PARTS) adopt_inputs(p, s, i);
    }
    return XC_OK;
}

/* ---- lives ----------------------------------------------------------------------------------- */

static void touch(struct places *p, const struct schedule *s, int node, int chain)
{
    const int group = chain >= 0 && chain < s->g->nodes ? s->group_of[chain] : -1;
    const int first = group < 0 ? chain : s->group[group].first;
    const int last = group < 0 ? chain : s->group[group].last;
    for (int v = node < 0 ? -1 : p->value_of[node]; v >= 0; v = p->value[v].parent) {
        if (p->value[v].first > first) p->value[v].first = first;
        if (p->value[v].last < last) p->value[v].last = last;
    }
}

static void find_lives(struct places *p, const struct schedule *s)
{
    touch(p, s, 0, -1);
    for (int i = 0; i < s->g->nodes; i++) {
        if (p->value_of[i] < 0) continue;
        touch(p, s, i, s->last_read[i]);
        if (i > 0) touch(p, s, i, i);
    }
}

static struct life life_of(const struct value *v)
{
    return (struct life){.bytes = v->bytes, .first = v->first, .last = v->last};
}

static bool live_together(const struct value *a, const struct value *b)
{
    const struct life x = life_of(a), y = life_of(b);
    return memory_live_together(&x, &y);
}

/* ---- offsets --------------------------------------------------------------------------------- */

/* Values without parent that lie in the arena. */
static bool give_offsets(struct places *p, struct life *life, int *room)
{
    int count = 0, at = 0;
    for (const struct value *v = p->value; v < p->value + p->values; v++)
        if (v->parent < 0 && v->group < 0) life[count++] = life_of(v);
    if (!memory_place(life, count, room, &p->bytes)) return false;
    for (struct value *v = p->value; v < p->value + p->values; v++)
        if (v->parent < 0 && v->group < 0) v->at = life[at++].at;
    return true;
}

/* What exists by bands only: all values of a group at once, one group at a time. */
static bool give_band_offsets(struct places *p, const struct schedule *s)
{
    for (int group = 0; group < s->groups; group++) {
        size_t bytes = 0;
        for (struct value *v = p->value; v < p->value + p->values; v++) {
            if (v->group != group) continue;
            v->at = bytes;
            if (!size_add(bytes, v->bytes, &bytes)) return false;
        }
        if (bytes > p->band_bytes) p->band_bytes = bytes;
    }
    return true;
}

/* What a value takes of the arena, the scratch, or each pixel of its parent. */
static size_t extent(const struct value *v)
{
    return v->parent < 0 ? v->bytes : channels_bytes(v->shape, v->type);
}

int places_overlap(const struct places *p)
{
    for (int i = 0; i < p->values; i++)
        for (int j = 0; j < i; j++) {
            const struct value *a = &p->value[i], *b = &p->value[j];
            if (a->parent != b->parent || a->group != b->group) continue;
            if (a->parent < 0 && !live_together(a, b)) continue;
            if (a->at < b->at + extent(b) && b->at < a->at + extent(a)) return i;
        }
    return -1;
}

/* ---- the whole ------------------------------------------------------------------------------- */

xc_status places_find(struct places *p, struct schedule *s, struct arena *a, struct error *err)
{
    size_t n = (size_t)s->g->nodes;
    *p = (struct places){.value = arena_push(a, n, sizeof *p->value),
                         .value_of = arena_push(a, n, sizeof *p->value_of)};
    struct life *life = arena_push(a, n, sizeof *life);
    int *room = arena_push(a, 2 * n, sizeof *room);
    if (!p->value || !p->value_of || !life || !room) return fail_memory(err, n * sizeof *p->value);
    TRY(give_values(p, s, err));
    find_lives(p, s);
    if (!give_offsets(p, life, room) || !give_band_offsets(p, s))
        return fail(err, XC_ERR_LIMIT, "the activations do not fit into memory");
    return XC_OK;
}

struct view place_view(const struct places *p, const struct schedule *s, int node, size_t *at)
{
    struct shape shape = s->shape[node];
    const struct value *v = &p->value[p->value_of[s->source[node]]], *root = v;
    bool flat = !shape_equal(shape, v->shape);
    for (*at = v->at; root->parent >= 0; *at += root->at) root = &p->value[root->parent];
    return (struct view){.n = shape.n,
                         .h = shape.h,
                         .w = shape.w,
                         .c = shape.c,
                         .image = (ptrdiff_t)root->image,
                         .row = (ptrdiff_t)(flat ? root->image : root->row),
                         .pixel = (ptrdiff_t)(flat ? root->image : root->pixel),
                         .type = v->type};
}
