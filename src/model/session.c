/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does one running thread own? A plan is made for one batch size, and a session takes any n up
 * to max_batch: so it has plans for max_batch, its half, its quarter, ... 1, and runs n pictures in
 * a few pieces. The position in a batch never changes a bit, so nobody sees the cuts. The plans
 * share one arena; what is read after a run is therefore copied out after each piece.
 */
#include "model/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

#define MAX_PLANS 11 /* 1024, 512, ... 1 */

/* The values of one node after a run: (n, h, w, c) without gaps, in the session's precision. */
struct result {
    int node;
    bool softmax;       /* of the node's values, where the network has none itself */
    struct shape shape; /* n = 1 */
    size_t count;       /* numbers an image */
    uint8_t *data;
};

struct name {
    const char *text;
    int result;
};

struct piece {
    struct plan *plan;
    uint32_t batch;
};

struct xc_session {
    xc_model *model;
    const struct kernels *kernels;
    struct shape input; /* n = max_batch */
    size_t input_count; /* numbers an image */
    xc_preprocess preprocess;
    struct piece piece[MAX_PLANS]; /* largest first */
    int pieces;
    void *arena;
    size_t arena_bytes;
    const struct plan *arena_user; /* the plan that ran last */
    struct result *result;
    struct name *name;
    int results, names;
    struct arena words;
    float *staging; /* (max_batch, h, w, c): prepared pictures */
    float *score;   /* of one picture, and their order */
    uint32_t *rank;
    uint32_t ran; /* images of the last run that succeeded */
    atomic_bool cancel;
};

/* ---- which results? -------------------------------------------------------------------------- */

static bool ends_in_probs(const struct node *n)
{
    return n->kind == OP_SOFTMAX || (n->kind == OP_ACT && n->act.kind == ACT_SIGMOID);
}

/* A result under a name; two names of the same values share them. */
static bool add_result(xc_session *s, const char *name, int node, bool softmax)
{
    int at = 0;
    while (at < s->results && (s->result[at].node != node || s->result[at].softmax != softmax))
        at++;
    if (at == s->results)
        s->result[s->results++] = (struct result){.node = node, .softmax = softmax};
    s->name[s->names] = (struct name){arena_strdup(&s->words, name), at};
    return s->name[s->names++].text != NULL;
}

static const struct result *find_result(const xc_session *s, const char *name)
{
    for (int i = 0; i < s->names; i++)
        if (strcmp(s->name[i].text, name) == 0) return &s->result[s->name[i].result];
    return NULL;
}

static int find_node(const struct graph *g, const char *name)
{
    int node = graph_find(g, name);
    for (int i = g->nodes - 1; node < 0 && i >= 0; i--)
        if (strcmp(g->node[i].layer, name) == 0) node = i;
    return node;
}

/* Shapes of all nodes at this session's input size, for one image. */
static xc_status shapes_of_one(xc_session *s, struct shape **out, struct error *err)
{
    const struct graph *g = s->model->graph;
    struct shape one = s->input;
    one.n = 1;
    *out = arena_push(&s->words, (size_t)g->nodes, sizeof **out);
    return *out ? graph_shapes(g, one, *out, err) : fail_memory(err, sizeof **out);
}

static xc_status choose_results(xc_session *s, const xc_session_opts *opts,
                                const struct shape *shapes, struct error *err)
{
    const struct graph *g = s->model->graph;
    int last = g->output[0].node;
    bool probs = ends_in_probs(&g->node[last]);
    size_t room = 2 + GRAPH_MAX_OUTPUTS + (size_t)opts->tap_count;
    s->result = arena_push(&s->words, room, sizeof *s->result);
    s->name = arena_push(&s->words, room, sizeof *s->name);
    if (!s->result || !s->name) return fail_memory(err, room * sizeof *s->result);
    bool named = add_result(s, "logits", probs ? g->node[last].input[0] : last, false);
    if (shapes[last].h == 1 && shapes[last].w == 1)
        named = add_result(s, "probs", last, !probs) && named;
    for (int i = 0; i < g->outputs; i++)
        named = add_result(s, g->output[i].name, g->output[i].node, false) && named;
    for (uint32_t i = 0; i < opts->tap_count; i++) {
        int node = find_node(g, opts->taps[i]);
        if (node < 0)
            return fail(err, XC_ERR_ARGUMENT, "%s: no layer has this name", opts->taps[i]);
        named = add_result(s, opts->taps[i], node, false) && named;
    }
    for (int i = 0; i < s->results; i++) s->result[i].shape = shapes[s->result[i].node];
    return named ? XC_OK : fail_memory(err, room);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static xc_status make_plans(xc_session *s, const struct weights *weights, struct error *err)
{
    int *tap = arena_push(&s->words, (size_t)s->results, sizeof *tap);
    if (!tap) return fail_memory(err, sizeof *tap);
    for (int i = 0; i < s->results; i++) tap[i] = s->result[i].node;
    struct plan_opts opts = {.input = s->input, .tap = tap, .taps = s->results};
    for (int batch = s->input.n; batch > 0; batch /= 2) {
        struct piece *piece = &s->piece[s->pieces];
        opts.input.n = batch;
        TRY(plan_new(s->model->graph, weights, s->kernels, &opts, &piece->plan, err));
        piece->batch = (uint32_t)batch;
        s->pieces++;
        if (plan_arena_bytes(piece->plan) > s->arena_bytes)
            s->arena_bytes = plan_arena_bytes(piece->plan);
    }
    return XC_OK;
}

static xc_status take_results(xc_session *s, struct error *err)
{
    for (int i = 0; i < s->results; i++) {
        struct result *r = &s->result[i];
        size_t numbers, bytes;
        if (!shape_count(r->shape, &r->count) ||
            !size_mul(r->count, (size_t)s->input.n, &numbers) ||
            !size_mul(numbers, dtype_size(s->kernels->type), &bytes))
            return fail(err, XC_ERR_LIMIT, "the results do not fit into memory");
        if (!(r->data = aligned_new(bytes))) return fail_memory(err, bytes);
    }
    return XC_OK;
}

static xc_status take_memory(xc_session *s, struct error *err)
{
    struct shape one = s->input;
    const struct result *probs = find_result(s, "probs");
    size_t staging;
    one.n = 1;
    if (!shape_count(one, &s->input_count) || !shape_count(s->input, &staging) ||
        !size_mul(staging, sizeof *s->staging, &staging))
        return fail(err, XC_ERR_LIMIT, "an input of %dx%dx%dx%d is too large", s->input.n,
                    s->input.h, s->input.w, s->input.c);
    TRY(take_results(s, err));
    if (!(s->arena = aligned_new(s->arena_bytes))) return fail_memory(err, s->arena_bytes);
    if (!(s->staging = aligned_new(staging))) return fail_memory(err, staging);
    if (probs && !(s->score = aligned_new(probs->count * sizeof *s->score)))
        return fail_memory(err, probs->count);
    if (probs && !(s->rank = aligned_new(probs->count * sizeof *s->rank)))
        return fail_memory(err, probs->count);
    return XC_OK;
}

static xc_status set_up(xc_session *s, const xc_session_opts *opts, struct error *err)
{
    const struct weights *weights = NULL;
    struct shape *shapes = NULL;
    if (opts->preprocess) TRY(preprocess_check(opts->preprocess, err));
    TRY(model_weights(s->model, opts->precision, &weights, err));
    TRY(shapes_of_one(s, &shapes, err));
    TRY(choose_results(s, opts, shapes, err));
    TRY(make_plans(s, weights, err));
    return take_memory(s, err);
}

xc_status session_new(xc_model *model, const xc_session_opts *opts, xc_session **out,
                      struct error *err)
{
    const struct machine *m = model->machine;
    xc_session *s = calloc(1, sizeof *s);
    if (!s) return fail_memory(err, sizeof *s);
    s->model = model_ref(model);
    s->kernels = opts->precision == XC_PRECISION_F64 ? &m->f64 : &m->f32;
    s->input = (struct shape){.n = opts->max_batch ? (int)opts->max_batch : 1,
                              .h = (int)(opts->height ? opts->height : model->info.height),
                              .w = (int)(opts->width ? opts->width : model->info.width),
                              .c = (int)model->info.channels};
    s->preprocess = opts->preprocess ? *opts->preprocess : model->info.preprocess;
    atomic_init(&s->cancel, false);
    xc_status status = set_up(s, opts, err);
    if (status == XC_OK)
        *out = s;
    else
        session_free(s);
    return status;
}

void session_free(xc_session *s)
{
    if (!s) return;
    for (int i = 0; i < s->pieces; i++) plan_free(s->piece[i].plan);
    for (int i = 0; i < s->results; i++) free(s->result[i].data);
    free(s->rank);
    free(s->score);
    free(s->staging);
    free(s->arena);
    arena_free(&s->words);
    model_unref(s->model);
    free(s);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Dense float32 numbers into the places of a view. */
static void scatter(const float *from, enum dtype type, const struct view *to)
{
    for (int n = 0; n < to->n; n++)
        for (int y = 0; y < to->h; y++)
            for (int x = 0; x < to->w; x++, from += to->c) {
                uint8_t *at = (uint8_t *)to->data + n * to->image + y * to->row + x * to->pixel;
                if (type == DTYPE_F32)
                    memcpy(at, from, (size_t)to->c * sizeof *from);
                else
                    for (int c = 0; c < to->c; c++) ((double *)(void *)at)[c] = (double)from[c];
            }
}

/* The numbers of a view, without the gaps. */
static void gather(const struct view *from, size_t size, uint8_t *to)
{
    size_t bytes = (size_t)from->c * size;
    for (int n = 0; n < from->n; n++)
        for (int y = 0; y < from->h; y++)
            for (int x = 0; x < from->w; x++, to += bytes)
                memcpy(to,
                       (const uint8_t *)from->data + n * from->image + y * from->row +
                           x * from->pixel,
                       bytes);
}

/* In place over what is densely packed: the network itself has no softmax. */
static void apply_softmax(const xc_session *s, const struct result *r, uint8_t *data, uint32_t n)
{
    ptrdiff_t pixel = (ptrdiff_t)(r->count * dtype_size(s->kernels->type));
    struct view view = {data, (int)n, 1, 1, (int)r->count, pixel, pixel, pixel};
    struct softmax_call call = {s->kernels->type, view, view};
    s->kernels->softmax(&call, 0, n);
}

static xc_status run_piece(xc_session *s, const struct piece *piece, const float *input,
                           uint32_t at, struct error *err)
{
    size_t size = dtype_size(s->kernels->type);
    struct view view;
    if (s->arena_user != piece->plan) /* padding of one plan is data of another */
        memset(s->arena, 0, s->arena_bytes);
    s->arena_user = piece->plan;
    if (!plan_view(piece->plan, 0, s->arena, &view))
        return fail(err, XC_ERR_INTERNAL, "the plan has no input");
    scatter(input, s->kernels->type, &view);
    xc_status status = plan_run(piece->plan, s->arena, s->model->machine->pool, &s->cancel);
    if (status != XC_OK) return fail(err, status, "%s", xc_status_text(status));
    for (int i = 0; i < s->results; i++) {
        const struct result *r = &s->result[i];
        uint8_t *to = r->data + at * r->count * size;
        if (!plan_view(piece->plan, r->node, s->arena, &view))
            return fail(err, XC_ERR_INTERNAL, "the plan did not keep a result");
        gather(&view, size, to);
        if (r->softmax) apply_softmax(s, r, to, piece->batch);
    }
    return XC_OK;
}

static xc_status run_all(xc_session *s, const float *input, uint32_t n, struct error *err)
{
    const struct piece *piece = s->piece;
    s->ran = 0;
    for (uint32_t at = 0; at < n; at += piece->batch) {
        while (piece->batch > n - at) piece++;
        TRY(run_piece(s, piece, input + at * s->input_count, at, err));
    }
    s->ran = n;
    return XC_OK;
}

xc_status session_run(xc_session *s, const float *input, uint32_t n, struct error *err)
{
    atomic_store(&s->cancel, false);
    return run_all(s, input, n, err);
}

void session_cancel(xc_session *s)
{
    atomic_store(&s->cancel, true);
}

struct shape session_input(const xc_session *s)
{
    return s->input;
}

size_t session_arena_bytes(const xc_session *s)
{
    return s->arena_bytes;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void convert(const void *from, enum dtype type, size_t count, void *to, enum dtype wanted)
{
    if (type == wanted)
        memcpy(to, from, count * dtype_size(type));
    else if (wanted == DTYPE_F32)
        for (size_t i = 0; i < count; i++) ((float *)to)[i] = (float)((const double *)from)[i];
    else
        for (size_t i = 0; i < count; i++) ((double *)to)[i] = (double)((const float *)from)[i];
}

xc_status session_read(const xc_session *s, const char *name, enum dtype type, void *out,
                       size_t count, size_t *written, struct error *err)
{
    const struct result *r = find_result(s, name);
    if (!r)
        return fail(err, XC_ERR_ARGUMENT,
                    "%s: neither an output nor a tapped layer of this session", name);
    if (s->ran == 0) return fail(err, XC_ERR_ARGUMENT, "%s: nothing has run yet", name);
    size_t numbers = r->count * s->ran;
    *written = numbers;
    if (!out) return XC_OK;
    if (count < numbers)
        return fail(err, XC_ERR_ARGUMENT, "%s: %zu numbers, room for %zu", name, numbers, count);
    convert(r->data, s->kernels->type, numbers, out, type);
    return XC_OK;
}

xc_status session_prepare(xc_session *s, const xc_image *image, float *out, struct error *err)
{
    return image_prepare(image, &s->preprocess, s->input.h, s->input.w, s->input.c, out, err);
}

static void answer(xc_session *s, const struct result *probs, uint32_t at, uint32_t k,
                   xc_answer *out)
{
    const struct model_meta *meta = &s->model->meta;
    uint32_t classes = (uint32_t)probs->count, found = k < classes ? k : classes;
    enum dtype type = s->kernels->type;
    convert(probs->data + at * probs->count * dtype_size(type), type, classes, s->score, DTYPE_F32);
    topk(s->score, classes, found, s->rank);
    for (uint32_t i = 0; i < found; i++)
        out[i] = (xc_answer){.index = s->rank[i],
                             .prob = s->score[s->rank[i]],
                             .label = meta->labels ? meta->labels[s->rank[i]] : NULL};
    for (uint32_t i = found; i < k; i++) out[i] = (xc_answer){.index = UINT32_MAX};
}

xc_status session_classify(xc_session *s, const xc_image *const *images, uint32_t n, uint32_t k,
                           xc_answer *answers, struct error *err)
{
    const struct result *probs = find_result(s, "probs");
    if (!probs)
        return fail(err, XC_ERR_ARGUMENT, "this network ends in a map, it does not classify");
    atomic_store(&s->cancel, false);
    for (uint32_t i = 0; i < n; i++)
        TRY(session_prepare(s, images[i], s->staging + i * s->input_count, err));
    TRY(run_all(s, s->staging, n, err));
    for (uint32_t i = 0; i < n; i++) answer(s, probs, i, k, answers + (size_t)i * k);
    return XC_OK;
}
