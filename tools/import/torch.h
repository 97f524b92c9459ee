/* SPDX-License-Identifier: Apache-2.0 */
/* Where is the state dict in what a pickle says, and how do its tensors become plain ones? The
 * container has set the storages' data. */
#ifndef XC_IMPORT_TORCH_H
#define XC_IMPORT_TORCH_H

#include "import.h"
#include "weight/pickle.h"

XC_NODISCARD xc_status torch_state_dict(struct import *im, const struct pickle_value *root,
                                        struct error *err);
/* Sets the storage's numbers; refuses fewer bytes than its count needs. */
XC_NODISCARD xc_status torch_set_storage(struct pickle_storage *storage, const uint8_t *data,
                                         size_t bytes, struct error *err);

#endif
