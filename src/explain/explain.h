/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does the network look? An explainer owns what one explanation after the other needs: a
 * session that runs forward, and, for methods that ask for gradients and for layers whose values no
 * plan has, the tape of graph/learn.h in inference mode. What each method computes is said in
 * xception/explain.h, beside its name.
 *
 *   explainer.c   the object: memory, one explanation, forward and backward
 *   cam.c         methods of a layer, from its map and the gradient by it
 *   input.c       methods of the input: integrated gradients, SmoothGrad, occlusion
 *   check.c       deletion and insertion
 *   randomise.c   a model that has forgotten
 *   layers.c      which layer, if nobody says
 *   enlarge.c     maps at the size of the input
 *   draw.c, sheet.c  pictures;  colour.c the colours
 *   pca.c         principal components, eigen.c its solver
 */
#ifndef XC_EXPLAIN_EXPLAIN_H
#define XC_EXPLAIN_EXPLAIN_H

#include "base/rng.h"
#include "graph/learn.h"
#include "model/session.h"

enum { EXPLAIN_BATCH = 8 };

struct xc_explainer {
    xc_model *model;
    xc_explain_opts o; /* nothing is 0 that has a default */
    xc_session *session;
    int node;            /* whose map is explained; 0: the input */
    struct shape input;  /* n = 1 */
    struct shape map;    /* of the node, n = 1 */
    size_t inputs, maps; /* numbers of input, of the node's map */
    int classes;
    struct training_kernels kernels;
    struct learn *learn; /* NULL: neither a gradient nor a map of it is taken */
    void *param;         /* the flat block in the tape's numbers, the model's (not written to) or */
    void *own_param;
    double *wide; /* input and target of a tape in float64; NULL: it is in float32 */
    void *arena;
    float *x, *batch;             /* (h, w, c); EXPLAIN_BATCH of them */
    float *activation, *gradient; /* of the node, without gaps */
    float *target, *logit;        /* (classes); (EXPLAIN_BATCH, classes) */
    float *low, *value;           /* the map as computed; at the size of the input */
    int chosen;                   /* class */
};

XC_NODISCARD xc_status explainer_new(xc_model *model, const xc_explain_opts *opts,
                                     xc_explainer **out, struct error *err);
void explainer_free(xc_explainer *e);
XC_NODISCARD xc_status explain_image(xc_explainer *e, const xc_image *image, int64_t class_index,
                                     xc_heatmap *out, struct error *err);
XC_NODISCARD xc_status explain_input(xc_explainer *e, const float *input, int64_t class_index,
                                     xc_heatmap *out, struct error *err);
XC_NODISCARD xc_status explain_check(xc_explainer *e, const float *value, uint32_t steps,
                                     float *deleted, float *inserted, xc_faithfulness *out,
                                     struct error *err);
XC_NODISCARD xc_status model_randomise(const xc_model *model, double part, uint64_t seed,
                                       xc_model **out, struct error *err);

/* ---- for the methods ------------------------------------------------------------------------- */

/* Logits of n inputs of e->batch, into e->logit. 1 <= n <= EXPLAIN_BATCH. */
XC_NODISCARD xc_status explain_forward(xc_explainer *e, int n, struct error *err);
/* The gradient of the chosen class's logit at x, into e->gradient; the node's map into
 * e->activation, unless it is the input. */
XC_NODISCARD xc_status explain_backward(xc_explainer *e, const float *x, struct error *err);
/* Tells the caller's progress; false from there becomes XC_ERR_CANCELLED. */
XC_NODISCARD xc_status explain_tick(const xc_explainer *e, uint64_t done, uint64_t all,
                                    struct error *err);

/* They fill e->low. */
typedef xc_status explain_fn(xc_explainer *e, struct error *err);
explain_fn cam_gradcam, cam_gradcam_pp, cam_hirescam, cam_layercam, cam_scorecam, cam_eigencam;
explain_fn input_integrated, input_smoothgrad, input_occlusion, input_centre;
/* Number i of noise of sample s: standard normal. */
static inline double smoothgrad_noise(uint64_t seed, uint32_t s, uint32_t i)
{
    return rng_normal(seed, RNG_EXPLAIN, s, 0, i);
}

/* ---- layers ---------------------------------------------------------------------------------- */

/* The last map (more than one pixel) before the classes; -1: there is none. */
int layer_last_map(const struct graph *g);
/* The global pooling before the dense layers; where there is none, what the last dense layer reads;
 * where there is none of these either, what the last convolution reads, or output 0. */
int layer_features(const struct graph *g);

/* ---- maps ------------------------------------------------------------------------------------ */

/* Bilinear. corners: the outermost pixels' centres stay where they are (PyTorch's align_corners);
 * otherwise half-pixel centres, as OpenCV. from has `step` numbers from pixel to pixel. */
void enlarge(const float *from, int h, int w, int step, bool corners, int out_h, int out_w,
             float *out);

/* The public functions of these names are these. */
void heat_colour(double t, uint8_t rgb[3]);
XC_NODISCARD xc_status heat_draw(const xc_heatmap *heat, const xc_image *image,
                                 const xc_heat_opts *opts, xc_image **out, struct error *err);
XC_NODISCARD xc_status map_sheet(const float *map, int h, int w, int channels, int most,
                                 xc_image **out, struct error *err);
XC_NODISCARD xc_status filter_sheet(const xc_model *model, xc_image **out, struct error *err);

#endif
