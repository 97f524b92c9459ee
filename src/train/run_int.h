/* SPDX-License-Identifier: Apache-2.0 */
/* What do a new run (run.c) and an old one (run_again.c) share? */
#ifndef XC_TRAIN_RUN_INT_H
#define XC_TRAIN_RUN_INT_H

#include "train/run.h"
#include "train/run_files.h"

struct run {
    const struct run_opts *o;
    struct run_state s;
    char *args;
    int log;            /* descriptor of log.txt, or -1 */
    int lock;           /* of the folder, or -1 */
    double since;       /* when this process began to train */
    double before;      /* seconds of earlier ones */
    double saved;       /* when the state was written */
    double logged;      /* when a step was logged */
    double saving;      /* seconds that went into saves */
    int64_t best_saved; /* which epoch this process wrote the best weights of; -1: none */
    int saves;
    double epoch_began; /* and at which row of it */
    uint64_t epoch_row;
    int failed; /* saves in a row */
};

XC_NODISCARD xc_status run_open_log(struct run *r, struct error *err);
/* Two processes must not write to one folder. Where a file system knows no locks, nobody holds one.
 */
XC_NODISCARD xc_status run_lock(struct run *r, struct error *err);
struct keep_opts run_keeping(const struct run *r);
/* From where the trainer stands to the end; how: a word for the log, or NULL. */
XC_NODISCARD xc_status run_go(struct run *r, const char *how, struct error *err);
void run_close(struct run *r);

#endif
