/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in one explanation? Forward, to know the classes; then the method, which fills a map
 * and runs forward and backward as it needs; then the map comes to the size of the input.
 */
#include "explain/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "graph/plan.h"

/* What a method asks for: gradients, the map of a layer with the plain run, or neither. */
enum { GRADIENT = 1, OF_LAYER = 2, OF_INPUT = 4 };
static const struct method {
    explain_fn *run;
    int asks;
} methods[] = {
    [XC_GRADCAM] = {cam_gradcam, GRADIENT | OF_LAYER},
    [XC_GRADCAM_PP] = {cam_gradcam_pp, GRADIENT | OF_LAYER},
    [XC_HIRESCAM] = {cam_hirescam, GRADIENT | OF_LAYER},
    [XC_LAYERCAM] = {cam_layercam, GRADIENT | OF_LAYER},
    [XC_SCORECAM] = {cam_scorecam, OF_LAYER},
    [XC_EIGENCAM] = {cam_eigencam, OF_LAYER},
    [XC_INTEGRATED_GRADIENTS] = {input_integrated, GRADIENT | OF_INPUT},
    [XC_SMOOTHGRAD] = {input_smoothgrad, GRADIENT | OF_INPUT},
    [XC_OCCLUSION] = {input_occlusion, OF_INPUT},
    [XC_CENTRE] = {input_centre, OF_INPUT},
};

static const struct {
    const char *name, *source;
} words[] = {
#define XC_X(id, name, source) [id] = {name, source},
    XC_EXPLAIN_LIST(XC_X)
#undef XC_X
};

static bool is_method(xc_explain_method method)
{
    return (int)method >= 0 && (size_t)method < sizeof words / sizeof *words;
}

const char *xc_explain_method_name(xc_explain_method method)
{
    return is_method(method) ? words[method].name : NULL;
}

const char *xc_explain_method_source(xc_explain_method method)
{
    return is_method(method) ? words[method].source : NULL;
}

static int asks(const xc_explainer *e)
{
    return methods[e->o.method].asks;
}

/* A layer's map without a gradient comes from the session, unless plans do not have it. */
static bool asks_tape(const xc_explainer *e)
{
    return (asks(e) & GRADIENT) || (asks(e) == OF_LAYER && plan_folds(e->model->graph, e->node));
}

/* ---- making one ------------------------------------------------------------------------------ */

static xc_status choose_node(xc_explainer *e, struct error *err)
{
    const struct graph *g = e->model->graph;
    if (asks(e) & OF_INPUT) return XC_OK;
    e->node = e->o.layer ? graph_find_layer(g, e->o.layer) : layer_last_map(g);
    if (e->node < 0 && e->o.layer)
        return fail(err, XC_ERR_ARGUMENT, "%s: no layer has this name", e->o.layer);
    if (e->node <= 0)
        return fail(err, XC_ERR_ARGUMENT, "no layer before the classes has more than one pixel");
    return XC_OK;
}

static xc_status measure(xc_explainer *e, struct error *err)
{
    const struct graph *g = e->model->graph;
    struct shape *shape = calloc((size_t)g->nodes, sizeof *shape);
    if (!shape) return fail_memory(err, (size_t)g->nodes * sizeof *shape);
    xc_status status = graph_shapes(g, e->input, shape, err);
    e->map = shape[e->node];
    free(shape);
    TRY(status);
    if (!shape_count(e->input, &e->inputs) || !shape_count(e->map, &e->maps) ||
        e->inputs > INT32_MAX || e->maps > INT32_MAX)
        return fail(err, XC_ERR_LIMIT, "an input of %dx%d is too large", e->input.h, e->input.w);
    if (e->map.h > 1 || e->map.w > 1) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT, "%s: has one pixel here, a map has more",
                g->node[e->node].name);
}

static void set_defaults(xc_explainer *e)
{
    const int least = e->input.h < e->input.w ? e->input.h : e->input.w;
    xc_explain_opts *o = &e->o;
    if (!o->steps) o->steps = o->method == XC_SMOOTHGRAD ? 25 : 50;
    if (o->noise == 0) o->noise = 0.15;
    if (!o->window) o->window = least > 16 ? (uint32_t)least / 8 : 2;
    if (!o->stride) o->stride = (o->window + 1) / 2;
}

static xc_status check(const xc_explainer *e, struct error *err)
{
    const xc_explain_opts *o = &e->o;
    if (o->steps > 100000)
        return fail(err, XC_ERR_ARGUMENT, "steps: %u, expected 1..100000", o->steps);
    if (!(o->noise > 0 && o->noise <= 10))
        return fail(err, XC_ERR_ARGUMENT, "noise: %g, expected above 0, at most 10", o->noise);
    if (!isfinite(o->baseline)) return fail(err, XC_ERR_ARGUMENT, "baseline: not a finite number");
    if (o->window > (uint32_t)e->input.h || o->window > (uint32_t)e->input.w)
        return fail(err, XC_ERR_ARGUMENT, "window: %u, the input is %dx%d", o->window, e->input.h,
                    e->input.w);
    if (o->stride > o->window)
        return fail(err, XC_ERR_ARGUMENT, "stride: %u leaves gaps between windows of %u", o->stride,
                    o->window);
    return XC_OK;
}

static xc_status open_session(xc_explainer *e, struct error *err)
{
    const char *tap = e->model->graph->node[e->node].name;
    xc_session_opts o = XC_SESSION_OPTS_INIT;
    o.max_batch = EXPLAIN_BATCH;
    o.height = (uint32_t)e->input.h;
    o.width = (uint32_t)e->input.w;
    o.precision = e->o.precision;
    o.preprocess = e->o.preprocess;
    if (asks(e) == OF_LAYER && !asks_tape(e)) {
        o.taps = &tap;
        o.tap_count = 1;
    }
    return session_new(e->model, &o, &e->session, err);
}

static bool in_double(const xc_explainer *e)
{
    return e->o.precision == XC_PRECISION_F64;
}

static void widen(const float *from, size_t count, double *to)
{
    for (size_t i = 0; i < count; i++) to[i] = (double)from[i];
}

static xc_status flatten_params(xc_explainer *e, struct error *err)
{
    const struct param_table *table = &e->model->graph->param;
    const size_t size = in_double(e) ? sizeof(double) : sizeof(float);
    e->param = e->model->block;
    if (e->param && !in_double(e)) return XC_OK;
    e->param = e->own_param = aligned_new(table->total * size);
    if (!e->own_param) return fail_memory(err, table->total * size);
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        if (in_double(e))
            widen(e->model->data[i], p->count, (double *)e->own_param + p->offset);
        else
            memcpy((float *)e->own_param + p->offset, e->model->data[i], p->count * size);
    }
    return XC_OK;
}

static xc_status open_tape(xc_explainer *e, struct error *err)
{
    const struct machine *m = e->model->machine;
    const struct learn_opts o = {
        .input = e->input, .loss = LOSS_GIVEN, .inference = true, .watch = &e->node, .watches = 1};
    const struct kernels *kernels =
        machine_kernels(m, in_double(e) ? XC_PRECISION_F64 : XC_PRECISION_F32);
    training_kernels_init(&e->kernels, in_double(e) ? DTYPE_F64 : DTYPE_F32, m->flags);
    TRY(learn_new(e->model->graph, kernels, &e->kernels, &o, &e->learn, err));
    TRY(flatten_params(e, err));
    if (in_double(e)) e->wide = calloc(e->inputs + (size_t)e->classes, sizeof *e->wide);
    if (in_double(e) && !e->wide) return fail_memory(err, e->inputs * sizeof *e->wide);
    e->arena = aligned_new(learn_arena_bytes(e->learn));
    return e->arena ? XC_OK : fail_memory(err, learn_arena_bytes(e->learn));
}

static xc_status take_memory(xc_explainer *e, struct error *err)
{
    const size_t pixels = (size_t)e->input.h * (size_t)e->input.w, size = sizeof(float);
    e->x = calloc(e->inputs, size);
    e->batch = calloc(e->inputs, EXPLAIN_BATCH * size);
    e->activation = calloc(e->maps, size);
    e->gradient = calloc(e->maps, size);
    e->target = calloc((size_t)e->classes, size);
    e->logit = calloc((size_t)e->classes, EXPLAIN_BATCH * size);
    e->low = calloc((size_t)e->map.h * (size_t)e->map.w, size);
    e->value = calloc(pixels, size);
    if (e->x && e->batch && e->activation && e->gradient && e->target && e->logit && e->low &&
        e->value)
        return XC_OK;
    return fail_memory(err, EXPLAIN_BATCH * e->inputs * size);
}

static xc_status set_up(xc_explainer *e, struct error *err)
{
    const xc_model_info *info = &e->model->info;
    if (!info->has_weights) return fail(err, XC_ERR_ARGUMENT, "the model has no weights");
    if (!info->classifies)
        return fail(err, XC_ERR_UNSUPPORTED,
                    "this network gives features, there is no class to "
                    "explain");
    if (e->model->packed.block) return model_need_original(e->model, "explanations", err);
    e->classes = (int)info->classes;
    set_defaults(e);
    TRY(check(e, err));
    TRY(choose_node(e, err));
    TRY(open_session(e, err));
    TRY(measure(e, err));
    if (asks_tape(e)) TRY(open_tape(e, err));
    return take_memory(e, err);
}

xc_status explainer_new(xc_model *model, const xc_explain_opts *opts, xc_explainer **out,
                        struct error *err)
{
    xc_explainer *e = calloc(1, sizeof *e);
    *out = NULL;
    if (!e) return fail_memory(err, sizeof *e);
    e->model = model_ref(model);
    e->chosen = -1; /* none yet */
    e->o = *opts;
    e->input = (struct shape){.n = 1,
                              .h = (int)(opts->height ? opts->height : model->info.height),
                              .w = (int)(opts->width ? opts->width : model->info.width),
                              .c = (int)model->info.channels};
    const xc_status status = set_up(e, err);
    e->o.layer = NULL; /* the caller's */
    e->o.preprocess = NULL;
    if (status == XC_OK)
        *out = e;
    else
        explainer_free(e);
    return status;
}

void explainer_free(xc_explainer *e)
{
    if (!e) return;
    session_free(e->session);
    learn_free(e->learn);
    free(e->own_param);
    free(e->wide);
    free(e->arena);
    free(e->x);
    free(e->batch);
    free(e->activation);
    free(e->gradient);
    free(e->target);
    free(e->logit);
    free(e->low);
    free(e->value);
    model_unref(e->model);
    free(e);
}

/* ---- runs ------------------------------------------------------------------------------------ */

xc_status explain_forward(xc_explainer *e, int n, struct error *err)
{
    size_t written;
    TRY(session_run(e->session, e->batch, DTYPE_F32, (uint32_t)n, NULL, err));
    return session_read(e->session, "logits", DTYPE_F32, e->logit,
                        (size_t)e->classes * EXPLAIN_BATCH, &written, err);
}

/* Without the gaps between pixels, as float32. */
static void take(const struct view *from, float *to)
{
    for (int y = 0; from->data && y < from->h; y++)
        for (int x = 0; x < from->w; x++, to += from->c) {
            const char *pixel = (const char *)from->data + y * from->row + x * from->pixel;
            if (from->type == DTYPE_F64)
                for (int c = 0; c < from->c; c++) to[c] = (float)((const double *)pixel)[c];
            else
                memcpy(to, pixel, (size_t)from->c * sizeof *to);
        }
}

xc_status explain_backward(xc_explainer *e, const float *x, struct error *err)
{
    struct learn_io io = {.input = x, .target = e->target, .param = e->param, .scale = 1};
    if (e->wide) {
        widen(x, e->inputs, e->wide);
        widen(e->target, (size_t)e->classes, e->wide + e->inputs);
        io.input = e->wide;
        io.target = e->wide + e->inputs;
    }
    const xc_status status = learn_run(e->learn, &io, e->arena, e->model->machine->pool, NULL);
    if (status != XC_OK) return fail(err, status, "the backward pass did not run");
    const struct view value = learn_value(e->learn, 0, e->arena);
    const struct view gradient = learn_gradient(e->learn, 0, e->arena);
    take(&value, e->activation);
    take(&gradient, e->gradient);
    return XC_OK;
}

xc_status explain_tick(const xc_explainer *e, uint64_t done, uint64_t all, struct error *err)
{
    if (!e->o.progress || e->o.progress(e->o.user, done, all)) return XC_OK;
    return fail(err, XC_ERR_CANCELLED, "the explanation was cancelled");
}

/* ---- one explanation ------------------------------------------------------------------------- */

static int top_class(const xc_explainer *e)
{
    int top = 0;
    for (int i = 1; i < e->classes; i++)
        if (e->logit[i] > e->logit[top]) top = i;
    return top;
}

static xc_status choose_class(xc_explainer *e, int64_t wanted, xc_heatmap *out, struct error *err)
{
    size_t written;
    if (wanted < XC_CLASS_TOP || wanted >= e->classes)
        return fail(err, XC_ERR_ARGUMENT, "class %lld, the model has %d", (long long)wanted,
                    e->classes);
    memcpy(e->batch, e->x, e->inputs * sizeof *e->x);
    TRY(explain_forward(e, 1, err));
    e->chosen = wanted == XC_CLASS_TOP ? top_class(e) : (int)wanted;
    memset(e->target, 0, (size_t)e->classes * sizeof *e->target);
    e->target[e->chosen] = 1;
    out->logit = e->logit[e->chosen];
    if (!isfinite(out->logit))
        return fail(err, XC_ERR_NUMBER, "the logit of class %d is not finite", e->chosen);
    float *probs = e->batch; /* it was read */
    if ((size_t)e->classes > e->inputs * EXPLAIN_BATCH)
        return fail(err, XC_ERR_LIMIT, "%d classes are too many for this input", e->classes);
    TRY(session_read(e->session, "probs", DTYPE_F32, probs, e->inputs * EXPLAIN_BATCH, &written,
                     err));
    out->prob = probs[e->chosen];
    return XC_OK;
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Single pixels of a gradient stick out by far; without the topmost hundredth one sees the rest. */
static xc_status find_top(const xc_explainer *e, size_t pixels, float *top, struct error *err)
{
    const bool single = asks(e) == (GRADIENT | OF_INPUT);
    float *sorted = malloc(pixels * sizeof *sorted);
    if (!sorted) return fail_memory(err, pixels * sizeof *sorted);
    memcpy(sorted, e->low, pixels * sizeof *sorted);
    qsort(sorted, pixels, sizeof *sorted, ascending);
    *top = sorted[single ? pixels - 1 - pixels / 100 : pixels - 1];
    free(sorted);
    return XC_OK;
}

static xc_status check_numbers(const xc_explainer *e, size_t pixels, struct error *err)
{
    for (size_t i = 0; i < pixels; i++)
        if (!isfinite(e->low[i]))
            return fail(err, XC_ERR_NUMBER, "%s: a number of the heat map is not finite",
                        e->model->graph->node[e->node].name);
    return XC_OK;
}

static xc_status explain_x(xc_explainer *e, int64_t wanted, xc_heatmap *out, struct error *err)
{
    const bool own_size = (asks(e) & OF_INPUT) != 0;
    const size_t pixels = (size_t)e->map.h * (size_t)e->map.w;
    TRY(choose_class(e, wanted, out, err));
    TRY(methods[e->o.method].run(e, err));
    TRY(check_numbers(e, pixels, err));
    if (!own_size) enlarge(e->low, e->map.h, e->map.w, 1, false, e->input.h, e->input.w, e->value);
    out->height = (uint32_t)e->input.h;
    out->width = (uint32_t)e->input.w;
    out->map_height = (uint32_t)e->map.h;
    out->map_width = (uint32_t)e->map.w;
    out->map = e->low;
    out->value = own_size ? e->low : e->value;
    out->method = e->o.method;
    out->layer = e->model->graph->node[e->node].name;
    out->class_index = (uint32_t)e->chosen;
    out->label = e->model->meta.labels ? e->model->meta.labels[e->chosen] : NULL;
    return find_top(e, pixels, &out->top, err);
}

xc_status explain_image(xc_explainer *e, const xc_image *image, int64_t class_index,
                        xc_heatmap *out, struct error *err)
{
    const xc_preprocess *p = session_preprocess(e->session);
    *out = (xc_heatmap){.turned = p->apply_exif};
    TRY(session_prepare(e->session, image, e->x, err));
    TRY(image_shown(image, p, e->input.h, e->input.w, &out->left, &out->upper, &out->right,
                    &out->lower, err));
    return explain_x(e, class_index, out, err);
}

xc_status explain_input(xc_explainer *e, const float *input, int64_t class_index, xc_heatmap *out,
                        struct error *err)
{
    *out = (xc_heatmap){.right = e->input.w, .lower = e->input.h};
    memcpy(e->x, input, e->inputs * sizeof *input);
    return explain_x(e, class_index, out, err);
}
