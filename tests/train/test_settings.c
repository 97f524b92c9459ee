/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes against the paper's table, ranges, words, and the way through JSON. */
#include "train/settings.h"

#include <string.h>

#include "harness.h"

static struct settings recipe(const char *name)
{
    struct settings s;
    struct error err;
    assert_int_equal(settings_recipe(name, &s, &err), XC_OK);
    assert_int_equal(settings_check(&s, &err), XC_OK);
    return s;
}

static void near(double got, double expected)
{
    assert_true(got > expected * (1 - 1e-12) && got < expected * (1 + 1e-12));
}

/* Section 4 of the paper: SGD 0.9, 0.045, x 0.94 every 2 epochs, decay 1e-5, dropout 0.5;
 * RMSprop 0.9, 0.001, x 0.9, no dropout; both with Polyak averaging. */
static void as_the_paper_says(void **state)
{
    (void)state;
    struct settings s = recipe("paper-imagenet");
    assert_int_equal(s.optimizer.kind, OPTIMIZER_SGD);
    assert_false(s.optimizer.nesterov);
    near(s.optimizer.momentum, 0.9);
    near(s.optimizer.decay, 1e-5);
    near(s.dropout, 0.5);
    assert_true(s.ema > 0);
    near(settings_lr(&s, 10, 0), 0.045);
    near(settings_lr(&s, 10, 19), 0.045);
    near(settings_lr(&s, 10, 20), 0.045 * 0.94);
    near(settings_lr(&s, 10, 40), 0.045 * 0.94 * 0.94);
    s = recipe("paper-jft");
    assert_int_equal(s.optimizer.kind, OPTIMIZER_RMSPROP);
    near(s.optimizer.momentum, 0.9);
    near(s.optimizer.decay, 1e-5);
    assert_true(s.dropout == 0 && s.ema > 0);
    for (int epochs = 100; epochs > 0; epochs -= 90) { /* ten decays, however long the run is */
        settings_epochs(&s, epochs);
        near(settings_lr(&s, 10, (uint64_t)epochs - 1), 0.001);
        near(settings_lr(&s, 10, (uint64_t)epochs), 0.0009);
        near(settings_lr(&s, 10, (uint64_t)epochs * 9), 0.001 * 0.387420489);
    }
    s = recipe("paper-jft"); /* the patience of a plateau is no part of the run's length */
    s.schedule = SCHEDULE_PLATEAU;
    const double every = s.every;
    settings_epochs(&s, 5);
    near(s.every, every);
    s.schedule = SCHEDULE_STEP; /* less than half a step is one, not never */
    s.every = 0.04;
    near(settings_lr(&s, 10, 0), 0.001);
    near(settings_lr(&s, 10, 3), 0.001 * 0.729);
}

static void through_json(void **state)
{
    (void)state;
    struct error err;
    const char *name;
    for (int i = 0; (name = settings_recipe_name(i)); i++) {
        struct settings s = recipe(name), back;
        s.seed = 12345;
        s.accumulate = 3;
        s.bf16 = true;
        s.patience = 4;
        s.time_limit = 0.1;
        s.target_top1 = 0.9;
        s.depthwise_rate = 16;
        assert_int_equal(settings_schedule("plateau", &s, &err), XC_OK);
        assert_int_equal(settings_decay("all", &s, &err), XC_OK);
        assert_int_equal(settings_class_weights("auto", &s, &err), XC_OK);
        json_t *json = settings_json(&s);
        assert_int_equal(settings_from_json(json, &back, &err), XC_OK);
        json_t *again = settings_json(&back);
        assert_true(json_equal(json, again));
        assert_string_equal(back.recipe, name);
        assert_true(back.bf16);
        json_object_del(json, "bf16"); /* as in files of earlier versions */
        assert_int_equal(settings_from_json(json, &back, &err), XC_OK);
        assert_false(back.bf16);
        assert_true(back.depthwise_rate == 16);
        json_object_del(json, "depthwise_rate");
        assert_int_equal(settings_from_json(json, &back, &err), XC_OK);
        assert_true(back.depthwise_rate == 1);
        assert_int_equal(back.schedule, SCHEDULE_PLATEAU);
        assert_int_equal(back.optimizer.mask, DECAY_ALL);
        json_object_del(json, "lr");
        assert_int_equal(settings_from_json(json, &back, &err), XC_ERR_FORMAT);
        assert_non_null(strstr(err.text, "\"lr\""));
        json_decref(json);
        json_decref(again);
    }
}

/* No field is 0 here; one that a list forgets is 0 behind it. */
static void every_field(void **state)
{
    (void)state;
    struct error err;
    struct settings s, back;
    _Static_assert(sizeof s == 832, "a new field belongs into the lists of this test, too");
    memset(&s, 0, sizeof s); /* what lies between the fields, too */
    snprintf(s.recipe, sizeof s.recipe, "cifar");
    snprintf(s.freeze, sizeof s.freeze, "stem");
    snprintf(s.unfreeze, sizeof s.unfreeze, "exit@3");
    snprintf(s.augment, sizeof s.augment, "flip=0.25");
    s.bf16 = s.features_bf16 = s.optimizer.nesterov = true;
    s.optimizer.kind = OPTIMIZER_ADAMW;
    s.optimizer.mask = DECAY_ALL;
    s.schedule = SCHEDULE_PLATEAU;
    s.class_weights = CLASS_WEIGHTS_GIVEN;
    int *const whole[] = {&s.batch, &s.epochs, &s.accumulate, &s.views, &s.patience};
    for (int i = 0; i < 5; i++) *whole[i] = 101 + i;
    double *const real[] = {&s.optimizer.momentum,
                            &s.optimizer.rho,
                            &s.optimizer.epsilon,
                            &s.optimizer.decay,
                            &s.optimizer.clip,
                            &s.lr,
                            &s.least,
                            &s.warmup,
                            &s.trunk_rate,
                            &s.depthwise_rate,
                            &s.factor,
                            &s.every,
                            &s.smoothing,
                            &s.sam,
                            &s.dropout,
                            &s.teacher_part,
                            &s.ema,
                            &s.bn_momentum,
                            &s.time_limit,
                            &s.target_top1};
    for (int i = 0; i < 20; i++) *real[i] = 0.1 + i / 70.0;
    s.seed = 987654321;
    json_t *json = settings_json(&s);
    assert_int_equal(settings_from_json(json, &back, &err), XC_OK);
    json_decref(json);
    const unsigned char *before = (const void *)&s, *after = (const void *)&back;
    for (size_t i = 0; i < sizeof s; i++) assert_true(!before[i] || after[i] == before[i]);
}

/* Another optimizer comes with a rate and a decay of its own; the recipe's own keeps the recipe's.
 */
static void optimizers(void **state)
{
    (void)state;
    struct error err;
    struct settings s = recipe("cifar");
    assert_int_equal(settings_decay("depthwise", &s, &err), XC_OK);
    s.optimizer.clip = 3;
    assert_int_equal(settings_optimizer("sgd", &s, &err), XC_OK);
    assert_true(s.lr == 0.1 && s.optimizer.nesterov && s.optimizer.decay == 5e-4);
    assert_int_equal(settings_optimizer("adamw", &s, &err), XC_OK);
    assert_true(s.lr == 1e-3 && !s.optimizer.nesterov && s.optimizer.decay == 0.05);
    assert_true(s.optimizer.mask == DECAY_DEPTHWISE && s.optimizer.clip == 3);
    assert_int_equal(settings_optimizer("rmsprop", &s, &err), XC_OK);
    assert_true(s.lr == 1e-3 && s.optimizer.decay == 1e-5);
    s = recipe("finetune");
    assert_int_equal(settings_optimizer("sgd", &s, &err), XC_OK);
    assert_true(s.lr == 0.05 && s.optimizer.decay == 4e-5);
}

static void refusals(void **state)
{
    (void)state;
    struct error err;
    struct settings s = recipe("cifar");
    assert_int_equal(settings_recipe("paper", &s, &err), XC_ERR_ARGUMENT);
    assert_int_equal(settings_schedule("steps", &s, &err), XC_ERR_ARGUMENT);
    assert_string_equal(
        err.text, "schedule \"steps\" is not one of constant, step, cosine, one-cycle, plateau");
    assert_int_equal(settings_decay("bias", &s, &err), XC_ERR_ARGUMENT);
    s.accumulate = 0;
    assert_int_equal(settings_check(&s, &err), XC_ERR_ARGUMENT);
    assert_string_equal(err.text, "accumulate: 0, expected 1..4096");
    s = recipe("cifar");
    s.target_top1 = 1.5;
    assert_int_equal(settings_check(&s, &err), XC_ERR_ARGUMENT);
    s = recipe("cifar");
    s.optimizer.momentum = 1;
    assert_int_equal(settings_check(&s, &err), XC_ERR_ARGUMENT);
    assert_string_equal(err.text, "momentum: 1, expected 0..0.9999999");
    s = recipe("cifar");
    s.dropout = 1;
    assert_int_equal(settings_check(&s, &err), XC_ERR_ARGUMENT);
}

RUN(cmocka_unit_test(as_the_paper_says), cmocka_unit_test(through_json),
    cmocka_unit_test(every_field), cmocka_unit_test(optimizers), cmocka_unit_test(refusals))
