/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shared and immutable? A network with its numbers, and what is known of them. What one
 * running thread owns is in session.h.
 */
#ifndef XC_MODEL_MODEL_H
#define XC_MODEL_MODEL_H

#include <pthread.h>

#include "base/file.h"
#include "graph/plan.h"
#include "image/image.h"
#include "model/machine.h"
#include "network/arch.h"
#include "weight/weight.h"

enum { PRECISIONS = XC_PRECISION_BF16 + 1 };

struct model_meta { /* strings live in the model's arena; "" when unknown */
    const char *source, *licence, *report;
    const char *packing, *original; /* of a packed file */
    const char *const *labels;      /* classes of them, or NULL */
    xc_preprocess preprocess;
    xc_decision decision; /* XC_DECISION_INIT when unknown */
};

struct xc_model {
    atomic_int references;
    const struct machine *machine;
    struct arena arena;
    struct graph *graph;
    const char *arch; /* canonical */
    struct model_meta meta;
    xc_model_info info;
    xc_layer *layer;              /* info.layers of them, then info.auxiliary_layers */
    struct file_view file;        /* what data points into, if it was loaded */
    float *block;                 /* what data points into otherwise: the flat block */
    const float **data;           /* one a parameter; NULL when the model has none */
    struct weights_packed packed; /* the arrays of a packed file instead; block NULL: it is none */
    pthread_mutex_t lock;         /* guards ready[] and fast[] */
    struct weights *ready[PRECISIONS]; /* by xc_precision; made when first needed */
    struct weights *fast[PRECISIONS];  /* the same for XC_ALGO_FAST */
};

/* ---- making one: model_new, then the numbers, then model_ready ------------------------------- */

/* A model without weights: graph, costs, layers and the recipe that suits the architecture. Holds
 * one reference. input may be NULL. */
XC_NODISCARD xc_status model_new(const struct machine *m, const char *arch,
                                 const struct arch_input *input, xc_model **out, struct error *err);
/* Memory for all parameters, zeroed; data[i] is block + param.at[i].offset from now on. */
XC_NODISCARD xc_status model_make_block(xc_model *model, struct error *err);
/* Checks the numbers, if there are any (finite, no negative variance: the sentence names parameter
 * and index) and copies meta into info. Nothing is changed after it. */
XC_NODISCARD xc_status model_ready(xc_model *model, struct error *err);

XC_NODISCARD xc_status model_create(const struct machine *m, const char *arch,
                                    const xc_create_opts *opts, xc_model **out, struct error *err);
/* view is the model's on success. name: what the sentence calls the file. */
XC_NODISCARD xc_status model_from_file(const struct machine *m, const char *name,
                                       struct file_view view, xc_model **out, struct error *err);

/* (1 - part) first + part second, of all parameters. */
XC_NODISCARD xc_status model_mix(const xc_model *first, const xc_model *second, double part,
                                 xc_model **out, struct error *err);

/* ---- using one ------------------------------------------------------------------------------- */

XC_NODISCARD xc_status model_save(const xc_model *model, const char *path, const xc_save_opts *opts,
                                  struct error *err);
/* What XC_PRECISION_AUTO is for this model: what it was packed in, or machine_precision. */
xc_precision model_precision(const xc_model *model, xc_precision wanted);
/* The refusal of what a packed model cannot do; what: "saving, converting". */
XC_NODISCARD xc_status model_need_original(const xc_model *model, const char *what,
                                           struct error *err);
xc_model *model_ref(xc_model *model);
void model_unref(xc_model *model); /* frees with the last reference; NULL is allowed */
/* The parameters made ready for one precision and algorithm: at the first call, then shared by all
 * sessions. */
XC_NODISCARD xc_status model_weights(xc_model *model, xc_precision precision, xc_algo algo,
                                     const struct weights **out, struct error *err);

/* Indices of the k largest, best first; equal values in index order, NaN last. */
void topk(const float *score, uint32_t count, uint32_t k, uint32_t *index);

#endif
