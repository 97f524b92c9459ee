/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be on disk so that a run goes on with the same bits? One safetensors file: the blocks
 * of the trainer, the rows of the history, the cursor, and the arguments of the run; everything in
 * it is covered by a SHA-256 that is verified before anything is believed. Written beside the old
 * one, which stays until the new one is complete and synced.
 *
 * Its metadata are those of a model file (model/meta.h) with "format" "xception-train-1", and
 *
 *   args    JSON object: what args.json of the run folder says, byte for byte
 *   cursor  JSON object: the place in the data, the sums of the epoch, the best so far
 *   sha256  of all keys and values above, sorted, NUL behind each, and of all tensors' bytes
 *
 * Tensors: weights, moments, best; average with EMA, trunk when something is frozen, class_weight
 * when classes weigh (all F32, one dimension); history (F64, rows x columns) when there is one.
 */
#ifndef XC_TRAIN_STATE_H
#define XC_TRAIN_STATE_H

#include "train/history.h"
#include "train/trainer.h"

struct run_state {
    struct trainer *trainer;
    struct history history;
    double seconds;   /* trained so far */
    const char *args; /* JSON */
    char *bad; /* unreadable pictures of earlier feeds and processes, lines of bad.txt with a NUL
                  behind each; or NULL */
    size_t bad_size;
};

/* XC_ERR_NUMBER instead of writing weights that are not finite. */
XC_NODISCARD xc_status state_write(const struct run_state *s, const char *path, struct error *err);

struct state_file;
/* Reads and verifies; the sentence names the file. */
XC_NODISCARD xc_status state_open(const char *path, struct state_file **out, struct error *err);
void state_close(struct state_file *f);
const char *state_args(const struct state_file *f);
/* The epoch that the run goes on in: 0, 1, ... */
XC_NODISCARD xc_status state_epoch(const struct state_file *f, uint32_t *epoch, struct error *err);
/* The model of the run, without its numbers. classes: of the data. */
XC_NODISCARD xc_status state_model(const struct state_file *f, const struct machine *m,
                                   uint32_t classes, xc_model **out, struct error *err);
/* Blocks, cursor, history and seconds; the trainer was made for the model and arguments above. */
XC_NODISCARD xc_status state_restore(const struct state_file *f, struct run_state *s,
                                     struct error *err);

#endif
