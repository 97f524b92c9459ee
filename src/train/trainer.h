/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is one training run? A model that nobody shares, flat blocks of numbers beside it, a place
 * in the data, and the step that moves all of them. Whatever is random is a function of (seed,
 * epoch, sample) or (seed, step), so blocks and cursor are the whole state: state.h writes them
 * down.
 *
 * With all but the head frozen, the network that is trained is the head alone, fed with features
 * that the frozen trunk gave once.
 */
#ifndef XC_TRAIN_TRAINER_H
#define XC_TRAIN_TRAINER_H

#include "graph/learn.h"
#include "metric/scores.h"
#include "model/session.h"
#include "train/feed.h"
#include "train/runner.h"
#include "train/score.h"
#include "train/settings.h"
#include "train/views.h"

struct trainer_opts {
    const struct machine *machine;
    const struct dataset *data; /* must outlive the trainer */
    xc_model *model;            /* of start_model: the trainer's from here on, also on failure */
    struct settings settings;
    const float *class_weight; /* (classes): CLASS_WEIGHTS_GIVEN; NULL: they come from a state */
    int threads;               /* that decode pictures */
    size_t cache_bytes;        /* for pictures that stay in memory */
};

struct cursor { /* with the blocks: all that changes */
    uint64_t step;
    uint32_t epoch, position; /* position: samples of this epoch that were used */
    struct score sum;         /* of this epoch; top-1 of what the network saw */
    double best_top1;
    uint32_t best_epoch; /* 1, 2, ...; 0: none yet */
};

enum { TRAINER_BLOCKS = 6 };
struct trainer_block {
    const char *name; /* "weights", "moments", "average", "best", "trunk", "class_weight" */
    float *data;
    size_t count;
};

struct trainer {
    const struct machine *m;
    const struct dataset *data;
    xc_model *model;
    struct settings s;
    int threads, classes;
    size_t cache_bytes;
    double lr_scale;    /* of a plateau: a function of the history, so not in a state */
    struct graph *g;    /* what is trained: the model's, or */
    struct graph *head; /* the head alone */
    int features;       /* node of the model's graph that the head reads; -1 */
    struct training_kernels kernels;
    struct learn *learn;
    struct optimizer *optimizer;
    void *arena, *arena_memory;                       /* the memory that the arena lies in */
    float *weights, *grad, *moments, *average, *best; /* average NULL: none */
    float *target;
    float *class_weight; /* NULL: all 1 */
    double *loss;
    struct feed *train, *val;
    struct cursor at;
};

XC_NODISCARD xc_status trainer_new(const struct trainer_opts *opts, struct trainer **out,
                                   struct error *err);
void trainer_free(struct trainer *t);
/* Opens the data at the cursor; computes the features of a frozen trunk, of which tick (may be
 * NULL) is told. Before the first step, and after the blocks were read from a state. */
XC_NODISCARD xc_status trainer_begin(struct trainer *t, xc_progress_fn *tick, void *user,
                                     struct error *err);
/* One step of settings.accumulate batches; *ended: it was the epoch's last, and the cursor stands
 * before the next one (its sums are those of the epoch that ended: trainer_next_epoch clears them).
 * XC_ERR_NUMBER names the first layer with a number that is none; the weights are of no use then.
 */
XC_NODISCARD xc_status trainer_step(struct trainer *t, bool *ended, struct error *err);
/* The epoch ends before its last step. */
void trainer_end_epoch(struct trainer *t);
void trainer_next_epoch(struct trainer *t);
double trainer_lr(const struct trainer *t);      /* of the next step */
uint32_t trainer_steps(const struct trainer *t); /* an epoch has */
/* The weights that count (the averaged ones, if there are) on the validation samples. */
XC_NODISCARD xc_status trainer_evaluate(struct trainer *t, xc_progress_fn *tick, void *user,
                                        struct score *out, struct error *err);
/* Those weights become the best ones. */
void trainer_keep_best(struct trainer *t);
/* A usable model file: the best weights, or the current ones. */
XC_NODISCARD xc_status trainer_save(const struct trainer *t, bool best, const char *path,
                                    struct error *err);
int trainer_blocks(const struct trainer *t, struct trainer_block out[TRAINER_BLOCKS]);
/* XC_ERR_NUMBER when a weight is not finite. */
XC_NODISCARD xc_status trainer_check(const struct trainer *t, struct error *err);

/* evaluate.c: all of one split through a runner, or a session. Who wants to know more than the
 * score looks at each batch and its logits (n, classes). */
typedef void evaluate_fn(void *user, const struct batch *b, const float *logits);
struct evaluation {
    struct runner *runner; /* of the logits, or */
    xc_session *session;
    const struct dataset *data; /* of the labels in scores */
    struct feed *feed;
    int classes, batch;
    bool multi_label;
    const struct views *views; /* NULL: the picture as it is */
    struct scores *scores;     /* gets a row for each picture; or NULL */
    xc_progress_fn *tick;      /* or NULL */
    void *user;
    evaluate_fn *seen; /* or NULL */
    void *seen_user;
};
XC_NODISCARD xc_status evaluate(const struct evaluation *e, struct score *out, struct error *err);

struct model_evaluation {
    const struct dataset *data;
    uint8_t split;
    int batch, threads, h, w; /* h, w: 0 = the model's */
    const xc_preprocess *preprocess;
    xc_precision precision;
    xc_tta tta;
    struct scores *scores;
    xc_progress_fn *tick;
    void *user;
    evaluate_fn *seen;
    void *seen_user;
};
/* A model that is ready, on pictures. */
XC_NODISCARD xc_status evaluate_model(xc_model *model, const struct model_evaluation *o,
                                      struct score *out, struct error *err);

#endif
