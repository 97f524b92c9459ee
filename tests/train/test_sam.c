/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharpness-aware minimisation: a step goes down the gradient of weights that lie further up the
 * slope, found here with two plain runs. Threads, accumulation and a stop change no bit.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "train/runs.h"

static const double distance = 0.05;

struct step { /* of one run: what it left, and what it subtracted */
    float *end;
    double *gradient;
};

/* Has names of classes: so its head is kept. */
static xc_model *begin(xc_context *context)
{
    static const char *const name[] = {"blue", "green", "red"};
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    xc_model *from = NULL;
    create.weights = XC_WEIGHTS_RANDOM;
    create.classes = 3;
    create.seed = 11;
    assert_int_equal(xc_model_create(context, RUNS_ARCH, &create, &from), XC_OK);
    from->meta.labels = name;
    return from;
}

/* All pictures are one batch, and the rate is 1. What dropout draws is of the step. */
static struct step step_from(xc_context *context, const xc_model *from, const char *folder,
                             const char *name, double sam)
{
    xc_train_opts o = runs_opts(folder, name);
    o.arch = NULL;
    o.from = from;
    o.augment = "none";
    o.schedule = "constant";
    o.epochs = 1;
    o.batch = 48;
    o.lr = 1;
    o.momentum = o.weight_decay = o.ema = 0;
    o.sam = sam;
    runs_train(&o, RUNS_USUAL, 1, XC_OK);
    runs_opts_free(&o);
    char *path = NULL;
    xc_model *last = NULL;
    assert_true(asprintf(&path, "%s/%s/last.safetensors", folder, name) > 0);
    assert_int_equal(xc_model_load(context, path, NULL, &last), XC_OK);
    const size_t total = from->graph->param.total;
    struct step step = {malloc(total * sizeof(float)), malloc(total * sizeof(double))};
    assert_true(step.end && step.gradient);
    for (int i = 0; i < from->graph->param.count; i++) {
        const struct param *p = &from->graph->param.at[i];
        memcpy(step.end + p->offset, last->data[i], p->count * sizeof(float));
    }
    for (size_t i = 0; i < total; i++)
        step.gradient[i] = (double)from->block[i] - (double)step.end[i];
    xc_model_unref(last);
    free(path);
    return step;
}

static void free_step(struct step *step)
{
    free(step->end);
    free(step->gradient);
}

/* |a - b|, of what learns; b NULL: |a| */
static double length(const struct param_table *table, const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        for (size_t k = p->offset; param_trainable(p) && k < p->offset + p->count; k++) {
            const double d = a[k] - (b ? b[k] : 0);
            sum += d * d;
        }
    }
    return sqrt(sum);
}

static void one_step(void **state)
{
    (void)state;
    char *folder = runs_folder();
    xc_context *context = runs_context(1);
    xc_model *from = begin(context), *above = begin(context);
    const struct param_table *table = &from->graph->param;
    struct step plain = step_from(context, from, folder, "plain", 0);
    struct step sharp = step_from(context, from, folder, "sharp", distance);
    const double slope = length(table, plain.gradient, NULL);
    for (int i = 0; i < table->count; i++) {
        const struct param *p = &table->at[i];
        for (size_t k = p->offset; k < p->offset + p->count; k++) {
            if (param_trainable(p))
                above->block[k] += (float)(distance / slope * plain.gradient[k]);
            else /* of the first pass, not of the second */
                assert_memory_equal(&sharp.end[k], &plain.end[k], sizeof(float));
        }
    }
    struct step expected = step_from(context, above, folder, "above", 0);
    const double off = length(table, sharp.gradient, expected.gradient) / slope;
    const double turned = length(table, sharp.gradient, plain.gradient) / slope;
    print_message("off by %g of the gradient, which turned by %g\n", off, turned);
    assert_true(off < 1e-4);
    assert_true(turned > 0.05);
    free_step(&plain);
    free_step(&sharp);
    free_step(&expected);
    xc_model_unref(above);
    xc_model_unref(from);
    xc_context_free(context);
    runs_end(folder);
}

static bool stop_at_third(void *user, const xc_train_progress *p)
{
    int *steps = user;
    return p->event != XC_TRAIN_STEP || ++*steps != 3;
}

/* With accumulation and dropout, too. */
static void same_bits(void **state)
{
    (void)state;
    char *folder = runs_folder();
    static const char *const name[] = {"whole", "threads", "stopped"};
    for (int i = 0; i < 3; i++) {
        int steps = 0;
        xc_train_opts o = runs_opts(folder, name[i]);
        o.sam = distance;
        o.accumulate = 2;
        if (i == 2) o.progress = stop_at_third;
        o.user = &steps;
        runs_train(&o, RUNS_USUAL, i == 1 ? 3 : 1, i == 2 ? XC_ERR_CANCELLED : XC_OK);
        o.progress = NULL;
        if (i == 2) runs_resume(&o, RUNS_USUAL, XC_OK);
        runs_opts_free(&o);
        assert_true(runs_same(folder, name[0], name[i]));
    }
    runs_end(folder);
}

RUN(cmocka_unit_test(one_step), cmocka_unit_test(same_bits))
