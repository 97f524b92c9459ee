/* SPDX-License-Identifier: Apache-2.0 */
/* How is a network trained? The recipes, their ranges, and their JSON. */
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/*
 * finetune: a published network on a few thousand pictures. scratch: ImageNet-sized pictures from
 * random weights. cifar: small pictures; batch norm forgets faster, because its moving statistics
 * are otherwise stale when a short epoch ends.
 *
 * paper-imagenet and paper-jft: section 4 of the paper, "Xception: Deep Learning with Depthwise
 * Separable Convolutions", to the letter where it says something: optimizer, momentum, rates, their
 * decay, weight decay, dropout, Polyak averaging. It does not say batch, epochs, augmentation and
 * the constant of the average, which are ours; RMSprop's rho and epsilon are those of the Inception
 * V3 paper, on whose settings it builds. "x 0.9 every 3,000,000 samples" would end training after
 * one epoch of JFT, so steps are meant: ten decays in a run.
 */
static const struct settings recipes[] = {
    {.recipe = "finetune",
     .freeze = "none",
     .augment = "rrc=0.5/1,flip",
     .batch = 32,
     .epochs = 30,
     .optimizer =
         {.kind = OPTIMIZER_ADAMW, .momentum = 0.9, .rho = 0.999, .epsilon = 1e-8, .decay = 0.05},
     .schedule = SCHEDULE_COSINE,
     .lr = 1e-3,
     .warmup = 1,
     .smoothing = 0.1,
     .dropout = -1},
    {.recipe = "scratch",
     .freeze = "none",
     .augment = "rrc,flip",
     .batch = 32,
     .epochs = 90,
     .optimizer = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true, .decay = 4e-5},
     .schedule = SCHEDULE_COSINE,
     .lr = 0.05,
     .warmup = 3,
     .smoothing = 0.1,
     .dropout = -1,
     .ema = 0.999},
    {.recipe = "cifar",
     .freeze = "none",
     .augment = "pad=4,flip",
     .batch = 128,
     .epochs = 100,
     .optimizer = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true, .decay = 5e-4},
     .schedule = SCHEDULE_COSINE,
     .lr = 0.1,
     .warmup = 2,
     .smoothing = 0.1,
     .dropout = -1,
     .ema = 0.999,
     .bn_momentum = 0.9},
    {.recipe = "paper-imagenet",
     .freeze = "none",
     .augment = "rrc,flip",
     .batch = 32,
     .epochs = 100,
     .optimizer = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .decay = 1e-5},
     .schedule = SCHEDULE_STEP,
     .lr = 0.045,
     .factor = 0.94,
     .every = 2,
     .dropout = 0.5,
     .ema = 0.9999},
    {.recipe = "paper-jft",
     .freeze = "none",
     .augment = "rrc,flip",
     .batch = 32,
     .epochs = 100,
     .optimizer =
         {.kind = OPTIMIZER_RMSPROP, .momentum = 0.9, .rho = 0.9, .epsilon = 1, .decay = 1e-5},
     .schedule = SCHEDULE_STEP,
     .lr = 0.001,
     .factor = 0.9,
     .every = 10,
     .dropout = 0,
     .ema = 0.9999},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

/* The words of a choice, in the order of its enumeration. */
struct choice {
    const char *what;
    const char *word[6];
};

static const struct choice optimizers = {
    "optimizer",
    {[OPTIMIZER_SGD] = "sgd", [OPTIMIZER_RMSPROP] = "rmsprop", [OPTIMIZER_ADAMW] = "adamw"}};
static const struct choice schedules = {"schedule",
                                        {[SCHEDULE_CONSTANT] = "constant",
                                         [SCHEDULE_STEP] = "step",
                                         [SCHEDULE_COSINE] = "cosine",
                                         [SCHEDULE_ONE_CYCLE] = "one-cycle",
                                         [SCHEDULE_PLATEAU] = "plateau"}};
static const struct choice masks = {
    "decay", {[DECAY_KERNELS] = "kernels", [DECAY_DEPTHWISE] = "depthwise", [DECAY_ALL] = "all"}};
static const struct choice class_weights = {"class weights",
                                            {[CLASS_WEIGHTS_NONE] = "none",
                                             [CLASS_WEIGHTS_AUTO] = "auto",
                                             [CLASS_WEIGHTS_GIVEN] = "given"}};

static int index_of(const struct choice *c, const char *word)
{
    for (int i = 0; c->word[i]; i++)
        if (strcmp(word, c->word[i]) == 0) return i;
    return -1;
}

static xc_status choose(const struct choice *c, const char *word, int *out, struct error *err)
{
    char all[128] = "";
    *out = index_of(c, word);
    if (*out >= 0) return XC_OK;
    for (size_t i = 0, at = 0; c->word[i]; i++)
        at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", c->word[i]);
    return fail(err, XC_ERR_ARGUMENT, "%s \"%.40s\" is not one of %s", c->what, word, all);
}

const char *settings_recipe_name(int i)
{
    return i >= 0 && i < RECIPES ? recipes[i].recipe : NULL;
}

xc_status settings_recipe(const char *name, struct settings *out, struct error *err)
{
    struct choice names = {"recipe", {NULL}};
    int chosen;
    for (int i = 0; i < RECIPES; i++) names.word[i] = recipes[i].recipe;
    TRY(choose(&names, name, &chosen, err));
    *out = recipes[chosen];
    out->accumulate = out->views = 1;
    if (out->trunk_rate == 0) out->trunk_rate = 1;
    if (out->depthwise_rate == 0) out->depthwise_rate = 1;
    return XC_OK;
}

void settings_epochs(struct settings *s, int epochs)
{
    if (strcmp(s->recipe, "paper-jft") == 0 && s->schedule == SCHEDULE_STEP)
        s->every *= (double)epochs / s->epochs;
    s->epochs = epochs;
}

xc_status settings_optimizer(const char *word, struct settings *s, struct error *err)
{
    const struct optimizer_opts old = s->optimizer;
    int kind;
    TRY(choose(&optimizers, word, &kind, err));
    if (old.kind == (enum optimizer_kind)kind) return XC_OK;
    s->optimizer = optimizer_defaults((enum optimizer_kind)kind);
    s->optimizer.mask = old.mask;
    s->optimizer.clip = old.clip;
    const struct settings *usual = recipes; /* one optimizer's rate suits no other */
    while (usual->optimizer.kind != s->optimizer.kind) usual++;
    s->optimizer.decay = usual->optimizer.decay;
    s->lr = usual->lr;
    return XC_OK;
}

xc_status settings_schedule(const char *word, struct settings *s, struct error *err)
{
    int kind;
    TRY(choose(&schedules, word, &kind, err));
    if (s->schedule == (enum schedule_kind)kind) return XC_OK;
    s->schedule = (enum schedule_kind)kind;
    const bool plateau = kind == SCHEDULE_PLATEAU;
    s->factor = plateau ? 0.1 : 0.94; /* PyTorch's; the paper's, for ImageNet */
    s->every = plateau ? 10 : 2;
    return XC_OK;
}

xc_status settings_decay(const char *word, struct settings *s, struct error *err)
{
    int mask;
    TRY(choose(&masks, word, &mask, err));
    s->optimizer.mask = (enum decay_mask)mask;
    return XC_OK;
}

xc_status settings_class_weights(const char *word, struct settings *s, struct error *err)
{
    int kind;
    TRY(choose(&class_weights, word, &kind, err));
    s->class_weights = (enum class_weights)kind;
    return XC_OK;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static xc_status check_reals(const struct settings *s, struct error *err)
{
    const struct {
        const char *name;
        double value, least, most;
    } range[] = {
        {"lr", s->lr, 1e-12, 1e6},
        {"trunk rate", s->trunk_rate, 1e-6, 1e6},
        {"depthwise rate", s->depthwise_rate, 1e-6, 1e6},
        {"least lr", s->least, 0, 1e6},
        {"warm-up", s->warmup, 0, SETTINGS_MAX_EPOCHS},
        {"step factor", s->factor, 0, 1e6},
        {"step every", s->every, 0, SETTINGS_MAX_EPOCHS},
        {"label smoothing", s->smoothing, 0, 0.999},
        {"sam", s->sam, 0, 1e3},
        {"teacher's part", s->teacher_part, 0, 1},
        {"EMA decay", s->ema, 0, 0.9999999},
        {"batch norm momentum", s->bn_momentum, 0, 0.9999999},
        {"momentum", s->optimizer.momentum, 0, 0.9999999},
        {"rho", s->optimizer.rho, 0, 0.9999999},
        {"epsilon", s->optimizer.epsilon, 0, 1e6},
        {"weight decay", s->optimizer.decay, 0, 1e6},
        {"clip", s->optimizer.clip, 0, 1e12},
        {"time limit", s->time_limit, 0, 1e9},
        {"target top-1", s->target_top1, 0, 1},
    };
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].least && range[i].value <= range[i].most))
            return fail(err, XC_ERR_ARGUMENT, "%s: %.9g, expected %.9g..%.9g", range[i].name,
                        range[i].value, range[i].least, range[i].most);
    return XC_OK;
}

xc_status settings_check(const struct settings *s, struct error *err)
{
    const struct {
        const char *name;
        int value, least, most;
    } range[] = {{"batch", s->batch, 1, SETTINGS_MAX_BATCH},
                 {"epochs", s->epochs, 1, SETTINGS_MAX_EPOCHS},
                 {"accumulate", s->accumulate, 1, SETTINGS_MAX_ACCUMULATE},
                 {"views", s->views, 1, SETTINGS_MAX_VIEWS},
                 {"patience", s->patience, 0, SETTINGS_MAX_EPOCHS}};
    struct augment augment;
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (range[i].value < range[i].least || range[i].value > range[i].most)
            return fail(err, XC_ERR_ARGUMENT, "%s: %d, expected %d..%d", range[i].name,
                        range[i].value, range[i].least, range[i].most);
    if (!(s->dropout < 1)) /* NaN, too */
        return fail(err, XC_ERR_ARGUMENT, "dropout: %g, expected 0 <= rate < 1", s->dropout);
    TRY(check_reals(s, err));
    return augment_parse(s->augment, &augment, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* A member of each kind: X(name in the file, field, ...). The one list for writing and reading. */
#define TEXTS(X)                                                                                   \
    X("recipe", recipe) X("freeze", freeze) X("unfreeze", unfreeze) X("augment", augment)
#define COUNTS(X)                                                                                  \
    X("batch", batch)                                                                              \
    X("epochs", epochs)                                                                            \
    X("accumulate", accumulate)                                                                    \
    X("views", views)                                                                              \
    X("patience", patience)
#define REALS(X)                                                                                   \
    X("lr", lr)                                                                                    \
    X("trunk_rate", trunk_rate)                                                                    \
    X("least_lr", least)                                                                           \
    X("warmup_epochs", warmup)                                                                     \
    X("step_factor", factor)                                                                       \
    X("step_epochs", every)                                                                        \
    X("label_smoothing", smoothing)                                                                \
    X("dropout", dropout)                                                                          \
    X("ema", ema)                                                                                  \
    X("bn_momentum", bn_momentum)                                                                  \
    X("momentum", optimizer.momentum)                                                              \
    X("rho", optimizer.rho)                                                                        \
    X("epsilon", optimizer.epsilon)                                                                \
    X("weight_decay", optimizer.decay)                                                             \
    X("clip", optimizer.clip)                                                                      \
    X("time_limit", time_limit)                                                                    \
    X("target_top1", target_top1)
#define SWITCHES(X) X("nesterov", optimizer.nesterov) X("features_bf16", features_bf16)
#define LATER(X) X("bf16", bf16) /* switches that older files do not have: off */
/* Numbers that they do not have, and what those are then. */
#define LATER_REALS(X)                                                                             \
    X("teacher_part", teacher_part, 0)                                                             \
    X("depthwise_rate", depthwise_rate, 1)                                                         \
    X("sam", sam, 0)
#define CHOICES(X)                                                                                 \
    X("optimizer", optimizer.kind, optimizers, enum optimizer_kind)                                \
    X("schedule", schedule, schedules, enum schedule_kind)                                         \
    X("decay", optimizer.mask, masks, enum decay_mask)                                             \
    X("class_weights", class_weights, class_weights, enum class_weights)

json_t *settings_json(const struct settings *s)
{
    json_t *json = json_object();
    int failed = !json;
#define PUT_TEXT(name, field) failed |= json_object_set_new(json, name, json_string(s->field));
#define PUT_COUNT(name, field) failed |= json_object_set_new(json, name, json_integer(s->field));
#define PUT_REAL(name, field) failed |= json_object_set_new(json, name, json_real(s->field));
#define PUT_LATER_REAL(name, field, otherwise) PUT_REAL(name, field)
#define PUT_SWITCH(name, field) failed |= json_object_set_new(json, name, json_boolean(s->field));
#define PUT_CHOICE(name, field, choice, type)                                                      \
    failed |= json_object_set_new(json, name, json_string((choice).word[s->field]));
    TEXTS(PUT_TEXT)
    COUNTS(PUT_COUNT)
    REALS(PUT_REAL)
    SWITCHES(PUT_SWITCH)
    LATER(PUT_SWITCH)
    LATER_REALS(PUT_LATER_REAL)
    CHOICES(PUT_CHOICE)
    failed |= json_object_set_new(json, "seed", json_integer((json_int_t)s->seed));
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

static const char *take_text(json_t *json, const char *name, const char **missing)
{
    const char *text = json_string_value(json_object_get(json, name));
    if (!text) *missing = name;
    return text ? text : "";
}

static int take_count(json_t *json, const char *name, const char **missing)
{
    const json_t *value = json_object_get(json, name);
    const json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > INT32_MAX) *missing = name;
    return (int)n;
}

static int take_choice(json_t *json, const char *name, const struct choice *c, const char **missing)
{
    const char *word = json_string_value(json_object_get(json, name));
    const int i = word ? index_of(c, word) : -1;
    if (i < 0) *missing = name;
    return i < 0 ? 0 : i;
}

static double take_real(json_t *json, const char *name, const char **missing)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_number(value)) *missing = name;
    return json_number_value(value);
}

static bool take_switch(json_t *json, const char *name, const char **missing)
{
    const json_t *value = json_object_get(json, name);
    if (!json_is_boolean(value)) *missing = name;
    return json_is_true(value);
}

xc_status settings_from_json(json_t *json, struct settings *out, struct error *err)
{
    const char *missing = NULL;
    struct settings s = {0};
#define GET_TEXT(name, field)                                                                      \
    snprintf(s.field, sizeof s.field, "%s", take_text(json, name, &missing));
#define GET_COUNT(name, field) s.field = take_count(json, name, &missing);
#define GET_REAL(name, field) s.field = take_real(json, name, &missing);
#define GET_SWITCH(name, field) s.field = take_switch(json, name, &missing);
#define GET_LATER(name, field) s.field = json_is_true(json_object_get(json, name));
#define GET_LATER_REAL(name, field, otherwise)                                                     \
    s.field = json_object_get(json, name) ? take_real(json, name, &missing) : (otherwise);
#define GET_CHOICE(name, field, choice, type)                                                      \
    s.field = (type)take_choice(json, name, &(choice), &missing);
    TEXTS(GET_TEXT)
    COUNTS(GET_COUNT)
    REALS(GET_REAL)
    SWITCHES(GET_SWITCH)
    LATER(GET_LATER)
    LATER_REALS(GET_LATER_REAL)
    CHOICES(GET_CHOICE)
    const json_t *seed = json_object_get(json, "seed");
    if (!json_is_integer(seed)) missing = "seed";
    if (missing)
        return fail(err, XC_ERR_FORMAT, "the settings: \"%s\" is missing or wrong", missing);
    s.seed = (uint64_t)json_integer_value(seed);
    TRY(settings_check(&s, err));
    *out = s;
    return XC_OK;
}

/* ---- the schedule ---------------------------------------------------------------------------- */

double settings_lr(const struct settings *s, uint32_t steps_per_epoch, uint64_t t)
{
    const double epoch = (double)steps_per_epoch;
    const struct schedule schedule = {
        .kind = s->schedule,
        .lr = s->lr,
        .least = s->least,
        .warmup = (uint64_t)llround(s->warmup * epoch),
        .steps = (uint64_t)s->epochs * steps_per_epoch,
        .factor = s->factor,
        .every = s->every > 0 ? (uint64_t)fmax(1, round(s->every * epoch)) : 0};
    return schedule_lr(&schedule, t);
}
