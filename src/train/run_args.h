/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in args.json? What a run began with, the settings, and which data: enough to do it again.
 *
 *   xception      version that wrote it
 *   architecture  of the network that is trained, canonical
 *   data          path, kind, samples of each split, how val was held out, fingerprint, content,
 *                 the order of the classes (and they, where they were given); "drop_unknown"
 *   start         "arch" as it was given, or "from", the SHA-256 of the start model's parameters,
 *                 with its preprocessing ("pixels"); "head" and "preprocess" as they were given, or
 *                 null; "height", "width" (0: its own)
 *   from          file that the start model's weights were imported from, if it was
 *   teachers      SHA-256 of the parameters of each model that teaches, if any does
 *   settings      settings.h, all of them
 *   class_weights numbers, when they were given
 *   sums          of a run in bf16, how products are added up (kernel.h): "pairs", or "blocks"
 *                 where there were tile registers
 *   command       what was typed
 */
#ifndef XC_TRAIN_RUN_ARGS_H
#define XC_TRAIN_RUN_ARGS_H

#include "data/dataset.h"
#include "model/model.h"
#include "train/run.h"
#include "train/trainer.h"

/* *text: free(). */
XC_NODISCARD xc_status args_write(const struct run_start *start, const struct trainer *made,
                                  char **text, struct error *err);
/* The way back. What *out points to lives in *keep (args_free); data and from are the caller's. */
struct args_kept {
    json_t *json;
    float *class_weight;
};
XC_NODISCARD xc_status args_start(const char *text, const struct dataset *data,
                                  const xc_model *from, const struct teacher_models *teachers,
                                  struct run_start *out, struct args_kept *keep, struct error *err);
void args_free(struct args_kept *keep);
/* m, but with the sums that the run had; refused where m has no such. */
XC_NODISCARD xc_status args_machine(const char *text, const struct machine *m, struct machine *out,
                                    struct error *err);
XC_NODISCARD xc_status args_settings(const char *text, struct settings *out, struct error *err);
/* How many models teach, and are these the ones? */
XC_NODISCARD xc_status args_teachers(const char *text, int *count, struct error *err);
XC_NODISCARD xc_status args_check_teachers(const char *text, const struct teacher_models *m,
                                           struct error *err);
/* The data set that the text names. */
XC_NODISCARD xc_status args_open_data(const char *text, struct dataset **out, struct error *err);
/* Is this the same data, in the same splits? */
XC_NODISCARD xc_status args_check_data(const char *text, const struct dataset *data,
                                       struct error *err);
void args_fingerprint(const struct dataset *d, char hex[65]);
/* The file; free(). */
XC_NODISCARD xc_status args_read(const char *path, char **text, struct error *err);
/* The file beside a state must say what the state says. */
XC_NODISCARD xc_status args_check_file(const char *text, const char *path, struct error *err);

#endif
