/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a cell's answers: cell.c says what is in it. */
#ifndef STUDY_PREDICTIONS_H
#define STUDY_PREDICTIONS_H

#include "study.h"

#define PREDICTIONS "predictions.bin"

/* Atomic: with the file the cell is done. */
xc_status predictions_write(const char *path, const float *score, const uint16_t *best,
                            uint32_t pictures, struct why *why);
/* *score is the caller's. Refuses a file that is not exactly such a one. */
xc_status predictions_read(const char *path, float **score, uint32_t *pictures, struct why *why);

#endif
