/* SPDX-License-Identifier: Apache-2.0 */
/* Which arrays are in a packed file (meta.h), and does one fit its architecture? */
#ifndef XC_MODEL_PACKED_H
#define XC_MODEL_PACKED_H

#include "model/meta.h"

/* The form that kernels of a level ("": of this machine's) and precision want; only type and
 * packings are of use. */
XC_NODISCARD xc_status packed_form(const struct machine *m, const char *level,
                                   xc_precision precision, struct kernels *out, struct error *err);
/* "f32 panel16", as the metadata has it; NULL when out of memory. */
const char *packed_form_text(const struct kernels *form, struct arena *a);

/* The arrays of a model in this form. Their numbers are those of *weights, to be freed later. */
XC_NODISCARD xc_status packed_tensors(const xc_model *model, const struct kernels *form,
                                      struct arena *a, struct weights **weights,
                                      struct weight_tensor **out, int *count, struct error *err);
/* Points model, whose metadata was read, at the arrays of the file if they are what architecture
 * and form ask for. */
XC_NODISCARD xc_status packed_read(xc_model *model, const struct weight_file *file,
                                   struct error *err);

#endif
