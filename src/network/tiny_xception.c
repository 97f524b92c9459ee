/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is face-api's TinyXception: age and gender from a colour face of 112x112? Its batch norms
 * were folded away before it was published, so every convolution has a bias instead.
 *
 * Two heads: output 0 is gender (0 = male, 1 = female) with softmax, output 1, "age", is in years.
 * Layer names are those of the published manifest with _ for /: entry_flow/conv_in/filters is
 * entry_flow_conv_in/kernel here.
 */
#include "network/head.h"
#include "network/name.h"

static const struct padding same = {.kind = PAD_SAME};

/* ---- the boxes ------------------------------------------------------------------------------- */

static int separable(struct graph *g, const char *flow, int k, int x, int channels, bool relu)
{
    if (relu) x = graph_relu(g, name("%s_relu%d", flow, k).text, x);
    return graph_sepconv(
        g, name("%s_separable_conv%d", flow, k).text, x,
        (struct conv_attr){.oc = channels, .kh = 3, .kw = 3, .pad = same, .bias = true});
}

/* Two separable convolutions and a pool; beside them a strided 1x1 convolution of the raw input. */
static int reduction_block(struct graph *g, const char *flow, int x, int channels, bool relu)
{
    const struct pool_attr pool = {
        .kind = POOL_MAX, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = same};
    const struct conv_attr expansion = {
        .oc = channels, .kh = 1, .kw = 1, .sy = 2, .sx = 2, .pad = same, .bias = true};
    int y = separable(g, flow, 0, x, channels, relu);
    y = separable(g, flow, 1, y, channels, true);
    y = graph_pool(g, name("%s_pool", flow).text, y, pool);
    x = graph_conv(g, name("%s_expansion_conv", flow).text, x, expansion);
    return graph_add(g, name("%s_add", flow).text, y, x);
}

static int main_block(struct graph *g, const char *flow, int x, int channels)
{
    int y = x;
    for (int k = 0; k < 3; k++) y = separable(g, flow, k, y, channels, true);
    return graph_add(g, name("%s_add", flow).text, y, x);
}

/* ---- the network ----------------------------------------------------------------------------- */

static int trunk(struct graph *g, int x)
{
    const struct conv_attr conv_in = {
        .oc = 32, .kh = 3, .kw = 3, .sy = 2, .sx = 2, .pad = same, .bias = true};
    const struct conv_attr last = {.oc = 512, .kh = 3, .kw = 3, .pad = same, .bias = true};
    x = graph_conv(g, "entry_flow_conv_in", x, conv_in); /* 112 -> 56x56x32 */
    x = graph_relu(g, "entry_flow_conv_in_relu", x);
    x = reduction_block(g, "entry_flow_reduction_block_0", x, 64, false); /* 28x28x64 */
    x = reduction_block(g, "entry_flow_reduction_block_1", x, 128, true); /* 14x14x128 */
    for (int i = 0; i < 2; i++)
        x = main_block(g, name("middle_flow_main_block_%d", i).text, x, 128);
    x = reduction_block(g, "exit_flow_reduction_block", x, 256, true); /* 7x7x256 */
    x = graph_sepconv(g, "exit_flow_separable_conv", x, last);         /* 7x7x512 */
    return graph_relu(g, "exit_flow_separable_conv_relu", x);
}

static void two_heads(struct graph *g, const struct head *head, int x, int classes)
{
    const struct pool_attr pool = {.kind = POOL_AVERAGE, .kh = 7, .kw = 7, .sy = 2, .sx = 2};
    x = graph_flatten(g, "flatten", graph_pool(g, "avg_pool", x, pool));
    int age = graph_dense(g, "fc_age", x, 1, true);
    head_predict(g, head, graph_dense(g, "fc_gender", x, classes, true));
    graph_output(g, "age", age);
}

static xc_status tiny_build(const struct arch *arch, struct arch_opts *o, struct graph **out,
                            struct error *err)
{
    (void)arch;
    struct head head;
    int x;
    const struct flavour flavour = flavour_take_own(o);
    head_take(o, &flavour, HEAD_SOFTMAX, &head);
    TRY(opts_done(o, err));
    struct graph *g = head_open(o, &head, &x);
    if (!g) return fail_memory(err, sizeof *g);
    x = trunk(g, x);
    if (head.custom)
        head_close_custom(g, &head, x);
    else
        two_heads(g, &head, x, o->input.classes);
    *out = g;
    return XC_OK;
}

const struct arch arch_tiny_xception_age_gender = {.name = "tiny-xception-age-gender",
                                                   .help = "age and gender of a face (face-api)",
                                                   .side = 112,
                                                   .channels = 3,
                                                   .classes = 2,
                                                   .flavour = "keras",
                                                   .keras = "age-gender",
                                                   .build = tiny_build};
