/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is one training run? The step, and what is asked between two steps. No step takes memory:
 * trainer_new, trainer_begin and a new phase do.
 */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "thread/memory.h"
#include "train/target.h"

/* ---- making one ------------------------------------------------------------------------------ */

static size_t step_rows(const struct trainer *t)
{
    return (size_t)t->s.batch * (size_t)t->s.accumulate;
}

/* Balanced: where each sample has one label, the mean over all of them is 1, and so is the weight
 * of a class without samples. */
static void balance(struct trainer *t)
{
    const struct dataset *d = t->data;
    const double all = (double)d->count[XC_SPLIT_TRAIN] / t->classes;
    for (int c = 0; c < t->classes; c++) t->class_weight[c] = 0;
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        if (s->split != XC_SPLIT_TRAIN) continue;
        t->class_weight[s->label]++;
        for (int32_t k = 0; k < s->extra_count; k++) t->class_weight[s->extra[k]]++;
    }
    for (int c = 0; c < t->classes; c++)
        t->class_weight[c] = t->class_weight[c] > 0 ? (float)(all / (double)t->class_weight[c]) : 1;
}

static xc_status weigh_classes(struct trainer *t, const float *given, struct error *err)
{
    const size_t n = (size_t)t->classes;
    if (t->s.class_weights == CLASS_WEIGHTS_NONE) return XC_OK;
    t->class_weight = calloc(n, sizeof *t->class_weight);
    if (!t->class_weight) return fail_memory(err, n * sizeof *t->class_weight);
    if (t->s.class_weights == CLASS_WEIGHTS_AUTO)
        balance(t);
    else if (given)
        memcpy(t->class_weight, given, n * sizeof *given);
    double sum = 0;
    for (int c = 0; c < t->classes; c++) {
        if (!(t->class_weight[c] >= 0 && t->class_weight[c] <= 1e6F))
            return fail(err, XC_ERR_ARGUMENT, "the weight of class %s: %g, expected 0..1e6",
                        t->data->class_name[c], (double)t->class_weight[c]);
        sum += (double)t->class_weight[c];
    }
    if (given && sum == 0)
        return fail(err, XC_ERR_ARGUMENT, "the weights of all %d classes are 0", t->classes);
    return XC_OK;
}

static xc_status check_data(const struct trainer *t, struct error *err)
{
    const struct dataset *d = t->data;
    struct augment augment;
    TRY(settings_check(&t->s, err));
    TRY(augment_parse(t->s.augment, &augment, err));
    if (t->classes != (int)t->model->info.classes)
        return fail(err, XC_ERR_SHAPE, "the network has %u classes, the data %d",
                    t->model->info.classes, t->classes);
    if (!t->model->info.classifies)
        return fail(err, XC_ERR_ARGUMENT, "the network gives features or maps, no classes");
    if (d->count[XC_SPLIT_VAL] == 0)
        return fail(err, XC_ERR_FORMAT, "%s: no validation samples (%zu train, %zu test)", d->path,
                    d->count[XC_SPLIT_TRAIN], d->count[XC_SPLIT_TEST]);
    for (int split = XC_SPLIT_TRAIN; split <= XC_SPLIT_VAL; split++)
        if (d->count[split] > 0 && dataset_weighed(d, (xc_split)split) == 0)
            return fail(err, XC_ERR_FORMAT, "%s: the weight of all %zu %s samples is 0", d->path,
                        d->count[split], split_name((xc_split)split));
    if (t->s.accumulate > 1 && d->count[XC_SPLIT_TRAIN] < step_rows(t))
        return fail(err, XC_ERR_ARGUMENT,
                    "%s: %zu training samples, a step needs %zu (batch %d, accumulated %d times)",
                    d->path, d->count[XC_SPLIT_TRAIN], step_rows(t), t->s.batch, t->s.accumulate);
    if (t->phases.at[0].cut > 0 && t->s.views > 1 && augment_has_mix(&augment))
        return fail(err, XC_ERR_ARGUMENT,
                    "mixup and cutmix mix pictures, and frozen layers see one view at a time");
    return dataset_trainable(d, err);
}

/* Features of frozen layers are no pictures. */
static xc_status set_teachers(struct trainer *t, const struct teacher_models *models,
                              struct error *err)
{
    if (models->count == 0) return XC_OK;
    if (t->phases.at[0].cut > 0)
        return fail(err, XC_ERR_ARGUMENT,
                    "a teacher looks at each picture, and frozen layers see it once");
    const struct teachers_opts opts = {.student = t->model,
                                       .batch = t->s.batch,
                                       .precision =
                                           t->s.bf16 ? XC_PRECISION_BF16 : XC_PRECISION_F32,
                                       .several = t->data->multi_label};
    return teachers_new(models, &opts, &t->teachers, err);
}

/* Batch norm's part of the old statistics is a matter of the recipe, too. */
static void set_momentum(struct graph *g, double keep)
{
    for (int i = 0; keep > 0 && i < g->all; i++) {
        struct batch_norm_attr *norm = &g->node[i].norm;
        if (g->node[i].kind == OP_BATCH_NORM)
            norm->momentum = norm->torch_momentum ? 1 - keep : keep;
    }
}

static xc_status set_up(struct trainer *t, const struct trainer_opts *opts, struct error *err)
{
    const size_t rows = t->data->count[XC_SPLIT_TRAIN];
    const struct freezing freezing = {t->s.freeze, t->s.unfreeze, t->s.epochs};
    struct graph *g = t->model->graph;
    if ((size_t)t->s.batch > rows && rows > 0) t->s.batch = (int)rows;
    TRY(freeze_phases(g, t->model->arch, &freezing, &t->phases, err));
    TRY(check_data(t, err));
    TRY(set_teachers(t, &opts->teachers, err));
    set_momentum(g, t->s.bn_momentum);
    TRY(weigh_classes(t, opts->class_weight, err));
    t->target = calloc((size_t)t->s.batch * (size_t)t->classes, sizeof *t->target);
    t->loss = calloc((size_t)t->s.batch, sizeof *t->loss);
    t->row_weight = calloc((size_t)t->s.batch, sizeof *t->row_weight);
    if (!t->target || !t->loss || !t->row_weight)
        return fail_memory(err, (size_t)t->s.batch * (size_t)t->classes);
    t->at.best_top1 = -1;
    t->phase = freeze_phase_of(&t->phases, opts->epoch);
    t->picture = need_picture(t->data);
    TRY(need_check(t, err));
    return stage_enter(t, t->phase, err);
}

xc_status trainer_new(const struct trainer_opts *opts, struct trainer **out, struct error *err)
{
    struct trainer *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t) {
        model_unref(opts->model);
        return fail_memory(err, sizeof *t);
    }
    t->m = opts->machine;
    t->data = opts->data;
    t->model = opts->model;
    t->cache_bytes = opts->cache_bytes;
    t->stop_on_bad = opts->stop_on_bad;
    t->lr_scale = 1;
    t->s = opts->settings;
    t->keep = opts->keep;
    t->memory = opts->memory ? opts->memory : memory_allowed();
    t->threads = opts->threads;
    t->classes = opts->data->classes;
    const xc_status status = set_up(t, opts, err);
    if (status == XC_OK)
        *out = t;
    else
        trainer_free(t);
    return status;
}

void trainer_free(struct trainer *t)
{
    if (!t) return;
    stage_leave(t);
    teachers_free(t->teachers);
    free(t->target);
    free(t->class_weight);
    free(t->row_weight);
    free(t->loss);
    model_unref(t->model);
    free(t);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static void set_targets(struct trainer *t, const struct batch *b)
{
    const int classes = t->classes;
    memset(t->target, 0, (size_t)b->n * (size_t)classes * sizeof *t->target);
    for (int i = 0; i < b->n; i++) {
        float *row = t->target + (size_t)i * (size_t)classes;
        const float *soft = b->target ? b->target + (size_t)i * (size_t)classes : NULL;
        if (!soft) {
            target_add_class(row, classes, b->label[i], 1, t->s.smoothing);
        } else if (t->data->multi_label) {
            memcpy(row, soft, (size_t)classes * sizeof *row);
            target_smooth_labels(row, classes, t->s.smoothing);
        } else {
            for (int c = 0; c < classes; c++)
                if (soft[c] > 0) target_add_class(row, classes, c, (double)soft[c], t->s.smoothing);
        }
    }
}

/* The weight of a picture's class, or of its classes where pictures are mixed: a matter of its
 * labels, not of what smoothing and teachers make of them. */
static float weight_of_class(const struct trainer *t, const struct batch *b, int i)
{
    const float *soft = b->target ? b->target + (size_t)i * (size_t)t->classes : NULL;
    double sum = 0, all = 0;
    if (!soft) return t->class_weight[b->label[i]];
    for (int c = 0; c < t->classes; c++) {
        sum += (double)soft[c] * (double)t->class_weight[c];
        all += (double)soft[c];
    }
    return all > 0 ? (float)(sum / all) : 0;
}

/* With several labels a picture each class is a question of its own, which has the weight. */
static void set_weights(struct trainer *t, const struct batch *b)
{
    const bool by_row = t->class_weight && !t->data->multi_label;
    for (int i = 0; i < b->n; i++)
        t->row_weight[i] = b->weight[i] * (by_row ? weight_of_class(t, b, i) : 1);
}

static int best_class(const float *logits, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

/* Of a mixed picture the right class is the one that it has most of. */
static bool is_right(const struct batch *b, int i, const float *logits, int classes)
{
    const int best = best_class(logits, classes);
    if (!b->target) return best == b->label[i];
    const float *soft = b->target + (size_t)i * (size_t)classes;
    return soft[best] > 0 && soft[best] == soft[best_class(soft, classes)];
}

/* As in evaluation, a sample without weight (it could not be read, say) does not count. */
static void add_sums(struct trainer *t, const struct batch *b)
{
    const struct view logits = learn_logits(t->learn, t->arena);
    for (int i = 0; i < b->n; i++) {
        if (b->weight[i] <= 0) continue;
        const float *row = (const float *)(const void *)((char *)logits.data + i * logits.image);
        t->at.sum.loss += t->loss[i] * (double)step_rows(t);
        t->at.sum.rows++;
        t->at.sum.top1 += is_right(b, i, row, t->classes);
    }
}

static bool all_finite(const float *x, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) all = all && isfinite(x[i]);
    return all;
}

static const char *first_wrong(const struct trainer *t, const float *block)
{
    const struct param_table *table = &t->g->param;
    for (int i = 0; i < table->count; i++)
        if (!all_finite(block + table->at[i].offset, table->at[i].count)) return table->at[i].name;
    return NULL;
}

/* Gradients come from the end: where they went bad, all in front of it are. */
static const char *last_wrong_gradient(const struct trainer *t, const float *grad)
{
    const struct param_table *table = &t->g->param;
    for (int i = table->count - 1; i >= 0; i--)
        if (!all_finite(grad + table->at[i].offset, table->at[i].count)) return table->at[i].name;
    return NULL;
}

/* The layer in which a picture of the batch became something else than numbers. */
static const char *first_wrong_layer(const struct trainer *t, const struct batch *b)
{
    const struct shape in = stage_input(t);
    const size_t row = (size_t)in.h * (size_t)in.w * (size_t)in.c;
    for (int i = 0; i < b->n; i++)
        if (!isfinite(t->loss[i]))
            return runner_first_wrong(t->m, t->g, t->weights, in, b->x + (size_t)i * row);
    return NULL;
}

/* Batch norm divides an infinite map by its infinite spread: the loss does not see it. */
static bool statistics_finite(const struct trainer *t)
{
    const struct param_table *table = &t->g->param;
    for (int i = 0; i < table->count; i++)
        if (!param_trainable(&table->at[i]) &&
            !all_finite(t->weights + table->at[i].offset, table->at[i].count))
            return false;
    return true;
}

/* Moving statistics come from what flows through the network, so the first layer whose statistics
 * went bad is the first one that saw it. Without any, values are looked at (b NULL: they are good),
 * and then gradients. */
static xc_status name_wrong(const struct trainer *t, double loss, const struct batch *b,
                            struct error *err)
{
    const char *name = first_wrong(t, t->weights);
    if (!name && b) name = first_wrong_layer(t, b);
    if (!name && b && t->slope) name = last_wrong_gradient(t, t->slope);
    if (!name) name = last_wrong_gradient(t, t->grad);
    return fail(
        err, XC_ERR_NUMBER, "step %ju (epoch %u): %s is not finite (loss %g, learning rate %g)",
        (uintmax_t)t->at.step + 1, t->at.epoch + 1, name ? name : "the loss", loss, trainer_lr(t));
}

static xc_status learn_once(struct trainer *t, const struct learn_io *io, const struct batch *b,
                            struct error *err)
{
    double loss = 0;
    TRY(learn_run(t->learn, io, t->arena, t->m->pool, NULL));
    for (int i = 0; i < b->n; i++) loss += t->loss[i];
    return isfinite(loss) && statistics_finite(t) ? XC_OK : name_wrong(t, loss, b, err);
}

/* Sharpness-aware minimisation, after io has found the slope of the batch where the weights are:
 * its gradient is that of weights further up. Moving statistics are those of the first pass. */
static xc_status learn_above(struct trainer *t, struct learn_io *io, const struct batch *b,
                             struct error *err)
{
    const size_t bytes = t->g->param.total * sizeof *t->foot;
    memcpy(t->foot, t->weights, bytes);
    optimizer_climb(t->optimizer, t->s.sam, t->weights, t->slope, t->m->pool);
    io->grad = t->grad;
    const xc_status status = learn_once(t, io, b, err);
    memcpy(t->weights, t->foot, bytes);
    return status;
}

/* Batch k of the step: its gradients are added. */
static xc_status learn_batch(struct trainer *t, int k, struct error *err)
{
    const struct batch *b = NULL;
    TRY(feed_next(t->train, &b, err));
    if (!b) return fail(err, XC_ERR_INTERNAL, "the epoch has no further batch");
    t->at.position += (uint32_t)b->n;
    if (batch_is_bad(b)) return XC_OK; /* of nothing there are no statistics */
    const uint64_t draw = t->at.step * (uint64_t)t->s.accumulate + (uint64_t)k;
    struct learn_io io = {.input = b->x,
                          .target = t->target,
                          .row_weight = t->row_weight,
                          .class_weight = t->data->multi_label ? t->class_weight : NULL,
                          .param = t->weights,
                          .grad = t->slope ? t->slope : t->grad,
                          .loss = t->loss,
                          .scale = 1.0 / (double)step_rows(t),
                          .draw = {.seed = t->s.seed, .step = (uint32_t)draw}};
    set_targets(t, b);
    set_weights(t, b);
    if (t->teachers) TRY(teachers_mix(t->teachers, b->x, b->n, t->s.teacher_part, t->target, err));
    if (t->slope) memset(t->slope, 0, t->g->param.total * sizeof *t->slope);
    TRY(learn_once(t, &io, b, err));
    add_sums(t, b);
    return t->slope ? learn_above(t, &io, b, err) : XC_OK;
}

static xc_status move_weights(struct trainer *t, struct error *err)
{
    const double norm = optimizer_step(t->optimizer, t->at.step + 1, trainer_lr(t), t->weights,
                                       t->grad, t->moments, t->m->pool);
    if (!isfinite(norm)) return name_wrong(t, score_loss(&t->at.sum), NULL, err);
    if (t->average)
        ema_update(&t->g->param, t->at.step + 1, t->s.ema, t->weights, t->average, t->m->pool);
    t->at.step++;
    return XC_OK;
}

xc_status trainer_step(struct trainer *t, bool *ended, struct error *err)
{
    memset(t->grad, 0, t->g->param.total * sizeof *t->grad);
    for (int k = 0; k < t->s.accumulate; k++) TRY(learn_batch(t, k, err));
    TRY(move_weights(t, err));
    *ended = t->at.position / step_rows(t) >= trainer_steps(t);
    if (!*ended) return XC_OK;
    t->at.epoch++;
    t->at.position = 0;
    if (t->at.sum.rows == 0) t->at.sum.rows = 1; /* that is open which has some */
    return XC_OK;
}

xc_status trainer_begin(struct trainer *t, xc_progress_fn *tick, void *user, struct error *err)
{
    TRY(supply_open(t, tick, user, err));
    feed_begin(t->train, t->at.epoch, t->at.position);
    return XC_OK;
}

bool trainer_is_due(const struct trainer *t)
{
    return !t->val;
}

xc_status trainer_next_epoch(struct trainer *t, struct error *err)
{
    const int phase = freeze_phase_of(&t->phases, t->at.epoch);
    t->at.sum = (struct score){0};
    if (phase != t->phase) return stage_enter(t, phase, err);
    feed_begin(t->train, t->at.epoch, 0);
    return XC_OK;
}

bool trainer_augments(const struct trainer *t)
{
    return !t->tail || t->s.views > 1;
}

double trainer_lr(const struct trainer *t)
{
    return t->lr_scale * settings_lr(&t->s, trainer_steps(t), t->at.step);
}

uint32_t trainer_steps(const struct trainer *t)
{
    return (uint32_t)(t->data->count[XC_SPLIT_TRAIN] / step_rows(t));
}

/* ---- between two steps ----------------------------------------------------------------------- */

static float *counting(const struct trainer *t)
{
    return t->average ? t->average : t->weights;
}

xc_status trainer_evaluate(struct trainer *t, xc_progress_fn *tick, void *user, struct score *out,
                           struct error *err)
{
    struct evaluation e = {.feed = t->val,
                           .classes = t->classes,
                           .batch = t->s.batch,
                           .multi_label = t->data->multi_label,
                           .tick = tick,
                           .user = user};
    TRY(runner_new(t->m, t->g, counting(t), stage_input(t), graph_logits(t->g), &e.runner, err));
    const xc_status status = evaluate(&e, out, err);
    runner_free(e.runner);
    return status;
}

void trainer_keep_best(struct trainer *t)
{
    memcpy(t->best, counting(t), t->g->param.total * sizeof *t->best);
}

xc_status trainer_check(const struct trainer *t, struct error *err)
{
    const char *wrong = first_wrong(t, t->weights);
    const size_t end = step_rows(t) * trainer_steps(t);
    if (t->at.position > 0 && t->at.position >= end)
        return fail(err, XC_ERR_FORMAT, "cursor: position %u of an epoch of %zu samples",
                    t->at.position, end);
    if (!wrong) return XC_OK;
    return fail(err, XC_ERR_NUMBER, "step %ju: %s is not finite", (uintmax_t)t->at.step, wrong);
}

xc_status trainer_save(const struct trainer *t, bool best, const char *path, struct error *err)
{
    const xc_save_opts opts = XC_SAVE_OPTS_INIT;
    float *from = best ? t->best : counting(t);
    xc_model *model = NULL;
    TRY(model_new(t->m, t->model->arch, NULL, &model, err));
    xc_status status = model_make_block(model, err);
    if (status == XC_OK) {
        memcpy(model->block, t->model->block, model->graph->param.total * sizeof *from);
        stage_move(t, model->block, from, true);
        model->meta = t->model->meta;
        status = model_ready(model, err);
    }
    if (status == XC_OK) status = model_save(model, path, &opts, err);
    model_unref(model);
    return status;
}

int trainer_blocks(const struct trainer *t, struct trainer_block out[TRAINER_BLOCKS])
{
    const size_t n = t->g->param.total;
    int count = 0;
    out[count++] = (struct trainer_block){"weights", t->weights, n};
    out[count++] =
        (struct trainer_block){"moments", t->moments, optimizer_state_count(t->optimizer)};
    out[count++] = (struct trainer_block){"best", t->best, n};
    if (t->average) out[count++] = (struct trainer_block){"average", t->average, n};
    if (t->tail)
        out[count++] =
            (struct trainer_block){"trunk", t->model->block, t->model->graph->param.total};
    if (t->class_weight)
        out[count++] = (struct trainer_block){"class_weight", t->class_weight, (size_t)t->classes};
    return count;
}
