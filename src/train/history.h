/* SPDX-License-Identifier: Apache-2.0 */
/* What did each epoch bring? Rows of numbers, as metrics.csv, curves.svg and TensorBoard events. */
#ifndef XC_TRAIN_HISTORY_H
#define XC_TRAIN_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* X(column): the one list. epoch counts from 1; top1 and top5 are fractions. */
#define HISTORY_COLUMNS(X)                                                                         \
    X(epoch)                                                                                       \
    X(step)                                                                                        \
    X(seconds)                                                                                     \
    X(lr)                                                                                          \
    X(train_loss)                                                                                  \
    X(train_top1)                                                                                  \
    X(val_loss)                                                                                    \
    X(val_top1)                                                                                    \
    X(val_top5)                                                                                    \
    X(images_per_second)

struct history_row {
#define HISTORY_FIELD(name) double name;
    HISTORY_COLUMNS(HISTORY_FIELD)
#undef HISTORY_FIELD
};
enum { HISTORY_WIDTH = sizeof(struct history_row) / sizeof(double) };

struct history {
    struct history_row *row;
    size_t rows, room;
};

XC_NODISCARD xc_status history_add(struct history *h, const struct history_row *row,
                                   struct error *err);
void history_free(struct history *h);
/* All through a temporary file. */
XC_NODISCARD xc_status history_csv(const struct history *h, const char *path, struct error *err);
XC_NODISCARD xc_status history_svg(const struct history *h, const char *title, const char *path,
                                   struct error *err);
/* TensorBoard's events: the scalars of each epoch at its step. began: wall time of second 0. */
XC_NODISCARD xc_status history_events(const struct history *h, double began, const char *path,
                                      struct error *err);

#endif
