/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do files that carry no config call our parameters? One table of rules a scheme; and the
 * other way round: which scheme and which architecture do the names in a file speak of?
 */
#ifndef XC_FOREIGN_NAMES_H
#define XC_FOREIGN_NAMES_H

#include "graph/graph.h"
#include "weight/weight.h"

#define NAMES_SIZE 256

enum names_scheme {
    NAMES_OURS,    /* Keras' modern names, which are ours: block4_sepconv1/pointwise_kernel */
    NAMES_KERAS1,  /* the published Keras file: separableconvolution2d_5/pointwise_kernel */
    NAMES_KERAS3,  /* .weights.h5: layers/separable_conv2d_4/1 */
    NAMES_NESTED,  /* the same, the trunk a model inside the model: layers/functional/layers/... */
    NAMES_CADENE,  /* timm legacy_xception and its ancestors: block3.rep.1.pointwise.weight */
    NAMES_ALIGNED, /* timm xception41, 65, 71, p: blocks.3.stack.conv1.conv_pw.weight */
    NAMES_RESNET,  /* torchvision and timm: layer2.0.conv1.weight */
    NAMES_VGG,     /* torchvision's vgg16, timm's with its own head: features.28.weight */
    NAMES_VGG_BN,  /* vgg16_bn: features.40.weight */
    NAMES_INCEPTION,     /* torchvision and timm: Mixed_5b.branch5x5_1.conv.weight */
    NAMES_GOOGLENET,     /* torchvision: inception3a.branch2.0.conv.weight */
    NAMES_KERAS_NUMBERS, /* the published Inception V3 of Keras: conv2d_1, batch_normalization_1 */
    NAMES_FACEAPI,       /* entry_flow/reduction_block_1/separable_conv0/pointwise_filter */
    NAMES_SCHEMES
};

const char *names_scheme_text(enum names_scheme scheme); /* "the names of timm's ..." */
bool names_scheme_is_torch(enum names_scheme scheme);    /* and so are the layouts */
/* Name number k = 0, 1, ... that parameter p of g may have; false: no more. */
bool names_of_param(enum names_scheme scheme, const struct graph *g, int p, int k,
                    char out[NAMES_SIZE]);

/* The scheme and an architecture string for the tensors of a file. A file without the last dense
 * layer gives head=avg: what is left ends in the 2048 features. XC_ERR_TENSOR: no network here has
 * such names, or the layers behind the trunk cannot be told without an architecture. */
XC_NODISCARD xc_status names_recognise(const struct weight_file *file, enum names_scheme *scheme,
                                       char arch[NAMES_SIZE], struct error *err);
/* What the two Inceptions of torchvision call a layer of ours; for names.c. False: nothing. */
bool names_of_inception(enum names_scheme scheme, const char *layer, char out[NAMES_SIZE]);
/* The scheme alone, for an architecture that the caller knows. */
enum names_scheme names_scheme_of(const struct weight_file *file);

#endif
