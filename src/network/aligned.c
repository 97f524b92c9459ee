/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is "aligned" Xception (DeepLab v3+; timm's xception41, 65, 71 and the pre-activated 41p,
 * 65p), module by module? No max-pools: the third separable convolution of a module strides. All
 * padding is symmetric, so the results do not depend on even or odd sizes.
 *
 * Names of layers, module I counted from 0 and convolution J from 1, as timm's keys count them:
 *   stem_conv1  stem_conv2                             stem.0.conv  stem.1.conv (p: stem.1)
 *   blockI_shortcut  blockI_shortcut_bn                blocks.I.shortcut.conv .bn (p: .shortcut)
 *   blockI_convJ_dw  _dw_bn  _pw  _pw_bn               blocks.I.stack.convJ.conv_dw .bn_dw ...
 *   p: blockI_norm  blockI_convJ_norm (J = 2, 3)       blocks.I.norm  blocks.I.stack.convJ.norm
 *   predictions                                        head.fc
 * A name with _act is a ReLU; _bn and _norm are batch norms.
 */
#include "network/head.h"
#include "network/name.h"

struct module {
    int channels[3], stride, repeat;
};

struct aligned {
    bool preact;
    double epsilon;
    const struct module *module; /* the last one has no shortcut */
    int modules;
};

/* ---- the tables ------------------------------------------------------------------------------ */

static const struct module modules_41[] = {
    {{128, 128, 128}, 2, 1},    /* entry flow */
    {{256, 256, 256}, 2, 1},    /* */
    {{728, 728, 728}, 2, 1},    /* */
    {{728, 728, 728}, 1, 8},    /* middle flow */
    {{728, 1024, 1024}, 2, 1},  /* exit flow */
    {{1536, 1536, 2048}, 1, 1}, /* */
};

static const struct module modules_65[] = {
    {{128, 128, 128}, 2, 1},    /* entry flow */
    {{256, 256, 256}, 2, 1},    /* */
    {{728, 728, 728}, 2, 1},    /* */
    {{728, 728, 728}, 1, 16},   /* middle flow */
    {{728, 1024, 1024}, 2, 1},  /* exit flow */
    {{1536, 1536, 2048}, 1, 1}, /* */
};

static const struct module modules_71[] = {
    {{128, 128, 128}, 2, 1},    /* entry flow, two modules more */
    {{256, 256, 256}, 1, 1},    /* */
    {{256, 256, 256}, 2, 1},    /* */
    {{728, 728, 728}, 1, 1},    /* */
    {{728, 728, 728}, 2, 1},    /* */
    {{728, 728, 728}, 1, 16},   /* middle flow */
    {{728, 1024, 1024}, 2, 1},  /* exit flow */
    {{1536, 1536, 2048}, 1, 1}, /* */
};

static const struct aligned aligned_41 = {false, 1e-3, modules_41, 6};
static const struct aligned aligned_65 = {false, 1e-3, modules_65, 6};
static const struct aligned aligned_71 = {false, 1e-3, modules_71, 8};
static const struct aligned aligned_41p = {true, 1e-5, modules_41, 6};
static const struct aligned aligned_65p = {true, 1e-3, modules_65, 6};

/* ---- the modules ----------------------------------------------------------------------------- */

struct build {
    struct graph *g;
    struct batch_norm_attr norm;
};

/* One module at its place: number, stride and dilation are settled. */
struct place {
    const int *channels;
    int index, stride, dilation;
    bool last;
};

static struct padding around(int pixels)
{
    return (struct padding){PAD_EXPLICIT, pixels, pixels, pixels, pixels};
}

static int norm(const struct build *b, struct name n, int x)
{
    return graph_batch_norm(b->g, n.text, x, b->norm);
}

static int depthwise(const struct build *b, const struct place *p, int j, int x)
{
    int stride = j == 3 ? p->stride : 1, d = p->dilation;
    return graph_conv(b->g, name("block%d_conv%d_dw", p->index, j).text, x,
                      (struct conv_attr){.kh = 3,
                                         .kw = 3,
                                         .sy = stride,
                                         .sx = stride,
                                         .dy = d,
                                         .dx = d,
                                         .groups = GROUPS_DEPTHWISE,
                                         .pad = around(d)});
}

static int pointwise(const struct build *b, const struct place *p, int j, int x)
{
    return graph_conv(b->g, name("block%d_conv%d_pw", p->index, j).text, x,
                      (struct conv_attr){.oc = p->channels[j - 1], .kh = 1, .kw = 1});
}

static int shortcut(const struct build *b, const struct place *p, int x)
{
    return graph_conv(
        b->g, name("block%d_shortcut", p->index).text, x,
        (struct conv_attr){
            .oc = p->channels[2], .kh = 1, .kw = 1, .sy = p->stride, .sx = p->stride});
}

static int relu(const struct build *b, struct name n, int x)
{
    return graph_relu(b->g, n.text, x);
}

/* A shortcut of its own only where the shape changes. */
static bool changes(const struct build *b, const struct place *p, int x)
{
    return x >= 0 && (b->g->node[x].out.c != p->channels[2] || p->stride > 1);
}

/* [ReLU; depthwise, BN; pointwise, BN] three times; in the last module the ReLUs come after the
 * batch norms instead. */
static int module(const struct build *b, const struct place *p, int x)
{
    int i = p->index, y = x;
    for (int j = 1; j <= 3; j++) {
        if (!p->last) y = relu(b, name("block%d_conv%d_act", i, j), y);
        y = norm(b, name("block%d_conv%d_dw_bn", i, j), depthwise(b, p, j, y));
        if (p->last) y = relu(b, name("block%d_conv%d_dw_act", i, j), y);
        y = norm(b, name("block%d_conv%d_pw_bn", i, j), pointwise(b, p, j, y));
        if (p->last) y = relu(b, name("block%d_conv%d_pw_act", i, j), y);
    }
    if (p->last) return y;
    if (changes(b, p, x)) x = norm(b, name("block%d_shortcut_bn", i), shortcut(b, p, x));
    return graph_add(b->g, name("block%d_add", i).text, y, x);
}

/* [BN, ReLU; depthwise; pointwise] three times; the shortcut starts behind the first ReLU. */
static int preact_module(const struct build *b, const struct place *p, int x)
{
    int i = p->index, y = x;
    for (int j = 1; j <= 3; j++) {
        struct name n = j == 1 ? name("block%d_norm", i) : name("block%d_conv%d_norm", i, j);
        y = relu(b, name("block%d_conv%d_act", i, j), norm(b, n, y));
        if (j == 1) x = y;
        y = pointwise(b, p, j, depthwise(b, p, j, y));
    }
    if (p->last) return y;
    if (changes(b, p, x)) x = shortcut(b, p, x);
    return graph_add(b->g, name("block%d_add", i).text, y, x);
}

static int stem(const struct build *b, bool preact, int x)
{
    x = graph_conv(
        b->g, "stem_conv1", x,
        (struct conv_attr){.oc = 32, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = around(1)});
    x = relu(b, name("stem_conv1_act"), norm(b, name("stem_conv1_bn"), x));
    x = graph_conv(b->g, "stem_conv2", x,
                   (struct conv_attr){.oc = 64, .kh = 3, .kw = 3, .pad = around(1)});
    return preact ? x : relu(b, name("stem_conv2_act"), norm(b, name("stem_conv2_bn"), x));
}

/* ---- the network ----------------------------------------------------------------------------- */

/* Once the map is output_stride times smaller than the input, a stride becomes a dilation of all
 * modules that follow (for segmentation; 32 never gets there). */
static int trunk(const struct build *b, const struct aligned *a, int output_stride, int x)
{
    struct place p = {.dilation = 1};
    int reached = 2, next = 1;
    for (int m = 0; m < a->modules; m++) {
        const struct module *row = &a->module[m];
        p.channels = row->channels;
        p.last = m == a->modules - 1;
        for (int i = 0; i < row->repeat; i++, p.index++) {
            bool fits = reached * row->stride <= output_stride;
            p.stride = fits ? row->stride : 1;
            next = fits ? p.dilation : p.dilation * row->stride;
            reached *= p.stride;
            x = a->preact ? preact_module(b, &p, x) : module(b, &p, x);
            p.dilation = next;
        }
    }
    return a->preact ? graph_relu(b->g, "final_act", x) : x;
}

static xc_status aligned_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                               struct error *err)
{
    static const int strides[] = {8, 16, 32};
    const struct aligned *a = arch->variant;
    struct head head;
    int x;
    int output_stride = strides[opts_choice(o, "output-stride", "8|16|32", 2)];
    struct flavour flavour = flavour_take_own(o);
    flavour.norm.epsilon = a->epsilon;
    head_take(o, &flavour, HEAD_DROPOUT | HEAD_SOFTMAX, &head);
    TRY(opts_done(o, err));
    struct build b = {head_open(o, &head, &x), flavour.norm};
    if (!b.g) return fail_memory(err, sizeof *b.g);
    x = stem(&b, a->preact, x);
    x = trunk(&b, a, output_stride, x);
    head_close(b.g, &head, x, o->input.classes);
    *out = b.g;
    return XC_OK;
}

#define ALIGNED(called, table, words, preprocess)                                                  \
    {                                                                                              \
        .name = called, .help = words, .side = 299, .channels = 3, .classes = 1000,                \
        .flavour = "timm", .timm = preprocess, .variant = &table, .build = aligned_build           \
    }

const struct arch arch_xception41 =
    ALIGNED("xception41", aligned_41, "aligned Xception, 8 middle modules (timm)", "timm-331");
const struct arch arch_xception65 =
    ALIGNED("xception65", aligned_65,
            "aligned Xception, 16 middle modules (timm; ra3_in1k wants timm-318)", "timm-331");
const struct arch arch_xception71 =
    ALIGNED("xception71", aligned_71, "the same with 5 entry modules (timm)", "timm-331");
const struct arch arch_xception41p =
    ALIGNED("xception41p", aligned_41p, "xception41, pre-activated (timm)", "timm-318");
const struct arch arch_xception65p =
    ALIGNED("xception65p", aligned_65p, "xception65, pre-activated (timm)", "timm-318");
