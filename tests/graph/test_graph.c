/* SPDX-License-Identifier: Apache-2.0 */
/* Building, shapes, counts: the published numbers of Xception, and every way to build it wrongly.
 */
#include "harness.h"

#include <string.h>

#include "graph/net.h"

#define MAX_NODES 512

static void assert_refused(struct graph *g, xc_status status, const char *start)
{
    struct error err = {0};
    assert_int_equal(graph_finish(g, &err), status);
    if (strncmp(err.text, start, strlen(start)) != 0) print_message("got: %s\n", err.text);
    assert_int_equal(strncmp(err.text, start, strlen(start)), 0);
    graph_free(g);
}

static uint64_t macs_at(const struct graph *g, int h, int w, struct shape *shapes)
{
    struct error err = {0};
    uint64_t sum = 0;
    assert_int_equal(graph_shapes(g, (struct shape){1, h, w, g->input.c}, shapes, &err), XC_OK);
    for (int i = 0; i < g->nodes; i++) sum += graph_macs(g, i, shapes);
    return sum;
}

static void xception_counts(void **state)
{
    (void)state;
    struct graph *g = net_xception(299, 299);
    struct shape shapes[MAX_NODES];
    struct error err = {0};
    assert_int_equal(graph_finish(g, &err), XC_OK);
    assert_int_equal(graph_params(g), 22910480);
    assert_int_equal(graph_trainable(g), 22855952);
    assert_int_equal(macs_at(g, 299, 299, shapes), 8357403496);
    assert_int_equal(shapes[graph_find(g, "block2_add")].h, 74);
    assert_int_equal(shapes[graph_find(g, "block14_sepconv2_act")].w, 10);
    assert_int_equal(macs_at(g, 224, 224, shapes), 4552879072);
    assert_int_equal(macs_at(g, 150, 150, shapes), 1926445456);
    assert_int_equal(macs_at(g, 71, 71, shapes), 553174824);
    graph_free(g);
}

static void min_side_is_71(void **state)
{
    (void)state;
    struct graph *g = net_xception(299, 150);
    assert_int_equal(graph_min_side(g), 71);
    graph_free(g);
}

static void min_side_of_fixed_input(void **state)
{
    (void)state;
    int sides[2] = {12, 9};
    for (int i = 0; i < 2; i++) {
        struct graph *g = graph_new(12, sides[i], 1);
        int x = graph_flatten(g, "flat", 0);
        graph_output(g, "y", graph_dense(g, "d", x, 2, true));
        assert_int_equal(graph_min_side(g), i == 0 ? 12 : 0);
        graph_free(g);
    }
}

static void parameter_names(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 9, 4);
    struct conv_attr a = attr_conv(6, 3, 1, PAD_SAME);
    a.bias = true;
    int x = graph_sepconv(g, "s", 0, a);
    a.groups = GROUPS_DEPTHWISE;
    x = graph_conv(g, "d", x, a);
    graph_layer(g, "pair");
    a.groups = 2;
    x = graph_conv(g, "c", x, a);
    x = graph_batch_norm(g, "b", x, (struct batch_norm_attr){.epsilon = 1e-3});
    graph_layer(g, NULL);
    graph_output(g, "y", graph_dense(g, "fc", graph_flatten(g, "f", x), 3, true));
    static const struct {
        const char *name;
        int rank, dim[4];
    } expected[] = {{"s/depthwise_kernel", 4, {3, 3, 4, 1}},
                    {"s/pointwise_kernel", 4, {1, 1, 4, 6}},
                    {"s/bias", 1, {6}},
                    {"d/depthwise_kernel", 4, {3, 3, 6, 1}},
                    {"d/bias", 1, {6}},
                    {"pair/kernel", 4, {3, 3, 3, 6}},
                    {"pair/bias", 1, {6}},
                    {"pair/gamma", 1, {6}},
                    {"pair/beta", 1, {6}},
                    {"pair/moving_mean", 1, {6}},
                    {"pair/moving_variance", 1, {6}},
                    {"fc/kernel", 2, {486, 3}},
                    {"fc/bias", 1, {3}}};
    assert_int_equal(g->err.status, XC_OK);
    assert_int_equal(g->param.count, 13);
    for (int i = 0; i < 13; i++) {
        assert_string_equal(g->param.at[i].name, expected[i].name);
        assert_int_equal(g->param.at[i].rank, expected[i].rank);
        assert_memory_equal(g->param.at[i].dim, expected[i].dim,
                            (size_t)expected[i].rank * sizeof(int));
    }
    assert_string_equal(g->node[graph_find(g, "s/depthwise")].layer, "s");
    assert_string_equal(g->node[graph_find(g, "b")].layer, "pair");
    graph_free(g);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

static void first_mistake_stands(void **state)
{
    (void)state;
    struct graph *g = graph_new(8, 8, 3);
    int x = graph_conv(g, "a", 0, attr_conv(4, 3, 1, PAD_SAME));
    int bad = graph_conv(g, "b", x, attr_conv(4, 9, 1, PAD_VALID));
    assert_int_equal(bad, -1);
    assert_int_equal(graph_relu(g, "c", bad), -1);
    graph_output(g, "y", bad);
    assert_refused(g, XC_ERR_SHAPE, "b: a window of 9x9 does not fit a map of 8x8");
}

static void mistakes_name_the_layer(void **state)
{
    (void)state;
    struct graph *g = graph_new(8, 8, 3);
    graph_relu(g, "a", graph_relu(g, "a", 0));
    assert_refused(g, XC_ERR_ARCH, "a: there is another layer");

    g = graph_new(8, 8, 3);
    graph_add(g, "sum", 0,
              graph_pool(g, "p", 0,
                         (struct pool_attr){POOL_MAX, 2, 2, 2, 2, {.kind = PAD_VALID}, false}));
    assert_refused(g, XC_ERR_SHAPE, "sum: cannot add 8x8x3 and 4x4x3");

    g = graph_new(8, 8, 3);
    graph_dense(g, "fc", 0, 10, true);
    assert_refused(g, XC_ERR_SHAPE, "fc: a dense layer reads");

    g = graph_new(8, 8, 3);
    struct conv_attr a = attr_conv(4, 3, 1, PAD_SAME);
    a.groups = 2;
    graph_conv(g, "c", 0, a);
    assert_refused(g, XC_ERR_SHAPE, "c: 2 groups do not divide 3 channels");

    g = graph_new(3, 3, 1 << 20);
    graph_conv(g, "c", 0, attr_conv(4, 3, 1, PAD_VALID));
    assert_refused(g, XC_ERR_ARCH, "c: sums of 9437184 products");

    g = graph_new(8, 8, 3);
    graph_sepconv(g, "s", 0, attr_conv(4, 0, 1, PAD_SAME));
    assert_refused(g, XC_ERR_ARCH, "s: a window, stride");

    g = graph_new(8, 8, 3);
    graph_dropout(g, "d", 0, 1.0);
    assert_refused(g, XC_ERR_ARCH, "d: dropout rate");

    g = graph_new(8, 0, 3);
    assert_refused(g, XC_ERR_ARCH, "input: 8x0x3");
}

static void ends_must_be_outputs(void **state)
{
    (void)state;
    struct graph *g = graph_new(8, 8, 3);
    graph_relu(g, "left", 0);
    graph_output(g, "y", graph_relu(g, "right", 0));
    assert_refused(g, XC_ERR_ARCH, "left: nobody reads it");

    g = graph_new(8, 8, 3);
    graph_relu(g, "a", 0);
    assert_refused(g, XC_ERR_ARCH, "the network has no output");
}

/* Attributes and sizes from a hostile file: refused, never an overflow (the sanitizers watch). */
static void absurd_numbers(void **state)
{
    (void)state;
    const int huge = 2147483647;
    struct conv_attr attrs[] = {
        {.oc = huge, .kh = 1, .kw = 1},
        {.oc = 1, .kh = huge, .kw = 1},
        {.oc = 1, .kh = 1, .kw = 1, .sy = -huge},
        {.oc = 1, .kh = 2, .kw = 2, .dy = huge, .dx = huge},
        {.oc = 1, .kh = 1, .kw = 1, .groups = -7},
        {.oc = 1, .kh = 1, .kw = 1, .pad = {PAD_EXPLICIT, huge, huge, huge, huge}},
        {.oc = 1, .kh = 1, .kw = 1, .pad = {PAD_EXPLICIT, -1, 0, 0, 0}},
        {.oc = -1, .kh = 1, .kw = 1},
    };
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++) {
        struct graph *g = graph_new(8, 8, 3);
        assert_int_equal(graph_conv(g, "c", 0, attrs[i]), -1);
        graph_free(g);
    }
    struct graph *g = graph_new(65536, 65536, 1);
    assert_int_equal(graph_flatten(g, "f", 0), -1);
    graph_free(g);
    g = graph_new(4, 4, 2);
    int many[NODE_MAX_INPUTS + 1] = {0};
    assert_int_equal(graph_concat(g, "c", many, NODE_MAX_INPUTS + 1), -1);
    graph_free(g);
}

static void other_sizes(void **state)
{
    (void)state;
    struct graph *g = graph_new(8, 8, 3);
    struct shape shapes[8];
    struct error err = {0};
    int x = graph_conv(g, "c", 0, attr_conv(4, 3, 2, PAD_VALID));
    graph_output(g, "y", graph_dense(g, "fc", graph_flatten(g, "flat", x), 2, false));
    assert_int_equal(graph_shapes(g, (struct shape){5, 8, 8, 3}, shapes, &err), XC_OK);
    assert_int_equal(shapes[3].n, 5);
    assert_int_equal(graph_shapes(g, (struct shape){1, 12, 8, 3}, shapes, &err), XC_ERR_SHAPE);
    assert_string_equal(err.text, "fc: was made for 36 numbers and would read 60");
    assert_int_equal(graph_shapes(g, (struct shape){1, 2, 8, 3}, shapes, &err), XC_ERR_SHAPE);
    assert_string_equal(err.text, "c: a window of 3x3 does not fit a map of 2x8");
    assert_int_equal(graph_shapes(g, (struct shape){1, 8, 8, 1}, shapes, &err), XC_ERR_SHAPE);
    graph_free(g);
}

RUN(cmocka_unit_test(xception_counts), cmocka_unit_test(min_side_is_71),
    cmocka_unit_test(min_side_of_fixed_input), cmocka_unit_test(parameter_names),
    cmocka_unit_test(first_mistake_stands), cmocka_unit_test(mistakes_name_the_layer),
    cmocka_unit_test(ends_must_be_outputs), cmocka_unit_test(absurd_numbers),
    cmocka_unit_test(other_sizes))
