/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is one training run? A model that nobody shares, flat blocks of numbers beside it, a place
 * in the data, and the step that moves all of them. Whatever is random is a function of (seed,
 * epoch, sample) or (seed, step), so blocks and cursor are the whole state: state.h writes them
 * down.
 *
 * What is frozen runs as the folded inference plan, and what stands behind it (the tail) is a
 * network of its own that is fed with its values. When more begins to learn, the tail grows.
 *
 *   trainer.c   the step, and what is asked between two
 *   stage.c     what learns now, and its memory
 *   supply.c    which values it is fed with, and whether they are kept
 *   need.c      how much memory that takes
 */
#ifndef XC_TRAIN_TRAINER_H
#define XC_TRAIN_TRAINER_H

#include "graph/learn.h"
#include "metric/scores.h"
#include "model/session.h"
#include "train/feed.h"
#include "train/freeze.h"
#include "train/runner.h"
#include "train/score.h"
#include "train/settings.h"
#include "train/teacher.h"
#include "train/views.h"

/* Where the values of frozen layers are kept, in so many bytes; never changes a bit. */
enum keep_place { KEEP_RAM, KEEP_DISK, KEEP_OFF };
struct keep_opts {
    enum keep_place place;
    uint64_t limit;     /* 0: half of what is there */
    const char *folder; /* of the file on disk */
};

struct trainer_opts {
    const struct machine *machine;
    const struct dataset *data; /* must outlive the trainer */
    xc_model *model;            /* of start_model: the trainer's from here on, also on failure */
    struct settings settings;
    const float *class_weight; /* (classes): CLASS_WEIGHTS_GIVEN; NULL: they come from a state */
    struct teacher_models teachers; /* the caller keeps his references */
    struct keep_opts keep;
    uint64_t memory;    /* bytes that it may take; 0: what this process may */
    uint32_t epoch;     /* that it goes on in: which phase it is made for */
    int threads;        /* that decode pictures */
    size_t cache_bytes; /* for pictures that stay in memory */
    bool stop_on_bad;   /* a picture that cannot be read ends it */
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
    struct keep_opts keep;
    int threads, classes;
    size_t cache_bytes;
    bool stop_on_bad;
    uint64_t memory, need; /* allowed (0: unknown); wanted, without kept features */
    uint64_t picture;      /* bytes of a large one on its way */
    double lr_scale;       /* of a plateau: a function of the history, so not in a state */
    struct phases phases;
    int phase;          /* of them: now */
    struct graph *g;    /* what is trained: the model's, or */
    struct graph *tail; /* what stands behind the cut of this phase */
    struct training_kernels kernels;
    struct learn *learn;
    struct optimizer *optimizer;
    void *arena, *arena_memory; /* the memory that the arena lies in */
    /* weights: the model's own block, or with a tail a copy of its own; average NULL: none */
    float *weights, *grad, *moments, *average, *best;
    float *slope, *foot;       /* of sharpness-aware minimisation: NULL: none */
    struct teachers *teachers; /* NULL: none */
    float *target;
    float *class_weight; /* NULL: all 1 */
    float *row_weight;   /* of a batch */
    double *loss;
    struct runner *trunk; /* what is frozen, where pictures go through it in each epoch; or NULL */
    struct feed *train, *val; /* NULL: trainer_begin is due */
    struct cursor at;
};

XC_NODISCARD xc_status trainer_new(const struct trainer_opts *opts, struct trainer **out,
                                   struct error *err);
void trainer_free(struct trainer *t);
/* Opens the data at the cursor; computes what the frozen layers say, of which tick (may be NULL) is
 * told. Before the first step and wherever it is due, after the blocks were read from a state. */
XC_NODISCARD xc_status trainer_begin(struct trainer *t, xc_progress_fn *tick, void *user,
                                     struct error *err);
bool trainer_is_due(const struct trainer *t);
bool trainer_augments(const struct trainer *t); /* are pictures seen otherwise than they are? */
/* One step of settings.accumulate batches; *ended: it was the epoch's last, and the cursor stands
 * before the next one (its sums are those of the epoch that ended: trainer_next_epoch clears them).
 * XC_ERR_NUMBER names the first layer with a number that is none; the weights are of no use then.
 */
XC_NODISCARD xc_status trainer_step(struct trainer *t, bool *ended, struct error *err);
/* More may learn in it: then trainer_begin is due. */
XC_NODISCARD xc_status trainer_next_epoch(struct trainer *t, struct error *err);
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

/* ---- stage.c, supply.c: for trainer.c -------------------------------------------------------- */

/* What learns in phase i, and all its memory. The numbers of what learned before are kept. */
XC_NODISCARD xc_status stage_enter(struct trainer *t, int i, struct error *err);
void stage_leave(struct trainer *t);
struct shape stage_input(const struct trainer *t);
/* The tail's numbers from a block of the whole model, or back into one. */
void stage_move(const struct trainer *t, float *whole, float *tail, bool back);
/* The plans of a phase with such batches and nothing else, to look at: stage_leave. */
XC_NODISCARD xc_status stage_probe(const struct trainer *t, int i, int batch, struct trainer *out,
                                   struct error *err);
/* Of the picture with the most bytes, for a thread that decodes it. */
uint64_t need_picture(const struct dataset *d);
/* What this phase takes with its plans. */
XC_NODISCARD xc_status need_bytes(const struct trainer *t, uint64_t *bytes, struct error *err);
/* Does it all fit? XC_ERR_MEMORY: the sentence says the largest batch that would. */
XC_NODISCARD xc_status need_check(struct trainer *t, struct error *err);
/* Feeds of the phase. */
XC_NODISCARD xc_status supply_open(struct trainer *t, xc_progress_fn *tick, void *user,
                                   struct error *err);
void supply_close(struct trainer *t);

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
