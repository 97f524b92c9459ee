/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of `xception eval` hand to each other?
 *
 *   verb_eval.c      flags -> what is run, in which order; the gate
 *   eval_source.c    pictures and classes by name; answers of others (--predictions)
 *   eval_fit.c       temperature, thresholds and the unknown answer; the new model file
 *   eval_print.c     numbers on stdout
 *   eval_files.c     the folder of --report: tables and drawings
 *   eval_report.c    its report.html: frame, numbers, curves, tables
 *   eval_gallery.c   its pictures and the confusion matrix to click on
 */
#ifndef TOOL_EVAL_H
#define TOOL_EVAL_H

#include <stdio.h>
#include <xception.h>

#include "options.h"

/* Rows of the table, the worst first. */
struct worst {
    uint64_t *row;
    size_t count;
};

struct eval {
    const struct args *args;
    xc_context *context;
    xc_preprocess preprocess;
    uint32_t height, width;

    const char **label; /* (classes) */
    uint32_t classes;
    char **path, **given; /* of --predictions, by row, given: labels; NULL: the data set knows */
    xc_split split;
    uint64_t unreadable, strange_unreadable; /* the latter: of --ood */
    double seconds;                          /* that the first model took */

    struct eval_model { /* of two models the second is only compared with */
        const char *file;
        xc_model *model;
        xc_dataset *data;
        xc_scores *scores;
        const char **name; /* (classes): by the index of this model */
        uint32_t names;
    } model[2];
    int models; /* 0: --predictions */
    xc_comparison comparison;

    xc_scores_summary sum, before; /* before: at the temperature of the model file */
    xc_class_scores *of_class;     /* (classes) */
    xc_decision decision;          /* what was fitted, over what the model has */
    double *least;                 /* (classes): of decision */
    bool fitted_temperature;
    xc_scores *ood;
    xc_rejection rejection[XC_REJECT_ENERGY + 1];
    struct worst worst;
};

/* ---- verb_eval.c */
struct ticker { /* a bar with rate and time left */
    void *bar;
    const char *what;
    double began;
};
xc_precision eval_precision(const struct eval *e);       /* that answers are made in */
bool eval_tick(void *user, uint64_t done, uint64_t all); /* struct ticker */

/* ---- eval_source.c: exit codes */
int eval_open_data(struct eval *e, struct eval_model *m);
int eval_read_predictions(struct eval *e, const char *file);
const char *eval_path(const struct eval *e, uint64_t id); /* of a picture, as it is shown */
/* The picture itself, decoded; XC_ERR_IO when it is not there. */
xc_status eval_image(const struct eval *e, uint64_t id, xc_image **out);

/* ---- eval_fit.c: exit codes */
int eval_fit(struct eval *e);
int eval_fit_unknown(struct eval *e, const char *path);
int eval_save_model(const struct eval *e, const char *path);

/* ---- eval_print.c */
void eval_print(const struct eval *e, const char *report);

/* ---- eval_files.c, eval_report.c: exit codes */
/* Before the work: a report goes into a folder of its own. False after saying why not. */
bool eval_check_report(const struct args *args, const char *folder);
bool eval_report_has_place(const char *folder); /* NULL: none is written */
int eval_write_files(struct eval *e, const char *folder);
int eval_write_report(struct eval *e, const char *folder);

#endif
