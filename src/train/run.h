/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a run leave behind, and how does it go on? A folder:
 *
 *   args.json           everything that decides the result, the data's fingerprint, the command
 *   state.safetensors   what resuming needs (state.h)
 *   best.safetensors    model files, usable anywhere
 *   last.safetensors
 *   metrics.csv, curves.svg, batch-train.png, bad.txt (pictures that cannot be read), log.txt
 *
 * All are written through temporary files but the log, and all but the log follow from the state.
 */
#ifndef XC_TRAIN_RUN_H
#define XC_TRAIN_RUN_H

#include "train/settings.h"
#include "train/start.h"
#include "data/dataset.h"

struct run_opts {
    const struct machine *machine;
    const char *folder;
    double save_seconds; /* between two states; 0: after every step */
    int threads;         /* that decode pictures */
    xc_train_fn *progress;
    void *user;
};

/* A new run: the folder must not exist. */
struct run_start {
    const struct dataset *data;
    struct start start;
    struct settings settings;
    const char *command; /* for args.json; NULL: unknown */
};
XC_NODISCARD xc_status run_new(const struct run_opts *opts, const struct run_start *start,
                               struct error *err);
/* One that was stopped or killed. data NULL: where args.json says. */
XC_NODISCARD xc_status run_resume(const struct run_opts *opts, const struct dataset *data,
                                  struct error *err);

#endif
