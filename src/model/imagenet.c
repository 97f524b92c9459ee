/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table behind imagenet.h, one line a class in imagenet_labels.inc. Written out as Keras writes
 * its imagenet_class_index.json, the table has that file's published checksum (the test does so).
 */
#include "model/imagenet.h"

#include <stddef.h>

static const struct {
    const char *wnid, *label;
} classes[IMAGENET_CLASSES] = {
#include "model/imagenet_labels.inc"
};

const char *imagenet_label(uint32_t index)
{
    return index < IMAGENET_CLASSES ? classes[index].label : NULL;
}

const char *imagenet_wnid(uint32_t index)
{
    return index < IMAGENET_CLASSES ? classes[index].wnid : NULL;
}
