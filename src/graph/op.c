/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do operators share? The table made from op_list.h, and the arithmetic of sliding windows:
 * "same" follows TensorFlow (out = ceil(n / stride), the odd pixel of padding comes after), which
 * differs from a symmetric padding of the same output size whenever n is even.
 */
#include "graph/op.h"

const struct op *op_of(const struct node *node)
{
    static const struct op *const table[OP_COUNT] = {
#define OP_X(name, op) &op,
        OP_LIST(OP_X)
#undef OP_X
    };
    return table[node->kind];
}

int node_param(const struct graph *g, const struct node *node, enum param_role role)
{
    for (int i = 0; i < node->params; i++)
        if (g->param.at[node->param[i]].role == role) return node->param[i];
    return -1;
}

bool activation_equal(struct activation a, struct activation b)
{
    bool takes_alpha = a.kind == ACT_ELU || a.kind == ACT_CLIP;
    if (a.kind != b.kind) return false;
    if (takes_alpha && a.alpha != b.alpha) return false;
    return a.kind != ACT_CLIP || a.beta == b.beta;
}

bool padding_equal(struct padding a, struct padding b)
{
    if (a.kind != b.kind) return false;
    if (a.kind != PAD_EXPLICIT) return true;
    return a.top == b.top && a.left == b.left && a.bottom == b.bottom && a.right == b.right;
}

uint64_t product_u64(const uint64_t *factor, int count)
{
    uint64_t product = 1;
    for (int i = 0; i < count; i++)
        if (__builtin_mul_overflow(product, factor[i], &product)) return UINT64_MAX;
    return product;
}

/* One axis of a window: how many places it has, and how much padding lies before the first. */
struct axis {
    int64_t out, before;
};

static int64_t extent(int k, int dilation)
{
    return (int64_t)(k - 1) * dilation + 1;
}

static struct axis axis_of(int64_t n, int64_t window, int64_t stride, enum pad_kind kind,
                           int64_t before, int64_t after)
{
    if (kind == PAD_SAME) {
        int64_t out = (n + stride - 1) / stride;
        int64_t total = (out - 1) * stride + window - n;
        return (struct axis){out, total > 0 ? total / 2 : 0};
    }
    if (kind == PAD_VALID) before = after = 0;
    int64_t room = n + before + after - window;
    return (struct axis){room < 0 ? 0 : room / stride + 1, before};
}

static struct axis rows(const struct sliding *s, int h)
{
    return axis_of(h, extent(s->kh, s->dy), s->sy, s->pad.kind, s->pad.top, s->pad.bottom);
}

static struct axis columns(const struct sliding *s, int w)
{
    return axis_of(w, extent(s->kw, s->dx), s->sx, s->pad.kind, s->pad.left, s->pad.right);
}

static bool sliding_sane(const struct sliding *s)
{
    const int least_one[] = {s->kh, s->kw, s->sy, s->sx, s->dy, s->dx};
    const int least_zero[] = {s->pad.top, s->pad.left, s->pad.bottom, s->pad.right};
    for (size_t i = 0; i < sizeof least_one / sizeof *least_one; i++)
        if (least_one[i] < 1 || least_one[i] > GRAPH_MAX_WINDOW) return false;
    for (size_t i = 0; i < sizeof least_zero / sizeof *least_zero; i++)
        if (least_zero[i] < 0 || least_zero[i] > GRAPH_MAX_WINDOW) return false;
    return s->pad.kind == PAD_VALID || s->pad.kind == PAD_SAME || s->pad.kind == PAD_EXPLICIT;
}

xc_status sliding_shape(const struct sliding *s, struct shape in, struct shape *out,
                        struct error *err)
{
    if (!sliding_sane(s))
        return fail(err, XC_ERR_ARCH,
                    "a window, stride or dilation is not in 1..%d, or a padding not in 0..%d",
                    GRAPH_MAX_WINDOW, GRAPH_MAX_WINDOW);
    int64_t oh = rows(s, in.h).out, ow = columns(s, in.w).out;
    if (oh < 1 || ow < 1)
        return fail(err, XC_ERR_SHAPE, "a window of %lldx%lld does not fit a map of %dx%d",
                    (long long)extent(s->kh, s->dy), (long long)extent(s->kw, s->dx), in.h, in.w);
    if (oh > GRAPH_MAX_SIDE || ow > GRAPH_MAX_SIDE)
        return fail(err, XC_ERR_LIMIT, "a map of %lldx%lld is larger than %d a side", (long long)oh,
                    (long long)ow, GRAPH_MAX_SIDE);
    *out = (struct shape){in.n, (int)oh, (int)ow, in.c};
    return XC_OK;
}

struct window sliding_window(const struct sliding *s, struct shape in)
{
    return (struct window){.kh = s->kh,
                           .kw = s->kw,
                           .sy = s->sy,
                           .sx = s->sx,
                           .dy = s->dy,
                           .dx = s->dx,
                           .pad_top = (int)rows(s, in.h).before,
                           .pad_left = (int)columns(s, in.w).before};
}

void call_from_row(struct window *window, struct view *in, int y)
{
    int first = y * window->sy - window->pad_top;
    window->pad_top = first < 0 ? -first : 0;
    if (first < 0) first = 0;
    if (first > in->h) first = in->h;
    in->data = (char *)in->data + first * in->row;
    in->h -= first;
}

bool sliding_fits(const struct sliding *s, struct shape in)
{
    return extent(s->kh, s->dy) <= in.h && extent(s->kw, s->dx) <= in.w;
}
