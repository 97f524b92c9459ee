/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What did classify say, at a glance? One drawing: every picture with its best answers as bars, and
 * right or wrong where the picture lies in a folder that is named as one of the labels.
 */
#ifndef TOOL_SHEET_H
#define TOOL_SHEET_H

#include "page.h"

enum { SHEET_ANSWERS = 3, SHEET_PICTURES = 500 }; /* of a picture; of a sheet: others are counted */

struct sheet_answer {
    const char *label;
    float prob;
};
struct sheet {
    struct page cards;
    size_t columns, shown, left_out, judged, right;
};

/* For so many pictures at most. */
void sheet_begin(struct sheet *s, size_t pictures);
/* The next picture; answers best first. `truth`: what it shows, as its folder says; NULL = nobody
 * knows. `unknown`: the model says that it shows none of its classes. */
void sheet_add(struct sheet *s, const char *path, const xc_image *image,
               const struct sheet_answer *answer, size_t answers, const char *truth, bool unknown);
/* Writes the .svg. */
XC_NODISCARD xc_status sheet_save(struct sheet *s, const char *path, const char *subtitle);
void sheet_free(struct sheet *s);

#endif
