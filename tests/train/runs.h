/* SPDX-License-Identifier: Apache-2.0 */
/* What do the tests of runs share? Pictures made on the fly, a small network, and files compared.
 */
#ifndef XC_TESTS_TRAIN_RUNS_H
#define XC_TESTS_TRAIN_RUNS_H

#include <xception.h>

#include "harness.h"

#define RUNS_PLAIN "xception,input=15x15x3,stem=4/8,entry=8/16,middle=1,exit=16/24/32,stem-stride=1"
#define RUNS_ARCH RUNS_PLAIN ",dropout=0.2"

/* Three classes (red, green and blue noise), 48 pictures to train on and 18 to validate. */
enum runs_kind {
    RUNS_USUAL,
    RUNS_OTHER,   /* of another size, so another fingerprint */
    RUNS_SEVERAL, /* of one to three colours each */
    RUNS_BROKEN,  /* one of ten is cut in half */
    RUNS_UNEQUAL, /* of 6 pictures 3 are red, 2 green and 1 blue (24, 16 and 8 to train on) */
    RUNS_DOUBLE,  /* every sample weighs 2 */
    RUNS_NO_RED,  /* the red ones weigh 0 */
    RUNS_NOTHING  /* all weigh 0 */
};
xc_dataset *runs_data(enum runs_kind kind);
/* A new empty folder; runs_end removes it with what is in it. */
char *runs_folder(void);
void runs_end(char *folder);
xc_context *runs_context(int threads);
/* Options of a run of 3 epochs of 4 steps in folder/name. */
xc_train_opts runs_opts(const char *folder, const char *name);
/* The same with moments of both kinds, and two batches a step. */
xc_train_opts runs_opts_adamw(const char *folder, const char *name);
void runs_opts_free(xc_train_opts *opts);
/* The whole of folder/name/file; free(). */
char *runs_read(const char *folder, const char *name, const char *file, size_t *size);
/* Trains, or goes on, with this data and so many threads; asserts what comes out. */
void runs_train(const xc_train_opts *opts, enum runs_kind kind, int threads, xc_status expected);
void runs_resume(const xc_train_opts *opts, enum runs_kind kind, xc_status expected);
/* Rows of metrics.csv; column `name` of the last one. */
int runs_rows(const char *folder, const char *name);
double runs_last(const char *folder, const char *name, const char *column);
/* Have two runs left the same best, last, metrics and state, but for time? */
bool runs_same_results(const char *folder, const char *a, const char *b); /* all but the state */
bool runs_same(const char *folder, const char *a, const char *b);

#endif
