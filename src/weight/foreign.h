/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the bytes mean that xception-import hands back? A safetensors file whose tensors stand in
 * the order of the foreign file (data offset = order) and are F32, F16, BF16, F64 or I64, with the
 * metadata below. Names are the foreign ones, normalised only in form:
 *
 *   FOREIGN_KERAS_H5   "LAYER/WEIGHT" after layer_names and weight_names: LAYER is the last group
 *                      above the weight ("block1_conv1/kernel"; for a nested model the inner
 * layer), WEIGHT without ":0" and without Keras 1's "LAYER_" prefix ("W", "b", "running_std" become
 * kernel, bias, moving_variance) FOREIGN_KERAS_V3   "PATH/INDEX" of .weights.h5 and .keras: the
 * path below the root without
 *                      "/vars" ("layers/conv2d_2/0", "layers/functional/layers/dense/1");
 *                      metadata FOREIGN_VAR_NAMES maps "PATH" to the `name` attribute where there
 * is one FOREIGN_TORCH      state dict keys, wrappers ("state_dict", "model", ...) and the prefixes
 *                      "module." and "_orig_mod." removed
 *   FOREIGN_FACEAPI    manifest names; uint8 values already made float32
 */
#ifndef XC_WEIGHT_FOREIGN_H
#define XC_WEIGHT_FOREIGN_H

#define FOREIGN_FORMAT "foreign.format" /* one of the words below */
#define FOREIGN_KERAS_H5 "keras-h5"
#define FOREIGN_KERAS_V3 "keras-v3"
#define FOREIGN_TORCH "torch"
#define FOREIGN_FACEAPI "face-api"
#define FOREIGN_CONFIG "foreign.config" /* Keras model_config / config.json text, if any */
#define FOREIGN_LAYER_NAMES "foreign.layer_names" /* JSON array: layers in file order (keras-h5)   \
                                                   */
#define FOREIGN_VAR_NAMES "foreign.var_names"     /* JSON object (keras-v3) */
#define FOREIGN_VERSION "foreign.version"         /* keras_version, if any */

#endif
