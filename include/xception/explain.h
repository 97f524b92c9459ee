/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does a network look, and is that true? Maps of heat and their drawings, checks of them,
 * maps and filters as sheets, principal components. A part of xception.h.
 */
#ifndef XCEPTION_EXPLAIN_H
#define XCEPTION_EXPLAIN_H

#include <xception.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, word, source): the methods. A picture's class score is its logit, before the softmax. */
#define XC_EXPLAIN_LIST(X)                                                                         \
    X(XC_GRADCAM, "gradcam", "Selvaraju et al. 2017, Grad-CAM")                                    \
    X(XC_GRADCAM_PP, "gradcam++", "Chattopadhay et al. 2018, Grad-CAM++")                          \
    X(XC_HIRESCAM, "hirescam", "Draelos and Carin 2020, HiResCAM")                                 \
    X(XC_LAYERCAM, "layercam", "Jiang et al. 2021, LayerCAM")                                      \
    X(XC_SCORECAM, "scorecam", "Wang et al. 2020, Score-CAM")                                      \
    X(XC_EIGENCAM, "eigencam", "Muhammad and Yeasin 2020, Eigen-CAM")                              \
    X(XC_INTEGRATED_GRADIENTS, "integrated-gradients", "Sundararajan et al. 2017")                 \
    X(XC_SMOOTHGRAD, "smoothgrad", "Smilkov et al. 2017")                                          \
    X(XC_OCCLUSION, "occlusion", "Zeiler and Fergus 2014")                                         \
    X(XC_CENTRE, "centre", "no explanation: a Gaussian in the centre, to be beaten")

typedef enum xc_explain_method {
#define XC_X(name, word, source) name,
    XC_EXPLAIN_LIST(XC_X)
#undef XC_X
} xc_explain_method;
XC_API const char *xc_explain_method_name(xc_explain_method method); /* NULL past the last */
XC_API const char *xc_explain_method_source(xc_explain_method method);

/* With A the layer's map (pixel p, channel k), G the gradient of the class's logit by it:
 *   gradcam    relu(sum_k w_k A_pk), w_k = mean_p G_pk
 *   gradcam++  the same with w_k = sum_p a_pk relu(G_pk), a = G^2 / (2 G^2 + G^3 sum_p A_pk
 *              + 1e-6) (the last term as pytorch-grad-cam has it)
 *   hirescam   relu(sum_k G_pk A_pk)
 *   layercam   relu(sum_k relu(G_pk) A_pk)
 *   scorecam   relu(sum_k w_k A_pk), w = softmax over k of the logits of the input times A_k, which
 *              was enlarged and scaled to 0..1; no gradient
 *   eigencam   relu of the first principal component of the pixels of A; no class, no gradient
 * With x the network's input:
 *   integrated-gradients  sum over channels of (x - b) times the mean gradient at `steps` midpoints
 *                         between b and x; b is `baseline` everywhere. Adds up to the difference
 *   smoothgrad  sum over channels of |mean gradient of `steps` inputs with noise|
 *   occlusion   how much the logit falls when a window is set to `baseline`: the mean of the
 *               windows over a pixel */
typedef struct xc_explain_opts {
    uint32_t size;
    xc_explain_method method;
    const char *layer;               /* of the first six: NULL = the last map before the classes */
    uint32_t height, width;          /* of the input; 0 = the model's own */
    const xc_preprocess *preprocess; /* NULL = the model's own */
    uint32_t steps; /* at most 100000; 0 = 50 for integrated-gradients, 25 for smoothgrad */
    double noise; /* smoothgrad: standard deviation over the input's range, at most 10; 0 = 0.15 */
    uint64_t seed;
    float baseline;           /* in the numbers of the input; 0 is the middle grey of Xception's */
    uint32_t window, stride;  /* occlusion, pixels: stride at most window, window at most the input;
                                 0 = an eighth of the side, half the window */
    uint32_t channels;        /* scorecam: take only so many, those of the largest mean; 0 = all */
    xc_precision precision;   /* of runs without a gradient; of gradients F64, or else F32 */
    xc_progress_fn *progress; /* of one explanation */
    void *user;
} xc_explain_opts;
#define XC_EXPLAIN_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(xc_explain_opts), XC_GRADCAM, NULL, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0,                \
            XC_PRECISION_F32, NULL, NULL                                                           \
    }

typedef struct xc_explainer xc_explainer;
/* One thread at a time, like a session. Holds a reference to the model, which must classify and
 * must not be packed. All memory is taken here: for a gradient by the input about as much as a
 * training step of batch 1. */
XC_API XC_NODISCARD xc_status xc_explainer_new(xc_model *model, const xc_explain_opts *opts,
                                               xc_explainer **out);
XC_API void xc_explainer_free(xc_explainer *explainer);

typedef struct xc_heatmap {
    uint32_t height, width;         /* of the network's input */
    const float *value;             /* (height, width); what a method gives, not scaled */
    uint32_t map_height, map_width; /* value before it was enlarged to the input (half-pixel */
    const float *map;               /* bilinear); the same where nothing was enlarged */
    float top;   /* what is drawn with the last colour: the largest value (methods of a layer,
                    occlusion), or the 99th percentile (gradients by the input); 0 is the first */
    bool turned; /* the network saw the picture upright (else as it is stored) */
    double left, upper, right, lower; /* the part of that picture that the input shows, in
                                         its pixels; may reach beyond it (XC_FIT_PAD) */
    xc_explain_method method;
    const char *layer; /* "input" for the last four methods */
    uint32_t class_index;
    const char *label; /* or NULL */
    float logit, prob;
} xc_heatmap;
#define XC_CLASS_TOP (-1)
/* class_index: a class, or XC_CLASS_TOP, that of the highest logit. What *out points to lives until
 * the explainer's next call. */
XC_API XC_NODISCARD xc_status xc_explain(xc_explainer *explainer, const xc_image *image,
                                         int64_t class_index, xc_heatmap *out);
/* The same of a prepared input (height, width, channels). */
XC_API XC_NODISCARD xc_status xc_explain_input(xc_explainer *explainer, const float *input,
                                               int64_t class_index, xc_heatmap *out);

typedef enum xc_heat_style {
    XC_HEAT_OVERLAY,      /* over the picture: the more heat, the less picture */
    XC_HEAT_SIDE_BY_SIDE, /* the picture, and beside it the overlay */
    XC_HEAT_ALONE         /* colours only */
} xc_heat_style;
typedef struct xc_heat_opts {
    uint32_t size;
    xc_heat_style style;
    uint32_t side; /* the longer side of the picture in pixels, 16..4096; 0 = 640 */
    bool legend;   /* a line of text and the colour bar below */
} xc_heat_opts;
#define XC_HEAT_OPTS_INIT                                                                          \
    {                                                                                              \
        sizeof(xc_heat_opts), XC_HEAT_OVERLAY, 0, true                                             \
    }
/* The picture upright with the heat where it belongs. Colours step evenly for the eye (equal steps
 * in CIELAB, lightness rising). *out: RGB8, the caller's. */
XC_API XC_NODISCARD xc_status xc_heatmap_draw(const xc_heatmap *heat, const xc_image *image,
                                              const xc_heat_opts *opts, xc_image **out);
/* Colour of t in 0..1. */
XC_API void xc_heat_colour(double t, uint8_t rgb[3]);

/* Is the heat where the class is? Pixels in the order of their heat are set to the baseline
 * (deletion: a good map makes the probability fall early) or brought back into a blurred picture
 * (insertion: it rises early); Petsiuk et al. 2018. Areas under the probability, 0..1, over `steps`
 * equal parts, 2..1000. deleted, inserted: NULL, or room for steps + 1 probabilities. heat: of this
 * explainer's last call. */
typedef struct xc_faithfulness {
    double deletion, insertion;
} xc_faithfulness;
XC_API XC_NODISCARD xc_status xc_explain_check(xc_explainer *explainer, const xc_heatmap *heat,
                                               uint32_t steps, float *deleted, float *inserted,
                                               xc_faithfulness *out);
/* A copy of a model in which the last `part` (0..1) of the layers that have parameters are random
 * again: what a map must depend on (Adebayo et al. 2018, sanity checks). *out is the caller's. */
XC_API XC_NODISCARD xc_status xc_model_randomise(const xc_model *model, double part, uint64_t seed,
                                                 xc_model **out);

/* Channels of a map (height, width, channels) as a contact sheet, the most active first, each from
 * its least to its largest number; captions are the channels. most: cells, at most 4096; 0 = 64.
 * height, width: at most 1024. *out: RGB8, the caller's. */
XC_API XC_NODISCARD xc_status xc_map_sheet(const float *map, uint32_t height, uint32_t width,
                                           uint32_t channels, uint32_t most, xc_image **out);
/* The windows of the first convolution, as colours where it reads three channels. */
XC_API XC_NODISCARD xc_status xc_filter_sheet(const xc_model *model, xc_image **out);

/* The layer whose numbers, averaged over its pixels, describe a picture: the global pooling before
 * the dense layers (Xception: 2048 numbers), else what the last layer makes the classes of. Lives
 * as long as the model. */
XC_API const char *xc_model_feature_layer(const xc_model *model);

/* Principal components of rows (count, width): the first `components` scores of each row, largest
 * variance first, at most 16 and no more than rows or numbers; the largest weight of each component
 * is positive. scores: (count, components); axes: (components, width), variances: (components), or
 * NULL. Lanczos with full re-orthogonalisation, in double. */
XC_API XC_NODISCARD xc_status xc_pca(const float *rows, uint32_t count, uint32_t width,
                                     uint32_t components, double *scores, double *axes,
                                     double *variances);

#ifdef __cplusplus
}
#endif
#endif
