/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network does a Keras model_config describe? The JSON text of .h5 (model_config) and .keras
 * (config.json) files of Keras 2 and 3 becomes a graph of ours, nested models flattened. Nothing in
 * it is evaluated: a layer is in the table of keras_layers.c or the file is refused, with the first
 * layer that is not.
 *
 * Layers that do nothing when a picture is classified (augmentation) leave no node, and arithmetic
 * with constants becomes one affine node, so that a graph says what the network computes.
 */
#ifndef XC_FOREIGN_KERAS_CONFIG_H
#define XC_FOREIGN_KERAS_CONFIG_H

#include "graph/graph.h"
#include "weight/weight.h"

/* A layer that has weights, and how files call it. */
struct keras_layer {
    const char *name;   /* "block1_conv1": the layer of keras-h5 tensors */
    const char *scoped; /* "xception/block1_conv1": what is tried first, see foreign.h */
    const char *path;   /* "layers/functional/layers/conv2d": the path of keras-v3 tensors */
    int node, nodes;    /* its nodes in the graph; their parameters in order are Keras' weights */
    bool no_gamma, no_beta; /* batch norm without them: the graph has them, the file does not */
};

struct keras_config {
    struct arena arena;
    struct graph *graph;
    struct keras_layer *layer; /* in the order of the config, nested ones where they stand */
    int layers;
    bool any_size; /* the sides were None: the graph has KERAS_SIDE */
};

#define KERAS_SIDE 299

/* file: where the statistics of Normalization layers are; may be NULL. On failure *out holds
 * nothing. */
XC_NODISCARD xc_status keras_config_read(const char *text, size_t size,
                                         const struct weight_file *file, struct keras_config *out,
                                         struct error *err);
/* The same with batch norms as they are: Inception V3 has none with a gamma, and is a network of
 * ours; an Xception without would be none, were ones not put in its place. */
XC_NODISCARD xc_status keras_config_read_bare(const char *text, size_t size,
                                              const struct weight_file *file,
                                              struct keras_config *out, struct error *err);
void keras_config_free(struct keras_config *config);

/* Weight number `index` of the layer, called `role` where weights have names; NULL: not there. */
const struct weight_tensor *keras_find(const struct weight_file *file,
                                       const struct keras_layer *layer, int index,
                                       const char *role);

#endif
