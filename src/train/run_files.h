/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is each file of a run folder written? Private to run.c and run_again.c, which say when. All
 * but the log go through temporary files, so that an old one stays until the new one is complete
 * and synced.
 */
#ifndef XC_TRAIN_RUN_FILES_H
#define XC_TRAIN_RUN_FILES_H

#include "train/state.h"

/* Of a model file. */
#define FILES_MODEL_MAX ((size_t)1 << 36)

/* folder/name; free(), NULL: out of memory */
char *files_path(const char *folder, const char *name);
/* How many pictures could not be read so far? */
XC_NODISCARD xc_status files_bad(const struct run_state *s, uint64_t *count, struct error *err);
/* What the feeds have met so far stays known when they are gone. */
XC_NODISCARD xc_status files_keep_bad(struct run_state *s, struct error *err);
/* Of a run that goes on: those that bad.txt lists, into s->bad. */
XC_NODISCARD xc_status files_read_bad(struct run_state *s, const char *folder, struct error *err);
/* Is there nothing but what a run writes before its first state (no epoch in metrics.csv), or
 * nothing at all? */
bool files_unborn(const char *folder);
void files_clear(const char *folder); /* takes that away, but for the log */
/* args.json and the sheets of what the network sees, before the first step. */
XC_NODISCARD xc_status files_begin(const struct run_state *s, const char *folder,
                                   struct error *err);
/* Copies of the models that teach, and the way back: references in *out. */
XC_NODISCARD xc_status files_teachers(const struct teacher_models *m, const char *folder,
                                      struct error *err);
XC_NODISCARD xc_status files_read_teachers(const struct machine *m, const char *folder, int count,
                                           struct teacher_models *out, struct error *err);
/* Everything that changes; the state last. best: the best weights, too, for they have changed. */
XC_NODISCARD xc_status files_save(const struct run_state *s, const char *folder, bool best,
                                  struct error *err);

/* report.c: evaluates best.safetensors as a user would, and writes evaluation.json, classes.csv,
 * confusion.csv, confusion.svg (one label a picture) and model-card.md. */
struct report_opts {
    const struct machine *machine;
    const char *folder;
    int threads; /* that decode pictures */
    xc_progress_fn *tick;
    void *user;
};
XC_NODISCARD xc_status report_write(const struct run_state *s, const struct report_opts *o,
                                    struct error *err);

#endif
