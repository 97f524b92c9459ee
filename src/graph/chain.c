/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes run together? The first loop of the planner. In order of the nodes, each one either
 *
 *   - is another name of its input (dropout; flatten where the numbers lie densely),
 *   - joins the chain of its input, when nobody else reads that: a folded batch norm, then one
 *     addition, then one activation,
 *   - is left to its readers, when it is a cheap activation that only convolutions read (the ReLU
 *     in front of an Xception block: the shortcut needs the map before it),
 *   - or starts a chain of its own.
 *
 * After that a pointwise convolution takes in the depthwise one that it alone reads.
 *
 * Fusion never changes a bit: an epilogue does to the accumulator what a step of its own would do
 * to the stored number. It never reorders steps either: an addition joins the later of its two
 * operands or none.
 */
#include "graph/plan_int.h"

static bool is_alias(const struct schedule *s, int i)
{
    const struct node *n = &s->g->node[i];
    struct shape in = s->shape[n->input[0]];
    if (!(op_of(n)->traits & OP_ALIAS)) return false;
    if (n->kind != OP_FLATTEN) return true;
    if (s->type[i] != s->type[s->source[n->input[0]]]) return false;
    return (in.h == 1 && in.w == 1) || (size_t)in.c * dtype_size(s->type[i]) % 64 == 0;
}

static void find_sources(struct schedule *s)
{
    for (int i = 1; i < s->g->nodes; i++)
        s->source[i] = is_alias(s, i) ? s->source[s->g->node[i].input[0]] : i;
}

static void count_readers(struct schedule *s)
{
    for (int i = 1; i < s->g->nodes; i++) {
        const struct node *n = &s->g->node[i];
        if (s->source[i] != i) continue;
        for (int j = 0; j < n->inputs; j++) s->readers[s->source[n->input[j]]]++;
    }
}

static xc_status keep(struct schedule *s, const struct plan_opts *opts, struct error *err)
{
    for (int i = 0; i < s->g->outputs; i++) s->kept[s->source[s->g->output[i].node]] = true;
    for (int i = 0; i < opts->taps; i++) {
        int tap = opts->tap[i];
        if (tap < 0 || tap >= s->g->nodes)
            return fail(err, XC_ERR_ARGUMENT, "there is no node %d to tap", tap);
        if (s->norm_of[tap] >= 0)
            return fail(err, XC_ERR_ARGUMENT,
                        "%s: its batch normalization is part of its weights; tap %s instead",
                        s->g->node[tap].name, s->g->node[s->norm_of[tap]].name);
        s->kept[s->source[tap]] = true;
    }
    return XC_OK;
}

static int input_of(const struct schedule *s, int node, int j)
{
    return s->source[s->g->node[node].input[j]];
}

/* Dense layers have one type, all others any. */
static bool suits(const struct schedule *s, int node, int root)
{
    return s->g->node[root].kind != OP_DENSE || s->type[s->source[node]] == s->type[root];
}

/* May node i, the only reader of x, become part of the chain that ends at x? */
static bool joins(const struct schedule *s, int i, int x)
{
    const struct chain *c = &s->chain[x];
    return c->root >= 0 && suits(s, i, c->root) &&
           (op_of(&s->g->node[c->root])->traits & OP_EPILOGUE) && c->act < 0 &&
           s->readers[x] == 1 && !s->kept[x] && shape_equal(s->shape[x], s->shape[i]);
}

static struct chain *extend(struct schedule *s, int x, int i)
{
    s->chain[i] = s->chain[x];
    s->chain[x].root = -1;
    return &s->chain[i];
}

/* Cheap enough to be done again for every window that a number falls into. */
static bool is_cheap(struct activation a)
{
    return a.kind == ACT_RELU || a.kind == ACT_CLIP;
}

static bool left_to_readers(const struct schedule *s, int i)
{
    if (!is_cheap(s->g->node[i].act) || s->kept[i]) return false;
    for (int j = i + 1; j < s->g->nodes; j++)
        for (int k = 0; k < s->g->node[j].inputs; k++)
            if (s->source[j] == j && input_of(s, j, k) == i &&
                !(op_of(&s->g->node[j])->traits & OP_PROLOGUE))
                return false;
    return s->readers[i] > 0;
}

static void start(struct schedule *s, int i)
{
    int x = s->g->node[i].input[0], load = s->source[x];
    struct chain c = {.root = i,
                      .norm = -1,
                      .act = -1,
                      .in = x,
                      .load = -1,
                      .other = -1,
                      .depthwise = -1,
                      .depthwise_norm = -1,
                      .depthwise_act = -1};
    if (s->on_load[load]) {
        c.load = load;
        c.in = s->g->node[load].input[0];
    }
    s->chain[i] = c;
}

static void schedule_act(struct schedule *s, int i)
{
    int x = input_of(s, i, 0);
    if (joins(s, i, x))
        extend(s, x, i)->act = i;
    else if (left_to_readers(s, i))
        s->on_load[i] = true;
    else
        start(s, i);
}

static void schedule_add(struct schedule *s, int i)
{
    const struct node *n = &s->g->node[i];
    int x = input_of(s, i, 0), y = input_of(s, i, 1);
    int late = x > y ? x : y, early = n->input[x > y];
    if (x != y && joins(s, i, late) && s->chain[late].other < 0 &&
        suits(s, early, s->chain[late].root)) {
        extend(s, late, i)->other = early;
        return;
    }
    start(s, i);
    s->chain[i].other = n->input[1];
}

static void schedule_node(struct schedule *s, int i)
{
    const struct node *n = &s->g->node[i];
    if (s->source[i] != i) return;
    if (n->kind == OP_ACT)
        schedule_act(s, i);
    else if (n->kind == OP_ADD)
        schedule_add(s, i);
    else if (n->kind == OP_BATCH_NORM && s->norm_of[n->input[0]] == i)
        extend(s, n->input[0], i)->norm = i;
    else
        start(s, i);
}

/* ---- separable convolutions ------------------------------------------------------------------ */

static bool is_conv(const struct schedule *s, const struct chain *c)
{
    return c->root >= 0 && s->g->node[c->root].kind == OP_CONV;
}

/* Does chain i read nothing but the result of a depthwise convolution that nobody else reads? */
static bool is_separable(const struct schedule *s, int i)
{
    const struct chain *c = &s->chain[i];
    if (!is_conv(s, c) || !op_conv_is_pixelwise(&s->g->node[c->root]) || c->load >= 0) return false;
    int x = s->source[c->in];
    const struct chain *before = &s->chain[x];
    return is_conv(s, before) && before->other < 0 && s->readers[x] == 1 && !s->kept[x] &&
           before->depthwise < 0 &&
           op_conv_is_depthwise(&s->g->node[before->root], s->shape[before->in].c);
}

static void take_in_depthwise(struct schedule *s, int i)
{
    struct chain *c = &s->chain[i], *before = &s->chain[s->source[c->in]];
    c->depthwise = before->root;
    c->depthwise_norm = before->norm;
    c->depthwise_act = before->act;
    c->in = before->in;
    c->load = before->load;
    before->root = -1;
}

/* ---- lives ----------------------------------------------------------------------------------- */

static void read_at(struct schedule *s, int node, int chain)
{
    int x = node < 0 ? -1 : s->source[node];
    if (x >= 0 && s->last_read[x] < chain) s->last_read[x] = chain;
}

static void find_last_reads(struct schedule *s)
{
    for (int i = 0; i < s->g->nodes; i++) {
        const struct chain *c = &s->chain[i];
        s->last_read[i] = s->kept[i] ? s->g->nodes : i;
        if (c->root < 0) continue;
        read_at(s, c->in, i);
        read_at(s, c->other, i);
        if (!(op_of(&s->g->node[c->root])->traits & OP_PARTS)) continue;
        for (int j = 0; j < s->g->node[c->root].inputs; j++)
            read_at(s, s->g->node[c->root].input[j], i);
    }
}

static bool allocate(struct schedule *s, struct arena *a)
{
    size_t n = (size_t)s->g->nodes;
    s->type = arena_push(a, n, sizeof *s->type);
    s->source = arena_push(a, n, sizeof *s->source);
    s->kept = arena_push(a, n, sizeof *s->kept);
    s->readers = arena_push(a, n, sizeof *s->readers);
    s->last_read = arena_push(a, n, sizeof *s->last_read);
    s->norm_of = arena_push(a, n, sizeof *s->norm_of);
    s->on_load = arena_push(a, n, sizeof *s->on_load);
    s->chain = arena_push(a, n, sizeof *s->chain);
    return s->type && s->source && s->kept && s->readers && s->last_read && s->norm_of &&
           s->on_load && s->chain;
}

enum fast schedule_fast(const struct schedule *s, int root)
{
    const struct node *n = &s->g->node[root];
    return s->fast ? op_conv_fast(n, s->shape[n->input[0]].c) : FAST_NONE;
}

xc_status schedule_build(struct schedule *s, enum dtype type, const struct plan_opts *opts,
                         struct arena *a, struct error *err)
{
    if (!allocate(s, a)) return fail_memory(err, (size_t)s->g->nodes * sizeof *s->chain);
    fold_find(s->g, s->norm_of);
    types_find(s->g, s->g->nodes, type, s->type);
    find_sources(s);
    count_readers(s);
    TRY(keep(s, opts, err));
    for (int i = 0; i < s->g->nodes; i++) s->chain[i].root = -1;
    for (int i = 1; i < s->g->nodes; i++) schedule_node(s, i);
    for (int i = 1; i < s->g->nodes; i++)
        if (is_separable(s, i)) take_in_depthwise(s, i);
    find_last_reads(s);
    return XC_OK;
}
