/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does one running thread own? A plan for one input size and the largest batch, the arena it
 * runs in, and little else: fewer images are the first of the batch, and what is read after a run
 * still lies in the arena. All memory is taken by session_new.
 */
#include "model/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

/* What session_read can give, under one name. */
struct result {
    const char *name;
    int node;
    bool softmax; /* of the node's values: the network itself has none */
};

struct xc_session {
    xc_model *model;
    const struct kernels *kernels;
    struct shape input; /* n = max_batch */
    size_t input_count; /* numbers an image */
    xc_preprocess preprocess;
    struct plan *plan;
    void *arena;
    struct arena words;
    struct result *result;
    int results;
    float *staging; /* (max_batch, h, w, c): prepared pictures */
    size_t classes; /* 0: the network does not classify */
    void *probs;    /* (max_batch, classes), where the network has no softmax */
    float *score;   /* probabilities of one image, and the classes in their order */
    uint32_t *rank;
    uint32_t ran; /* images of the last run that succeeded */
    atomic_bool cancel;
};

/* ---- which results? -------------------------------------------------------------------------- */

static bool ends_in_probs(const struct node *n)
{
    return n->kind == OP_SOFTMAX || (n->kind == OP_ACT && n->act.kind == ACT_SIGMOID);
}

static bool add_result(xc_session *s, const char *name, int node, bool softmax)
{
    const char *copy = arena_strdup(&s->words, name);
    s->result[s->results++] = (struct result){copy, node, softmax};
    return copy != NULL;
}

static int find_node(const struct graph *g, const char *name)
{
    int node = graph_find(g, name);
    for (int i = g->nodes - 1; node < 0 && i >= 0; i--)
        if (strcmp(g->node[i].layer, name) == 0) node = i;
    return node;
}

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
    size_t room = 2 + GRAPH_MAX_OUTPUTS + (size_t)opts->tap_count;
    s->result = arena_push(&s->words, room, sizeof *s->result);
    if (!s->result) return fail_memory(err, room * sizeof *s->result);
    bool named = add_result(s, "logits", probs ? g->node[last].input[0] : last, false);
    if (s->classes) named = add_result(s, "probs", last, !probs) && named;
    for (int i = 0; i < g->outputs; i++)
        named = add_result(s, g->output[i].name, g->output[i].node, false) && named;
    for (uint32_t i = 0; i < opts->tap_count; i++) {
        int node = find_node(g, opts->taps[i]);
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
    struct shape *shapes = arena_push(&s->words, (size_t)g->nodes, sizeof *shapes);
    if (!shapes) return fail_memory(err, sizeof *shapes);
    TRY(graph_shapes(g, one, shapes, err));
    struct shape last = shapes[g->output[0].node];
    s->classes = s->model->info.classifies ? (size_t)last.c : 0;
    if (shape_count(one, &s->input_count)) return XC_OK;
    return fail(err, XC_ERR_LIMIT, "an input of %dx%dx%d is too large", one.h, one.w, one.c);
}

static xc_status make_plan(xc_session *s, const struct weights *weights, struct error *err)
{
    int *tap = arena_push(&s->words, (size_t)s->results, sizeof *tap);
    if (!tap) return fail_memory(err, sizeof *tap);
    for (int i = 0; i < s->results; i++) tap[i] = s->result[i].node;
    struct plan_opts opts = {.input = s->input, .tap = tap, .taps = s->results};
    return plan_new(s->model->graph, weights, s->kernels, &opts, &s->plan, err);
}

/* NULL when out of memory or when the product overflows; a count of 0 is memory too. */
static void *take(size_t images, size_t count, size_t size)
{
    size_t numbers, bytes;
    if (!size_mul(images, count, &numbers) || !size_mul(numbers, size, &bytes)) return NULL;
    return aligned_new(bytes ? bytes : 1);
}

static xc_status take_memory(xc_session *s, struct error *err)
{
    size_t images = (size_t)s->input.n, arena = session_arena_bytes(s);
    s->arena = take(1, arena, 1);
    s->staging = take(images, s->input_count, sizeof *s->staging);
    s->probs = take(images, s->classes, dtype_size(s->kernels->type));
    s->score = take(1, s->classes, sizeof *s->score);
    s->rank = take(1, s->classes, sizeof *s->rank);
    if (s->arena && s->staging && s->probs && s->score && s->rank) return XC_OK;
    return fail_memory(err, arena);
}

/* A picture gives one channel or three; other networks take their input ready made (session_run).
 */
static xc_status check_preprocess(const xc_session *s, const xc_preprocess *p, struct error *err)
{
    int gives = p->colour == XC_COLOUR_GREY ? 1 : 3;
    TRY(preprocess_check(p, err));
    if (s->input.c == gives || (s->input.c != 1 && s->input.c != 3)) return XC_OK;
    return fail(err, XC_ERR_SHAPE, "colour %s gives %d channel%s, the network takes %d",
                colour_name(p->colour), gives, gives == 1 ? "" : "s", s->input.c);
}

static xc_status set_up(xc_session *s, const xc_session_opts *opts, struct error *err)
{
    const struct weights *weights = NULL;
    if (opts->preprocess) TRY(check_preprocess(s, opts->preprocess, err));
    TRY(model_weights(s->model, opts->precision, opts->algo, &weights, err));
    TRY(measure(s, err));
    TRY(choose_results(s, opts, err));
    TRY(make_plan(s, weights, err));
    return take_memory(s, err);
}

xc_status session_new(xc_model *model, const xc_session_opts *opts, xc_session **out,
                      struct error *err)
{
    const struct machine *m = model->machine;
    xc_session *s = calloc(1, sizeof *s);
    if (!s) return fail_memory(err, sizeof *s);
    s->model = model_ref(model);
    s->kernels = machine_kernels(m, opts->precision);
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
    free(s->rank);
    free(s->score);
    free(s->probs);
    free(s->staging);
    free(s->arena);
    plan_free(s->plan);
    arena_free(&s->words);
    model_unref(s->model);
    free(s);
}

/* ---- running --------------------------------------------------------------------------------- */

static void *pixel_of(const struct view *v, int n, int y, int x)
{
    return (char *)v->data + n * v->image + y * v->row + x * v->pixel;
}

static void convert(const void *from, enum dtype type, size_t count, void *to, enum dtype wanted)
{
    if (type == wanted)
        memcpy(to, from, count * dtype_size(type));
    else if (wanted == DTYPE_F32)
        for (size_t i = 0; i < count; i++) ((float *)to)[i] = (float)((const double *)from)[i];
    else
        for (size_t i = 0; i < count; i++) ((double *)to)[i] = (double)((const float *)from)[i];
}

/* Dense numbers into the places of a view, for its first n images. */
static void scatter(const char *from, enum dtype type, const struct view *to, enum dtype wanted,
                    uint32_t n)
{
    size_t bytes = (size_t)to->c * dtype_size(type);
    for (int i = 0; i < (int)n; i++)
        for (int y = 0; y < to->h; y++)
            for (int x = 0; x < to->w; x++, from += bytes)
                convert(from, type, (size_t)to->c, pixel_of(to, i, y, x), wanted);
}

/* And back: the numbers of the first n images of a view, without its gaps. */
static void gather(const struct view *from, enum dtype type, uint32_t n, char *to,
                   enum dtype wanted)
{
    size_t bytes = (size_t)from->c * dtype_size(wanted);
    for (int i = 0; i < (int)n; i++)
        for (int y = 0; y < from->h; y++)
            for (int x = 0; x < from->w; x++, to += bytes)
                convert(pixel_of(from, i, y, x), type, (size_t)from->c, to, wanted);
}

/* What a result has after a run; false: the plan does not keep it. */
static bool view_of(const xc_session *s, const struct result *r, struct view *out)
{
    ptrdiff_t pixel = (ptrdiff_t)(s->classes * dtype_size(s->kernels->type));
    *out =
        (struct view){s->probs, s->input.n, 1, 1, (int)s->classes, pixel, pixel, pixel, DTYPE_F32};
    return r->softmax || plan_view(s->plan, r->node, s->arena, out);
}

static xc_status apply_softmax(xc_session *s, uint32_t n, struct error *err)
{
    const struct result *probs = find_result(s, "probs");
    struct softmax_call call = {.type = s->kernels->type};
    if (!probs || !probs->softmax) return XC_OK;
    if (!plan_view(s->plan, probs->node, s->arena, &call.in) || !view_of(s, probs, &call.out))
        return fail(err, XC_ERR_INTERNAL, "the plan does not keep the logits");
    s->kernels->softmax(&call, 0, n);
    return XC_OK;
}

static xc_status run(xc_session *s, const void *input, enum dtype type, uint32_t n, double *seconds,
                     struct error *err)
{
    struct pool *pool = s->model->machine->pool;
    struct view view;
    s->ran = 0;
    if (!plan_view(s->plan, 0, s->arena, &view))
        return fail(err, XC_ERR_INTERNAL, "the plan does not keep its input");
    scatter(input, type, &view, s->kernels->type, n);
    xc_status status = plan_run_images(s->plan, (int)n, s->arena, pool, &s->cancel, seconds);
    if (status != XC_OK) return fail(err, status, "the run was %s", xc_status_text(status));
    TRY(apply_softmax(s, n, err));
    s->ran = n;
    return XC_OK;
}

xc_status session_run(xc_session *s, const void *input, enum dtype type, uint32_t n,
                      double *seconds, struct error *err)
{
    for (int i = 0; seconds && i < plan_steps(s->plan); i++) seconds[i] = 0;
    atomic_store(&s->cancel, false);
    return run(s, input, type, n, seconds, err);
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
    return plan_arena_bytes(s->plan, pool_threads(s->model->machine->pool));
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

xc_status session_read(const xc_session *s, const char *name, enum dtype type, void *out,
                       size_t count, size_t *written, struct error *err)
{
    const struct result *r = find_result(s, name);
    struct view view;
    if (!r)
        return fail(err, XC_ERR_ARGUMENT,
                    "%s: neither an output nor a tapped layer of this session", name);
    if (s->ran == 0) return fail(err, XC_ERR_ARGUMENT, "%s: nothing has run yet", name);
    if (!view_of(s, r, &view))
        return fail(err, XC_ERR_INTERNAL, "%s: the plan does not keep it", name);
    size_t numbers = (size_t)s->ran * (size_t)view.h * (size_t)view.w * (size_t)view.c;
    *written = numbers;
    if (!out) return XC_OK;
    if (count < numbers)
        return fail(err, XC_ERR_ARGUMENT, "%s: %zu numbers, room for %zu", name, numbers, count);
    gather(&view, s->kernels->type, s->ran, out, type);
    return XC_OK;
}

xc_status session_prepare(xc_session *s, const xc_image *image, float *out, struct error *err)
{
    return image_prepare(image, &s->preprocess, s->input.h, s->input.w, s->input.c, out, err);
}

static void answer(xc_session *s, const struct view *probs, uint32_t at, uint32_t k, xc_answer *out)
{
    const char *const *label = s->model->meta.labels;
    uint32_t classes = (uint32_t)s->classes, found = k < classes ? k : classes;
    convert(pixel_of(probs, (int)at, 0, 0), s->kernels->type, classes, s->score, DTYPE_F32);
    topk(s->score, classes, found, s->rank);
    for (uint32_t i = 0; i < found; i++)
        out[i] = (xc_answer){.index = s->rank[i],
                             .prob = s->score[s->rank[i]],
                             .label = label ? label[s->rank[i]] : NULL};
    for (uint32_t i = found; i < k; i++) out[i] = (xc_answer){.index = UINT32_MAX};
}

xc_status session_classify(xc_session *s, const xc_image *const *images, uint32_t n, uint32_t k,
                           xc_answer *answers, struct error *err)
{
    const struct result *probs = find_result(s, "probs");
    struct view view;
    if (!probs)
        return fail(err, XC_ERR_ARGUMENT, "this network gives features, it does not classify");
    atomic_store(&s->cancel, false);
    for (uint32_t i = 0; i < n; i++)
        TRY(session_prepare(s, images[i], s->staging + i * s->input_count, err));
    TRY(run(s, s->staging, DTYPE_F32, n, NULL, err));
    if (!view_of(s, probs, &view))
        return fail(err, XC_ERR_INTERNAL, "the plan does not keep the probabilities");
    for (uint32_t i = 0; i < n; i++) answer(s, &view, i, k, answers + (size_t)i * k);
    return XC_OK;
}
