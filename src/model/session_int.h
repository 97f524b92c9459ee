/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a session, to the files that make it?
 *
 *   session.c   what it owns, and what is read of it
 *   batch.c     how a batch runs: which image on which thread, when
 *   numbers.c   rows of numbers into the places of a plan, and back
 */
#ifndef XC_MODEL_SESSION_INT_H
#define XC_MODEL_SESSION_INT_H

#include "model/session.h"

/* What session_read can give, under one name. */
struct result {
    const char *name;
    int node;
    bool softmax; /* of the node's values: the network itself has none */
    bool shared;  /* an earlier one has the same data, under another name */
    size_t count; /* numbers an image */
    char *data;   /* (max_batch, count), in the session's precision */
};

/* How a round runs. */
enum way { WAY_APART, WAY_TURN, WAYS };

struct lane {
    float *staging; /* (h, w, c): a prepared picture */
    xc_status status;
    uint32_t image; /* of the batch, the last that began */
    struct error err;
};

struct xc_session {
    xc_model *model;
    xc_precision precision;
    const struct kernels *kernels;
    struct shape input; /* n = max_batch */
    size_t input_count; /* numbers an image */
    xc_preprocess preprocess;
    struct plan *plan; /* n = 1 */
    struct lane *lane; /* one, or as many as there are threads */
    void **arena;      /* a lane each */
    void *scratch;     /* of every thread */
    uint32_t lanes;
    double seconds[WAYS]; /* that a round took lately, for each image of a thread */
    uint64_t rounds;
    struct arena memory; /* everything but the plan and the arenas of the lanes */
    struct result *result;
    int results;
    size_t classes;       /* 0: the network does not classify */
    bool sigmoid;         /* probabilities are each for itself */
    double *logit, *prob; /* of one image, for the decision of the model */
    float *score;         /* probabilities of one image, and the classes in their order */
    uint32_t *rank;
    uint32_t ran; /* images of the last run that succeeded */
    atomic_bool cancel;
};

enum dtype session_result_type(const xc_session *s);

/* ---- batch.c --------------------------------------------------------------------------------- */

/* What one call runs on: numbers, or pictures that each lane prepares for itself. */
struct batch {
    xc_session *session;
    const char *input; /* (n, h, w, c) of this type; NULL: pictures */
    enum dtype type;
    const xc_image *const *picture;
    uint32_t n, done; /* images */
    uint32_t each;    /* of the next round, a thread */
    double *seconds;  /* of the steps, or NULL */
};
/* Leaves every result of every image where session_read finds it. */
XC_NODISCARD xc_status batch_run(struct batch *b, struct error *err);

/* ---- numbers.c ------------------------------------------------------------------------------- */

void numbers_convert(const void *from, enum dtype type, size_t count, void *to, enum dtype wanted);
/* Dense numbers into the places of a view of one image, and back. */
void numbers_scatter(const struct kernels *k, const char *from, enum dtype type,
                     const struct view *to);
void numbers_gather(const struct view *from, char *to, enum dtype wanted);

#endif
