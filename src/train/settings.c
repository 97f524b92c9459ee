/* SPDX-License-Identifier: Apache-2.0 */
/* How is a network trained? The recipes, their ranges, and their JSON. */
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* finetune: a published network on a few thousand pictures. scratch: ImageNet-sized pictures from
 * random weights. cifar: small pictures; batch norm forgets faster, because its moving statistics
 * are otherwise stale when a short epoch ends. */
static const struct settings recipes[] = {
    {.recipe = "finetune",
     .freeze = "none",
     .augment = "rrc=0.5/1,flip",
     .batch = 32,
     .epochs = 30,
     .views = 1,
     .optimizer =
         {.kind = OPTIMIZER_ADAMW, .momentum = 0.9, .rho = 0.999, .epsilon = 1e-8, .decay = 0.05},
     .schedule = SCHEDULE_COSINE,
     .lr = 1e-3,
     .warmup = 1,
     .smoothing = 0.1},
    {.recipe = "scratch",
     .freeze = "none",
     .augment = "rrc,flip",
     .batch = 32,
     .epochs = 90,
     .views = 1,
     .optimizer = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true, .decay = 4e-5},
     .schedule = SCHEDULE_COSINE,
     .lr = 0.05,
     .warmup = 3,
     .smoothing = 0.1,
     .ema = 0.999},
    {.recipe = "cifar",
     .freeze = "none",
     .augment = "pad=4,flip",
     .batch = 128,
     .epochs = 100,
     .views = 1,
     .optimizer = {.kind = OPTIMIZER_SGD, .momentum = 0.9, .nesterov = true, .decay = 5e-4},
     .schedule = SCHEDULE_COSINE,
     .lr = 0.1,
     .warmup = 2,
     .smoothing = 0.1,
     .ema = 0.999,
     .bn_momentum = 0.9},
};
enum { RECIPES = sizeof recipes / sizeof *recipes };

static const char *const optimizer_word[] = {
    [OPTIMIZER_SGD] = "sgd", [OPTIMIZER_RMSPROP] = "rmsprop", [OPTIMIZER_ADAMW] = "adamw"};
enum { OPTIMIZERS = sizeof optimizer_word / sizeof *optimizer_word };

static const char *const schedule_word[] = {[SCHEDULE_CONSTANT] = "constant",
                                            [SCHEDULE_STEP] = "step",
                                            [SCHEDULE_COSINE] = "cosine",
                                            [SCHEDULE_ONE_CYCLE] = "one-cycle"};
enum { SCHEDULES = sizeof schedule_word / sizeof *schedule_word };

static int index_of(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) return i;
    return -1;
}

const char *settings_recipe_name(int i)
{
    return i >= 0 && i < RECIPES ? recipes[i].recipe : NULL;
}

xc_status settings_recipe(const char *name, struct settings *out, struct error *err)
{
    for (int i = 0; i < RECIPES; i++) {
        if (strcmp(name, recipes[i].recipe) != 0) continue;
        *out = recipes[i];
        return XC_OK;
    }
    return fail(err, XC_ERR_ARGUMENT, "recipe \"%.40s\" is not one of finetune, scratch, cifar",
                name);
}

xc_status settings_optimizer(const char *word, struct settings *s, struct error *err)
{
    const int i = index_of(word, optimizer_word, OPTIMIZERS);
    const double decay = s->optimizer.decay, clip = s->optimizer.clip;
    if (i < 0)
        return fail(err, XC_ERR_ARGUMENT, "optimizer \"%.40s\" is not one of sgd, rmsprop, adamw",
                    word);
    if (s->optimizer.kind == (enum optimizer_kind)i) return XC_OK;
    s->optimizer = optimizer_defaults((enum optimizer_kind)i);
    s->optimizer.decay = decay;
    s->optimizer.clip = clip;
    return XC_OK;
}

xc_status settings_schedule(const char *word, struct settings *s, struct error *err)
{
    const int i = index_of(word, schedule_word, SCHEDULES);
    if (i < 0)
        return fail(err, XC_ERR_ARGUMENT,
                    "schedule \"%.40s\" is not one of constant, step, cosine, one-cycle", word);
    s->schedule = (enum schedule_kind)i;
    if (s->schedule == SCHEDULE_STEP && s->every <= 0) {
        s->factor = 0.94; /* the paper's, for ImageNet */
        s->every = 2;
    }
    return XC_OK;
}

/* ---- ranges ------------------------------------------------------------------------------------
 */

static xc_status check_reals(const struct settings *s, struct error *err)
{
    const struct {
        const char *name;
        double value, least, most;
    } range[] = {
        {"lr", s->lr, 1e-12, 1e6},
        {"least lr", s->least, 0, 1e6},
        {"warm-up", s->warmup, 0, SETTINGS_MAX_EPOCHS},
        {"step factor", s->factor, 0, 1e6},
        {"step every", s->every, 0, SETTINGS_MAX_EPOCHS},
        {"label smoothing", s->smoothing, 0, 0.999},
        {"EMA decay", s->ema, 0, 0.9999999},
        {"batch norm momentum", s->bn_momentum, 0, 0.9999999},
        {"momentum", s->optimizer.momentum, 0, 0.9999999},
        {"rho", s->optimizer.rho, 0, 0.9999999},
        {"epsilon", s->optimizer.epsilon, 0, 1e6},
        {"weight decay", s->optimizer.decay, 0, 1e6},
        {"clip", s->optimizer.clip, 0, 1e12},
    };
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].least && range[i].value <= range[i].most))
            return fail(err, XC_ERR_ARGUMENT, "%s: %g, expected %g..%g", range[i].name,
                        range[i].value, range[i].least, range[i].most);
    return XC_OK;
}

xc_status settings_check(const struct settings *s, struct error *err)
{
    const struct {
        const char *name;
        int value, most;
    } range[] = {{"batch", s->batch, SETTINGS_MAX_BATCH},
                 {"epochs", s->epochs, SETTINGS_MAX_EPOCHS},
                 {"views", s->views, SETTINGS_MAX_VIEWS}};
    struct augment augment;
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (range[i].value < 1 || range[i].value > range[i].most)
            return fail(err, XC_ERR_ARGUMENT, "%s: %d, expected 1..%d", range[i].name,
                        range[i].value, range[i].most);
    TRY(check_reals(s, err));
    return augment_parse(s->augment, &augment, err);
}

/* ---- JSON --------------------------------------------------------------------------------------
 */

/* A member of each kind: X(name in the file, field). The one list for writing and reading. */
#define TEXTS(X) X("recipe", recipe) X("freeze", freeze) X("augment", augment)
#define COUNTS(X) X("batch", batch) X("epochs", epochs) X("views", views)
#define REALS(X)                                                                                   \
    X("lr", lr)                                                                                    \
    X("least_lr", least)                                                                           \
    X("warmup_epochs", warmup)                                                                     \
    X("step_factor", factor)                                                                       \
    X("step_epochs", every)                                                                        \
    X("label_smoothing", smoothing)                                                                \
    X("ema", ema)                                                                                  \
    X("bn_momentum", bn_momentum)                                                                  \
    X("momentum", optimizer.momentum)                                                              \
    X("rho", optimizer.rho)                                                                        \
    X("epsilon", optimizer.epsilon)                                                                \
    X("weight_decay", optimizer.decay)                                                             \
    X("clip", optimizer.clip)
#define SWITCHES(X)                                                                                \
    X("nesterov", optimizer.nesterov) X("decay_depthwise", optimizer.decay_depthwise)

json_t *settings_json(const struct settings *s)
{
    json_t *json = json_object();
    int failed = !json;
#define PUT_TEXT(name, field) failed |= json_object_set_new(json, name, json_string(s->field));
#define PUT_COUNT(name, field) failed |= json_object_set_new(json, name, json_integer(s->field));
#define PUT_REAL(name, field) failed |= json_object_set_new(json, name, json_real(s->field));
#define PUT_SWITCH(name, field) failed |= json_object_set_new(json, name, json_boolean(s->field));
    TEXTS(PUT_TEXT)
    COUNTS(PUT_COUNT)
    REALS(PUT_REAL)
    SWITCHES(PUT_SWITCH)
    failed |=
        json_object_set_new(json, "optimizer", json_string(optimizer_word[s->optimizer.kind]));
    failed |= json_object_set_new(json, "schedule", json_string(schedule_word[s->schedule]));
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
    TEXTS(GET_TEXT)
    COUNTS(GET_COUNT)
    REALS(GET_REAL)
    SWITCHES(GET_SWITCH)
    const int kind = index_of(take_text(json, "optimizer", &missing), optimizer_word, OPTIMIZERS);
    const int plan = index_of(take_text(json, "schedule", &missing), schedule_word, SCHEDULES);
    const json_t *seed = json_object_get(json, "seed");
    if (!json_is_integer(seed)) missing = "seed";
    if (kind < 0) missing = "optimizer";
    if (plan < 0) missing = "schedule";
    if (missing)
        return fail(err, XC_ERR_FORMAT, "the settings: \"%s\" is missing or wrong", missing);
    s.optimizer.kind = (enum optimizer_kind)kind;
    s.schedule = (enum schedule_kind)plan;
    s.seed = (uint64_t)json_integer_value(seed);
    TRY(settings_check(&s, err));
    *out = s;
    return XC_OK;
}

/* ---- the schedule ------------------------------------------------------------------------------
 */

double settings_lr(const struct settings *s, uint32_t steps_per_epoch, uint64_t t)
{
    const double epoch = (double)steps_per_epoch;
    const struct schedule schedule = {.kind = s->schedule,
                                      .lr = s->lr,
                                      .least = s->least,
                                      .warmup = (uint64_t)llround(s->warmup * epoch),
                                      .steps = (uint64_t)s->epochs * steps_per_epoch,
                                      .factor = s->factor,
                                      .every = (uint64_t)llround(s->every * epoch)};
    return schedule_lr(&schedule, t);
}
