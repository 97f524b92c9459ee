/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a file of another program become one of our models? The bytes are safetensors already
 * (weight/foreign.h); here their tensors find the parameters of a network of ours.
 */
#ifndef XC_FOREIGN_FOREIGN_MODEL_H
#define XC_FOREIGN_FOREIGN_MODEL_H

#include "model/model.h"

/* view: bytes of weight/foreign.h's contract, or a foreign safetensors file; used up on success.
 * source: name for provenance; arch: may be NULL. */
XC_NODISCARD xc_status model_from_foreign(const struct machine *m, const char *source,
                                          const char *arch, struct file_view view, xc_model **out,
                                          struct error *err);

#endif
