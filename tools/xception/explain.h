/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the files of `xception explain` share? verb_explain.c reads flags and goes over the
 * pictures, explain_files.c draws and writes, explain_check.c measures how far a map can be
 * trusted.
 */
#ifndef TOOL_EXPLAIN_H
#define TOOL_EXPLAIN_H

#include "bar.h"
#include "emit.h"
#include "engine.h"
#include "pictures.h"

struct checks; /* explain_check.c */

struct job {
    const struct args *args;
    xc_context *context;
    xc_model *model;
    xc_explainer *explainer;
    xc_session *session; /* with taps, for --maps; or NULL */
    xc_explain_opts opts;
    xc_preprocess preprocess;
    struct labels labels;
    struct pictures pictures;
    int64_t wanted; /* class, or XC_CLASS_TOP */
    char **layer;   /* of --maps */
    uint32_t layers;
    char *layer_text;
    const char *out; /* a folder, or, with one_file, a file */
    bool one_file, out_has_input;
    xc_heat_opts heat;
    bool raw;
    enum format format;
    struct checks *checks; /* or NULL */
    struct bar bar;
    size_t at, done, failed; /* pictures */
    char **name;             /* of the files of this run */
    size_t names;
    char message[96]; /* behind the bar */
};

/* ---- explain_files.c: a sentence is printed where it fails */
#define FILE_NAME 4096
xc_status write_heat(struct job *job, const char *picture, const xc_image *image,
                     const xc_heatmap *heat, char name[FILE_NAME]);
xc_status write_maps(struct job *job, const char *picture, const xc_image *image);
xc_status write_filters(struct job *job);
xc_status write_png(const xc_image *image, const char *path);

/* ---- explain_check.c */
struct check_row { /* of one picture */
    xc_faithfulness heat, centre;
    bool central; /* the hottest pixel is in the middle quarter */
};
int checks_open(struct job *job);
void checks_free(struct checks *c);
xc_status check_picture(struct job *job, const xc_image *image, const xc_heatmap *heat,
                        struct check_row *row);
/* What needs all pictures: the random networks, the mosaics; then the summary. */
int checks_finish(struct job *job);

#endif
