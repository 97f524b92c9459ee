/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good are answers, and how sure is that? Scores of labelled pictures, and what follows from
 * them: accuracy, calibration, curves, thresholds, comparisons. A part of xception.h.
 */
#ifndef XCEPTION_EVALUATE_H
#define XCEPTION_EVALUATE_H

#include <xception.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was answered on labelled pictures, a row each: filled by xc_evaluate or with the answers of
 * anybody, asked for numbers and curves afterwards. Exact, whatever the number of rows: 56 bytes of
 * a row stay in memory, the scores of all classes go to a file without a name in `folder`. */
typedef struct xc_scores xc_scores;

typedef enum xc_scores_kind {
    XC_SCORES_LOGITS,        /* float32, before the softmax (multi_label: before sigmoids) */
    XC_SCORES_PROBABILITIES, /* 0..1 */
    XC_SCORES_ANSWERS        /* only the best class and its probability are known */
} xc_scores_kind;

typedef struct xc_scores_opts {
    uint32_t size;
    xc_scores_kind kind;
    uint32_t classes;   /* 1..100000 */
    bool multi_label;   /* classes do not exclude each other; a row may have several labels */
    uint32_t top;       /* k of top-k and of MAP@k; 0 = 5 */
    uint32_t bins;      /* of calibration, at most 1000; 0 = 15 */
    const char *folder; /* NULL = "/tmp" */
} xc_scores_opts;
#define XC_SCORES_OPTS_INIT                                                                        \
    {                                                                                              \
        sizeof(xc_scores_opts), XC_SCORES_LOGITS, 0, false, 0, 0, NULL                             \
    }
XC_API XC_NODISCARD xc_status xc_scores_new(const xc_scores_opts *opts, xc_scores **out);
XC_API void xc_scores_free(xc_scores *scores);

typedef struct xc_scores_row {
    uint64_t id;         /* which picture: the caller's; an index of the data set */
    const double *score; /* (classes); not read of XC_SCORES_ANSWERS, which have */
    uint32_t answer;     /* the best class */
    double probability;  /* and its probability; NaN = unknown */
    uint32_t label;
    const int32_t *extra; /* further labels */
    uint32_t extra_count;
} xc_scores_row;
/* XC_ERR_NUMBER: a score is not finite; XC_ERR_ARGUMENT: a class there is not, or one label twice.
 */
XC_API XC_NODISCARD xc_status xc_scores_add(xc_scores *scores, const xc_scores_row *row);
/* From now on every number is that of softmax(logits / temperature), 0.001..1000; 1 at first.
 * XC_ERR_ARGUMENT: of what are no logits, too. */
XC_API XC_NODISCARD xc_status xc_scores_set_temperature(xc_scores *scores, double temperature);

typedef struct xc_scored {
    uint64_t id;
    uint32_t label, answer;
    uint32_t place;           /* of the (best) label among the scores: 0 = it is the answer */
    double probability;       /* of the answer */
    double loss;              /* cross-entropy; multi_label: sum over classes; NaN = unknown */
    double max_logit, energy; /* energy: log of the sum of exp(logit); both at temperature 1 */
} xc_scored;
XC_API uint64_t xc_scores_count(const xc_scores *scores);
XC_API XC_NODISCARD xc_status xc_scores_get(const xc_scores *scores, uint64_t row, xc_scored *out);

typedef struct xc_interval { /* Wilson's, 95 % (Wilson 1927) */
    double value, low, high;
} xc_interval;

/* NaN where something is not known, or not defined. */
typedef struct xc_scores_summary {
    uint64_t rows;
    uint32_t top, bins; /* what k and how many bins were */
    xc_interval top1, topk;
    double loss;  /* mean cross-entropy (NLL) */
    double brier; /* mean over rows of the squared distance to the labels; multi_label: per class */
    double ece;   /* expected calibration error (Guo et al. 2017), bins of equal width */
    double precision, recall, f1;  /* means over classes that have pictures */
    double auc, average_precision; /* the same, one class against the others; the latter: mAP */
    double map_at_k;               /* mean over rows of AP@k */
    double temperature;
} xc_scores_summary;
XC_API XC_NODISCARD xc_status xc_scores_sum(const xc_scores *scores, xc_scores_summary *out);

typedef struct xc_class_scores {       /* as scikit-learn has them; divided by zero: 0 */
    uint64_t support, predicted, hits; /* pictures of the class, answers of it, both */
    double precision, recall, f1;
    double auc;               /* ROC, one against the others; NaN without pictures of both */
    double average_precision; /* not interpolated; 0 without pictures, NaN when unknown */
} xc_class_scores;
/* out: (classes) */
XC_API XC_NODISCARD xc_status xc_scores_classes(const xc_scores *scores, xc_class_scores *out);

typedef struct xc_bin {
    uint64_t count, hits;
    double confidence; /* mean */
    double low, high;  /* of hits / count: 95 % interval (Wilson); 0 and 1 of none */
} xc_bin;
/* Reliability: bin i holds answers with a confidence in (i / bins, (i + 1) / bins]. out: (bins) */
XC_API XC_NODISCARD xc_status xc_scores_bins(const xc_scores *scores, xc_bin *out);

typedef struct xc_threshold { /* of "probability >= threshold is a yes" */
    double threshold;
    double recall; /* true positive rate */
    double fpr;    /* false positive rate */
    double precision;
} xc_threshold;
/* Points of the ROC and precision-recall curves of a class, the highest threshold first: at most
 * `room` (at least 2), evenly spread when there are more. *count: how many. */
XC_API XC_NODISCARD xc_status xc_scores_curve(const xc_scores *scores, uint32_t class_index,
                                              xc_threshold *out, size_t room, size_t *count);
/* The threshold that a rule takes for a class: "f1" and "youden" the best, "recall=X" the highest
 * with that recall, "precision=X" and "fpr=X" the lowest that keep X. threshold is NaN when none
 * does. */
XC_API XC_NODISCARD xc_status xc_scores_pick(const xc_scores *scores, uint32_t class_index,
                                             const char *rule, xc_threshold *out);
/* The temperature with the smallest loss (Guo et al. 2017), 0.05..20, whatever is set. */
XC_API XC_NODISCARD xc_status xc_scores_fit_temperature(const xc_scores *scores, double *out);

/* The confusion matrix as files: CSV, and SVG readable on light and dark. labels: (classes), NULL =
 * numbers; title: above the drawing; a path of NULL: not wanted. */
XC_API XC_NODISCARD xc_status xc_scores_confusion(const xc_scores *scores,
                                                  const char *const *labels, const char *title,
                                                  const char *csv_path, const char *svg_path);

typedef struct xc_comparison {
    uint64_t rows, both, only_a, only_b, neither; /* right answers */
    double p; /* McNemar 1947, two-sided: exact up to 1000 pictures on which they differ */
    double statistic;
} xc_comparison;
/* Two models on the same pictures: rows of equal id. */
XC_API XC_NODISCARD xc_status xc_scores_compare(const xc_scores *a, const xc_scores *b,
                                                xc_comparison *out);

typedef struct xc_rejection {
    double threshold; /* the highest below which at most 1 - tpr of the known pictures are */
    double tpr, fpr;  /* known, and unknown, pictures that are accepted */
    double auc;
} xc_rejection;
/* How well known pictures are told from unknown ones, and the threshold that accepts at least the
 * fraction tpr of the known. Both tables of logits. */
XC_API XC_NODISCARD xc_status xc_scores_reject(const xc_scores *known, const xc_scores *unknown,
                                               xc_reject reject, double tpr, xc_rejection *out);

/* Views of a picture whose logits are averaged. */
typedef enum xc_tta {
    XC_TTA_NONE,
    XC_TTA_FLIP,  /* as it is, and mirrored */
    XC_TTA_5CROP, /* four corners and the centre of a picture 8/7 as large */
    XC_TTA_10CROP /* these, and mirrored */
} xc_tta;

typedef struct xc_evaluate_opts {
    uint32_t size;
    xc_split split;
    uint32_t batch;                  /* 1..1024; 0 = 16 */
    uint32_t height, width;          /* 0 = the model's own */
    uint32_t decode_threads;         /* 1..64; 0 = 2 */
    const xc_preprocess *preprocess; /* NULL = the model's own */
    xc_progress_fn *progress;
    void *user;
    xc_scores *scores; /* of logits: gets a row for each picture, id: its index in the data set; or
                        * NULL */
    xc_precision precision;
    xc_tta tta;
} xc_evaluate_opts;
#define XC_EVALUATE_OPTS_INIT                                                                      \
    {                                                                                              \
        sizeof(xc_evaluate_opts), XC_SPLIT_VAL, 0, 0, 0, 0, NULL, NULL, NULL, NULL,                \
            XC_PRECISION_F32, XC_TTA_NONE                                                          \
    }
typedef struct xc_evaluation {
    uint64_t images, unreadable; /* what cannot be read is not counted in images */
    double top1, top5, loss;     /* fractions; mean cross-entropy */
} xc_evaluation;
/* All pictures of a split, in the order of the data set. Classes are compared by index: open the
 * data with the model's labels as its classes (made unique, where two are the same, as ImageNet's
 * two cranes). Pictures are decoded while the network runs. opts NULL: as xc_session_new, and val.
 * XC_ERR_FORMAT: the split has no samples, none can be read, or none has a weight. */
XC_API XC_NODISCARD xc_status xc_evaluate(xc_model *model, const xc_dataset *dataset,
                                          const xc_evaluate_opts *opts, xc_evaluation *out);

#ifdef __cplusplus
}
#endif
#endif
