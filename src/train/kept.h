/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do numbers lie that were computed once and are read many times? In memory, or in a file
 * without a name (a crash leaves nothing behind); as float32, or as bf16 in half the room.
 */
#ifndef XC_TRAIN_KEPT_H
#define XC_TRAIN_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct kept {
    char *memory; /* or */
    int file;     /* -1: none */
    char *folder; /* of the file, for sentences */
    size_t width; /* numbers a row */
    bool bf16;
    uint16_t *row; /* one, on its way */
};

/* folder NULL: in memory. */
XC_NODISCARD xc_status kept_open(struct kept *s, size_t rows, size_t width, bool bf16,
                                 const char *folder, struct error *err);
void kept_close(struct kept *s);
/* Of so many rows; SIZE_MAX when that does not fit an address space. */
size_t kept_bytes(size_t rows, size_t width, bool bf16);
XC_NODISCARD xc_status kept_put(struct kept *s, size_t row, const float *x, struct error *err);
XC_NODISCARD xc_status kept_get(const struct kept *s, size_t row, float *x, struct error *err);
/* What a number is after it was stored as bf16. */
void kept_round(float *x, size_t count);

#endif
