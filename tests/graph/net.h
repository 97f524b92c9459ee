/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks to test with, and what they compute. Random networks are a function of their seed. The
 * evaluation is the plain formula of each operator, node by node, in double, on dense arrays:
 * nothing of src/graph but the nodes themselves is used.
 */
#ifndef TESTS_GRAPH_NET_H
#define TESTS_GRAPH_NET_H

#include "graph/graph.h"

struct conv_attr attr_conv(int oc, int k, int stride, enum pad_kind pad);
struct graph *net_xception(int h, int w); /* the published one, 1000 classes */
struct graph *net_small(void); /* 12x12x3, one block of each kind; NULL when out of memory */
/* A random integer of low .. high: number `which` of this seed. */
int net_pick(uint64_t seed, uint32_t which, int low, int high);
struct graph *net_random(uint64_t seed);
/* Blocks one above the other, each a separable convolution and a pool beside a shortcut, with
 * windows of any kind: what runs in bands. */
struct graph *net_tower(uint64_t seed);

/* Values for every parameter, in one block: free(data[0]), free(data). */
float **net_data(const struct graph *g, uint64_t seed);
void net_data_free(float **data);
/* Number i of the input of a test, in [-1, 1), float32 exactly. */
double net_input(uint64_t seed, size_t i);

/* value[i]: (n, h, w, c) of node i, to be freed with naive_free. */
double **naive_run(const struct graph *g, const struct shape *shapes, float *const *data,
                   uint64_t input_seed);
void naive_free(const struct graph *g, double **value);

#endif
