/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does a study say? report.json and report.csv (a row a cell), times.csv, report.html, and a
 * drawing of each comparison (fig9.svg ...), all from the cells alone. Whatever depends on a clock
 * is in times.csv, under "times" in the JSON, and on the page in columns and sentences of its own;
 * without times none of it is written, and the same cells give the same bytes.
 */
#ifndef STUDY_REPORT_H
#define STUDY_REPORT_H

#include <page.h>

#include "findings.h"

enum { REPORT_FINDINGS = 64, REPORT_GOALS = 3 };

struct report {
    const struct plan *plan;
    const struct results *results;
    bool times;
    struct interval end[STUDY_ARMS]; /* final score over seeds */
    uint32_t cells[STUDY_ARMS];      /* that are done */
    double rate[STUDY_ARMS];         /* images a second, mean over cells */
    struct judged judged[REPORT_FINDINGS];
    uint32_t findings;
    double goal[2][REPORT_GOALS]; /* top-1 to reach, highest last; of pictures, of mosaics */
};
void report_prepare(xc_context *context, const struct results *r, bool times, struct report *out);
/* All files of the study's folder. */
xc_status report_write(const struct report *r, const char *study, struct why *why);

/* Mean epochs (seconds) until a top-1 is reached, over an arm's seeds; NaN: some never did. */
/* Is this goal the one before it? Low curves have fewer. */
bool report_goal_is_twice(const struct report *r, bool mosaics, int i);
double report_reach(const struct report *r, uint32_t arm, double goal, bool seconds);
/* report_page.c */
void report_page(const struct report *r, const char *study, struct page *p);
/* report_draw.c: a comparison (PRESETS: the networks of none) as curves over epochs, and as what
 * stands at their ends; false: nothing is done yet, and nothing is drawn. */
const char *report_title(int preset);
uint32_t report_arms(const struct report *r, int preset, uint32_t arm[STUDY_ARMS]);
bool report_curves(struct page *p, const struct report *r, const uint32_t *arm, uint32_t arms,
                   const char *title);
bool report_ends(struct page *p, const struct report *r, const uint32_t *arm, uint32_t arms,
                 const char *title);
/* Both beside each other, as a file of their own. */
bool report_drawing(const struct report *r, int preset, struct page *p);

#endif
