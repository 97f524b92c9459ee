/* SPDX-License-Identifier: Apache-2.0 */
/* Are two graphs the same network? Yes for another order of writing, no for one changed attribute.
 */
#include "harness.h"

#include "graph/net.h"

#define MAX_NODES 512

/* An Inception-like module with two branches that begin alike, written in either order. */
static struct graph *module(bool swapped, bool dropout)
{
    struct graph *g = graph_new(16, 16, 3);
    int branch[2];
    for (int k = 0; k < 2; k++) {
        int i = swapped ? 1 - k : k;
        int x = graph_conv(g, i ? "p1" : "q1", 0, attr_conv(4, 1, 1, PAD_SAME));
        branch[i] = graph_conv(g, i ? "p2" : "q2", x, attr_conv(4, i ? 3 : 5, 1, PAD_SAME));
    }
    int x = graph_concat(g, "join", branch, 2);
    if (dropout) x = graph_dropout(g, "drop", x, 0.5);
    graph_output(g, "y", graph_global_pool(g, "pool", x, POOL_AVERAGE));
    return g;
}

static void same_network(void **state)
{
    (void)state;
    struct graph *a = module(false, false), *b = module(true, true);
    int map[MAX_NODES], where = -1;
    assert_true(graph_match(a, b, map, &where));
    assert_int_equal(map[graph_find(b, "p1")], graph_find(a, "p1"));
    assert_int_equal(map[graph_find(b, "q2")], graph_find(a, "q2"));
    assert_int_equal(map[graph_find(b, "drop")], -1);
    assert_int_equal(map[0], 0);
    graph_free(a);
    graph_free(b);
}

static void xception_is_itself(void **state)
{
    (void)state;
    struct graph *a = net_xception(299, 299), *b = net_xception(150, 71);
    int map[MAX_NODES], where = -1;
    assert_true(graph_match(a, b, map, &where));
    for (int i = 0; i < b->nodes; i++) assert_int_equal(map[i], i);
    graph_free(a);
    graph_free(b);
}

/* Changes one thing of one node; the change must be found, and at this node. */
static void assert_change_found(struct graph *a, struct graph *b, int node)
{
    int map[MAX_NODES], where = -1;
    assert_false(graph_match(a, b, map, &where));
    assert_int_equal(where, node);
    graph_free(b);
}

static void one_change_is_found(void **state)
{
    (void)state;
    struct graph *a = net_xception(299, 299), *b = net_xception(299, 299);
    int x = graph_find(b, "block2_pool");
    b->node[x].pool.pad = (struct padding){PAD_EXPLICIT, 1, 1, 1, 1};
    assert_change_found(a, b, x);

    b = net_xception(299, 299);
    x = graph_find(b, "block7_sepconv2_bn");
    b->node[x].norm.epsilon = 1e-5;
    assert_change_found(a, b, x);

    b = net_xception(299, 299);
    x = graph_find(b, "block13_residual");
    b->node[x].conv.sx = 1;
    assert_change_found(a, b, x);

    b = net_xception(299, 299);
    x = graph_find(b, "block14_sepconv1_act");
    b->node[x].act.kind = ACT_SIGMOID;
    assert_change_found(a, b, x);

    b = net_xception(299, 299);
    x = graph_find(b, "block6_add"); /* another shortcut of the same shape */
    b->node[x].input[1] = graph_find(b, "block4_add");
    assert_change_found(a, b, x);
    graph_free(a);
}

static void other_outputs(void **state)
{
    (void)state;
    struct graph *a = net_xception(299, 299), *b = net_xception(299, 299);
    int map[MAX_NODES], where = -1;
    b->outputs = 1;
    assert_false(graph_match(a, b, map, &where));
    b->outputs = 2;
    b->output[1].node = graph_find(b, "avg_pool");
    assert_false(graph_match(a, b, map, &where));
    graph_free(a);
    graph_free(b);
}

/* One node read twice is not two equal nodes read once: they have their own parameters. */
static void sharing_counts(void **state)
{
    (void)state;
    struct graph *g[2];
    int map[MAX_NODES], where = -1;
    for (int k = 0; k < 2; k++) {
        g[k] = graph_new(8, 8, 3);
        int x = graph_conv(g[k], "a", 0, attr_conv(4, 3, 1, PAD_SAME)), y = x;
        if (k) y = graph_conv(g[k], "b", 0, attr_conv(4, 3, 1, PAD_SAME));
        graph_output(g[k], "y", graph_add(g[k], "sum", x, y));
    }
    assert_false(graph_match(g[0], g[1], map, &where));
    assert_false(graph_match(g[1], g[0], map, &where));
    graph_free(g[0]);
    graph_free(g[1]);
}

RUN(cmocka_unit_test(same_network), cmocka_unit_test(xception_is_itself),
    cmocka_unit_test(one_change_is_found), cmocka_unit_test(other_outputs),
    cmocka_unit_test(sharing_counts))
