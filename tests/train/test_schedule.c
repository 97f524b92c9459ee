/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules at steps where the answer is known, and rows of targets. */
#include <math.h>

#include "harness.h"
#include "train/schedule.h"
#include "train/target.h"

static void near(double got, double expected)
{
    if (fabs(got - expected) > 1e-12 * (1 + fabs(expected)))
        print_error("%.17g, expected %.17g\n", got, expected);
    assert_true(fabs(got - expected) <= 1e-12 * (1 + fabs(expected)));
}

static void warm_up(void **state)
{
    (void)state;
    const struct schedule s = {.kind = SCHEDULE_CONSTANT, .lr = 0.8, .warmup = 4};
    near(schedule_lr(&s, 0), 0.2);
    near(schedule_lr(&s, 3), 0.8);
    near(schedule_lr(&s, 4), 0.8);
    near(schedule_lr(&s, 1000), 0.8);
}

static void steps(void **state)
{
    (void)state;
    const struct schedule s = {
        .kind = SCHEDULE_STEP, .lr = 0.045, .factor = 0.94, .every = 100, .warmup = 10};
    near(schedule_lr(&s, 9), 0.045);
    near(schedule_lr(&s, 109), 0.045);
    near(schedule_lr(&s, 110), 0.045 * 0.94);
    near(schedule_lr(&s, 410), 0.045 * 0.94 * 0.94 * 0.94 * 0.94);
}

static void cosine(void **state)
{
    (void)state;
    const struct schedule s = {
        .kind = SCHEDULE_COSINE, .lr = 1, .least = 0.1, .warmup = 20, .steps = 120};
    near(schedule_lr(&s, 20), 1);
    near(schedule_lr(&s, 70), 0.55);
    near(schedule_lr(&s, 120), 0.1);
    near(schedule_lr(&s, 5000), 0.1);
}

/* torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10): 0.04, 0.52, 1, ... 4e-6 */
static void one_cycle(void **state)
{
    (void)state;
    const struct schedule s = {.kind = SCHEDULE_ONE_CYCLE, .lr = 1, .steps = 10};
    near(schedule_lr(&s, 0), 0.04);
    near(schedule_lr(&s, 1), 0.52);
    near(schedule_lr(&s, 2), 1);
    near(schedule_lr(&s, 9), 4e-6);
    near(schedule_lr(&s, 12), 4e-6);
    const struct schedule tiny = {.kind = SCHEDULE_ONE_CYCLE, .lr = 1, .steps = 1};
    assert_true(isfinite(schedule_lr(&tiny, 0)));
}

static void plateau(void **state)
{
    (void)state;
    const double metric[] = {0.1, 0.3, 0.3, 0.2, 0.25, 0.31, 0.3, 0.3, 0.3, 0.3, 0.3};
    near(plateau_scale(metric, 1, 4, true, 2, 0.5), 1);
    near(plateau_scale(metric, 1, 5, true, 2, 0.5), 0.5);
    near(plateau_scale(metric, 1, 8, true, 2, 0.5), 0.5);
    near(plateau_scale(metric, 1, 9, true, 2, 0.5), 0.25);
    near(plateau_scale(metric, 1, 11, true, 2, 0.5), 0.25);
    near(plateau_scale(metric, 1, 4, false, 2, 0.5), 0.5); /* 0.1 stays the least */
    near(plateau_scale(metric, 3, 4, true, 1, 0.5), 1);    /* 0.1, 0.2, 0.3, 0.3 */
    near(plateau_scale(metric, 3, 4, true, 0, 0.5), 0.5);
}

static void targets(void **state)
{
    (void)state;
    float row[4] = {0};
    target_add_class(row, 4, 2, 0.75, 0.2);
    target_add_class(row, 4, 0, 0.25, 0.2);
    near((double)row[0], (double)(float)(0.0375 + 0.2125));
    near((double)row[1], (double)(float)(0.0375 + 0.0125));
    near((double)(row[0] + row[1] + row[2] + row[3]), 1);
    float labels[2] = {0, 1};
    target_smooth_labels(labels, 2, 0.1);
    near((double)labels[0], (double)0.05f);
    near((double)labels[1], (double)0.95f);
}

RUN(cmocka_unit_test(warm_up), cmocka_unit_test(steps), cmocka_unit_test(cosine),
    cmocka_unit_test(one_cycle), cmocka_unit_test(plateau), cmocka_unit_test(targets))
