/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution: dense, grouped, depthwise. The number of groups -1 (GROUPS_DEPTHWISE) means one
 * group a channel, whatever the number of channels is; oc is then that number.
 */
#include "graph/plan_int.h"

enum { MOST_TERMS = 1 << 23 }; /* kernels count bytes of several rows of them in an int */

static struct sliding sliding_of(const struct node *node)
{
    const struct conv_attr *a = &node->conv;
    return (struct sliding){a->kh, a->kw, a->sy, a->sx, a->dy, a->dx, a->pad};
}

static int groups_of(const struct conv_attr *a, int c)
{
    return a->groups == GROUPS_DEPTHWISE ? c : a->groups;
}

static xc_status shape(const struct node *node, const struct shape *in, struct shape *out,
                       struct error *err)
{
    const struct conv_attr *a = &node->conv;
    const struct sliding s = sliding_of(node);
    int groups = groups_of(a, in->c);
    if (a->oc < 1 || a->oc > GRAPH_MAX_CHANNELS)
        return fail(err, XC_ERR_ARCH, "%d filters, expected 1..%d", a->oc, GRAPH_MAX_CHANNELS);
    if (groups < 1 || in->c % groups != 0 || a->oc % groups != 0)
        return fail(err, XC_ERR_SHAPE, "%d groups do not divide %d channels into %d filters",
                    groups, in->c, a->oc);
    TRY(sliding_shape(&s, *in, out, err));
    const int64_t terms = (int64_t)a->kh * a->kw * (in->c / groups);
    if (terms > MOST_TERMS)
        return fail(err, XC_ERR_ARCH, "sums of %lld products, expected at most %d",
                    (long long)terms, MOST_TERMS);
    out->c = a->oc;
    return XC_OK;
}

static uint64_t macs(const struct node *node, const struct shape *in, struct shape out)
{
    const struct conv_attr *a = &node->conv;
    const uint64_t factor[] = {(uint64_t)out.n,
                               (uint64_t)out.h,
                               (uint64_t)out.w,
                               (uint64_t)out.c,
                               (uint64_t)a->kh,
                               (uint64_t)a->kw,
                               (uint64_t)(in->c / groups_of(a, in->c))};
    return product_u64(factor, 7);
}

static bool equal(const struct node *x, const struct node *y)
{
    const struct conv_attr *a = &x->conv, *b = &y->conv;
    return a->oc == b->oc && a->kh == b->kh && a->kw == b->kw && a->sy == b->sy && a->sx == b->sx &&
           a->dy == b->dy && a->dx == b->dx && a->groups == b->groups && a->bias == b->bias &&
           padding_equal(a->pad, b->pad);
}

/* 1x1 without padding: every output pixel reads one input pixel. */
static bool is_pointwise(const struct conv_attr *a)
{
    const struct padding *p = &a->pad;
    bool padded = p->kind == PAD_EXPLICIT && (p->top || p->left || p->bottom || p->right);
    return a->kh == 1 && a->kw == 1 && a->groups == 1 && !padded;
}

static bool is_depthwise(const struct conv_attr *a, int c)
{
    int groups = groups_of(a, c);
    return groups > 1 && groups == c && groups == a->oc;
}

struct matrix op_conv_matrix(const struct node *node, int c)
{
    const struct conv_attr *a = &node->conv;
    size_t taps = (size_t)a->kh * (size_t)a->kw, groups = (size_t)groups_of(a, c);
    if (is_depthwise(a, c)) return (struct matrix){taps, (size_t)c, 1};
    return (struct matrix){taps * ((size_t)c / groups), (size_t)a->oc / groups, groups};
}

enum packing op_conv_packing(const struct node *node, int c, const struct kernels *k)
{
    if (is_depthwise(&node->conv, c)) return PACK_PLAIN;
    return is_pointwise(&node->conv) ? k->pointwise_packing : k->conv_packing;
}

int op_conv_groups(const struct node *node, int c)
{
    return groups_of(&node->conv, c);
}

bool op_conv_is_depthwise(const struct node *node, int c)
{
    return is_depthwise(&node->conv, c);
}

bool op_conv_is_pixelwise(const struct node *node)
{
    return is_pointwise(&node->conv) && node->conv.sy == 1 && node->conv.sx == 1;
}

enum fast op_conv_fast(const struct node *node, int c)
{
    if (node->kind != OP_CONV) return FAST_NONE;
    const struct conv_attr *a = &node->conv;
    const struct window window = {a->kh, a->kw, a->sy, a->sx, a->dy, a->dx, 0, 0};
    if (winograd_takes(&window, groups_of(a, c), c, node->out)) return FAST_WINOGRAD;
    const struct matrix m = op_conv_matrix(node, c);
    return op_conv_is_pixelwise(node) && strassen_takes(&m) ? FAST_STRASSEN : FAST_NONE;
}

static void choose_kernel(const struct conv_attr *a, const struct kernels *k, struct step *step)
{
    if (is_depthwise(a, step->call.conv.in.c))
        step->kernel.conv = k->depthwise;
    else
        step->kernel.conv = is_pointwise(a) ? k->pointwise : k->conv;
}

/* The panels that threads share where the weights are more than what they are applied to: each of
 * the threads then reads a part of the weights, not all of them. */
static size_t panels_to_share(const struct matrix *m, const struct conv_call *call)
{
    const struct view *in = &call->in;
    const double input = (double)in->h * in->w * in->c;
    if (m->groups > 1 || call->packing == PACK_PLAIN) return 0;
    return (double)m->rows * (double)m->columns < input ? 0 : packing_panels(call->packing, m);
}

static void emit(const struct emit *e, const struct chain *chain, struct step *step)
{
    const struct node *node = &e->g->node[chain->root];
    const struct sliding s = sliding_of(node);
    struct conv_call *call = &step->call.conv;
    step->kind = CALL_CONV;
    call->groups = groups_of(&node->conv, call->in.c);
    call->window = sliding_window(&s, e->shape[chain->in]);
    call->weight = e->ready[chain->root].weight;
    call->packing = op_conv_packing(node, call->in.c, e->k);
    call->prologue.act = emit_act(e, chain->load);
    call->epilogue.bias = e->ready[chain->root].bias;
    call->epilogue.act = emit_act(e, chain->act);
    step->per_image = emit_pixels(call->out);
    choose_kernel(&node->conv, e->k, step);
    const struct matrix m = op_conv_matrix(node, call->in.c);
    step->panels = panels_to_share(&m, call);
}

const struct op op_conv = {.name = "conv",
                           .traits = OP_EPILOGUE | OP_PROLOGUE,
                           .shape = shape,
                           .macs = macs,
                           .sliding = sliding_of,
                           .equal = equal,
                           .emit = emit};
