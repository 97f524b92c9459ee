/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a study? A grid of cells (arm x seed): one network and one way to train it, under one
 * seed, on the same pictures in the same order. The plan is everything that decides the result; it
 * is written to study.json of the study's folder before anything runs:
 *
 *   study.json           the plan (plan.c)
 *   cells/NAME-sSEED/    one ordinary training run (cell.c), and predictions.bin: the score and the
 *                        answer of every test picture. It is written last: with it a cell is done
 *   cells/NAME-sSEED.failed   why a cell has no result
 *   report.html report.json report.csv times.csv   made of the cells alone (report_*.c)
 *
 * grid.c: flags -> arms. source.c: data -> pictures of a study. results.c: folder -> numbers.
 * findings.c: numbers -> verdicts on what the paper says. What starts processes is the command's.
 */
#ifndef STUDY_H
#define STUDY_H

#include <xception.h>

/* ---- errors ---------------------------------------------------------------------------------- */

struct why {
    char text[600];
};
/* The sentence, and the status. */
xc_status refuse(struct why *why, xc_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the library's own sentence. */
xc_status refuse_as(struct why *why, xc_status status);
#define NEED(call)                                                                                 \
    do {                                                                                           \
        const xc_status need_ = (call);                                                            \
        if (need_ != XC_OK) return need_;                                                          \
    } while (0)

/* ---- the plan -------------------------------------------------------------------------------- */

/* X(word, what it shows): the presets, in the order of the report. */
#define STUDY_PRESETS(X)                                                                           \
    X(table1, "Table 1: classification accuracy of four networks")                                 \
    X(fig6, "Figure 6: learning curves of Xception and Inception")                                 \
    X(table2, "Table 2: several labels a picture, with and without fully connected layers")        \
    X(fig7, "Figure 7: several labels a picture, no fully connected layers")                       \
    X(fig8, "Figure 8: several labels a picture, fully connected layers")                          \
    X(table3, "Table 3: size and speed")                                                           \
    X(fig9, "Figure 9: with and without residual connections")                                     \
    X(fig10, "Figure 10: an activation between depthwise and pointwise")                           \
    X(spectrum, "The spectrum: from regular to separable convolution at equal parameters")         \
    X(rivals, "Rivals at equal parameters")                                                        \
    X(order, "Depthwise first or pointwise first")                                                 \
    X(ema, "Averaged weights (Polyak) or the last ones")
enum preset {
#define STUDY_X(word, text) PRESET_##word,
    STUDY_PRESETS(STUDY_X)
#undef STUDY_X
        PRESETS
};
const char *preset_name(enum preset p);
const char *preset_text(enum preset p);
enum preset preset_find(const char *name); /* PRESETS: there is no such one */

enum { STUDY_ARMS = 96, STUDY_SEEDS = 100, ARM_NAME = 64 };

struct arm {
    char name[ARM_NAME]; /* unique; also that of its folders, with - for what is no letter */
    char *arch;          /* canonical, input and classes included */
    bool mosaics;        /* learns from mosaics, several labels a picture */
    double ema;          /* 0: the last weights count */
    uint32_t presets;    /* bits: 1 << PRESET_... */
    uint64_t params, trainable, macs;
};

struct plan {
    char *data;                            /* absolute path */
    uint32_t val_split, limit, test_limit; /* per cent; pictures, 0 = all */
    uint32_t height, width, channels;      /* of the input of arms that do not say their own */
    uint32_t classes;
    uint32_t train, test; /* pictures after the limits */
    char *fingerprint;    /* of them */
    uint32_t epochs, batch, repeat;
    uint64_t seed; /* of the first repetition; and of the choice of pictures */
    double lr;
    bool several; /* labels a picture, in the data themselves */
    char *augment;
    uint32_t presets;
    struct arm arm[STUDY_ARMS];
    uint32_t arms;
};
void plan_free(struct plan *p);
/* Has a picture several labels, so that scores are average precisions and their mean is MAP? */
bool plan_has_several(const struct plan *p, uint32_t arm);
uint32_t plan_cells(const struct plan *p);
/* Cell i: repetitions are the outer loop, so that a study that is stopped has whole rows. */
const struct arm *plan_cell(const struct plan *p, uint32_t cell, uint64_t *seed);

/* JSON text, to be freed; NULL: out of memory. */
char *plan_write(const struct plan *p);
xc_status plan_read(const char *text, struct plan *out, struct why *why);
/* XC_ERR_ARGUMENT names the first difference. folder: for the sentence. */
xc_status plan_same(const struct plan *given, const struct plan *stored, const char *folder,
                    struct why *why);

/* ---- grid.c ---------------------------------------------------------------------------------- */

struct grid_request {
    xc_context *context;
    const char *const *arch, *const *axis, *const *preset; /* NULL-terminated */
};
/* The arms of a plan whose data fields are set. Nothing is trained or written. */
xc_status grid_fill(const struct grid_request *r, struct plan *p, struct why *why);

/* ---- source.c -------------------------------------------------------------------------------- */

/* The pictures of a study: train, and in the place of val what the arms are judged by: the data's
 * test pictures or, without these, its validation pictures. Limited by class in equal parts. */
struct source {
    const char *data; /* the caller's */
    xc_dataset *all;
    uint64_t *index; /* of `all`: train first, then test */
    uint32_t train, test, classes;
    uint64_t seed;
    uint32_t height, width, channels; /* of mosaics */
    xc_dataset *pictures, *mosaics;   /* mosaics NULL: not asked for */
};
xc_status source_open(const char *data, uint32_t val_split, uint32_t limit, uint32_t test_limit,
                      uint64_t seed, struct source **out, struct why *why);
/* Makes s->mosaics: of one to four pictures of one split each, with all their labels. */
xc_status source_mosaics(struct source *s, uint32_t height, uint32_t width, uint32_t channels,
                         struct why *why);
void source_free(struct source *s);

/* ---- cell.c ---------------------------------------------------------------------------------- */

char *cell_folder(const struct plan *p, const char *study, uint32_t cell); /* free() */
bool cell_done(const struct plan *p, const char *study, uint32_t cell);
/* Trains or goes on, then writes the predictions. progress as in xc_train_opts. */
xc_status cell_run(xc_context *context, const struct plan *p, const char *study, uint32_t cell,
                   double save_seconds, xc_train_fn *progress, void *user, struct why *why);
/* Steps a second and evaluated pictures a second of an arm, measured for about `seconds`; the run
 * is made in the folder `place` and removed. */
xc_status cell_probe(xc_context *context, const struct plan *p, const struct source *s,
                     const struct arm *arm, const char *place, double seconds, double *steps,
                     double *evaluated, struct why *why);

/* ---- results.c ------------------------------------------------------------------------------- */

struct cell_result {
    bool done;
    char *failed; /* the sentence, or NULL */
    uint32_t epochs;
    double *curve;  /* top-1 of the test pictures after each epoch: with several labels, the part
                       whose best answer is one of them */
    double *second; /* and when that was, trained seconds */
    double *loss;   /* of training */
    float *score;   /* a picture: 1 right, 0 wrong; with several labels the average precision */
    uint32_t pictures;
    double final;             /* mean of the scores */
    double images_per_second; /* median over epochs */
};
struct results {
    const struct plan *plan;
    struct cell_result *cell; /* plan_cells */
    uint32_t done, failed;
};
xc_status results_read(const struct plan *p, const char *study, struct results *out,
                       struct why *why);
void results_free(struct results *r);
/* Cells of an arm that are done, by repetition; at most plan->repeat. */
uint32_t results_arm(const struct results *r, uint32_t arm, const struct cell_result **cell);

/* ---- files ----------------------------------------------------------------------------------- */

char *join(const char *folder, const char *name); /* free(); NULL: out of memory */
/* Removes a folder and what is in it; no such folder is fine. */
xc_status remove_folder(const char *path, struct why *why);
/* The whole of a file and a NUL behind it, free(); at most `most` bytes. */
xc_status read_file(const char *path, size_t most, char **out, size_t *size, struct why *why);

#endif
