/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was answered on labelled pictures, and which numbers follow? A table with a row for each
 * picture. What is asked for often (label, answer, its place, loss) stays in memory, 56 bytes a
 * picture; the scores of all classes, which only curves and temperatures need, go in blocks of 256
 * pictures to a file without a name. Everything is exact, in double, and added in the order of
 * rows.
 *
 *   scores.c        rows in, rows out
 *   scores_spill.c  blocks of scores, by class and by picture
 *   scores_sum.c    one number for all: loss, Brier, calibration, temperature
 *   scores_class.c  one class against the others: rates, AUC, average precision, curves, thresholds
 *   scores_pair.c   two tables: is one model better, are unknown pictures told from known ones
 */
#ifndef XC_METRIC_SCORES_H
#define XC_METRIC_SCORES_H

#include <stdio.h>

#include "metric/confusion.h"
#include "metric/ranking.h"

enum { SCORES_BLOCK = 256, SCORES_MAX_BINS = 1000 };

struct scores_opts {
    xc_scores_kind kind;
    uint32_t classes;
    bool multi_label; /* logits are those of sigmoids */
    uint32_t top;     /* the k of top-k and MAP@k */
    uint32_t bins;
    const char *folder; /* for the file without a name */
};

struct scores_entry {
    uint64_t id;
    uint32_t label, answer; /* answer: the first of the highest scores */
    uint32_t place;         /* of the (best) label, 0 = the answer; classes: unknown */
    uint32_t extra; /* of further labels: where in scores.extra their count stands; 0 = none */
    double most;    /* highest score; of XC_SCORES_ANSWERS the probability of the answer */
    double lse;     /* log of the sum of exp(score / temperature) */
    double energy;  /* lse at temperature 1 */
    double loss;    /* NaN: unknown */
};

struct spill { /* scores_spill.c */
    uint32_t width;
    size_t rows; /* in the block that is being filled */
    size_t blocks;
    double *block; /* (width, SCORES_BLOCK): by class; single numbers where `single` */
    char *packed;  /* the same as it is on disk */
    bool single;   /* 4 bytes a number: they came from float32 */
    int fd;        /* -1: nothing was written yet */
    char folder[256];
};

struct scores {
    struct scores_opts o;
    struct scores_entry *entry;
    size_t entries, room;
    int32_t *extra; /* counts and labels; [0] is not used */
    size_t extras, extra_room;
    double temperature, precision; /* precision: sum of AP@k over rows */
    struct spill spill;
};

XC_NODISCARD xc_status scores_new(const struct scores_opts *opts, struct scores **out,
                                  struct error *err);
void scores_free(struct scores *s);

struct scores_row {
    uint64_t id;         /* the caller's: which picture */
    const double *score; /* (classes); NULL of XC_SCORES_ANSWERS */
    uint32_t answer;     /* of XC_SCORES_ANSWERS, with its probability (NaN: unknown) */
    double probability;
    uint32_t label;
    const int32_t *extra; /* further labels */
    uint32_t extra_count;
};
XC_NODISCARD xc_status scores_add(struct scores *s, const struct scores_row *row,
                                  struct error *err);
/* Loss and probabilities of every row from now on are those of logits / temperature. */
XC_NODISCARD xc_status scores_set_temperature(struct scores *s, double temperature,
                                              struct error *err);
/* The probability of the answer. */
double scores_confidence(const struct scores *s, const struct scores_entry *e);
/* Is class c a label of this row? */
bool scores_is(const struct scores *s, const struct scores_entry *e, uint32_t c);
/* Is the answer one of the labels? */
bool scores_hit(const struct scores *s, const struct scores_entry *e);

/* ---- scores_spill.c */
XC_NODISCARD xc_status spill_open(struct spill *s, uint32_t width, bool single, const char *folder,
                                  struct error *err);
void spill_close(struct spill *s);
XC_NODISCARD xc_status spill_add(struct spill *s, const double *score, struct error *err);
size_t spill_rows(const struct spill *s, size_t block); /* in a block */
/* Block b as (rows, width) by picture. */
XC_NODISCARD xc_status spill_block(const struct spill *s, size_t block, double *out,
                                   struct error *err);
/* All scores of one class, in the order of rows. */
XC_NODISCARD xc_status spill_column(const struct spill *s, uint32_t class, double *out,
                                    struct error *err);

/* ---- scores_sum.c */
struct scores_sum {
    uint64_t rows, top1, topk;
    double loss, brier, ece; /* NaN: unknown */
    double map_at_k;         /* mean over rows of AP at k = top */
};
XC_NODISCARD xc_status scores_sum_up(const struct scores *s, struct scores_sum *out,
                                     struct error *err);
/* Of equal width (Naeini et al. 2015, Guo et al. 2017): bin i holds answers with a confidence in
 * (i / bins, (i + 1) / bins]. out: (bins). Gives the expected calibration error. */
struct scores_bin {
    uint64_t count, hits;
    double confidence; /* mean */
};
double scores_bins(const struct scores *s, struct scores_bin *out);
/* The temperature (Guo et al. 2017) with the smallest mean loss, 0.05..20, by Newton's method in
 * 1 / temperature, in which the loss is convex. */
XC_NODISCARD xc_status scores_fit_temperature(const struct scores *s, double *out,
                                              struct error *err);

/* ---- scores_class.c */
/* (rows) scores of one class against the others, sorted. For one-label tables the log of its
 * probability, so that nothing is lost where a probability is 1 but for its last bit. */
XC_NODISCARD xc_status scores_rank(const struct scores *s, uint32_t class, struct ranked *out,
                                   struct error *err);
/* What the table calls a probability, of a score of scores_rank. */
double scores_probability(const struct scores *s, double ranked);
/* The label and the answer of each row; of several labels the one that was answered, or the first.
 * *out: confusion_free. */
XC_NODISCARD xc_status scores_confusion(const struct scores *s, struct confusion *out,
                                        struct error *err);
/* The functions below fill in what evaluate.h documents under the same name. out: (classes) */
XC_NODISCARD xc_status scores_classes(const struct scores *s, xc_class_scores *out,
                                      struct error *err);
/* Means over classes that have pictures. */
void scores_means(const struct scores *s, const xc_class_scores *class, xc_scores_summary *out);
XC_NODISCARD xc_status scores_curve(const struct scores *s, uint32_t class, xc_threshold *out,
                                    size_t room, size_t *count, struct error *err);
XC_NODISCARD xc_status scores_pick(const struct scores *s, uint32_t class, const char *rule,
                                   xc_threshold *out, struct error *err);

/* ---- scores_pair.c */
XC_NODISCARD xc_status scores_compare(const struct scores *a, const struct scores *b,
                                      xc_comparison *out, struct error *err);
XC_NODISCARD xc_status scores_reject(const struct scores *known, const struct scores *unknown,
                                     xc_reject reject, double tpr, xc_rejection *out,
                                     struct error *err);

#endif
