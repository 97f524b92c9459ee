/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which chains run in bands of rows? Between the input and the first pools lie maps that are larger
 * than everything behind them together. A group is a run of chains whose values, but for the last
 * one's, are read inside it alone: it makes a few rows of its result at a time, and of each value
 * inside there is never more than those rows need. Rows that the next band reads again are kept, so
 * none is computed twice.
 *
 * All ways to cut the chains into groups (most of a single chain, which runs as a whole) are
 * compared: first the least memory that any of them needs, then the fewest chains in bands that
 * need no more. What is in memory is counted, not where it lies; place.c does that. An image that
 * needs no more than ENOUGH has no bands: each of them reads all weights of its chains again.
 *
 * Threads share the bands of a group, so that nobody waits and rows stay in one cache; but where
 * weights are heavy they share the rows of each band, of which there are fewer then, so that each
 * core reads the weights less often. A group is heavy or light as a whole.
 */
#include <math.h>

#include "graph/plan_int.h"

enum {
    MOST_CHAINS = 16,       /* in a group */
    MOST_ROWS = 1 << 20,    /* that a window spans */
    BAND_NUMBERS = 1 << 18, /* in the rows of a light band; half as many more in bf16 */
    ENOUGH = 2 << 20,       /* numbers of an image */
    EVENLY = 4,             /* threads */
    HEAVY = 256 << 10       /* bytes; weights of more are: a part of a second-level cache */
};

struct finder {
    struct schedule *s;
    double room;         /* for the rows that a group holds, if it can choose */
    int *chain, chains;  /* in order */
    int *place;          /* by node: its place in that order, or -1 */
    double *bytes, *row; /* by node: of its value, and of one row of all its images */
    double *born, *died; /* by place: bytes written there or before; read last before */
    double *cost;        /* [place * MOST_CHAINS + length - 1]: bytes that a group needs */
    int *bands;          /* and how many bands it has */
};

/* ---- which rows are needed? ------------------------------------------------------------------ */

static struct window window_of(const struct schedule *s, const struct chain *c)
{
    const struct node *n = &s->g->node[c->depthwise >= 0 ? c->depthwise : c->root];
    const struct op *op = op_of(n);
    if (!op->sliding) return (struct window){1, 1, 1, 1, 1, 1, 0, 0};
    const struct sliding sliding = op->sliding(n);
    return sliding_window(&sliding, s->shape[c->in]);
}

static bool is_view(const struct schedule *s, int node)
{
    return node < 0 || shape_equal(s->shape[node], s->shape[s->source[node]]);
}

/* Does a row of the chain's result come from a few rows of what it reads? Strassen's algorithm
 * works on pairs of pixels, which may belong to two rows. */
static bool is_by_rows(const struct schedule *s, const struct chain *c)
{
    const struct op *op = op_of(&s->g->node[c->root]);
    return (op->sliding || op->traits & OP_IN_PLACE) && is_view(s, c->in) && is_view(s, c->other) &&
           schedule_fast(s, c->root) != FAST_STRASSEN;
}

/* Row r of the group's result needs these rows of node, too; those in front of place `first` do not
 * matter. */
static void reach_node(const struct finder *f, int first, int node, int64_t step, int64_t low,
                       int64_t high)
{
    if (node < 0 || f->place[f->s->source[node]] < first) return;
    struct reach *r = &f->s->reach[f->s->source[node]];
    const bool sane = step > 0 && step < MOST_ROWS && low > -MOST_ROWS && high < MOST_ROWS;
    if (!sane || (r->step && r->step != step)) {
        r->step = -1; /* never by bands */
        return;
    }
    const bool more = r->step != 0;
    *r = (struct reach){(int)step, more && r->low < low ? r->low : (int)low,
                        more && r->high > high ? r->high : (int)high};
}

static void reach_inputs(const struct finder *f, int first, int chain)
{
    const struct chain *c = &f->s->chain[chain];
    const struct reach r = f->s->reach[chain];
    const struct window w = window_of(f->s, c);
    const int64_t low = (int64_t)r.low * w.sy - w.pad_top;
    const int64_t high = (int64_t)r.high * w.sy - w.pad_top + (int64_t)(w.kh - 1) * w.dy;
    reach_node(f, first, c->in, (int64_t)r.step * w.sy, low, high);
    reach_node(f, first, c->other, r.step, r.low, r.high);
}

/* Can the chain be inside a group that ends at place `last`? Everything behind it has been looked
 * at. */
static bool may_be_inside(const struct finder *f, int chain, int last)
{
    const struct schedule *s = f->s;
    return s->reach[chain].step > 0 && s->last_read[chain] <= f->chain[last] &&
           is_by_rows(s, &s->chain[chain]);
}

static size_t weight_bytes(const struct schedule *s, int chain)
{
    const struct node *n = &s->g->node[s->chain[chain].root];
    if (n->kind != OP_CONV) return 0;
    const struct matrix m = op_conv_matrix(n, s->shape[n->input[0]].c);
    const size_t twice = schedule_fast(s, s->chain[chain].root) == FAST_WINOGRAD ? 2 : 1;
    return twice * m.rows * m.columns * m.groups * dtype_size(s->type[chain]);
}

/* Can these chains be in one group? Those without weights can be in any. */
static bool weighs_alike(const struct schedule *s, int chain, size_t *heaviest)
{
    const size_t bytes = weight_bytes(s, chain);
    const bool same = !bytes || !*heaviest || (bytes > HEAVY) == (*heaviest > HEAVY);
    if (bytes > *heaviest) *heaviest = bytes;
    return same;
}

/* ---- what does a group cost? ----------------------------------------------------------------- */

/* Rows of a value that a band of so many rows of the result needs at most. */
static int rows_held(const struct schedule *s, int chain, int rows)
{
    const struct reach *r = &s->reach[chain];
    const int64_t most = (int64_t)r->step * (rows - 1) + r->high - r->low + 1;
    return most < s->shape[chain].h ? (int)most : s->shape[chain].h;
}

static double bytes_held(const struct finder *f, int first, int last, int rows)
{
    double bytes = 0;
    for (int i = first; i < last; i++)
        bytes += f->row[f->chain[i]] * rows_held(f->s, f->chain[i], rows);
    return bytes;
}

/* How many bands: each of as many rows as there is room for, at least one. Heavy ones have twice
 * the room: it is that of two caches at least, and weights are read once a band. Light ones are as
 * many as threads can share evenly. */
static int band_count(const struct finder *f, int first, int last, bool heavy)
{
    const double room = heavy ? 2 * f->room : f->room;
    const int h = f->s->shape[f->chain[last]].h;
    double fixed = 0, each = 0;
    for (int i = first; i < last; i++) {
        const struct reach *r = &f->s->reach[f->chain[i]];
        each += f->row[f->chain[i]] * r->step;
        fixed += f->row[f->chain[i]] * (r->high - r->low + 1 - r->step);
    }
    const double most = floor((room - fixed) / each);
    const int rows = most < 1 ? 1 : most > h ? h : (int)most, bands = (h + rows - 1) / rows;
    const int even = heavy || bands == 1 ? bands : (bands + EVENLY - 1) / EVENLY * EVENLY;
    return even < h ? even : h;
}

/* Of the highest band. */
static int band_rows(int h, int bands)
{
    return (h + bands - 1) / bands;
}

static double memory_at(const struct finder *f, int first, int last)
{
    return f->born[last] - f->died[first];
}

/* A chain that may write over what it reads needs that once. */
static double cost_alone(const struct finder *f, int at)
{
    const struct schedule *s = f->s;
    const struct chain *c = &s->chain[f->chain[at]];
    const int x = s->source[c->in];
    const bool in_place = (op_of(&s->g->node[c->root])->traits & OP_IN_PLACE) &&
                          s->last_read[x] == f->chain[at] &&
                          shape_equal(s->shape[x], s->shape[f->chain[at]]);
    return memory_at(f, at, at) - (in_place ? f->bytes[x] : 0);
}

/* The costs of all groups that end at place `last`. */
static void find_costs(struct finder *f, int last)
{
    double *cost = &f->cost[last * MOST_CHAINS], inside = 0;
    const int end = f->chain[last], first = last < MOST_CHAINS ? 0 : last - MOST_CHAINS + 1;
    for (int i = 0; i < MOST_CHAINS; i++) cost[i] = INFINITY;
    for (int i = first; i < last; i++) f->s->reach[f->chain[i]] = (struct reach){0};
    f->s->reach[end] = (struct reach){1, 0, 0};
    cost[0] = cost_alone(f, last);
    if (!is_by_rows(f->s, &f->s->chain[end])) return;
    reach_inputs(f, first, end);
    size_t heaviest = weight_bytes(f->s, end);
    for (int i = last - 1; i >= first && may_be_inside(f, f->chain[i], last) &&
                           weighs_alike(f->s, f->chain[i], &heaviest);
         i--) {
        reach_inputs(f, first, f->chain[i]);
        inside += f->bytes[f->chain[i]];
        const int bands = band_count(f, i, last, heaviest > HEAVY);
        const int rows = band_rows(f->s->shape[end].h, bands);
        cost[last - i] = memory_at(f, i, last) - inside + bytes_held(f, i, last, rows);
        f->bands[last * MOST_CHAINS + last - i] = bands;
    }
}

/* ---- the best way to cut --------------------------------------------------------------------- */

static double memory_without_bands(const struct finder *f)
{
    double most = 0;
    for (int i = 0; i < f->chains; i++) most = fmax(most, f->cost[i * MOST_CHAINS]);
    return most;
}

/* best[i + 1]: the least that the chains up to place i need. */
static double least_memory(const struct finder *f, double *best)
{
    best[0] = 0;
    for (int i = 0; i < f->chains; i++) {
        best[i + 1] = INFINITY;
        for (int n = 1; n <= MOST_CHAINS && n <= i + 1; n++) {
            const double cost = fmax(best[i + 1 - n], f->cost[i * MOST_CHAINS + n - 1]);
            if (cost < best[i + 1]) best[i + 1] = cost;
        }
    }
    return best[f->chains];
}

/* length[i]: of the group that ends at place i, when as few chains as possible are in bands and no
 * group costs more than limit. */
static void fewest_in_bands(const struct finder *f, double limit, double *best, int *length)
{
    best[0] = 0;
    for (int i = 0; i < f->chains; i++) {
        best[i + 1] = INFINITY;
        for (int n = 1; n <= MOST_CHAINS && n <= i + 1; n++) {
            const double chains = best[i + 1 - n] + (n > 1 ? n : 0);
            if (f->cost[i * MOST_CHAINS + n - 1] > limit || chains >= best[i + 1]) continue;
            best[i + 1] = chains;
            length[i] = n;
        }
    }
}

static void make_group(struct finder *f, int last, int length, int group)
{
    struct schedule *s = f->s;
    const int first = last - length + 1;
    size_t heaviest = 0;
    for (int i = first; i < last; i++) s->reach[f->chain[i]] = (struct reach){0};
    s->reach[f->chain[last]] = (struct reach){1, 0, 0};
    for (int i = last; i >= first; i--) {
        reach_inputs(f, first, f->chain[i]);
        s->group_of[f->chain[i]] = group;
        weighs_alike(s, f->chain[i], &heaviest);
    }
    const int bands = f->bands[last * MOST_CHAINS + length - 1];
    s->group[group] = (struct group){.first = f->chain[first],
                                     .last = f->chain[last],
                                     .bands = bands,
                                     .rows = band_rows(s->shape[f->chain[last]].h, bands),
                                     .heavy = heaviest > HEAVY};
}

/* ---- the whole ------------------------------------------------------------------------------- */

int band_group(const struct schedule *s, int chain)
{
    const int group = s->group_of[chain];
    return group >= 0 && s->group[group].last != chain ? group : -1;
}

int band_rows_held(const struct schedule *s, int chain)
{
    const int group = band_group(s, chain);
    return group < 0 ? s->shape[chain].h : rows_held(s, chain, s->group[group].rows);
}

static bool allocate(struct finder *f, struct arena *a)
{
    struct schedule *s = f->s;
    const size_t n = (size_t)s->g->nodes;
    s->reach = arena_push(a, n, sizeof *s->reach);
    s->group_of = arena_push(a, n, sizeof *s->group_of);
    s->group = arena_push(a, n, sizeof *s->group);
    f->chain = arena_push(a, n, sizeof *f->chain);
    f->place = arena_push(a, n, sizeof *f->place);
    f->bytes = arena_push(a, n, sizeof *f->bytes);
    f->row = arena_push(a, n, sizeof *f->row);
    f->born = arena_push(a, n + 1, sizeof *f->born);
    f->died = arena_push(a, n + 1, sizeof *f->died);
    f->cost = arena_push(a, n * MOST_CHAINS, sizeof *f->cost);
    f->bands = arena_push(a, n * MOST_CHAINS, sizeof *f->bands);
    return s->reach && s->group_of && s->group && f->chain && f->place && f->bytes && f->row &&
           f->born && f->died && f->cost && f->bands;
}

/* Where a value is last read, as a place. */
static int last_place(const struct finder *f, int node)
{
    const int last = f->s->last_read[node];
    if (last >= f->s->g->nodes) return f->chains;
    return f->place[last] > 0 ? f->place[last] : 0;
}

static void measure(struct finder *f)
{
    const struct schedule *s = f->s;
    for (int i = 0; i < s->g->nodes; i++) {
        f->place[i] = s->chain[i].root >= 0 ? f->chains : -1;
        if (s->chain[i].root >= 0) f->chain[f->chains++] = i;
    }
    for (int i = 0; i < s->g->nodes; i++) {
        if (i > 0 && f->place[i] < 0) continue;
        const struct shape shape = s->shape[i];
        f->row[i] = (double)shape.n * (double)memory_pixel(shape.c, s->type[i]) * shape.w;
        f->bytes[i] = f->row[i] * shape.h;
        f->born[i > 0 ? f->place[i] : 0] += f->bytes[i];
        f->died[last_place(f, i)] += f->bytes[i]; /* at that place, so far */
    }
    double died = 0;
    for (int i = 0; i < f->chains; i++) {
        const double here = f->died[i];
        f->died[i] = died;
        died += here;
        if (i > 0) f->born[i] += f->born[i - 1];
    }
}

xc_status bands_find(struct schedule *s, enum dtype type, const struct plan_opts *opts,
                     struct arena *a, struct error *err)
{
    const size_t numbers = type == DTYPE_BF16 ? BAND_NUMBERS / 2 * 3 : BAND_NUMBERS;
    const size_t room = opts->band_bytes ? opts->band_bytes : numbers * dtype_size(type);
    struct finder f = {.s = s, .room = (double)room * opts->input.n};
    const size_t n = (size_t)s->g->nodes;
    double *best = arena_push(a, n + 1, sizeof *best);
    int *length = arena_push(a, n, sizeof *length);
    if (!allocate(&f, a) || !best || !length) return fail_memory(err, n * sizeof *f.cost);
    measure(&f);
    for (int i = 0; i < s->g->nodes; i++) s->group_of[i] = -1;
    for (int i = 0; i < f.chains; i++) find_costs(&f, i);
    const double without = memory_without_bands(&f);
    const double enough =
        opts->band_bytes ? f.room : (double)ENOUGH * (double)dtype_size(type) * opts->input.n;
    const double limit = without <= enough ? without : fmax(least_memory(&f, best), f.room);
    fewest_in_bands(&f, limit, best, length);
    for (int i = f.chains - 1; i >= 0; i -= length[i]) s->groups += length[i] > 1;
    for (int i = f.chains - 1, group = s->groups; i >= 0; i -= length[i])
        if (length[i] > 1) make_group(&f, i, length[i], --group);
    return XC_OK;
}
