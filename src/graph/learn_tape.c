/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a training step written down? Steps one after the other, pieces of memory that grow their
 * lives as steps link to them, and for every node what its numbers and its gradient are by now.
 *
 * A gradient may lie in memory that several nodes hold (an addition hands the same numbers to both
 * of its inputs). Whoever wants to add to it then gets a copy of its own: copy on write.
 */
#include "base/checked.h"
#include "graph/learn_int.h"

#define LINE 64

/* ---- failing --------------------------------------------------------------------------------- */

xc_status tape_fail(struct tape *t, xc_status status, int node, const char *why)
{
    if (t->err.status != XC_OK) return t->err.status;
    t->err.status = fail(&t->err, status, "%s: %s", t->g->node[node].name, why);
    return status;
}

static void no_memory(struct tape *t, size_t bytes)
{
    if (t->err.status == XC_OK) t->err.status = fail_memory(&t->err, bytes);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

size_t tape_size(const struct tape *t)
{
    return t->k->type == DTYPE_F64 ? sizeof(double) : sizeof(float);
}

/* Twice the room; what is there moves. NULL: no memory. */
static void *grown(struct arena *a, const void *from, int *room, size_t size)
{
    const int more = *room ? 2 * *room : 64;
    char *to = arena_push(a, (size_t)more, size);
    if (!to) return NULL;
    for (size_t i = 0; i < (size_t)*room * size; i++) to[i] = ((const char *)from)[i];
    *room = more;
    return to;
}

int tape_piece(struct tape *t, size_t bytes)
{
    if (t->pieces == t->piece_room) {
        struct piece *more = grown(t->scratch, t->piece, &t->piece_room, sizeof *more);
        if (!more) {
            no_memory(t, sizeof *more);
            return 0; /* there is one from the beginning */
        }
        t->piece = more;
    }
    if (!size_align(bytes, LINE, &bytes)) tape_fail(t, XC_ERR_LIMIT, 0, "too large");
    t->piece[t->pieces] = (struct piece){.bytes = bytes, .first = -1, .last = -1};
    return t->pieces++;
}

static struct ref in_piece(int piece)
{
    return (struct ref){.base = BASE_ARENA, .piece = piece};
}

struct ref tape_vectors(struct tape *t, size_t count, int c)
{
    size_t bytes;
    if (!size_mul(count, (size_t)c * tape_size(t), &bytes)) bytes = SIZE_MAX;
    return in_piece(tape_piece(t, bytes));
}

struct ref tape_numbers(struct tape *t, enum dtype type, size_t count)
{
    size_t bytes;
    if (!size_mul(count, dtype_size(type), &bytes)) bytes = SIZE_MAX;
    return in_piece(tape_piece(t, bytes));
}

static bool set_strides(struct view *v, size_t *bytes)
{
    const size_t pixel = memory_pixel(v->c, v->type);
    size_t row, image;
    if (!size_mul(pixel, (size_t)v->w, &row) || !size_mul(row, (size_t)v->h, &image) ||
        !size_mul(image, (size_t)v->n, bytes) || *bytes > PTRDIFF_MAX)
        return false;
    v->pixel = (ptrdiff_t)pixel;
    v->row = (ptrdiff_t)row;
    v->image = (ptrdiff_t)image;
    return true;
}

struct map tape_map(struct tape *t, int node)
{
    const struct shape s = t->shape[node];
    size_t bytes = 0;
    struct map m = {.view = {.n = s.n, .h = s.h, .w = s.w, .c = s.c, .type = t->type[node]}};
    if (!set_strides(&m.view, &bytes))
        tape_fail(t, XC_ERR_LIMIT, 0, "the activations do not fit into memory");
    m.ref = in_piece(tape_piece(t, bytes));
    t->piece[m.ref.piece].image = (size_t)m.view.image;
    return m;
}

size_t map_pixels(const struct map *m)
{
    return (size_t)m->view.n * (size_t)m->view.h * (size_t)m->view.w;
}

/* ---- steps ----------------------------------------------------------------------------------- */

struct learn_step *tape_step(struct tape *t, int node, enum learn_kind kind, size_t units)
{
    struct learn *l = t->learn;
    const struct learn_step fresh = {.kind = kind, .units = units, .grain = 1, .node = node};
    if (l->steps == t->step_room) {
        struct learn_step *more = grown(&l->arena, l->step, &t->step_room, sizeof *more);
        if (!more) {
            no_memory(t, sizeof *more);
            t->spare = fresh;
            return &t->spare;
        }
        l->step = more;
    }
    l->step[l->steps] = fresh;
    return &l->step[l->steps++];
}

struct ref ref_at(struct ref ref, size_t bytes)
{
    ref.at += bytes;
    return ref;
}

bool ref_is(struct ref ref)
{
    return ref.base != BASE_NONE;
}

void tape_link(struct tape *t, struct learn_step *s, size_t field, struct ref ref)
{
    if (ref.base == BASE_NONE) return;
    if (s->links == STEP_MAX_LINKS)
        tape_fail(t, XC_ERR_INTERNAL, s->node, "a step has too many operands");
    else
        s->link[s->links++] = (struct link){field, ref};
}

void tape_prologue(struct tape *t, struct learn_step *s, size_t field, const struct value *v)
{
    struct prologue *p = (void *)((char *)&s->call + field);
    p->act = v->act;
    tape_link(t, s, field + offsetof(struct prologue, scale), v->scale);
    tape_link(t, s, field + offsetof(struct prologue, shift), v->shift);
}

/* ---- parameters ------------------------------------------------------------------------------ */

static struct ref param_in(const struct tape *t, int node, enum param_role role, enum base base)
{
    const int i = node_param(t->g, &t->g->node[node], role);
    if (i < 0) return (struct ref){0};
    return (struct ref){.base = base, .at = t->g->param.at[i].offset * tape_size(t)};
}

struct ref tape_param(const struct tape *t, int node, enum param_role role)
{
    return param_in(t, node, role, BASE_PARAM);
}

struct ref tape_param_grad(const struct tape *t, int node, enum param_role role)
{
    return tape_trains(t, node) ? param_in(t, node, role, BASE_GRAD) : (struct ref){0};
}

bool tape_trains(const struct tape *t, int node)
{
    return t->learn->trains[node];
}

bool tape_frozen(const struct tape *t, int node)
{
    return t->opts->inference || (t->opts->frozen && t->opts->frozen[node]);
}

int tape_watched(const struct tape *t, int node)
{
    for (int i = 0; i < t->opts->watches; i++)
        if (t->opts->watch[i] == node) return i;
    return -1;
}

/* ---- values ---------------------------------------------------------------------------------- */

void tape_set(struct tape *t, int node, struct map map)
{
    t->value[node] = (struct value){.map = map, .stored = map, .kept = true, .of = node};
}

struct map tape_new_value(struct tape *t, int node)
{
    const struct map m = tape_map(t, node);
    tape_set(t, node, m);
    return m;
}

struct value tape_value(struct tape *t, int node)
{
    if (t->backward && t->gone[node] && !t->again[node]) tape_compute_again(t, node);
    struct value v = t->value[node];
    if (v.lazy) v.map = tape_stored(t, v.of);
    return v;
}

struct map tape_stored(struct tape *t, int node)
{
    const struct value v = tape_value(t, node);
    if (v.kept) return v.stored;
    const struct map out = tape_map(t, node);
    struct learn_step *s = tape_step(t, node, LEARN_map, map_pixels(&out));
    s->fn.map = t->k->map;
    s->call.map = (struct map_call){.type = t->k->type, .in = v.map.view, .out = out.view};
    LINK(t, s, map.in.data, v.map.ref);
    LINK(t, s, map.out.data, out.ref);
    PROLOGUE(t, s, map.prologue, &v);
    t->value[node].stored = out;
    t->value[node].kept = true;
    return out;
}

/* ---- gradients ------------------------------------------------------------------------------- */

void tape_copy(struct tape *t, int node, const struct map *in, const struct map *add,
               const struct map *out)
{
    struct learn_step *s = tape_step(t, node, LEARN_map, map_pixels(out));
    s->fn.map = t->k->map;
    s->call.map = (struct map_call){.type = t->k->type, .in = in->view, .out = out->view};
    LINK(t, s, map.in.data, in->ref);
    LINK(t, s, map.out.data, out->ref);
    if (!add) return;
    s->call.map.epilogue.add = add->view;
    LINK(t, s, map.epilogue.add.data, add->ref);
}

static bool has_grad(const struct tape *t, int node)
{
    return t->grad[node].ref.piece >= 0;
}

static void hold(struct tape *t, int node, struct map map)
{
    t->grad[node] = map;
    t->piece[map.ref.piece].holders++;
}

void tape_grad_release(struct tape *t, int node)
{
    if (has_grad(t, node)) t->piece[t->grad[node].ref.piece].holders--;
}

void tape_grad_keep(struct tape *t, int node)
{
    t->piece[t->grad[node].ref.piece].holders++;
}

static bool is_shared(const struct tape *t, int node)
{
    return t->piece[t->grad[node].ref.piece].holders > 1;
}

struct map tape_grad_into(struct tape *t, int node, bool *add)
{
    *add = has_grad(t, node);
    if (*add && !is_shared(t, node)) return t->grad[node];
    const struct map own = tape_map(t, node);
    if (*add) {
        tape_copy(t, node, &t->grad[node], NULL, &own);
        tape_grad_release(t, node);
    }
    hold(t, node, own);
    return own;
}

struct map tape_grad_over(struct tape *t, int node, int own, bool *add)
{
    if (has_grad(t, node) || is_shared(t, own) || t->type[node] != t->type[own])
        return tape_grad_into(t, node, add);
    *add = false;
    hold(t, node, t->grad[own]);
    return t->grad[node];
}

void tape_grad_share(struct tape *t, int node, struct map map)
{
    bool add;
    if (!has_grad(t, node) && map.view.type == t->type[node]) {
        hold(t, node, map);
        return;
    }
    const struct map into = tape_grad_into(t, node, &add);
    tape_copy(t, node, &map, add ? &into : NULL, &into);
}
