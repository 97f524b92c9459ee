/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which network does a run begin with? A fresh one of an architecture string, or a model whose head
 * is replaced when the classes are others.
 */
#ifndef XC_TRAIN_START_H
#define XC_TRAIN_START_H

#include "model/model.h"

struct start {
    const char *arch;     /* or */
    const xc_model *from; /* with its parameters */
    int h, w;             /* 0: as the architecture or the model has it */
    const char *const *class_name;
    int classes;
    uint64_t seed;    /* of fresh numbers */
    double dropout;   /* before the last layer of a fresh head; < 0: as the architecture has it */
    bool multi_label; /* a fresh head ends in sigmoids */
    const char *head; /* a fresh one: "linear", or hidden layers "DENSE,DENSE,..", each with ReLU
                       * and dropout; NULL: one is made when the classes are others */
    const char *preprocess; /* a named one; NULL: the model's, or the architecture's */
    bool as_stored;         /* the architecture's does not turn pictures upright (older runs) */
};
/* Can one go on from it? */
XC_NODISCARD xc_status start_check(const xc_model *from, struct error *err);
/* A model of its own that nobody shares: parameters in one block, labels and preprocessing set. */
XC_NODISCARD xc_status start_model(const struct machine *m, const struct start *s, xc_model **out,
                                   struct error *err);

#endif
