/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which class was taken for which? Counts of (label, prediction), held as the cells that are not
 * zero, since a thousand classes have a million cells and pictures fill few of them. From the
 * counts: precision, recall and F1 of each class, and the matrix as CSV and as SVG.
 */
#ifndef XC_METRIC_CONFUSION_H
#define XC_METRIC_CONFUSION_H

#include <stdint.h>

#include "base/status.h"
#include "base/text.h"

struct confusion_cell {
    uint32_t label, prediction;
    uint64_t count;
};

struct confusion {
    uint32_t classes;
    bool several; /* labels a picture had, of which one is counted here: no scores of classes follow
                   */
    size_t cells;
    struct confusion_cell *cell; /* by label, then prediction; none is zero */
};

/* label, prediction: (n), each below classes. Released with confusion_free. */
XC_NODISCARD xc_status confusion_count(const uint32_t *label, const uint32_t *prediction, size_t n,
                                       uint32_t classes, struct confusion *out, struct error *err);
void confusion_free(struct confusion *c);
uint64_t confusion_at(const struct confusion *c, uint32_t label, uint32_t prediction);

/* What is divided by zero is 0, as scikit-learn has it (zero_division=0). */
struct class_score {
    uint64_t support, predicted, hits; /* pictures of the class, answers of it, and both */
    double precision, recall, f1;
};
void confusion_rates(struct class_score *s); /* of its counts */
/* out: (classes) */
void confusion_classes(const struct confusion *c, struct class_score *out);
/* Cells off the diagonal, the largest first (then by label and prediction), at most `room` of them;
 * gives how many. */
size_t confusion_worst(const struct confusion *c, struct confusion_cell *out, size_t room);

enum {
    CONFUSION_DENSE = 2000, /* more classes: the CSV lists cells */
    CONFUSION_DRAWN = 40    /* more classes: the SVG is a smaller picture and a list */
};
/* A row for each label, a column for each prediction, names at the head; above CONFUSION_DENSE
 * classes "label,prediction,count" of the cells that are not zero. name: (classes). The caller
 * looks at out->failed. */
void confusion_csv(const struct confusion *c, const char *const *name, struct text *out);
/* One picture without a script or a font of its own, readable on light and dark: each row is
 * coloured by the share of its label; a title element on each cell says what it is. */
void confusion_svg(const struct confusion *c, const char *const *name, const char *title,
                   struct text *out);
/* As files; a path of NULL: not wanted. */
XC_NODISCARD xc_status confusion_write(const struct confusion *c, const char *const *name,
                                       const char *title, const char *csv_path,
                                       const char *svg_path, struct error *err);

#endif
