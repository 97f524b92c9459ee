/* SPDX-License-Identifier: Apache-2.0 */
/* What is in args.json? The architecture, the settings, and which data: enough to do it again. */
#ifndef XC_TRAIN_RUN_ARGS_H
#define XC_TRAIN_RUN_ARGS_H

#include "data/dataset.h"
#include "model/model.h"
#include "train/settings.h"

/* *text: free(). */
XC_NODISCARD xc_status args_write(const xc_model *model, const struct dataset *data,
                                  const struct settings *settings, const char *command, char **text,
                                  struct error *err);
XC_NODISCARD xc_status args_settings(const char *text, struct settings *out, struct error *err);
/* The data set that the text names. */
XC_NODISCARD xc_status args_open_data(const char *text, struct dataset **out, struct error *err);
/* Is this the same data, in the same splits? */
XC_NODISCARD xc_status args_check_data(const char *text, const struct dataset *data,
                                       struct error *err);
/* The file beside a state must say what the state says. */
XC_NODISCARD xc_status args_check_file(const char *text, const char *path, struct error *err);

#endif
