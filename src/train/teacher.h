/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do other models say of the same pictures? The mean of their answers becomes a part of the
 * targets: distillation (Hinton, Vinyals and Dean 2015, at temperature 1), where teacher and
 * student see the same augmented and mixed picture (Beyer et al. 2022), each at its own size.
 */
#ifndef XC_TRAIN_TEACHER_H
#define XC_TRAIN_TEACHER_H

#include "model/session.h"

struct teacher_models {
    xc_model *model[XC_MAX_TEACHERS];
    int count;
};
/* Lets go of references that the caller holds. */
void teacher_models_unref(struct teacher_models *m);

struct teachers;

struct teachers_opts {
    const xc_model *student; /* its channels and classes have to be theirs */
    int batch;               /* of pictures, at most */
    xc_precision precision;  /* F32 or BF16, that they run in */
    bool several;            /* labels a picture */
};
/* The sentence names the teacher that does not fit. */
XC_NODISCARD xc_status teachers_new(const struct teacher_models *models,
                                    const struct teachers_opts *opts, struct teachers **out,
                                    struct error *err);
void teachers_free(struct teachers *t);
uint64_t teachers_bytes(const struct teachers *t); /* their numbers included; NULL: 0 */
/* x: (n, h, w, c). target: (n, classes), of which (1 - part) stays. */
XC_NODISCARD xc_status teachers_mix(struct teachers *t, const float *x, int n, double part,
                                    float *target, struct error *err);

#endif
