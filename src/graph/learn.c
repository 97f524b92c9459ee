/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which steps make up one step of training? A loop up the graph, the loss, a loop down: each
 * operator's rule writes its kernel calls on the tape (learn_int.h).
 *
 * Where nodes are watched their values and gradients outlive the last step. Nodes take part when
 * the loss depends on them and they stand behind `from`. They want a gradient when something that
 * is trained stands before them, so a frozen trunk costs no backward pass.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/learn_int.h"

static const struct rule *rule_of(const struct tape *t, int node)
{
    static const struct rule *const rules[OP_COUNT] = {
        [OP_CONV] = &rule_conv,       [OP_DENSE] = &rule_dense,
        [OP_BATCH_NORM] = &rule_norm, [OP_AFFINE] = &rule_affine,
        [OP_ACT] = &rule_act,         [OP_SOFTMAX] = &rule_softmax,
        [OP_POOL] = &rule_pool,       [OP_GLOBAL_POOL] = &rule_global_pool,
        [OP_ADD] = &rule_add,         [OP_CONCAT] = &rule_concat,
        [OP_FLATTEN] = &rule_flatten, [OP_DROPOUT] = &rule_dropout,
    };
    return rules[t->g->node[node].kind];
}

/* ---- which nodes ----------------------------------------------------------------------------- */

/* The logits: what output 0 makes its softmax or sigmoid of, if the loss does that itself. */
static int find_logits(struct tape *t)
{
    const int last = t->g->output[0].node;
    const struct node *n = &t->g->node[last];
    const bool softmax = n->kind == OP_SOFTMAX;
    const bool sigmoid = n->kind == OP_ACT && n->act.kind == ACT_SIGMOID;
    if (!softmax && !sigmoid) return last;
    if (t->opts->loss != LOSS_GIVEN && softmax != (t->opts->loss == LOSS_SOFTMAX))
        tape_fail(t, XC_ERR_ARGUMENT, last,
                  softmax ? "the network ends in softmax, which does not go with a sigmoid loss"
                          : "the network ends in sigmoid, which does not go with a softmax loss");
    return n->input[0];
}

static bool has_auxiliary(const struct tape *t)
{
    return t->g->auxiliaries > 0 && !t->opts->inference && t->opts->loss != LOSS_GIVEN;
}

/* Logits and what their losses weigh; those of the network's own are the first. */
struct losses {
    struct auxiliary at[1 + GRAPH_MAX_AUXILIARY];
    int count;
};

static struct losses find_losses(struct tape *t)
{
    const struct graph *g = t->g;
    struct losses l = {.at = {{find_logits(t), 1}}, .count = 1};
    for (int i = 0; i < g->auxiliaries && has_auxiliary(t); i++) l.at[l.count++] = g->auxiliary[i];
    return l;
}

static void check_losses(struct tape *t, const struct losses *l)
{
    for (int i = 0; i < l->count; i++) {
        const struct shape s = t->shape[l->at[i].node];
        if (s.h != 1 || s.w != 1)
            tape_fail(t, XC_ERR_SHAPE, l->at[i].node,
                      "a loss is taken from classes, not from a map");
    }
    if (l->at[0].node <= t->opts->from)
        tape_fail(t, XC_ERR_ARGUMENT, l->at[0].node, "nothing would be trained");
}

static void mark_used(struct tape *t, const struct losses *l)
{
    const struct graph *g = t->g;
    for (int i = 0; i < l->count; i++) t->used[l->at[i].node] = true;
    for (int i = g->all - 1; i > t->opts->from; i--)
        for (int j = 0; t->used[i] && j < g->node[i].inputs; j++) {
            t->used[g->node[i].input[j]] = true;
            t->readers[g->node[i].input[j]]++;
        }
    for (int i = 0; i < t->opts->from; i++)
        if (t->used[i])
            tape_fail(t, XC_ERR_ARGUMENT, i, "is needed, too, by the layers that would be trained");
    for (int i = 0; i < t->opts->watches; i++)
        if (!t->used[t->opts->watch[i]])
            tape_fail(t, XC_ERR_ARGUMENT, t->opts->watch[i], "no class depends on it");
}

static bool has_trainable(const struct graph *g, const struct node *n)
{
    for (int i = 0; i < n->params; i++)
        if (param_trainable(&g->param.at[n->param[i]])) return true;
    return false;
}

static void mark_needs(struct tape *t)
{
    t->needs[t->opts->from] = tape_watched(t, t->opts->from) >= 0;
    for (int i = t->opts->from + 1; i < t->g->all; i++) {
        const struct node *n = &t->g->node[i];
        if (!t->used[i]) continue;
        t->learn->trains[i] = !tape_frozen(t, i) && has_trainable(t->g, n);
        t->needs[i] = t->learn->trains[i] || tape_watched(t, i) >= 0;
        for (int j = 0; j < n->inputs; j++) t->needs[i] |= t->needs[n->input[j]];
    }
}

/* ---- what is given --------------------------------------------------------------------------- */

static void give_input(struct tape *t)
{
    const struct shape s = t->shape[t->opts->from];
    struct map m = {.ref = {.base = BASE_INPUT}, .view = {.n = s.n, .h = s.h, .w = s.w, .c = s.c}};
    m.view.type = t->k->type == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
    m.view.pixel = s.c * (ptrdiff_t)tape_size(t);
    m.view.row = m.view.pixel * s.w;
    m.view.image = m.view.row * s.h;
    tape_set(t, t->opts->from, m);
}

static void put_number(const struct tape *t, size_t i, float value)
{
    if (t->k->type == DTYPE_F64)
        ((double *)t->learn->constants)[i] = (double)value;
    else
        ((float *)t->learn->constants)[i] = value;
}

/* Scale and shift of every affine node: up to 4 channels each, twice. */
static bool give_constants(struct tape *t)
{
    enum { MOST = 8 };
    size_t at = 0;
    t->learn->constants = arena_push(&t->learn->arena, (size_t)t->g->all * MOST, sizeof(double));
    if (!t->learn->constants) return false;
    for (int i = 0; i < t->g->all; i++) {
        const struct node *n = &t->g->node[i];
        const int c = t->shape[i].c;
        if (n->kind != OP_AFFINE) continue;
        if (c > 4) {
            tape_fail(t, XC_ERR_LIMIT, i, "a given scale of more than 4 channels is not trained");
            return true;
        }
        t->extra[i] = (struct ref){.base = BASE_CONST, .at = at * tape_size(t)};
        for (int j = 0; j < c; j++) put_number(t, at++, n->affine.scale[j]);
        for (int j = 0; j < c; j++) put_number(t, at++, n->affine.shift[j]);
    }
    return true;
}

/* ---- the loops ------------------------------------------------------------------------------- */

static void forward(struct tape *t)
{
    for (int i = t->opts->from + 1; i < t->g->all && t->err.status == XC_OK; i++)
        if (t->used[i]) {
            rule_of(t, i)->forward(t, i);
            const int w = tape_watched(t, i);
            if (w >= 0) t->watched[w] = tape_stored(t, i);
        }
}

/* The gradient of the logits, as it is given. */
static void given(struct tape *t, int logits)
{
    bool add;
    const struct map din = tape_grad_into(t, logits, &add);
    struct map target = {.ref = {.base = BASE_TARGET}, .view = din.view};
    target.view.pixel = target.view.row = target.view.image = din.view.c * (ptrdiff_t)tape_size(t);
    tape_stored(t, logits);
    tape_copy(t, logits, &target, NULL, &din);
}

/* Number i of the losses: the first one writes what the others add to. */
static void loss(struct tape *t, const struct losses *l, int i)
{
    bool add;
    const int logits = l->at[i].node;
    const bool softmax = t->opts->loss == LOSS_SOFTMAX;
    const struct map in = tape_stored(t, logits), din = tape_grad_into(t, logits, &add);
    struct learn_step *s = tape_step(t, logits, LEARN_loss, (size_t)in.view.n);
    s->fn.loss = softmax ? t->t->loss_softmax : t->t->loss_sigmoid;
    s->call.loss = (struct loss_call){.type = t->k->type,
                                      .in = in.view,
                                      .din = din.view,
                                      .weight = l->at[i].weight,
                                      .add = i > 0};
    LINK(t, s, loss.in.data, in.ref);
    LINK(t, s, loss.din.data, din.ref);
    LINK(t, s, loss.target, ((struct ref){.base = BASE_TARGET}));
    LINK(t, s, loss.row_weight, ((struct ref){.base = BASE_ROW_WEIGHT}));
    LINK(t, s, loss.class_weight, ((struct ref){.base = BASE_CLASS_WEIGHT}));
    LINK(t, s, loss.scale, ((struct ref){.base = BASE_SCALE}));
    LINK(t, s, loss.loss, ((struct ref){.base = BASE_LOSS}));
}

/* Has a node's gradient a reader? */
static bool hands_on(const struct tape *t, int node)
{
    const struct node *n = &t->g->node[node];
    bool on = t->learn->trains[node];
    for (int j = 0; j < n->inputs; j++) on |= t->needs[n->input[j]];
    return on;
}

static void backward(struct tape *t)
{
    t->backward = true;
    for (int i = 0; i < t->g->all; i++) /* made again when needed, rather than kept */
        if (t->value[i].lazy) t->value[i].kept = false;
    for (int i = t->g->all - 1; i > t->opts->from && t->err.status == XC_OK; i--) {
        if (!t->needs[i]) continue;
        if (tape_watched(t, i) >= 0) tape_grad_keep(t, i);
        if (hands_on(t, i)) rule_of(t, i)->backward(t, i);
        tape_grad_release(t, i);
    }
}

/* A convolution goes once through its multiply-adds for each of: its output, the gradients of its
 * weights and of its input. */
static uint64_t count_macs(const struct tape *t)
{
    uint64_t sum = 0;
    for (int i = t->opts->from + 1; i < t->g->all; i++) {
        const bool dw = t->learn->trains[i], dx = t->needs[t->g->node[i].input[0]];
        const uint64_t passes = dw && dx ? 3 : dw || dx ? 2 : 1;
        if (t->used[i]) sum += passes * graph_macs(t->g, i, t->shape);
    }
    return sum;
}

/* What can be looked at after a run: its piece lives to the end. learn_place says where. */
static void keep(const struct tape *t, const struct map *m, struct place *to)
{
    if (m->ref.base != BASE_ARENA) return;
    t->piece[m->ref.piece].lasting = true;
    to->view = m->view;
}

static void find(const struct tape *t, const struct map *m, struct place *to)
{
    if (m->ref.base == BASE_ARENA) to->at = m->ref.at + t->piece[m->ref.piece].at;
}

static void each_result(struct tape *t, int logits,
                        void (*visit)(const struct tape *, const struct map *, struct place *))
{
    visit(t, &t->value[logits].stored, &t->learn->logits);
    for (int i = 0; i < t->opts->watches; i++) {
        visit(t, &t->watched[i], &t->learn->value[i]);
        visit(t, &t->grad[t->opts->watch[i]], &t->learn->gradient[i]);
    }
}

/* gone: so many outputs of convolutions are not kept. */
static xc_status write_tape(struct tape *t, int gone, struct error *err)
{
    tape_piece(t, 0); /* what a failing tape_piece answers */
    const struct losses losses = find_losses(t);
    const int logits = losses.at[0].node;
    check_losses(t, &losses);
    if (t->err.status == XC_OK) {
        mark_used(t, &losses);
        mark_needs(t);
    }
    if (t->err.status == XC_OK && !t->needs[logits])
        tape_fail(t, XC_ERR_ARGUMENT, logits, "nothing would be trained");
    if (t->err.status == XC_OK && (!learn_choose_again(t, gone) || !give_constants(t)))
        return fail_memory(err, sizeof(double));
    if (t->err.status != XC_OK) return fail(err, t->err.status, "%s", t->err.text);
    give_input(t);
    forward(t);
    if (t->opts->loss == LOSS_GIVEN)
        given(t, logits);
    else
        for (int i = 0; i < losses.count; i++) loss(t, &losses, i);
    backward(t);
    if (t->err.status != XC_OK) return fail(err, t->err.status, "%s", t->err.text);
    t->learn->macs = count_macs(t);
    each_result(t, logits, keep);
    if (!learn_chains(t)) return fail_memory(err, (size_t)t->learn->steps * sizeof *t->learn->step);
    if (!learn_place(t)) return fail(err, XC_ERR_LIMIT, "the activations do not fit into memory");
    each_result(t, logits, find);
    return XC_OK;
}

/* ---- the object ------------------------------------------------------------------------------ */

static xc_status build(struct learn *l, struct tape *t, struct arena *scratch, int gone,
                       struct error *err)
{
    const size_t n = (size_t)t->g->all;
    struct shape *shape = arena_push(scratch, n, sizeof *shape);
    enum dtype *type = arena_push(scratch, n, sizeof *type);
    t->used = arena_push(scratch, n, sizeof *t->used);
    t->needs = arena_push(scratch, n, sizeof *t->needs);
    t->again = arena_push(scratch, n, sizeof *t->again);
    t->gone = arena_push(scratch, n, sizeof *t->gone);
    t->readers = arena_push(scratch, n, sizeof *t->readers);
    t->value = arena_push(scratch, n, sizeof *t->value);
    t->grad = arena_push(scratch, n, sizeof *t->grad);
    t->extra = arena_push(scratch, n, sizeof *t->extra);
    t->gate = arena_push(scratch, n, sizeof *t->gate);
    l->trains = arena_push(&l->arena, n, sizeof *l->trains);
    if (!shape || !type || !t->used || !t->needs || !t->again || !t->gone || !t->readers ||
        !t->value || !t->grad || !t->extra || !t->gate || !l->trains)
        return fail_memory(err, n * sizeof *t->value);
    for (size_t i = 0; i < n; i++) t->grad[i].ref.piece = -1;
    TRY((has_auxiliary(t) ? graph_all_shapes : graph_shapes)(t->g, t->opts->input, shape, err));
    t->shape = shape;
    types_find(t->g, t->g->all, t->k->type, type);
    t->type = type;
    return write_tape(t, gone, err);
}

struct asked { /* of learn_new */
    const struct graph *g;
    const struct kernels *k;
    const struct training_kernels *t;
    const struct learn_opts *opts;
};

/* candidates: how many outputs might be gone. */
static xc_status new_with(const struct asked *a, int gone, struct learn **out, int *candidates,
                          struct error *err)
{
    struct arena scratch = {0};
    struct learn *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l) return fail_memory(err, sizeof *l);
    l->g = a->g;
    struct tape t = {
        .g = a->g, .k = a->k, .t = a->t, .opts = a->opts, .learn = l, .scratch = &scratch};
    const xc_status status = build(l, &t, &scratch, gone, err);
    arena_free(&scratch);
    *candidates = t.candidates;
    if (status == XC_OK)
        *out = l;
    else
        learn_free(l);
    return status;
}

/* The fewest outputs gone with which it fits; all of them if it never does. */
xc_status learn_new(const struct graph *g, const struct kernels *k,
                    const struct training_kernels *kt, const struct learn_opts *opts,
                    struct learn **out, struct error *err)
{
    const struct asked a = {g, k, kt, opts};
    int low = 0, high;
    TRY(new_with(&a, 0, out, &high, err));
    if (!opts->memory || (*out)->bytes <= opts->memory) return XC_OK;
    while (low < high) { /* `low` are too few, or the answer */
        const int middle = low + (high - low + 1) / 2;
        int candidates;
        learn_free(*out);
        TRY(new_with(&a, middle, out, &candidates, err));
        if ((*out)->bytes > opts->memory)
            low = middle;
        else
            high = middle - 1;
    }
    learn_free(*out);
    return new_with(&a, low + 1, out, &high, err);
}

void learn_free(struct learn *l)
{
    if (!l) return;
    arena_free(&l->arena);
    free(l);
}

size_t learn_arena_bytes(const struct learn *l)
{
    return l->bytes;
}

uint64_t learn_macs(const struct learn *l)
{
    return l->macs;
}

bool learn_trains(const struct learn *l, int node)
{
    return l->trains[node];
}
