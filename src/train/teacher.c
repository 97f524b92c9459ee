/* SPDX-License-Identifier: Apache-2.0 */
/* What do other models say of the same pictures? */
#include "train/teacher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "train/sight.h"

enum {
    ROWS = 256
}; /* at a time, at most: as many as a machine has threads, so that each has some */

struct teachers {
    xc_session *session[XC_MAX_TEACHERS];
    struct sight sight[XC_MAX_TEACHERS];
    int count, rows;
    size_t classes, picture; /* picture: its numbers */
    bool several;            /* labels a picture */
    const struct kernels *kernels;
    uint64_t bytes;
    float *answer; /* (rows, classes) */
    float *seen;   /* rows of pictures, for the teacher with the largest ones; NULL: none */
    size_t seen_numbers;
};

void teacher_models_unref(struct teacher_models *m)
{
    for (int i = 0; i < m->count; i++) model_unref(m->model[i]);
    m->count = 0;
}

/* ---- do they fit? ---------------------------------------------------------------------------- */

static xc_status check_pixels(const xc_model *teacher, const xc_model *student, struct error *err)
{
    const int c = student->graph->input.c, its = teacher->graph->input.c;
    if (its == c) return XC_OK;
    return fail(err, XC_ERR_SHAPE, "pictures of %d channels, the network sees %d", its, c);
}

/* One that gives logits alone may mean either. */
static xc_status check_answers(const xc_model *teacher, bool several, struct error *err)
{
    const struct graph *g = teacher->graph;
    const struct node *last = &g->node[g->output[0].node];
    const bool sigmoid = last->kind == OP_ACT && last->act.kind == ACT_SIGMOID;
    if (!(several ? last->kind == OP_SOFTMAX : sigmoid)) return XC_OK;
    return fail(err, XC_ERR_ARGUMENT, "it gives %s, the data have %s a picture",
                several ? "one label" : "several labels", several ? "several" : "one");
}

static xc_status check_classes(const xc_model *teacher, const xc_model *student, struct error *err)
{
    const char *const *its = teacher->meta.labels, *const *ours = student->meta.labels;
    if (!teacher->info.classifies)
        return fail(err, XC_ERR_ARGUMENT, "it gives features or maps, no classes");
    if (teacher->info.classes != student->info.classes)
        return fail(err, XC_ERR_SHAPE, "%u classes, the data have %u", teacher->info.classes,
                    student->info.classes);
    for (uint32_t c = 0; its && ours && c < student->info.classes; c++)
        if (strcmp(its[c], ours[c]) != 0)
            return fail(err, XC_ERR_SHAPE, "class %u is %.60s, in the data it is %.60s", c, its[c],
                        ours[c]);
    return XC_OK;
}

static xc_status check(const xc_model *teacher, const xc_model *student, bool several,
                       struct error *err)
{
    TRY(check_classes(teacher, student, err));
    TRY(check_answers(teacher, several, err));
    return check_pixels(teacher, student, err);
}

/* ---- what they say --------------------------------------------------------------------------- */

static xc_status make_room(struct teachers *t, const struct sight *sight, struct error *err)
{
    const struct shape in = sight->to;
    const size_t picture = (size_t)in.h * (size_t)in.w * (size_t)in.c;
    size_t numbers, bytes;
    if (!size_mul(picture, (size_t)t->rows, &numbers) || !size_mul(numbers, sizeof(float), &bytes))
        return fail_memory(err, SIZE_MAX);
    if (!sight->differs || numbers <= t->seen_numbers) return XC_OK;
    float *more = realloc(t->seen, bytes);
    if (!more) return fail_memory(err, bytes);
    t->bytes += (numbers - t->seen_numbers) * sizeof *more;
    t->seen = more;
    t->seen_numbers = numbers;
    return XC_OK;
}

static xc_status add(struct teachers *t, xc_model *model, const struct teachers_opts *o,
                     struct error *err)
{
    const uint64_t number = o->precision == XC_PRECISION_BF16 ? 2 : 4;
    const xc_session_opts opts = {
        .size = sizeof opts, .max_batch = (uint32_t)t->rows, .precision = o->precision};
    TRY(check(model, o->student, t->several, err));
    xc_session **session = &t->session[t->count];
    TRY(session_new(model, &opts, session, err));
    t->sight[t->count++] = sight_of(model, o->student);
    TRY(make_room(t, &t->sight[t->count - 1], err));
    t->bytes +=
        model->graph->param.total * (sizeof(float) + number) + session_arena_bytes(*session);
    return XC_OK;
}

static xc_status add_all(struct teachers *t, const struct teacher_models *models,
                         const struct teachers_opts *o, struct error *err)
{
    char name[24];
    for (int i = 0; i < models->count; i++) {
        const xc_status status = add(t, models->model[i], o, err);
        snprintf(name, sizeof name, "teacher %d", i + 1);
        if (status != XC_OK) error_prefix(err, name);
        TRY(status);
    }
    return XC_OK;
}

xc_status teachers_new(const struct teacher_models *models, const struct teachers_opts *o,
                       struct teachers **out, struct error *err)
{
    const struct shape in = o->student->graph->input;
    struct teachers *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) return fail_memory(err, sizeof *t);
    t->rows = o->batch < ROWS ? o->batch : ROWS;
    t->classes = o->student->info.classes;
    t->picture = (size_t)in.h * (size_t)in.w * (size_t)in.c;
    t->several = o->several;
    t->kernels = &o->student->machine->f32;
    t->answer = malloc((size_t)t->rows * t->classes * sizeof *t->answer);
    const xc_status status = t->answer ? add_all(t, models, o, err) : fail_memory(err, t->classes);
    if (status == XC_OK)
        *out = t;
    else
        teachers_free(t);
    return status;
}

void teachers_free(struct teachers *t)
{
    if (!t) return;
    for (int i = 0; i < t->count; i++) session_free(t->session[i]);
    free(t->answer);
    free(t->seen);
    free(t);
}

uint64_t teachers_bytes(const struct teachers *t)
{
    return t ? t->bytes : 0;
}

/* Logits in place, at temperature 1 whatever the teacher was calibrated to. */
static void to_probabilities(const struct teachers *t, int n)
{
    const ptrdiff_t pixel = (ptrdiff_t)(t->classes * sizeof *t->answer);
    const struct view x = {.data = t->answer,
                           .n = 1,
                           .h = 1,
                           .w = n,
                           .c = (int)t->classes,
                           .image = n * pixel,
                           .row = n * pixel,
                           .pixel = pixel,
                           .type = DTYPE_F32};
    const struct map_call sigmoid = {
        .type = DTYPE_F32, .in = x, .out = x, .prologue.act.kind = ACT_SIGMOID};
    const struct softmax_call softmax = {.type = DTYPE_F32, .in = x, .out = x};
    if (t->several)
        t->kernels->map(&sigmoid, 0, (size_t)n);
    else
        t->kernels->softmax(&softmax, 0, (size_t)n);
}

static xc_status mix_rows(struct teachers *t, const float *x, int n, double part, float *target,
                          struct error *err)
{
    const size_t numbers = (size_t)n * t->classes;
    const float each = (float)(part / t->count), rest = (float)(1 - part);
    size_t written;
    for (size_t k = 0; k < numbers; k++) target[k] *= rest;
    for (int i = 0; i < t->count; i++) {
        const struct sight *sight = &t->sight[i];
        const float *seen = sight->differs ? t->seen : x;
        if (sight->differs) TRY(sight_turn(sight, x, n, t->seen, err));
        TRY(session_run(t->session[i], seen, DTYPE_F32, (uint32_t)n, NULL, err));
        TRY(session_read(t->session[i], "logits", DTYPE_F32, t->answer, numbers, &written, err));
        to_probabilities(t, n);
        for (size_t k = 0; k < numbers; k++) target[k] += each * t->answer[k];
    }
    return XC_OK;
}

xc_status teachers_mix(struct teachers *t, const float *x, int n, double part, float *target,
                       struct error *err)
{
    for (int from = 0; from < n; from += t->rows) {
        const int rows = n - from < t->rows ? n - from : t->rows;
        TRY(mix_rows(t, x + (size_t)from * t->picture, rows, part,
                     target + (size_t)from * t->classes, err));
    }
    return XC_OK;
}
