/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a convolution trained, and a dense layer, which is one of 1x1 over maps of 1x1?
 *
 * The gradient of the input is again a convolution, of dout with the weights turned round. With
 * strides it is one for each phase: pixels of the input that lie a stride apart saw the same taps
 * of the kernel. Weights change every step, so they are packed in every step, just before use.
 */
#include "graph/learn_int.h"

struct geometry {
    struct window window;
    int groups, c, oc;
    bool depthwise, one_tap, layer; /* one_tap: 1x1 without padding, one group; layer: dense */
};

static struct geometry geometry_of(const struct tape *t, int node)
{
    const struct node *n = &t->g->node[node];
    const struct shape in = t->shape[n->input[0]];
    struct geometry g = {.window = {.kh = 1, .kw = 1, .sy = 1, .sx = 1, .dy = 1, .dx = 1},
                         .groups = 1,
                         .c = in.c,
                         .oc = t->shape[node].c,
                         .layer = n->kind == OP_DENSE};
    if (n->kind == OP_CONV) {
        const struct sliding s = op_of(n)->sliding(n);
        g.window = sliding_window(&s, in);
        g.groups = op_conv_groups(n, in.c);
        g.depthwise = op_conv_is_depthwise(n, in.c);
    }
    const struct shape out = t->shape[node];
    const bool inside = g.window.pad_top == 0 && g.window.pad_left == 0 &&
                        (out.h - 1) * g.window.sy < in.h && (out.w - 1) * g.window.sx < in.w;
    g.one_tap = g.groups == 1 && g.window.kh == 1 && g.window.kw == 1 && inside;
    return g;
}

bool conv_is_cheap(const struct tape *t, int node)
{
    return t->g->node[node].kind == OP_CONV && geometry_of(t, node).depthwise;
}

static struct ref weight_of(const struct tape *t, int node)
{
    const struct ref kernel = tape_param(t, node, PARAM_KERNEL);
    return ref_is(kernel) ? kernel : tape_param(t, node, PARAM_DEPTHWISE);
}

static struct ref weight_grad_of(const struct tape *t, int node)
{
    const struct ref kernel = tape_param_grad(t, node, PARAM_KERNEL);
    return ref_is(kernel) ? kernel : tape_param_grad(t, node, PARAM_DEPTHWISE);
}

/* ---- weights --------------------------------------------------------------------------------- */

/* What sums of products are made of. */
static enum dtype type_of(const struct tape *t, const struct geometry *g)
{
    return g->layer ? t->t->dense.type : t->k->type;
}

static struct ref pack_some(struct tape *t, int node, const struct geometry *g,
                            struct pack_call call)
{
    call.type = type_of(t, g);
    call.kw = g->window.kw;
    call.k = g->c / g->groups;
    call.o = g->oc / g->groups;
    call.groups = g->groups;
    const struct matrix m = pack_matrix(&call);
    size_t numbers = 0;
    if (!packing_numbers(call.packing, &m, &numbers) || numbers > INT32_MAX)
        tape_fail(t, XC_ERR_LIMIT, node, "the weights do not fit into memory");
    const struct ref to = tape_numbers(t, call.type, numbers);
    struct learn_step *s = tape_step(t, node, LEARN_pack, packing_panels(call.packing, &m));
    s->fn.pack = g->layer ? t->t->dense.pack : t->t->pack;
    s->call.pack = call;
    LINK(t, s, pack.from, weight_of(t, node));
    LINK(t, s, pack.to, to);
    return to;
}

static struct ref pack(struct tape *t, int node, const struct geometry *g, enum packing packing,
                       bool backward)
{
    if (packing == PACK_PLAIN && !backward && type_of(t, g) != DTYPE_BF16)
        return weight_of(t, node);
    return pack_some(t, node, g,
                     (struct pack_call){.y = {0, 1, g->window.kh},
                                        .x = {0, 1, g->window.kw},
                                        .packing = packing,
                                        .backward = backward});
}

/* ---- forward --------------------------------------------------------------------------------- */

static enum packing packing_of(const struct tape *t, const struct geometry *g)
{
    if (g->depthwise) return PACK_PLAIN;
    if (g->layer) return t->t->dense.packing;
    return g->one_tap ? t->k->pointwise_packing : t->k->conv_packing;
}

static struct learn_step *conv_step(struct tape *t, int node, const struct geometry *g,
                                    size_t units)
{
    struct learn_step *s = tape_step(t, node, LEARN_conv, units);
    s->fn.conv = g->depthwise ? t->k->depthwise
                 : g->layer   ? t->t->dense.product
                 : g->one_tap ? t->k->pointwise
                              : t->k->conv;
    s->call.conv = (struct conv_call){.type = type_of(t, g),
                                      .window = g->window,
                                      .groups = g->groups,
                                      .packing = packing_of(t, g)};
    return s;
}

/* A window reads each number many times: what is done on load is done before. (And what is of
 * another type than the node says is not what a dense layer can read.) */
static struct value input_of(struct tape *t, int node, const struct geometry *g)
{
    const int input = t->g->node[node].input[0];
    const struct value v = tape_value(t, input);
    if (g->depthwise || (g->one_tap && (!g->layer || v.map.view.type == t->type[input]))) return v;
    return (struct value){.map = tape_stored(t, input), .of = input};
}

static void forward(struct tape *t, int node)
{
    const struct geometry g = geometry_of(t, node);
    const struct value in = input_of(t, node, &g);
    const struct ref weight = pack(t, node, &g, packing_of(t, &g), false);
    const struct map out = tape_new_value(t, node);
    struct learn_step *s = conv_step(t, node, &g, map_pixels(&out));
    s->call.conv.in = in.map.view;
    s->call.conv.out = out.view;
    LINK(t, s, conv.in.data, in.map.ref);
    LINK(t, s, conv.out.data, out.ref);
    LINK(t, s, conv.weight, weight);
    LINK(t, s, conv.epilogue.bias, tape_param(t, node, PARAM_BIAS));
    PROLOGUE(t, s, conv.prologue, &in);
}

/* ---- backward: parameters -------------------------------------------------------------------- */

/* By groups of images, unless their parts would take more memory than half of dout. */
static int images_of(const struct tape *t, int node, size_t numbers)
{
    const struct shape out = t->shape[node];
    const size_t pixels = (size_t)out.h * (size_t)out.w;
    const int images = tape_images(t, pixels);
    return images && numbers <= pixels * (size_t)images * (size_t)out.c / 2 ? images : 0;
}

static void weight_grad(struct tape *t, int node, const struct geometry *g)
{
    const struct value in = input_of(t, node, g);
    const size_t rows = (size_t)(g->window.kh * g->window.kw) * (size_t)(g->c / g->groups);
    const size_t numbers = rows * (size_t)g->oc;
    const int images = images_of(t, node, numbers);
    const struct chunks chunks = chunks_of(&t->grad[node].view, images);
    const struct ref sum = weight_grad_of(t, node), part = tape_parts(t, images, numbers, sum);
    struct learn_step *s = tape_step(t, node, LEARN_conv_dw, rows * chunk_groups(&chunks));
    s->fn.conv_dw = g->layer ? t->t->dense.dw : t->t->conv_dw;
    s->grain = g->layer ? t->t->dense.dw_grain : t->t->conv_dw_grain;
    s->call.conv_dw = (struct conv_dw_call){.type = type_of(t, g),
                                            .in = in.map.view,
                                            .dout = t->grad[node].view,
                                            .window = g->window,
                                            .groups = g->groups,
                                            .images = images};
    LINK(t, s, conv_dw.in.data, in.map.ref);
    LINK(t, s, conv_dw.dout.data, t->grad[node].ref);
    LINK(t, s, conv_dw.dw, part);
    PROLOGUE(t, s, conv_dw.prologue, &in);
    tape_sum_parts(t, node, images, numbers, part, sum);
}

static void bias_grad(struct tape *t, int node)
{
    struct learn_step *s = tape_step(t, node, LEARN_channel_sum, (size_t)t->shape[node].c);
    s->fn.channel_sum = t->t->channel_sum;
    s->call.channel_sum = (struct channel_sum_call){.type = t->k->type, .in = t->grad[node].view};
    LINK(t, s, channel_sum.in.data, t->grad[node].ref);
    LINK(t, s, channel_sum.sum, tape_param_grad(t, node, PARAM_BIAS));
}

/* ---- backward: input ------------------------------------------------------------------------- */

static void make_zero(struct tape *t, int node, const struct map *map)
{
    const size_t bytes = (size_t)map->view.image * (size_t)map->view.n;
    struct learn_step *s = tape_step(t, node, LEARN_zero, (bytes + 63) / 64);
    s->fn.zero = t->t->zero;
    s->call.zero.bytes = bytes;
    LINK(t, s, zero.to, map->ref);
}

/* Every pixel, or with strides every stride-th one, is one pixel of dout times W turned round. */
static void one_tap_dx(struct tape *t, int node, const struct geometry *g)
{
    bool add;
    const struct map dout = t->grad[node], dx = tape_grad_into(t, t->g->node[node].input[0], &add);
    const struct window *w = &g->window;
    if ((w->sy > 1 || w->sx > 1) && !add) make_zero(t, node, &dx);
    const struct ref weight = pack(t, node, g, packing_of(t, g), true);
    struct learn_step *s = conv_step(t, node, g, map_pixels(&dout));
    struct conv_call *call = &s->call.conv;
    call->in = dout.view;
    call->out = dx.view;
    call->out.h = dout.view.h, call->out.w = dout.view.w;
    call->out.row *= w->sy, call->out.pixel *= w->sx;
    call->window.sy = call->window.sx = 1;
    LINK(t, s, conv.in.data, dout.ref);
    LINK(t, s, conv.out.data, dx.ref);
    LINK(t, s, conv.weight, weight);
    if (!add) return;
    call->epilogue.add = call->out;
    LINK(t, s, conv.epilogue.add.data, dx.ref);
}

struct side { /* of a convolution: its rows, or its columns */
    int stride, taps, dilation, pad, pixels, outs;
};

/* Input pixels first, first + stride, ...: the taps that saw them, and the window that goes over
 * dout without its first `skip` pixels. No pixels: none that was seen. */
struct phase {
    int first, stride, pixels;
    struct tap_range taps;
    int dilation, pad, skip;
};

/* Pixel p lies under tap t at output (p + pad - t dilation) / stride, where that is whole: so does
 * every `step`-th tap, some outputs earlier. */
static struct phase phase_of(const struct side *s, int first)
{
    struct phase p = {.first = first, .stride = s->stride, .taps.step = 1};
    int tap = 0;
    if (first >= s->pixels) return p;
    while (p.taps.step * s->dilation % s->stride != 0) p.taps.step++;
    while (tap < s->taps && (first + s->pad - tap * s->dilation) % s->stride != 0) tap++;
    if (tap == s->taps) return p;
    p.taps.first = tap;
    p.taps.count = (s->taps - tap - 1) / p.taps.step + 1;
    p.dilation = p.taps.step * s->dilation / s->stride;
    p.pad = (p.taps.count - 1) * p.dilation - (first + s->pad - tap * s->dilation) / s->stride;
    p.skip = p.pad < 0 ? -p.pad : 0;
    p.pad += p.skip;
    if (p.skip < s->outs) p.pixels = (s->pixels - first + s->stride - 1) / s->stride;
    return p;
}

static int phases_of(const struct side *s)
{
    return s->stride < s->pixels ? s->stride : s->pixels;
}

static bool sees_all(const struct side *s)
{
    int pixels = 0;
    for (int i = 0; i < phases_of(s); i++) pixels += phase_of(s, i).pixels;
    return pixels == s->pixels;
}

/* A convolution of dout into the pixels of a phase. */
static void phase_dx(struct tape *t, int node, const struct geometry *g, const struct phase *y,
                     const struct phase *x, const struct map *out)
{
    const struct map *dout = &t->grad[node];
    const struct ref weight =
        pack_some(t, node, g,
                  (struct pack_call){
                      .y = y->taps, .x = x->taps, .packing = t->k->conv_packing, .backward = true});
    const size_t pixels = (size_t)out->view.n * (size_t)y->pixels * (size_t)x->pixels;
    struct learn_step *s = conv_step(t, node, g, pixels);
    struct conv_call *call = &s->call.conv;
    s->images = tape_images(t, (size_t)out->view.h * (size_t)out->view.w); /* as the other steps */
    call->window = (struct window){y->taps.count, x->taps.count, 1,      1,
                                   y->dilation,   x->dilation,   y->pad, x->pad};
    call->in = dout->view;
    call->in.h -= y->skip, call->in.w -= x->skip;
    call->out = out->view;
    call->out.h = y->pixels, call->out.w = x->pixels;
    call->out.row *= y->stride, call->out.pixel *= x->stride;
    LINK(t, s, conv.in.data,
         ref_at(dout->ref, (size_t)(y->skip * dout->view.row + x->skip * dout->view.pixel)));
    LINK(t, s, conv.out.data,
         ref_at(out->ref, (size_t)(y->first * out->view.row + x->first * out->view.pixel)));
    LINK(t, s, conv.weight, weight);
}

/* Phase after phase; the kernel cannot add to its output while sums wait there. */
static void window_dx(struct tape *t, int node, const struct geometry *g)
{
    bool add;
    const int input = t->g->node[node].input[0];
    const struct map dout = t->grad[node], dx = tape_grad_into(t, input, &add);
    const struct map out = add ? tape_map(t, input) : dx;
    const struct window *w = &g->window;
    const struct side rows = {w->sy, w->kh, w->dy, w->pad_top, dx.view.h, dout.view.h};
    const struct side columns = {w->sx, w->kw, w->dx, w->pad_left, dx.view.w, dout.view.w};
    if (!sees_all(&rows) || !sees_all(&columns)) make_zero(t, node, &out);
    for (int i = 0; i < phases_of(&rows); i++) {
        const struct phase y = phase_of(&rows, i);
        for (int j = 0; y.pixels && j < phases_of(&columns) && t->err.status == XC_OK; j++) {
            const struct phase x = phase_of(&columns, j);
            if (x.pixels) phase_dx(t, node, g, &y, &x, &out);
        }
    }
    if (add) tape_copy(t, node, &out, &dx, &dx);
}

/* ---- backward -------------------------------------------------------------------------------- */

static void depthwise_backward(struct tape *t, int node, const struct geometry *g)
{
    const int input = t->g->node[node].input[0];
    const struct value in = tape_value(t, input);
    const struct map dout = t->grad[node];
    struct map dx = {0};
    bool add = false;
    if (t->needs[input]) dx = tape_grad_into(t, input, &add);
    const size_t numbers = (size_t)(g->window.kh * g->window.kw) * (size_t)g->c;
    const int images = images_of(t, node, numbers);
    const struct chunks chunks = chunks_of(&dout.view, images);
    const struct ref sum = weight_grad_of(t, node), part = tape_parts(t, images, numbers, sum);
    const struct ref weight = pack(t, node, g, PACK_PLAIN, false);
    struct learn_step *s =
        tape_step(t, node, LEARN_depthwise_grad, (size_t)g->c * chunk_groups(&chunks));
    s->fn.depthwise_grad = t->t->depthwise_grad;
    s->grain = t->t->depthwise_grad_grain;
    s->call.depthwise_grad = (struct depthwise_grad_call){.type = t->k->type,
                                                          .in = in.map.view,
                                                          .dout = dout.view,
                                                          .dx = dx.view,
                                                          .window = g->window,
                                                          .images = images,
                                                          .add = add};
    LINK(t, s, depthwise_grad.in.data, in.map.ref);
    LINK(t, s, depthwise_grad.dout.data, dout.ref);
    LINK(t, s, depthwise_grad.dx.data, dx.ref);
    LINK(t, s, depthwise_grad.weight, weight);
    LINK(t, s, depthwise_grad.dw, part);
    PROLOGUE(t, s, depthwise_grad.prologue, &in);
    tape_sum_parts(t, node, images, numbers, part, sum);
}

static void backward(struct tape *t, int node)
{
    const struct geometry g = geometry_of(t, node);
    if (ref_is(tape_param_grad(t, node, PARAM_BIAS))) bias_grad(t, node);
    if (g.depthwise) {
        depthwise_backward(t, node, &g);
        return;
    }
    if (tape_trains(t, node)) weight_grad(t, node, &g);
    if (!t->needs[t->g->node[node].input[0]]) return;
    if (g.one_tap)
        one_tap_dx(t, node, &g);
    else
        window_dx(t, node, &g);
}

const struct rule rule_conv = {forward, backward};
const struct rule rule_dense = {forward, backward};
