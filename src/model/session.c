/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does one running thread own? A plan for one image of one size, the arenas it runs in, and
 * room for what is read after a run. All memory is taken by session_new.
 */
#include "model/session_int.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "model/decision.h"

/* ---- which results? -------------------------------------------------------------------------- */

static bool ends_in_probs(const struct node *n)
{
    return n->kind == OP_SOFTMAX || (n->kind == OP_ACT && n->act.kind == ACT_SIGMOID);
}

static bool add_result(xc_session *s, const char *name, int node, bool softmax)
{
    const char *copy = arena_strdup(&s->memory, name);
    s->result[s->results++] = (struct result){.name = copy, .node = node, .softmax = softmax};
    return copy != NULL;
}

/* Or NULL. */
static const struct result *find_result(const xc_session *s, const char *name)
{
    for (int i = 0; i < s->results; i++)
        if (strcmp(s->result[i].name, name) == 0) return &s->result[i];
    return NULL;
}

static xc_status choose_results(xc_session *s, const xc_session_opts *opts, struct error *err)
{
    const struct graph *g = s->model->graph;
    int last = g->output[0].node;
    bool probs = ends_in_probs(&g->node[last]);
    s->sigmoid = g->node[last].kind == OP_ACT && probs;
    size_t room = 2 + GRAPH_MAX_OUTPUTS + (size_t)opts->tap_count;
    s->result = arena_push(&s->memory, room, sizeof *s->result);
    if (!s->result) return fail_memory(err, room * sizeof *s->result);
    bool named = add_result(s, "logits", probs ? g->node[last].input[0] : last, false);
    if (s->classes) named = add_result(s, "probs", last, !probs) && named;
    for (int i = 0; i < g->outputs; i++)
        named = add_result(s, g->output[i].name, g->output[i].node, false) && named;
    for (uint32_t i = 0; i < opts->tap_count; i++) {
        int node = graph_find_layer(g, opts->taps[i]);
        if (node < 0)
            return fail(err, XC_ERR_ARGUMENT, "%s: no layer has this name", opts->taps[i]);
        named = add_result(s, opts->taps[i], node, false) && named;
    }
    return named ? XC_OK : fail_memory(err, room);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Numbers that an image is, and classes that it is put into, at this session's size. */
static xc_status measure(xc_session *s, struct error *err)
{
    const struct graph *g = s->model->graph;
    struct shape one = s->input;
    int least = (int)s->model->info.min_side;
    if (one.h < least || one.w < least)
        return fail(err, XC_ERR_SHAPE, "an input of %dx%d is too small, sides are at least %d",
                    one.h, one.w, least);
    one.n = 1;
    struct shape *shapes = arena_push(&s->memory, (size_t)g->nodes, sizeof *shapes);
    if (!shapes) return fail_memory(err, sizeof *shapes);
    TRY(graph_shapes(g, one, shapes, err));
    struct shape last = shapes[g->output[0].node];
    s->classes = s->model->info.classifies ? (size_t)last.c : 0;
    if (shape_count(one, &s->input_count)) return XC_OK;
    return fail(err, XC_ERR_LIMIT, "an input of %dx%dx%d is too large", one.h, one.w, one.c);
}

static xc_status make_plan(xc_session *s, const struct weights *weights, struct error *err)
{
    int *tap = arena_push(&s->memory, (size_t)s->results, sizeof *tap);
    if (!tap) return fail_memory(err, sizeof *tap);
    for (int i = 0; i < s->results; i++) tap[i] = s->result[i].node;
    struct plan_opts opts = {.input = s->input, .tap = tap, .taps = s->results};
    opts.input.n = 1;
    return plan_new(s->model->graph, weights, s->kernels, &opts, &s->plan, err);
}

static xc_status take_lanes(xc_session *s, struct error *err)
{
    const int threads = pool_threads(s->model->machine->pool);
    const uint32_t lanes = s->input.n >= threads ? (uint32_t)threads : 1;
    s->lane = arena_push(&s->memory, lanes, sizeof *s->lane);
    s->arena = arena_push(&s->memory, lanes, sizeof *s->arena);
    if (!s->lane || !s->arena) return fail_memory(err, lanes * sizeof *s->lane);
    s->lanes = lanes;
    const size_t bytes = plan_arena_bytes(s->plan);
    const size_t scratch = (size_t)threads * plan_scratch_bytes(s->plan);
    s->scratch = aligned_new(scratch);
    if (!s->scratch) return fail_memory(err, scratch);
    for (uint32_t i = 0; i < lanes; i++) {
        s->arena[i] = aligned_new(bytes);
        s->lane[i].staging = arena_push(&s->memory, s->input_count, sizeof(float));
        if (!s->arena[i] || !s->lane[i].staging) return fail_memory(err, bytes);
    }
    return XC_OK;
}

static const struct result *find_same(const xc_session *s, const struct result *r)
{
    for (const struct result *q = s->result; q < r; q++)
        if (q->node == r->node && q->softmax == r->softmax) return q;
    return NULL;
}

/* Of results: nothing is lost when brain floats are widened. */
enum dtype session_result_type(const xc_session *s)
{
    return s->kernels->type == DTYPE_BF16 ? DTYPE_F32 : s->kernels->type;
}

static xc_status take_results(xc_session *s, struct error *err)
{
    const size_t images = (size_t)s->input.n;
    for (struct result *r = s->result; r < s->result + s->results; r++) {
        const struct result *same = find_same(s, r);
        struct view view;
        if (!plan_view(s->plan, r->node, NULL, &view))
            return fail(err, XC_ERR_INTERNAL, "%s: the plan does not keep it", r->name);
        size_t bytes = dtype_size(session_result_type(s));
        r->shared = same != NULL;
        r->count = (size_t)view.h * (size_t)view.w * (size_t)view.c;
        if (!size_mul(r->count, bytes, &bytes)) return fail_memory(err, SIZE_MAX);
        r->data = same ? same->data : arena_push(&s->memory, images, bytes);
        if (!r->data) return fail_memory(err, bytes);
    }
    s->logit = arena_push(&s->memory, 2 * s->classes, sizeof *s->logit);
    s->prob = s->logit ? s->logit + s->classes : NULL;
    if (!s->logit) return fail_memory(err, 2 * s->classes * sizeof *s->logit);
    s->score = arena_push(&s->memory, s->classes, sizeof *s->score);
    s->rank = arena_push(&s->memory, s->classes, sizeof *s->rank);
    return s->score && s->rank ? XC_OK : fail_memory(err, s->classes * sizeof *s->score);
}

/* A picture gives one channel or three; other networks take their input ready made (session_run).
 */
static xc_status check_preprocess(const xc_session *s, const xc_preprocess *p, struct error *err)
{
    TRY(preprocess_check(p, err));
    return s->input.c == 1 || s->input.c == 3 ? preprocess_fits(p, s->input.c, err) : XC_OK;
}

static xc_status set_up(xc_session *s, const xc_session_opts *opts, struct error *err)
{
    const struct weights *weights = NULL;
    if (opts->preprocess) TRY(check_preprocess(s, opts->preprocess, err));
    if (opts->algo == XC_ALGO_FAST && s->kernels->type == DTYPE_BF16)
        return fail(err, XC_ERR_UNSUPPORTED, "the fast algorithm does not know bf16; ask for f32");
    TRY(model_weights(s->model, s->precision, opts->algo, &weights, err));
    TRY(measure(s, err));
    TRY(choose_results(s, opts, err));
    TRY(make_plan(s, weights, err));
    TRY(take_lanes(s, err));
    return take_results(s, err);
}

/* The fast algorithm is float32's, where there is a choice. */
static xc_precision precision_of(const xc_model *model, const xc_session_opts *opts)
{
    const bool free_choice = opts->precision == XC_PRECISION_AUTO && !model->packed.block;
    if (free_choice && opts->algo == XC_ALGO_FAST) return XC_PRECISION_F32;
    return model_precision(model, opts->precision);
}

xc_status session_new(xc_model *model, const xc_session_opts *opts, xc_session **out,
                      struct error *err)
{
    const struct machine *m = model->machine;
    xc_session *s = calloc(1, sizeof *s);
    if (!s) return fail_memory(err, sizeof *s);
    s->model = model_ref(model);
    s->precision = precision_of(model, opts);
    s->kernels = machine_kernels(m, s->precision);
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
    for (uint32_t i = 0; i < s->lanes; i++) free(s->arena[i]);
    free(s->scratch);
    plan_free(s->plan);
    arena_free(&s->memory);
    model_unref(s->model);
    free(s);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Image i of a result as doubles, of a network that classifies. */
static void take_numbers(const xc_session *s, const struct result *r, uint32_t i, double *to)
{
    const enum dtype type = session_result_type(s);
    numbers_convert(r->data + i * r->count * dtype_size(type), type, s->classes, to, DTYPE_F64);
}

/* Probabilities at the model's temperature in the place of those at 1. */
static void temper(xc_session *s)
{
    const xc_decision *d = &s->model->meta.decision;
    const enum dtype type = session_result_type(s);
    const struct result *logits = find_result(s, "logits"), *probs = find_result(s, "probs");
    if (d->temperature == 1 || !probs) return;
    for (uint32_t i = 0; i < s->ran; i++) {
        take_numbers(s, logits, i, s->logit);
        decision_probabilities(d, s->sigmoid, s->logit, s->classes, s->prob);
        numbers_convert(s->prob, DTYPE_F64, s->classes,
                        probs->data + i * probs->count * dtype_size(type), type);
    }
}

static xc_status run(struct batch *b, struct error *err)
{
    TRY(batch_run(b, err));
    temper(b->session);
    return XC_OK;
}

xc_status session_run(xc_session *s, const void *input, enum dtype type, uint32_t n,
                      double *seconds, struct error *err)
{
    struct batch b = {.session = s, .input = input, .type = type, .n = n, .seconds = seconds};
    for (int i = 0; seconds && i < plan_steps(s->plan); i++) seconds[i] = 0;
    return run(&b, err);
}

void session_cancel(xc_session *s)
{
    atomic_store(&s->cancel, true);
}

struct shape session_input(const xc_session *s)
{
    return s->input;
}

const xc_preprocess *session_preprocess(const xc_session *s)
{
    return &s->preprocess;
}

size_t session_arena_bytes(const xc_session *s)
{
    const size_t threads = (size_t)pool_threads(s->model->machine->pool);
    return s->lanes * plan_arena_bytes(s->plan) + threads * plan_scratch_bytes(s->plan);
}

int session_steps(const xc_session *s)
{
    return plan_steps(s->plan);
}

struct plan_step session_step(const xc_session *s, int i)
{
    return plan_step_at(s->plan, i);
}

/* ---- answers --------------------------------------------------------------------------------- */

static xc_status result_of(const xc_session *s, const char *name, const struct result **out,
                           struct error *err)
{
    *out = find_result(s, name);
    if (*out) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT, "%s: neither an output nor a tapped layer of this session",
                name);
}

xc_status session_shape(const xc_session *s, const char *name, struct shape *out, struct error *err)
{
    const struct result *r;
    struct view view = {0};
    TRY(result_of(s, name, &r, err));
    plan_view(s->plan, r->node, NULL, &view); /* it was there when the session was made */
    *out = (struct shape){1, view.h, view.w, view.c};
    return XC_OK;
}

xc_status session_read(const xc_session *s, const char *name, enum dtype type, void *out,
                       size_t count, size_t *written, struct error *err)
{
    const struct result *r;
    TRY(result_of(s, name, &r, err));
    if (s->ran == 0) return fail(err, XC_ERR_ARGUMENT, "%s: nothing has run yet", name);
    const size_t numbers = s->ran * r->count;
    *written = numbers;
    if (!out) return XC_OK;
    if (count < numbers)
        return fail(err, XC_ERR_ARGUMENT, "%s: %zu numbers, room for %zu", name, numbers, count);
    numbers_convert(r->data, session_result_type(s), numbers, out, type);
    return XC_OK;
}

xc_status session_prepare(xc_session *s, const xc_image *image, float *out, struct error *err)
{
    return image_prepare(image, &s->preprocess, s->input.h, s->input.w, s->input.c, out, err);
}

bool session_unknown(xc_session *s, uint32_t image)
{
    const xc_decision *d = &s->model->meta.decision;
    const struct result *logits = find_result(s, "logits"), *probs = find_result(s, "probs");
    if (!probs || image >= s->ran) return false;
    take_numbers(s, logits, image, s->logit);
    take_numbers(s, probs, image, s->prob);
    return decision_unknown(d, s->sigmoid, s->logit, s->prob, s->classes);
}

static xc_status answer(xc_session *s, const struct result *probs, uint32_t at, uint32_t k,
                        xc_answer *out, struct error *err)
{
    const char *const *label = s->model->meta.labels;
    const enum dtype type = session_result_type(s);
    const uint32_t classes = (uint32_t)s->classes, found = k < classes ? k : classes;
    numbers_convert(probs->data + at * probs->count * dtype_size(type), type, classes, s->score,
                    DTYPE_F32);
    for (uint32_t c = 0; c < classes; c++)
        if (!isfinite(s->score[c]))
            return fail(err, XC_ERR_NUMBER, "the network's answer is not finite (class %u)", c);
    topk(s->score, classes, found, s->rank);
    for (uint32_t i = 0; i < found; i++)
        out[i] = (xc_answer){.index = s->rank[i],
                             .prob = s->score[s->rank[i]],
                             .label = label ? label[s->rank[i]] : NULL};
    for (uint32_t i = found; i < k; i++) out[i] = (xc_answer){.index = UINT32_MAX};
    return XC_OK;
}

xc_status session_classify(xc_session *s, const xc_image *const *images, uint32_t n, uint32_t k,
                           xc_answer *answers, struct error *err)
{
    const struct result *probs = find_result(s, "probs");
    struct batch b = {.session = s, .picture = images, .type = DTYPE_F32, .n = n};
    if (!probs)
        return fail(err, XC_ERR_ARGUMENT, "this network gives features, it does not classify");
    TRY(run(&b, err));
    for (uint32_t i = 0; i < n; i++) TRY(answer(s, probs, i, k, answers + (size_t)i * k, err));
    return XC_OK;
}
