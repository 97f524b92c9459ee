/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a model file say about itself? This comment is the format.
 *
 * A model file is safetensors. Its tensors are the parameters of the architecture, each under the
 * name and with the shape of the parameter table (`block4_sepconv1/pointwise_kernel`, Keras'
 * layouts), all of them and nothing else, F32 as we write it (F16, BF16 and F64 are read too). Its
 * `__metadata__` has these keys; others are ignored:
 *
 *   format        "xception-model-1": what a file without it is, is not said here
 *   architecture  canonical architecture string (arch.h): input size, classes and flavour with it
 *   preprocess    JSON object, all of: fit, filter, colour (words of image.h), apply_exif,
 *                 drop_alpha (booleans), background, pad (3 bytes), crop, divisor (numbers), mean,
 *                 std (4 numbers); an unknown member is refused, it would change the answers
 *   labels        JSON array of strings, one a class       } absent
 *   source        file that the weights were imported from } when
 *   licence       of the weights                           } unknown
 *   decision      JSON object, all of: temperature, reject_below (numbers), reject (a word), least
 *                 (one number a class, or null); absent when the model was not calibrated
 *
 * A packed file ("xception-packed-1") is for running alone: batch norm is folded, and the numbers
 * lie as kernels read them, so that the file is mapped and used. Its tensors are the arrays of
 * weights_parts (graph/plan.h), one-dimensional, named NODE/kernel, NODE/bias, NODE/scale,
 * NODE/shift, in the order of the nodes; each is a whole number of 64-byte lines, and so is what
 * stands before the first. Two more keys:
 *
 *   packing       "f32 panel16": the precision that it runs in (f32 or bf16), then how weight
 *                 matrices lie (kernel.h), one word for all or one each for convolutions, 1x1
 *                 convolutions and dense layers; bf16: matrices of convolutions alone are BF16
 *   original      SHA-256 of the file that it was made from, which has the parameters; or absent
 *
 * No clock and no host name: the same model gives the same bytes. Numbers have 17 digits, so they
 * come back exactly.
 */
#ifndef XC_MODEL_META_H
#define XC_MODEL_META_H

#include "model/model.h"

#define META_KEYS 9
#define META_FORMAT "xception-model-1"
#define META_PACKED "xception-packed-1"

/* The entries for a model of this architecture; texts live in the arena. */
XC_NODISCARD xc_status meta_write(const char *arch, uint32_t classes, const struct model_meta *meta,
                                  struct arena *a, struct weight_meta out[META_KEYS], int *count,
                                  struct error *err);
/* The text of "preprocess", in the arena; NULL: out of memory. */
const char *meta_preprocess(const xc_preprocess *p, struct arena *a);
/* Is this one of our model files, packed or not? (a foreign safetensors file is not) */
bool meta_is_ours(const struct weight_file *file);
bool meta_is_sha256(const char *text); /* 64 hex digits, lower case */
/* *out: the architecture string, inside the file. */
XC_NODISCARD xc_status meta_architecture(const struct weight_file *file, const char **out,
                                         struct error *err);
/* The rest; what the file does not say stays as it is in *out. Texts are copied to the arena. */
XC_NODISCARD xc_status meta_read(const struct weight_file *file, uint32_t classes, struct arena *a,
                                 struct model_meta *out, struct error *err);

#endif
