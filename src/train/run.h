/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a run leave behind, and how does it go on? A folder:
 *
 *   args.json           everything that decides the result, the data's fingerprint, the command
 *   split.csv           which samples were held out, with --val-split
 *   state.safetensors   what resuming needs (state.h)
 *   best.safetensors    model files, usable anywhere
 *   last.safetensors
 *   metrics.csv, curves.svg, events.out.tfevents.0.xception (TensorBoard)
 *   batch-train.png, batch-val.png   what the network sees
 *   teacher-1.safetensors, ...       the models that teach, if any do
 *   bad.txt (pictures that cannot be read), log.txt
 *
 * and when it ends, of the best weights: evaluation.json, classes.csv, confusion.csv,
 * confusion.svg, model-card.md.
 *
 * All are written through temporary files but the log. All but the log, what clocks said
 * (metrics.csv, the state, TensorBoard), the folder's name and the command follow from args.json,
 * the data and the state.
 */
#ifndef XC_TRAIN_RUN_H
#define XC_TRAIN_RUN_H

#include "train/settings.h"
#include "train/start.h"
#include "train/trainer.h"

struct run_opts {
    const struct machine *machine;
    const char *folder;
    double save_seconds; /* between two states; 0: after every step */
    int threads;         /* that decode pictures */
    size_t cache_bytes;  /* for pictures that stay in memory */
    bool stop_on_bad;    /* a picture that cannot be read ends it; else bad.txt lists it */
    uint32_t until;      /* end behind this epoch as if it were the last, to go on later; 0: no */
    double time_limit;   /* run_resume: go on for so many seconds; 0: the run's own limit */
    struct keep_opts keep;
    uint64_t memory; /* bytes that a run may take; 0: what this process may */
    xc_train_fn *progress;
    void *user;
};

/* A new run. The folder must not exist, or hold nothing but what a run that was killed before its
 * first state has left. */
struct run_start {
    const struct dataset *data;
    struct start start; /* classes, seed and dropout come from the data and the settings */
    struct settings settings;
    const float *class_weight;      /* (classes), with CLASS_WEIGHTS_GIVEN */
    struct teacher_models teachers; /* the caller's references; the folder gets copies */
    const char *command;            /* for args.json; NULL: unknown */
};
XC_NODISCARD xc_status run_new(const struct run_opts *opts, const struct run_start *start,
                               struct error *err);
/* The run that an args.json describes, once more. from and teachers: the models that it had, or
 * none; data NULL: where the file says. */
struct run_again {
    const char *args;
    const struct dataset *data;
    const xc_model *from;
    struct teacher_models teachers;
    const char *command;
};
XC_NODISCARD xc_status run_repeat(const struct run_opts *opts, const struct run_again *again,
                                  struct error *err);
/* One that was stopped or killed. data NULL: where args.json says. */
XC_NODISCARD xc_status run_resume(const struct run_opts *opts, const struct dataset *data,
                                  struct error *err);

#endif
