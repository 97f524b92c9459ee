/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies between a regular convolution and a separable one? The modules that Xception is
 * explained from (figures 1 to 4 of the paper, and GoogLeNet's two), each as a box of a given
 * width, and a classifier made of them: a stem, then stages of modules with a max-pool between.
 *
 *   naive       g0a  1x1 + 3x3 + 5x5 + pool, side by side (GoogLeNet, figure 2a)
 *   reduced     g0b  the same with 1x1 reductions in front (GoogLeNet, figure 2b)
 *   canonical   g1   1x1 + [1x1, 3x3] + [mean, 3x3] + [1x1, 3x3, 3x3] (figure 1)
 *   towers      g2   [1x1, 3x3] as often as there are segments (figure 2)
 *   segments    g3   one 1x1, then a 3x3 on each segment of its channels (figure 3); with as many
 *                    segments as channels it is the extreme Inception (figure 4, g4)
 *   separable   g5   a depthwise 3x3, then a 1x1: TensorFlow's order
 *   regular     g6   one 3x3
 *                    (the module alone takes kernel=, stride= and padding= for these two)
 *
 * budget=N takes the widest stages (each twice as wide as the one before) that N parameters pay
 * for; stages=3 of them.
 *
 * Every convolution has a batch norm and a ReLU behind it (act=none: only the module's last), a
 * separable one after the pair.
 */
#include "network/head.h"
#include "network/name.h"

enum kind { NAIVE, REDUCED, CANONICAL, TOWERS, SEGMENTS, SEPARABLE, REGULAR };
#define KINDS "naive|reduced|canonical|towers|segments|separable|regular"

struct spectrum {
    struct graph *g;
    struct flavour flavour;
    enum kind kind;
    int segments;   /* 0: one a channel */
    bool last_only; /* activation of a module's last convolutions alone */
    bool spatial_first;
    bool residual;
    struct conv_attr spatial; /* window, stride and border of `separable` and `regular` */
};

/* ---- the boxes ------------------------------------------------------------------------------- */

struct filter {
    int channels, side, groups;
    bool inner; /* another convolution of the module follows */
};

static int conv(const struct spectrum *s, struct name n, int x, struct filter f)
{
    const struct conv_attr attr = {.oc = f.channels,
                                   .kh = f.side,
                                   .kw = f.side,
                                   .groups = f.groups,
                                   .pad = {.kind = PAD_SAME}};
    x = graph_conv(s->g, n.text, x, attr);
    x = graph_batch_norm(s->g, name("%s_bn", n.text).text, x, s->flavour.norm);
    return f.inner && s->last_only ? x : graph_relu(s->g, name("%s_act", n.text).text, x);
}

static int pool(const struct spectrum *s, struct name n, int x, enum pool_kind kind, int stride)
{
    return graph_pool(
        s->g, n.text, x,
        (struct pool_attr){
            .kind = kind, .kh = 3, .kw = 3, .sy = stride, .sx = stride, .pad = {.kind = PAD_SAME}});
}

/* Parts of the width in 256ths, at least one channel. */
static int part(int width, int of_256)
{
    int channels = width * of_256 / 256;
    return channels < 1 ? 1 : channels;
}

/* ---- the modules: x -> about `width` channels ------------------------------------------------ */

/* 64 + 128 + 32 channels of 416, and all that came in. */
static int naive(const struct spectrum *s, const char *m, int x, int width)
{
    int y[4];
    y[0] = conv(s, name("%s_1x1", m), x, (struct filter){part(width, 64), 1, 1, false});
    y[1] = conv(s, name("%s_3x3", m), x, (struct filter){part(width, 128), 3, 1, false});
    y[2] = conv(s, name("%s_5x5", m), x, (struct filter){part(width, 32), 5, 1, false});
    y[3] = pool(s, name("%s_pool", m), x, POOL_MAX, 1);
    return graph_concat(s->g, m, y, 4);
}

static int reduced(const struct spectrum *s, const char *m, int x, int width)
{
    int y[4];
    y[0] = conv(s, name("%s_1x1", m), x, (struct filter){part(width, 64), 1, 1, false});
    y[1] = conv(s, name("%s_3x3_reduce", m), x, (struct filter){part(width, 96), 1, 1, true});
    y[1] = conv(s, name("%s_3x3", m), y[1], (struct filter){part(width, 128), 3, 1, false});
    y[2] = conv(s, name("%s_5x5_reduce", m), x, (struct filter){part(width, 16), 1, 1, true});
    y[2] = conv(s, name("%s_5x5", m), y[2], (struct filter){part(width, 32), 5, 1, false});
    y[3] = pool(s, name("%s_pool", m), x, POOL_MAX, 1);
    y[3] = conv(s, name("%s_pool_proj", m), y[3], (struct filter){part(width, 32), 1, 1, false});
    return graph_concat(s->g, m, y, 4);
}

static int canonical(const struct spectrum *s, const char *m, int x, int width)
{
    const int quarter = width / 4;
    int y[4];
    y[0] = conv(s, name("%s_1x1", m), x, (struct filter){quarter, 1, 1, false});
    y[1] = conv(s, name("%s_3x3_1", m), x, (struct filter){quarter, 1, 1, true});
    y[1] = conv(s, name("%s_3x3_2", m), y[1], (struct filter){quarter, 3, 1, false});
    y[2] = pool(s, name("%s_mean", m), x, POOL_AVERAGE, 1);
    y[2] = conv(s, name("%s_pool", m), y[2], (struct filter){quarter, 3, 1, false});
    y[3] = conv(s, name("%s_3x3dbl_1", m), x, (struct filter){quarter, 1, 1, true});
    y[3] = conv(s, name("%s_3x3dbl_2", m), y[3], (struct filter){quarter, 3, 1, true});
    y[3] = conv(s, name("%s_3x3dbl_3", m), y[3], (struct filter){quarter, 3, 1, false});
    return graph_concat(s->g, m, y, 4);
}

static int towers(const struct spectrum *s, const char *m, int x, int width)
{
    const int count = s->segments, channels = width / count;
    int y[NODE_MAX_INPUTS];
    for (int i = 0; i < count; i++) {
        y[i] = conv(s, name("%s_%d_1x1", m, i), x, (struct filter){channels, 1, 1, true});
        y[i] = conv(s, name("%s_%d_3x3", m, i), y[i], (struct filter){channels, 3, 1, false});
    }
    return count > 1 ? graph_concat(s->g, m, y, count) : y[0];
}

static int segments(const struct spectrum *s, const char *m, int x, int width)
{
    const int in = x >= 0 ? s->g->node[x].out.c : width, first = s->spatial_first ? in : width;
    const int groups = s->segments ? s->segments : GROUPS_DEPTHWISE;
    const struct filter spatial = {first, 3, groups, s->spatial_first},
                        across = {width, 1, 1, !s->spatial_first};
    if (s->spatial_first) x = conv(s, name("%s_3x3", m), x, spatial);
    x = conv(s, name("%s_1x1", m), x, across);
    return s->spatial_first ? x : conv(s, name("%s_3x3", m), x, spatial);
}

static struct conv_attr spatial_attr(const struct spectrum *s, int width)
{
    struct conv_attr attr = s->spatial;
    attr.oc = width;
    return attr;
}

/* Nothing between the two, whatever act= says. */
static int separable(const struct spectrum *s, const char *m, int x, int width)
{
    x = graph_sepconv(s->g, name("%s_sepconv", m).text, x, spatial_attr(s, width));
    x = graph_batch_norm(s->g, name("%s_sepconv_bn", m).text, x, s->flavour.norm);
    return graph_relu(s->g, name("%s_sepconv_act", m).text, x);
}

static int regular(const struct spectrum *s, const char *m, int x, int width)
{
    const struct name n = name("%s_%dx%d", m, s->spatial.kh, s->spatial.kw);
    x = graph_conv(s->g, n.text, x, spatial_attr(s, width));
    x = graph_batch_norm(s->g, name("%s_bn", n.text).text, x, s->flavour.norm);
    return graph_relu(s->g, name("%s_act", n.text).text, x);
}

typedef int module_fn(const struct spectrum *s, const char *m, int x, int width);
static module_fn *const modules[] = {
    [NAIVE] = naive,       [REDUCED] = reduced,     [CANONICAL] = canonical, [TOWERS] = towers,
    [SEGMENTS] = segments, [SEPARABLE] = separable, [REGULAR] = regular};

/* With residual=on, what the module reads is added where the widths agree. */
static int module(const struct spectrum *s, const char *m, int x, int width)
{
    int y = modules[s->kind](s, m, x, width);
    if (!s->residual || y < 0 || s->g->node[y].out.c != s->g->node[x].out.c) return y;
    return graph_add(s->g, name("%s_add", m).text, y, x);
}

/* ---- the knobs ------------------------------------------------------------------------------- */

/* The channels that the segments cut must be a multiple of their number. */
static void check_segments(struct arch_opts *o, const struct spectrum *s, const int *channels,
                           int count)
{
    for (int i = 0; i < count; i++) {
        if (s->segments && channels[i] % s->segments != 0)
            opts_bad(o, "segments", "does not divide %d channels", channels[i]);
        if (s->kind == CANONICAL && channels[i] % 4 != 0)
            opts_bad(o, "width", "%d channels are not a multiple of the module's 4 towers",
                     channels[i]);
    }
}

static void take_module(struct arch_opts *o, struct spectrum *s)
{
    const int most = ARCH_MAX_CHANNELS;
    s->kind = (enum kind)opts_choice(o, "module", KINDS, SEGMENTS);
    s->segments = s->kind == TOWERS ? 3 : 0;
    if (s->kind == TOWERS && opts_is(o, "segments", "all"))
        opts_bad(o, "segments", "towers have a number, not one for each channel");
    else if (!opts_is(o, "segments", "all"))
        s->segments = opts_int(o, "segments", s->segments, s->kind == TOWERS,
                               s->kind == TOWERS ? NODE_MAX_INPUTS : most);
    s->spatial_first = opts_choice(o, "order", "pw-dw|dw-pw", 0) == 1;
    s->last_only = opts_choice(o, "act", "relu|none", 0) == 1;
    s->residual = opts_switch(o, "residual", false);
    s->spatial = (struct conv_attr){.kh = 3, .kw = 3, .pad = {.kind = PAD_SAME}};
}

/* Of one module alone: another window than the figures'. */
static void take_window(struct arch_opts *o, struct spectrum *s)
{
    if (s->kind != SEPARABLE && s->kind != REGULAR) return;
    struct conv_attr *c = &s->spatial;
    c->kh = c->kw = opts_int(o, "kernel", 3, 1, 31);
    c->sy = c->sx = opts_int(o, "stride", 1, 1, 16);
    if (opts_choice(o, "padding", "same|valid", 0) == 1) c->pad.kind = PAD_VALID;
}

/* ---- the classifier -------------------------------------------------------------------------- */

struct plan {
    struct int_list width; /* by stage */
    int depth;             /* modules a stage */
    int stem;
};

static int trunk(const struct spectrum *s, const struct plan *p, int x)
{
    x = conv(s, name("stem_conv"), x, (struct filter){p->stem, 3, 1, false});
    for (int i = 0; i < p->width.count; i++) {
        if (i > 0) x = pool(s, name("stage%d_pool", i), x, POOL_MAX, 2);
        for (int k = 1; k <= p->depth; k++)
            x = module(s, name("stage%d_module%d", i + 1, k).text, x, p->width.at[i]);
    }
    return x;
}

/* The channels that the segments of a stage's modules cut. */
static void check_plan(struct arch_opts *o, const struct spectrum *s, const struct plan *p)
{
    int cut[2 * ARCH_MAX_LIST], count = 0;
    if (s->spatial_first) cut[count++] = p->stem;
    for (int i = 0; i < p->width.count; i++) cut[count++] = p->width.at[i];
    if (s->kind == SEGMENTS || s->kind == TOWERS || s->kind == CANONICAL)
        check_segments(o, s, cut, count);
}

static struct graph *classifier(const struct arch_opts *o, struct spectrum *s, const struct plan *p,
                                const struct head *head)
{
    int x;
    s->g = head_open(o, head, &x);
    if (s->g) head_close(s->g, head, trunk(s, p, x), o->input.classes);
    return s->g;
}

/* Stages of 1, 2, 4, ... times `first` channels, in multiples of step. */
static void set_width(struct plan *p, int first, int step)
{
    for (int i = 0; i < p->width.count; i++) {
        int channels = (first << i) / step * step;
        p->width.at[i] = channels ? channels : step;
    }
}

static bool is_within(const struct arch_opts *o, struct spectrum *s, struct plan *p,
                      const struct head *head, uint64_t budget)
{
    struct graph *g = classifier(o, s, p, head);
    bool within = g && g->err.status == XC_OK && graph_params(g) <= budget;
    graph_free(g);
    return within;
}

/* The widest that the budget pays for: bisection, since width only adds parameters. */
static void fit_width(struct arch_opts *o, struct spectrum *s, struct plan *p,
                      const struct head *head, uint64_t budget)
{
    const int step = s->kind == CANONICAL ? 4 : s->segments ? s->segments : 1;
    int low = 0, high = ARCH_MAX_CHANNELS >> p->width.count;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        set_width(p, middle, step);
        if (is_within(o, s, p, head, budget))
            low = middle;
        else
            high = middle;
    }
    if (low == 0) opts_bad(o, "budget", "too little for stages of %d channels and more", step);
    set_width(p, low, step);
}

static xc_status spectrum_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                                struct error *err)
{
    (void)arch;
    struct spectrum s = {0};
    struct plan p = {.width = {3, {64, 128, 256}}};
    struct head head;
    take_module(o, &s);
    const int budget = opts_int(o, "budget", 0, 0, INT32_MAX);
    if (budget) opts_refuse(o, "width", "budget= finds the width");
    if (budget) p.width.count = opts_int(o, "stages", 3, 1, 8);
    opts_list(o, "width", &p.width, 1, 8, ARCH_MAX_CHANNELS);
    p.depth = opts_int(o, "depth", 2, 1, ARCH_MAX_REPEATS);
    p.stem = opts_int(o, "stem", 32, 1, ARCH_MAX_CHANNELS);
    s.flavour = flavour_take_own(o);
    head_take(o, &s.flavour, HEAD_FC | HEAD_DROPOUT | HEAD_SOFTMAX, &head);
    o->any_side = true;
    if (budget && o->err.status == XC_OK) fit_width(o, &s, &p, &head, (uint64_t)budget);
    check_plan(o, &s, &p);
    TRY(opts_done(o, err));
    if (!classifier(o, &s, &p, &head)) return fail_memory(err, sizeof *s.g);
    *out = s.g;
    return XC_OK;
}

const struct arch arch_spectrum = {.name = "spectrum",
                                   .help = "from regular to separable convolution, by segments",
                                   .side = 32,
                                   .channels = 3,
                                   .classes = 10,
                                   .flavour = "keras",
                                   .keras = "keras",
                                   .build = spectrum_build};

/* One module alone, as the figures draw it: 64 channels in, its map out. */
static xc_status module_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                              struct error *err)
{
    (void)arch;
    struct spectrum s = {0};
    struct head head;
    int x;
    take_module(o, &s);
    take_window(o, &s);
    const int width = opts_int(o, "width", 96, 1, ARCH_MAX_CHANNELS);
    const int cut[] = {width, o->input.c};
    if (s.kind == SEGMENTS || s.kind == TOWERS || s.kind == CANONICAL)
        check_segments(o, &s, cut, s.spatial_first ? 2 : 1);
    s.flavour = flavour_take_own(o);
    head_take(o, &s.flavour, 0, &head);
    o->any_side = true;
    TRY(opts_done(o, err));
    s.g = head_open(o, &head, &x);
    if (!s.g) return fail_memory(err, sizeof *s.g);
    x = module(&s, "module", x, width);
    if (head.custom)
        head_close_custom(s.g, &head, x);
    else
        graph_output(s.g, "map", x);
    *out = s.g;
    return XC_OK;
}

const struct arch arch_inception_module = {.name = "inception-module",
                                           .help = "one module of the spectrum alone",
                                           .side = 28,
                                           .channels = 64,
                                           .classes = 96,
                                           .flavour = "keras",
                                           .keras = "keras",
                                           .build = module_build};
