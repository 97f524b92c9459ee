/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How is a network trained? Everything that decides which numbers a run ends with, besides the
 * start model and the data. A recipe is a row of a table; what a person says replaces parts of it.
 * Written as JSON into every run folder, and read back from there to go on.
 */
#ifndef XC_TRAIN_SETTINGS_H
#define XC_TRAIN_SETTINGS_H

#include <jansson.h>

#include "data/augment.h"
#include "train/freeze.h"
#include "train/optimizer.h"
#include "train/schedule.h"

enum {
    SETTINGS_MAX_BATCH = 4096,
    SETTINGS_MAX_EPOCHS = 100000,
    SETTINGS_MAX_VIEWS = 1000,
    SETTINGS_MAX_ACCUMULATE = 4096
};

enum class_weights {
    CLASS_WEIGHTS_NONE,
    CLASS_WEIGHTS_AUTO, /* samples / (classes x samples of the class) */
    CLASS_WEIGHTS_GIVEN
};

struct settings {
    char recipe[16];
    char freeze[FREEZE_TEXT]; /* as in freeze.h */
    char unfreeze[UNFREEZE_TEXT];
    char augment[AUGMENT_TEXT];
    bool bf16; /* maps and their gradients are brain floats; weights and sums stay float32 */
    int batch, epochs;
    int accumulate;     /* batches a step; batch norm's statistics are those of one batch each */
    int views;          /* of a picture that frozen layers see; 1: as in evaluation */
    bool features_bf16; /* what they say is rounded to bf16, kept or not */
    struct optimizer_opts optimizer;
    enum schedule_kind schedule;
    double lr, least, warmup; /* warm-up in epochs */
    double trunk_rate;        /* times lr in front of the head */
    double depthwise_rate;    /* times lr of depthwise kernels */
    double factor, every; /* step: every so many epochs; plateau: so many without a better one */
    double smoothing;
    double sam;     /* distance that sharpness-aware minimisation climbs; 0: none */
    double dropout; /* before the last layer of a fresh head; < 0: as the architecture has it */
    double teacher_part; /* of the targets is what teachers say, if there are any; 0: none are */
    enum class_weights class_weights;
    double ema;         /* decay of the averaged weights; 0: none */
    double bn_momentum; /* part of the old moving statistics that stays; 0: as the network has it */
    /* when it ends early, 0: never; all but the time are asked after an epoch */
    int patience;       /* so many epochs without a better one */
    double time_limit;  /* seconds of training, those of earlier processes included */
    double target_top1; /* of validation, a fraction */
    uint64_t seed;
};

XC_NODISCARD xc_status settings_recipe(const char *name, struct settings *out, struct error *err);
const char *settings_recipe_name(int i); /* NULL past the last */
/* Changes the length of a run; a recipe that decays so often in a run keeps doing so. */
void settings_epochs(struct settings *s, int epochs);
XC_NODISCARD xc_status settings_optimizer(const char *word, struct settings *s, struct error *err);
XC_NODISCARD xc_status settings_schedule(const char *word, struct settings *s, struct error *err);
/* What decays: "kernels", "depthwise" (those too), "all". */
XC_NODISCARD xc_status settings_decay(const char *word, struct settings *s, struct error *err);
/* "none", "auto", "given". */
XC_NODISCARD xc_status settings_class_weights(const char *word, struct settings *s,
                                              struct error *err);
/* Ranges: the sentence names the setting. */
XC_NODISCARD xc_status settings_check(const struct settings *s, struct error *err);
/* NULL: out of memory */
json_t *settings_json(const struct settings *s);
XC_NODISCARD xc_status settings_from_json(json_t *json, struct settings *out, struct error *err);
/* Step t = 0, 1, ... of a run with so many steps an epoch; plateau: before its scale. */
double settings_lr(const struct settings *s, uint32_t steps_per_epoch, uint64_t t);

#endif
