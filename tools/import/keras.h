/* SPDX-License-Identifier: Apache-2.0 */
/* Which of Keras' two HDF5 layouts is this, and what are its tensors called? */
#ifndef XC_IMPORT_KERAS_H
#define XC_IMPORT_KERAS_H

#include "h5.h"

/* Legacy: layer_names and weight_names, at the root or in model_weights. */
bool keras_h5_is(struct h5 *h5);
XC_NODISCARD xc_status keras_h5_import(struct import *im, struct h5 *h5, struct error *err);
/* Keras 3 (and 2.12, 2.13): groups .../vars with numbered datasets. */
bool keras_v3_is(struct h5 *h5);
XC_NODISCARD xc_status keras_v3_import(struct import *im, struct h5 *h5, struct error *err);

#endif
