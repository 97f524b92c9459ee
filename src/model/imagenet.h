/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What are the 1000 classes of ImageNet-1k called? WordNet id and the short name that Keras'
 * decode_predictions gives ("great_white_shark"), in the order of every published 1000-class top.
 * Two names stand twice (crane, maillot): only the id tells the classes apart.
 */
#ifndef XC_MODEL_IMAGENET_H
#define XC_MODEL_IMAGENET_H

#include <stdint.h>

#define IMAGENET_CLASSES 1000

const char *imagenet_label(uint32_t index); /* NULL outside 0..999 */
const char *imagenet_wnid(uint32_t index);

#endif
