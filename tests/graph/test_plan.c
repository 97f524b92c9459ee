/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the planner do what it says: which nodes run together, how much memory, nothing overlaps?
 * Each corner is a small network whose step count and numbers are known.
 */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include "graph/plan_int.h"
#include "graph/subject.h"

static const struct activation sigmoid = {.kind = ACT_SIGMOID};
static const struct batch_norm_attr plain_norm = {.epsilon = 1e-3};

/* Ends the graph at x, and checks its steps and its numbers. */
static void assert_steps(struct graph *g, int x, int steps)
{
    struct subject s;
    struct trial t;
    graph_output(g, "y", x);
    subject_make(&s, g, 7, DTYPE_F64);
    trial_make(&t, &s, 2, NULL, 0);
    struct arena a = {0};
    if (t.plan->steps != steps) print_message("%s", plan_dump(t.plan, &a));
    assert_int_equal(t.plan->steps, steps);
    arena_free(&a);
    trial_free(&t);
    assert_numbers(&s, 2, 1e-12);
    subject_free(&s);
}

static int same(struct graph *g, const char *name, int x, int oc)
{
    return graph_conv(g, name, x, attr_conv(oc, 3, 1, PAD_SAME));
}

/* ---- which nodes run together ---------------------------------------------------------------- */

static void residual_block(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8);
    int y = same(g, "b", graph_relu(g, "on_load", x), 8);
    y = graph_add(g, "sum", graph_batch_norm(g, "bn", y, plain_norm), x);
    assert_steps(g, graph_relu(g, "after", y), 2);
}

static void relu_before_add_is_not_after(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8);
    int y = graph_relu(g, "before", same(g, "b", x, 8));
    assert_steps(g, graph_add(g, "sum", y, x), 3);
}

static void act_after_act(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = graph_act(g, "s", same(g, "a", 0, 8), sigmoid);
    assert_steps(g, graph_act(g, "t", x, (struct activation){.kind = ACT_TANH}), 2);
}

static void sum_of_two_sums(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8), y = same(g, "b", 0, 8);
    int sum = graph_add(g, "one", x, y);
    assert_steps(g, graph_add(g, "two", sum, same(g, "c", 0, 8)), 3);

    g = graph_new(9, 7, 3);
    x = same(g, "a", 0, 8), y = same(g, "b", 0, 8);
    int z = same(g, "c", 0, 8); /* not moved behind the first sum */
    assert_steps(g, graph_add(g, "two", graph_add(g, "one", x, y), z), 4);
}

/* An expensive activation is done once, a cheap one that a pool reads too as well. */
static void not_left_to_readers(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8), y = graph_act(g, "s", x, sigmoid);
    assert_steps(g, graph_add(g, "sum", same(g, "b", y, 8), x), 3);

    g = graph_new(9, 7, 3);
    x = same(g, "a", 0, 8), y = graph_relu(g, "r", x);
    int z =
        graph_pool(g, "p", y, (struct pool_attr){POOL_MAX, 3, 3, 1, 1, {.kind = PAD_SAME}, false});
    z = graph_add(g, "sum", z, same(g, "b", y, 8));
    assert_steps(g, graph_add(g, "sum2", z, x), 5);
}

static void norm_that_cannot_fold(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8);
    int y = graph_relu(g, "r", graph_batch_norm(g, "bn", x, plain_norm));
    assert_steps(g, graph_concat(g, "join", (int[]){x, y}, 2), 2);
}

/* A depthwise convolution, with what the pointwise one that reads it finds there. */
static int depthwise(struct graph *g, const char *name, int x, int stride, int dilation)
{
    struct conv_attr a = attr_conv(g->node[x].out.c, 3, stride, PAD_SAME);
    a.groups = GROUPS_DEPTHWISE;
    a.dy = a.dx = dilation;
    return graph_conv(g, name, x, a);
}

static int pointwise(struct graph *g, const char *name, int x, int oc)
{
    return graph_conv(g, name, x, attr_conv(oc, 1, 1, PAD_VALID));
}

static void separable(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 4);
    assert_steps(g, pointwise(g, "p", depthwise(g, "d", 0, 2, 1), 5), 1);

    g = graph_new(9, 7, 3); /* everything that may come along */
    int x = same(g, "a", 0, 8);
    int y = depthwise(g, "d", graph_relu(g, "on_load", x), 1, 2);
    y = graph_act(g, "between", graph_batch_norm(g, "bn1", y, plain_norm), sigmoid);
    y = graph_batch_norm(g, "bn2", pointwise(g, "p", y, 8), plain_norm);
    assert_steps(g, graph_relu(g, "after", graph_add(g, "sum", y, x)), 2);
}

/* A shortcut beside a pool: the later of the two adds. */
static void pool_adds(void **state)
{
    (void)state;
    const struct pool_attr pool = {POOL_MAX, 3, 3, 2, 2, {.kind = PAD_SAME}, false};
    struct graph *g = graph_new(9, 7, 4);
    int x = graph_conv(g, "shortcut", 0, attr_conv(8, 1, 2, PAD_SAME));
    x = graph_add(g, "sum", graph_pool(g, "p", same(g, "a", 0, 8), pool), x);
    assert_steps(g, graph_relu(g, "after", x), 3);
}

static void not_separable(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 4); /* two readers */
    int d = depthwise(g, "d", 0, 1, 1);
    int x = pointwise(g, "p", d, 5);
    assert_steps(g, graph_add(g, "sum", x, pointwise(g, "q", d, 5)), 3);

    g = graph_new(9, 7, 4); /* its sum with another map */
    x = graph_add(g, "sum", depthwise(g, "d", 0, 1, 1), 0);
    assert_steps(g, pointwise(g, "p", x, 5), 2);

    g = graph_new(9, 7, 4); /* not every pixel is read */
    x = depthwise(g, "d", 0, 1, 1);
    assert_steps(g, graph_conv(g, "p", x, attr_conv(5, 1, 2, PAD_VALID)), 2);
}

/* ---- where they lie -------------------------------------------------------------------------- */

/* The map inside a concatenation is read after the whole was last read: the sigmoid of the whole
 * must not be written over it. */
static void concat_outlives_itself(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 8), y = same(g, "b", 0, 8);
    int z = graph_act(g, "s", graph_concat(g, "join", (int[]){x, y}, 2), sigmoid);
    z = same(g, "c", z, 8);
    assert_steps(g, graph_concat(g, "end", (int[]){z, same(g, "d", x, 4)}, 2), 5);
}

/* A map that is also read as one row keeps its pixels together: it is copied, not adopted. */
static void flat_and_joined(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 16), y = same(g, "b", 0, 8);
    int z = graph_global_pool(g, "pool", graph_concat(g, "join", (int[]){x, y}, 2), POOL_MAX);
    int row = graph_dense(g, "fc", graph_flatten(g, "flat", x), 24, false);
    assert_steps(g, graph_add(g, "sum", z, row), 5);
}

/* Behind a map that is read as one row comes one that is computed in place: the row is longer than
 * the pixels of the map. */
static void joined_behind_flat(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = graph_conv(g, "a", 0, attr_conv(8, 3, 4, PAD_VALID)); /* 8 doubles: a cache line */
    int y = graph_global_pool(g, "pool", 0, POOL_MAX);
    assert_steps(g, graph_concat(g, "join", (int[]){graph_flatten(g, "flat", x), y}, 2), 3);
}

static void nested_and_repeated_concat(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int x = same(g, "a", 0, 5), y = same(g, "b", 0, 3);
    int inner = graph_concat(g, "inner", (int[]){x, y, x}, 3);
    int outer = graph_concat(g, "outer", (int[]){y, inner, 0}, 3);
    assert_steps(g, same(g, "c", outer, 4), 6);
}

static void flatten_copies_only_apart_pixels(void **state)
{
    (void)state;
    struct graph *g = graph_new(4, 3, 5);
    int x = graph_flatten(g, "flat", same(g, "a", 0, 5));
    assert_steps(g, graph_dense(g, "fc", x, 4, true), 3);
    g = graph_new(4, 3, 5);
    x = graph_flatten(g, "flat", same(g, "a", 0, 8)); /* 8 doubles: a cache line */
    assert_steps(g, graph_dense(g, "fc", x, 4, true), 2);
}

static void xception_memory(void **state)
{
    (void)state;
    struct graph *g = net_xception(299, 299);
    struct kernels k;
    struct plan *p;
    struct plan_opts opts = {.input = {1, 299, 299, 3}};
    struct error err = {0};
    kernels_init(&k, DTYPE_F32, 0);
    assert_int_equal(plan_new(g, NULL, &k, &opts, &p, &err), XC_OK);
    assert_true(plan_arena_bytes(p) < 6 << 20);
    assert_int_equal(p->steps, 85 - 34 - 4);      /* separable convolutions; shortcuts that add */
    assert_true(plan_scratch_bytes(p) < 4 << 20); /* rows of bands, and of one block */
    struct arena a = {0};
    const char *text = plan_dump(p, &a);
    assert_non_null(strstr(text, "1x19x19x728 -> 1x19x19x728"));
    assert_non_null(strstr(text, " block2_residual_bn + block2_pool, group 0, 74 turns\n"));
    assert_non_null(strstr(text, "block1_conv1_act, group 0, 74 turns\n"));
    assert_non_null(strstr(text, " > block5_sepconv3 > block5_sepconv3_bn + block4_add\n"));
    arena_free(&a);
    assert_int_equal(plan_run(p, NULL, NULL, NULL, NULL), XC_ERR_ARGUMENT); /* it has no weights */
    plan_free(p);
    opts.band_bytes = SIZE_MAX;
    assert_int_equal(plan_new(g, NULL, &k, &opts, &p, &err), XC_OK);
    /* two maps of 147x147x128 and the shortcut's 147x147x64: the least without bands */
    assert_int_equal(plan_arena_bytes(p), 147 * 147 * (128 + 128 + 64) * 4);
    plan_free(p);
    graph_free(g);
}

/* ---- lives do not overlap -------------------------------------------------------------------- */

static void plan_places(const struct graph *g, size_t band_bytes, struct arena *a,
                        struct schedule *s, struct places *p)
{
    struct error err = {0};
    struct plan_opts opts = {{2, g->input.h, g->input.w, g->input.c}, NULL, 0, band_bytes};
    struct shape *shapes = arena_push(a, (size_t)g->nodes, sizeof *shapes);
    assert_int_equal(graph_shapes(g, opts.input, shapes, &err), XC_OK);
    *s = (struct schedule){.g = g, .shape = shapes};
    assert_int_equal(schedule_build(s, DTYPE_F32, &opts, a, &err), XC_OK);
    assert_int_equal(bands_find(s, DTYPE_F32, &opts, a, &err), XC_OK);
    assert_int_equal(places_find(p, s, a, &err), XC_OK);
}

static void no_overlap(void **state)
{
    (void)state;
    int groups = 0;
    for (uint64_t seed = 0; seed < 600; seed++) {
        struct graph *g = seed % 2 ? net_tower(seed / 2) : net_random(seed / 2);
        struct arena a = {0};
        struct schedule s;
        struct places p;
        plan_places(g, seed % 2 ? 1 : SIZE_MAX, &a, &s, &p);
        assert_int_equal(places_overlap(&p), -1);
        groups += s.groups;
        assert_true(seed % 2 || s.groups == 0);
        arena_free(&a);
        graph_free(g);
    }
    assert_true(groups > 50);
}

/* The checker sees one value moved onto its neighbour, and one that dies a chain too late. */
static void overlap_is_seen(void **state)
{
    (void)state;
    struct graph *g = net_xception(71, 71);
    struct arena a = {0};
    struct schedule s;
    struct places p;
    plan_places(g, SIZE_MAX, &a, &s, &p);
    int in = p.value_of[graph_find(g, "block4_add")];
    int out = p.value_of[graph_find(g, "block5_sepconv2_act")];
    size_t at = p.value[out].at;
    p.value[out].at = p.value[in].at + p.value[in].bytes - 1;
    assert_true(places_overlap(&p) >= 0);
    p.value[out].at = at;
    assert_int_equal(places_overlap(&p), -1);
    p.value[p.value_of[graph_find(g, "block2_sepconv2_bn")]].last = g->nodes;
    assert_true(places_overlap(&p) >= 0);
    arena_free(&a);
    graph_free(g);
}

/* Inside a concatenation, too: one channel too early. */
static void overlap_of_parts_is_seen(void **state)
{
    (void)state;
    struct graph *g = graph_new(9, 7, 3);
    int part[] = {same(g, "a", 0, 5), same(g, "b", 0, 3)};
    graph_output(g, "y", graph_concat(g, "join", part, 2));
    struct error err = {0};
    struct arena a = {0};
    struct schedule s;
    struct places p;
    assert_int_equal(graph_finish(g, &err), XC_OK);
    plan_places(g, SIZE_MAX, &a, &s, &p);
    assert_int_equal(places_overlap(&p), -1);
    p.value[p.value_of[part[1]]].at -= sizeof(float);
    assert_true(places_overlap(&p) >= 0);
    arena_free(&a);
    graph_free(g);
}

/* ---- bands ----------------------------------------------------------------------------------- */

/* What is read later cannot exist by bands only; a tap ends a group, too. */
static void bands_end(void **state)
{
    (void)state;
    struct graph *g = graph_new(40, 30, 3);
    int x = same(g, "a", 0, 8), y = same(g, "b", x, 8), tap[] = {y};
    int z = graph_global_pool(g, "pool", same(g, "c", y, 4), POOL_MAX);
    graph_output(g, "y", graph_dense(g, "fc", z, 4, true));
    for (int taps = 0; taps < 2; taps++) {
        struct plan *p;
        struct kernels k;
        struct error err = {0};
        struct plan_opts opts = {{1, 40, 30, 3}, tap, taps, 1};
        kernels_init(&k, DTYPE_F32, 0);
        assert_int_equal(plan_new(g, NULL, &k, &opts, &p, &err), XC_OK);
        assert_true(p->step[0].group >= 0);
        assert_int_equal(p->step[1].group, p->step[0].group);
        assert_int_equal(p->step[2].group == p->step[1].group, !taps);
        assert_int_equal(p->step[3].group, -1);
        plan_free(p);
    }
    graph_free(g);
}

/* ---- taps ------------------------------------------------------------------------------------ */

static void tap_of_a_folded_convolution(void **state)
{
    (void)state;
    struct graph *g = net_xception(71, 71);
    struct kernels k;
    struct plan *p;
    struct error err = {0};
    int tap = graph_find(g, "block7_sepconv2");
    struct plan_opts opts = {.input = {1, 71, 71, 3}, .tap = &tap, .taps = 1};
    kernels_init(&k, DTYPE_F32, 0);
    assert_int_equal(plan_new(g, NULL, &k, &opts, &p, &err), XC_ERR_ARGUMENT);
    assert_string_equal(err.text,
                        "block7_sepconv2: its batch normalization is part of its weights; "
                        "tap block7_sepconv2_bn instead");
    tap = graph_find(g, "block7_sepconv2_bn");
    assert_int_equal(plan_new(g, NULL, &k, &opts, &p, &err), XC_OK);
    struct view v;
    assert_true(plan_view(p, tap, NULL, &v));
    assert_int_equal(v.c, 728);
    assert_int_equal(v.pixel % 64, 0);
    assert_false(plan_view(p, tap + 1, NULL, &v));
    plan_free(p);
    graph_free(g);
}

/* ---- weights --------------------------------------------------------------------------------- */

static struct graph *small_net(void)
{
    struct graph *g = graph_new(8, 8, 3);
    int x = same(g, "plain", 0, 4);
    x = graph_relu(g, "r", graph_batch_norm(g, "bn", same(g, "folded", x, 8), plain_norm));
    x = graph_global_pool(g, "pool", x, POOL_AVERAGE);
    graph_output(g, "y", graph_dense(g, "fc", x, 37, true));
    return g;
}

static struct weights *weights_of(const struct subject *s, const struct kernels *k)
{
    const struct weights_source from = {.data = (const float *const *)s->data};
    struct weights *w;
    struct error err;
    assert_int_equal(weights_new(s->g, &from, k, NULL, &w, &err), XC_OK);
    return w;
}

/* What needs no change is not copied. */
static void weights_own_the_least(void **state)
{
    (void)state;
    struct subject s;
    struct kernels k;
    subject_make(&s, small_net(), 3, DTYPE_F32);
    kernels_init(&k, DTYPE_F32, 0);
    struct weights *w = weights_of(&s, &k);
    assert_int_equal(weights_bytes(w), 3 * 3 * 4 * 8 * 4 + 64); /* kernel and bias of "folded" */
    assert_ptr_equal(w->ready[graph_find(s.g, "plain")].weight, s.data[0]);
    weights_free(w);
    subject_free(&s);
}

/* Panels hold the numbers of the plain matrix, then zeros. */
static void weights_lie_in_panels(void **state)
{
    (void)state;
    struct subject s;
    struct kernels k;
    subject_make(&s, small_net(), 3, DTYPE_F32);
    kernels_init(&k, DTYPE_F32, 0);
    struct weights *plain = weights_of(&s, &k);
    k.conv_packing = k.dense_packing = PACK_PANEL16;
    struct weights *packed = weights_of(&s, &k);
    const struct {
        const char *node;
        struct matrix m;
    } linear[] = {{"plain", {27, 4, 1}}, {"folded", {36, 8, 1}}, {"fc", {8, 37, 1}}};
    for (int i = 0; i < 3; i++) {
        const struct matrix *m = &linear[i].m;
        int node = graph_find(s.g, linear[i].node);
        const float *from = plain->ready[node].weight, *to = packed->ready[node].weight;
        assert_int_equal((uintptr_t)to % 64, 0);
        for (size_t n = 0; n < packing_panels(PACK_PANEL16, m) * m->rows * 16; n++) {
            size_t row = n / 16 % m->rows, column = n / 16 / m->rows * 16 + n % 16;
            assert_true(to[n] == (column < m->columns ? from[row * m->columns + column] : 0));
        }
    }
    weights_free(packed);
    weights_free(plain);
    subject_free(&s);
}

static const struct kernels plain = {.type = DTYPE_F32};
static const struct kernels panels = {.type = DTYPE_F32,
                                      .conv_packing = PACK_PANEL16,
                                      .pointwise_packing = PACK_PANEL16,
                                      .dense_packing = PACK_PANEL16};

static struct weights *whole(const struct subject *s, const struct kernels *k)
{
    const struct weights_source from = {.data = (const float *const *)s->data, .copy_all = true};
    struct weights *w;
    assert_int_equal(weights_new(s->g, &from, k, NULL, &w, NULL), XC_OK);
    return w;
}

/* from, packed as `form`, becomes what packing anew for k gives. */
static void assert_moves(const struct subject *s, const struct kernels *form,
                         const struct kernels *k)
{
    struct weights *a = whole(s, form), *want = whole(s, k), *got;
    const struct weights_packed from = {.block = weights_block(a), .form = *form};
    assert_int_equal(weights_from_packed(s->g, &from, k, NULL, &got, NULL), XC_OK);
    assert_int_equal(weights_bytes(got), form == k ? 0 : weights_bytes(want));
    if (form != k) assert_memory_equal(got->block, want->block, want->bytes);
    for (int i = 0; i < s->g->nodes; i++)
        if (form == k) assert_ptr_equal(got->ready[i].weight, a->ready[i].weight);
    weights_free(got);
    weights_free(want);
    weights_free(a);
}

static void weights_move_between_packings(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct subject s;
        subject_make(&s, net_random(seed), seed, DTYPE_F32);
        assert_moves(&s, &plain, &panels);
        assert_moves(&s, &panels, &plain);
        assert_moves(&s, &panels, &panels);
        subject_free(&s);
    }
}

RUN(cmocka_unit_test(residual_block), cmocka_unit_test(relu_before_add_is_not_after),
    cmocka_unit_test(act_after_act), cmocka_unit_test(sum_of_two_sums),
    cmocka_unit_test(not_left_to_readers), cmocka_unit_test(separable),
    cmocka_unit_test(not_separable), cmocka_unit_test(pool_adds),
    cmocka_unit_test(norm_that_cannot_fold), cmocka_unit_test(concat_outlives_itself),
    cmocka_unit_test(flat_and_joined), cmocka_unit_test(joined_behind_flat),
    cmocka_unit_test(nested_and_repeated_concat),
    cmocka_unit_test(flatten_copies_only_apart_pixels), cmocka_unit_test(xception_memory),
    cmocka_unit_test(no_overlap), cmocka_unit_test(overlap_is_seen),
    cmocka_unit_test(overlap_of_parts_is_seen), cmocka_unit_test(bands_end),
    cmocka_unit_test(tap_of_a_folded_convolution), cmocka_unit_test(weights_own_the_least),
    cmocka_unit_test(weights_lie_in_panels), cmocka_unit_test(weights_move_between_packings))
