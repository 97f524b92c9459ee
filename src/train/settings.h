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
#include "train/optimizer.h"
#include "train/schedule.h"

enum { SETTINGS_MAX_BATCH = 4096, SETTINGS_MAX_EPOCHS = 100000, SETTINGS_MAX_VIEWS = 1000 };

struct settings {
    char recipe[16];
    char freeze[64]; /* "none", "stem", "entry", "middle", "all-but-head", a block */
    char augment[AUGMENT_TEXT];
    int batch, epochs;
    int views; /* all-but-head: how many views of a picture are cached; 1: as in evaluation */
    struct optimizer_opts optimizer;
    enum schedule_kind schedule;
    double lr, least, warmup; /* warm-up in epochs */
    double factor, every;     /* step schedule; every so many epochs */
    double smoothing;
    double ema;         /* decay of the averaged weights; 0: none */
    double bn_momentum; /* part of the old moving statistics that stays; 0: as the network has it */
    uint64_t seed;
};

XC_NODISCARD xc_status settings_recipe(const char *name, struct settings *out, struct error *err);
const char *settings_recipe_name(int i); /* NULL past the last */
XC_NODISCARD xc_status settings_optimizer(const char *word, struct settings *s, struct error *err);
XC_NODISCARD xc_status settings_schedule(const char *word, struct settings *s, struct error *err);
/* Ranges: the sentence names the setting. */
XC_NODISCARD xc_status settings_check(const struct settings *s, struct error *err);
/* NULL: out of memory */
json_t *settings_json(const struct settings *s);
XC_NODISCARD xc_status settings_from_json(json_t *json, struct settings *out, struct error *err);
/* Step t = 0, 1, ... of a run with so many steps an epoch. */
double settings_lr(const struct settings *s, uint32_t steps_per_epoch, uint64_t t);

#endif
