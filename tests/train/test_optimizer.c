/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The optimizers against their formulas in double, written down once more; who decays, who is
 * frozen, clipping, threads, and averaging.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "harness.h"
#include "train/optimizer.h"

enum { STEPS = 12 };

struct trial {
    struct arena arena;
    struct param_table table;
    struct optimizer *o;
    float *param, *grad, *state;
    double *w, *m, *s; /* what they should be */
};

static float number(uint32_t stream, size_t i)
{
    return (float)rng_normal(3, RNG_TEST, stream, 0, (uint32_t)i);
}

static void open_trial(struct trial *t, const struct optimizer_opts *opts,
                       const struct optimizer_part *part)
{
    static const enum param_role role[] = {PARAM_KERNEL,    PARAM_BIAS, PARAM_GAMMA,
                                           PARAM_DEPTHWISE, PARAM_MEAN, PARAM_KERNEL};
    static const char *const name[] = {"a", "b", "c", "d", "e", "f"};
    struct error err;
    *t = (struct trial){0};
    for (int i = 0; i < 6; i++) {
        const int dim = 500 + 301 * i;
        int index;
        assert_int_equal(param_add(&t->table, &t->arena, name[i], role[i], 1, &dim, &index, &err),
                         XC_OK);
    }
    assert_int_equal(optimizer_new(opts, &t->table, part, &t->o, &err), XC_OK);
    const size_t n = t->table.total;
    t->param = calloc(n, sizeof(float));
    t->grad = calloc(n, sizeof(float));
    t->state = calloc(optimizer_state_count(t->o), sizeof(float));
    t->w = calloc(n, sizeof(double));
    t->m = calloc(n, sizeof(double));
    t->s = calloc(n, sizeof(double));
    optimizer_start(t->o, t->state);
    for (size_t i = 0; i < n; i++) {
        t->param[i] = number(0, i);
        t->w[i] = (double)t->param[i];
        t->s[i] = opts->kind == OPTIMIZER_RMSPROP ? 1 : 0;
    }
}

static void close_trial(struct trial *t)
{
    optimizer_free(t->o);
    arena_free(&t->arena);
    free(t->param);
    free(t->grad);
    free(t->state);
    free(t->w);
    free(t->m);
    free(t->s);
}

static void expect(struct trial *t, const struct optimizer_opts *o, size_t i, double g,
                   double decay, double lr, int step)
{
    double *w = &t->w[i], *m = &t->m[i], *s = &t->s[i];
    if (o->kind == OPTIMIZER_ADAMW) {
        *w *= 1 - lr * decay;
        *m = o->momentum * *m + (1 - o->momentum) * g;
        *s = o->rho * *s + (1 - o->rho) * g * g;
        *w -= lr * (*m / (1 - pow(o->momentum, step))) /
              (sqrt(*s / (1 - pow(o->rho, step))) + o->epsilon);
        return;
    }
    g += decay * *w;
    if (o->kind == OPTIMIZER_SGD) {
        *m = o->momentum * *m + g;
        *w -= lr * (o->nesterov ? g + o->momentum * *m : *m);
        return;
    }
    *s = o->rho * *s + (1 - o->rho) * g * g;
    *m = o->momentum * *m + lr * g / sqrt(*s + o->epsilon);
    *w -= *m;
}

static void follow(const struct optimizer_opts *opts, const struct optimizer_part *part)
{
    struct trial t;
    const uint64_t begun = part ? part[0].since : 0;
    open_trial(&t, opts, part);
    for (int step = 1; step <= STEPS; step++) {
        double square = 0;
        const double lr = 0.01 * step;
        for (size_t i = 0; i < t.table.total; i++) {
            t.grad[i] = number((uint32_t)step, i);
            square += (double)t.grad[i] * (double)t.grad[i];
        }
        const double length = sqrt(square);
        const double clip = opts->clip > 0 && length > opts->clip ? opts->clip / length : 1;
        for (int p = 0; p < t.table.count; p++) {
            const struct param *at = &t.table.at[p];
            const bool decays = at->role == PARAM_KERNEL || opts->mask == DECAY_ALL ||
                                (at->role == PARAM_DEPTHWISE && opts->mask == DECAY_DEPTHWISE);
            if (at->role == PARAM_MEAN || (part && part[p].rate == 0)) continue;
            for (size_t i = at->offset; i < at->offset + at->count; i++)
                expect(&t, opts, i, clip * (double)t.grad[i], decays ? opts->decay : 0,
                       lr * (part ? part[p].rate : 1), step);
        }
        const double norm =
            optimizer_step(t.o, begun + (uint64_t)step, lr, t.param, t.grad, t.state, NULL);
        assert_true(fabs(norm - length) < 1e-9 * length);
    }
    for (size_t i = 0; i < t.table.total; i++)
        assert_true(fabs((double)t.param[i] - t.w[i]) < 3e-6 * (1 + fabs(t.w[i])));
    close_trial(&t);
}

static void formulas(void **state)
{
    (void)state;
    STARTS_NO_THREAD();
    static const struct optimizer_part some[] = {{1, 7}, {0.1, 7}, {0, 7}, {3, 7}, {1, 7}, {0, 7}};
    for (int bits = 0; bits < 24; bits++)
        for (int kind = OPTIMIZER_SGD; kind <= OPTIMIZER_ADAMW; kind++) {
            struct optimizer_opts opts = optimizer_defaults((enum optimizer_kind)kind);
            opts.nesterov = bits & 1;
            opts.decay = bits & 2 ? 0.1 : 0;
            opts.clip = bits & 4 ? 20 : 0;
            opts.mask = (enum decay_mask)(bits / 8);
            if (bits & 4) opts.epsilon = 0.5; /* so that it matters where it stands */
            follow(&opts, bits & 1 ? some : NULL);
        }
}

static void threads(void **state)
{
    (void)state;
    for (int kind = OPTIMIZER_SGD; kind <= OPTIMIZER_ADAMW; kind++) {
        const struct optimizer_opts opts = optimizer_defaults((enum optimizer_kind)kind);
        struct trial one, three;
        struct pool *pool;
        struct error err;
        open_trial(&one, &opts, NULL);
        open_trial(&three, &opts, NULL);
        assert_int_equal(pool_new(3, &pool, &err), XC_OK);
        for (uint32_t step = 1; step < 4; step++) {
            for (size_t i = 0; i < one.table.total; i++)
                one.grad[i] = three.grad[i] = number(step, i);
            const double a = optimizer_step(one.o, step, 0.1, one.param, one.grad, one.state, NULL);
            const double b =
                optimizer_step(three.o, step, 0.1, three.param, three.grad, three.state, pool);
            assert_memory_equal(&a, &b, sizeof a);
        }
        assert_memory_equal(one.param, three.param, one.table.total * sizeof(float));
        pool_free(pool);
        close_trial(&one);
        close_trial(&three);
    }
}

static void not_a_number(void **state)
{
    (void)state;
    const struct optimizer_opts opts = optimizer_defaults(OPTIMIZER_SGD);
    struct trial t;
    open_trial(&t, &opts, NULL);
    t.grad[777] = NAN;
    const double norm = optimizer_step(t.o, 1, 0.1, t.param, t.grad, t.state, NULL);
    assert_true(norm != norm);
    for (size_t i = 0; i < t.table.total; i++) {
        assert_true((double)t.param[i] == t.w[i]);
        assert_true(t.state[i] == 0);
    }
    close_trial(&t);
}

static void averages(void **state)
{
    (void)state;
    const struct optimizer_opts opts = optimizer_defaults(OPTIMIZER_SGD);
    struct trial t;
    open_trial(&t, &opts, NULL);
    for (size_t i = 0; i < t.table.total; i++) t.grad[i] = 1; /* here: the average */
    ema_update(&t.table, 0, 0.99, t.param, t.grad, NULL);     /* decay 1/10 */
    for (size_t i = 0; i < t.table.total; i++)
        assert_true(fabs((double)t.grad[i] - (0.1 + 0.9 * t.w[i])) < 1e-6);
    ema_update(&t.table, 100000, 0.99, t.param, t.grad, NULL);
    for (size_t i = 0; i < t.table.total; i++)
        assert_true(fabs((double)t.grad[i] - (0.099 + 0.901 * t.w[i])) < 1e-6);
    close_trial(&t);
}

RUN(cmocka_unit_test(formulas), cmocka_unit_test(threads), cmocka_unit_test(not_a_number),
    cmocka_unit_test(averages))
