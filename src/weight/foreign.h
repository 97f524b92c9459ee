/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the bytes mean that xception-import hands back, and how is it spoken to?
 *
 * The bytes are a safetensors file whose tensors stand in the order of the foreign file (data
 * offset = order) and are F32, F16, BF16, F64 or I64, with the metadata below. Names are the
 * foreign ones, normalised only in form:
 *
 *   FOREIGN_KERAS_H5  "LAYER/WEIGHT" after layer_names and weight_names. LAYER is the entry of
 *                     layer_names, or the inner layer where that entry is a nested model
 *                     ("block1_conv1/kernel"). WEIGHT is without ":0" and without Keras 1's
 *                     "LAYER_"; "W", "b", "running_mean", "running_std" become kernel, bias,
 *                     moving_mean, moving_variance. When two weights would get one name, the later
 *                     one is "ENTRY/.../LAYER/WEIGHT".
 *   FOREIGN_KERAS_V3  "PATH/INDEX" of .weights.h5 and .keras: the path below the root without
 *                     "/vars" ("layers/conv2d_2/0", "layers/functional/layers/dense/1"); 2.13's
 *                     `_layer_checkpoint_dependencies` reads `layers`. Metadata FOREIGN_VAR_NAMES
 *                     maps "PATH" to the `name` attribute where there is one.
 *   FOREIGN_TORCH     state dict keys, wrappers ("state_dict", "model", ...) and the prefixes
 *                     "module." and "_orig_mod." removed
 *   FOREIGN_FACEAPI   manifest names; uint8 values already made float32
 */
#ifndef XC_WEIGHT_FOREIGN_H
#define XC_WEIGHT_FOREIGN_H

#define FOREIGN_FORMAT "foreign.format" /* one of the words below */
#define FOREIGN_KERAS_H5 "keras-h5"
#define FOREIGN_KERAS_V3 "keras-v3"
#define FOREIGN_TORCH "torch"
#define FOREIGN_FACEAPI "face-api"
#define FOREIGN_CONFIG "foreign.config"           /* Keras model_config / config.json, if any */
#define FOREIGN_LAYER_NAMES "foreign.layer_names" /* JSON list in file order (keras-h5) */
#define FOREIGN_VAR_NAMES "foreign.var_names"     /* JSON object (keras-v3) */
#define FOREIGN_VERSION "foreign.version"         /* keras_version, if any */

/*
 * xception-import PATH MEMORY SECONDS OUTPUT: the numbers are struct foreign_limits in decimal.
 * Bytes go to standard output, a pipe; a refusal is one line on standard error and the exit code
 * FOREIGN_EXIT + xc_status.
 */
#define FOREIGN_EXIT 64

#endif
