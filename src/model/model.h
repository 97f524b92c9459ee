/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shared and immutable (model), what does one running thread own (session), how do scores
 * become an answer (topk)?
 */
#ifndef XC_MODEL_MODEL_H
#define XC_MODEL_MODEL_H

#include <pthread.h>

#include "base/file.h"
#include "graph/plan.h"
#include "image/image.h"
#include "model/arch.h"
#include "weight/weight.h"

/* What a context gives to the layers below: no file below src/api knows xc_context. */
struct machine {
    struct pool *pool; /* NULL = serial */
    unsigned flags;    /* CPU features in use */
    struct kernels f32, f64;
};

struct model_meta { /* strings live in the model's arena; "" when unknown */
    const char *source, *licence, *sha256, *report;
    const char *const *labels; /* classes of them, or NULL */
    xc_preprocess preprocess;
};

struct xc_model {
    atomic_int references;
    const struct machine *machine;
    struct arena arena;
    struct graph *graph;
    const char *arch; /* canonical */
    struct model_meta meta;
    xc_model_info info;
    struct file_view file;    /* what data points into, if it was loaded */
    float *block;             /* what data points into otherwise: the flat block */
    const float **data;       /* one a parameter; NULL when the model has no weights */
    pthread_mutex_t lock;     /* guards ready[] */
    struct weights *ready[2]; /* by xc_precision; made when first needed */
};

XC_NODISCARD xc_status model_create(const struct machine *m, const char *arch,
                                    const xc_create_opts *opts, xc_model **out, struct error *err);
/* view is the model's on success. */
XC_NODISCARD xc_status model_from_file(const struct machine *m, const char *name,
                                       struct file_view view, xc_model **out, struct error *err);
/* view: bytes of foreign.h's contract, or a foreign safetensors file; used up on success.
 * source: name for provenance; arch: may be NULL. */
XC_NODISCARD xc_status model_from_foreign(const struct machine *m, const char *source,
                                          const char *arch, struct file_view view, xc_model **out,
                                          struct error *err);
XC_NODISCARD xc_status model_save(const xc_model *model, const char *path, const xc_save_opts *opts,
                                  struct error *err);
void model_free(xc_model *model);
XC_NODISCARD xc_status model_weights(xc_model *model, xc_precision precision,
                                     const struct weights **out, struct error *err);
XC_NODISCARD xc_status model_layer(const xc_model *model, uint32_t index, xc_layer *out,
                                   struct error *err);

/* Indices of the k largest, best first; equal values in index order, NaN last. */
void topk(const float *score, uint32_t count, uint32_t k, uint32_t *index);

#endif
