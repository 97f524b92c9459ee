/* SPDX-License-Identifier: Apache-2.0 */
/* Training and evaluation of the public interface: options become settings. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/decimal.h"
#include "network/arch.h"
#include "train/run.h"
#include "train/trainer.h"

enum { DECODE_THREADS = 2, DECODE_MOST = 64, EVALUATE_BATCH = 16, EVALUATE_MOST = 1024 };
#define TEACHER_PART 0.7

static void set_count(uint32_t given, int *to)
{
    if (given) *to = given > INT32_MAX ? INT32_MAX : (int)given;
}

/* -1 is "not given"; any other negative number, and NaN, will be refused by settings_check. */
static void set_real(double given, double *to)
{
    if (given != -1) *to = given;
}

static xc_status set_text(const char *what, const char *given, char *to, size_t room)
{
    const int n = given ? snprintf(to, room, "%s", given) : 0;
    if (n >= 0 && (size_t)n < room) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "%s: \"%.40s..\" is too long", what, given);
}

/* Not with references of their own. */
static xc_status read_teachers(const xc_train_opts *o, struct teacher_models *to)
{
    *to = (struct teacher_models){.count = (int)o->teachers};
    if (o->teachers > XC_MAX_TEACHERS)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u teachers, at most %d are possible",
                    o->teachers, XC_MAX_TEACHERS);
    for (uint32_t i = 0; i < o->teachers; i++) {
        if (!o->teacher || !o->teacher[i]) return refuse_null("opts->teacher");
        if (o->teacher[i]->packed.block)
            return model_need_original(o->teacher[i], "copies of a teacher", api_error());
        if (!o->teacher[i]->data)
            return fail(api_error(), XC_ERR_ARGUMENT, "teacher %u has no weights", i + 1);
        to->model[i] = o->teacher[i];
    }
    return XC_OK;
}

static xc_status set_part(const xc_train_opts *o, struct settings *s)
{
    s->teacher_part = o->teachers ? TEACHER_PART : 0;
    set_real(o->teacher_part, &s->teacher_part);
    if (o->teachers && !(s->teacher_part > 0 && s->teacher_part <= 1))
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "the teachers' part: %g, expected more than 0, at most 1", s->teacher_part);
    if (o->teachers || o->teacher_part == -1) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "the teachers' part: %g, but there is no teacher",
                o->teacher_part);
}

static xc_status settings_of(const struct machine *m, const xc_train_opts *o, struct settings *s)
{
    if (o->precision != XC_PRECISION_F32 && o->precision != XC_PRECISION_BF16 &&
        o->precision != XC_PRECISION_AUTO)
        return fail(api_error(), XC_ERR_ARGUMENT, "training is in float32 or bf16 numbers");
    const char *recipe = o->recipe ? o->recipe : o->from ? "finetune" : "scratch";
    TRY(settings_recipe(recipe, s, api_error()));
    TRY(set_text("freeze", o->freeze, s->freeze, sizeof s->freeze));
    TRY(set_text("unfreeze", o->unfreeze, s->unfreeze, sizeof s->unfreeze));
    TRY(set_text("augment", o->augment, s->augment, sizeof s->augment));
    if (o->optimizer) TRY(settings_optimizer(o->optimizer, s, api_error()));
    if (o->schedule) TRY(settings_schedule(o->schedule, s, api_error()));
    if (o->decay) TRY(settings_decay(o->decay, s, api_error()));
    if (o->class_weights) TRY(settings_class_weights(o->class_weights, s, api_error()));
    if (o->class_weight) s->class_weights = CLASS_WEIGHTS_GIVEN;
    if (o->epochs) settings_epochs(s, o->epochs > INT32_MAX ? INT32_MAX : (int)o->epochs);
    set_count(o->batch, &s->batch);
    set_count(o->accumulate, &s->accumulate);
    set_count(o->views, &s->views);
    set_real(o->lr, &s->lr);
    set_real(o->least_lr, &s->least);
    set_real(o->warmup, &s->warmup);
    set_real(o->step_factor, &s->factor);
    set_real(o->step_every, &s->every);
    set_real(o->momentum, &s->optimizer.momentum);
    set_real(o->weight_decay, &s->optimizer.decay);
    set_real(o->smoothing, &s->smoothing);
    set_real(o->sam, &s->sam);
    set_real(o->clip, &s->optimizer.clip);
    set_real(o->ema, &s->ema);
    set_real(o->bn_momentum, &s->bn_momentum);
    set_real(o->dropout, &s->dropout);
    set_count(o->patience, &s->patience);
    set_real(o->time_limit, &s->time_limit);
    set_real(o->target_top1, &s->target_top1);
    set_real(o->trunk_rate, &s->trunk_rate);
    set_real(o->depthwise_rate, &s->depthwise_rate);
    TRY(set_part(o, s));
    s->features_bf16 = o->features_bf16;
    s->bf16 = machine_precision(m, o->precision) == XC_PRECISION_BF16;
    s->seed = o->seed;
    return settings_check(s, api_error());
}

static xc_status decoders(uint32_t given, int *out)
{
    *out = given ? (int)given : DECODE_THREADS;
    if (given <= DECODE_MOST) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "decode_threads: %u, expected 1..%d, or 0", given,
                DECODE_MOST);
}

static xc_status read_keeping(const xc_train_opts *o, struct keep_opts *keep)
{
    static const char *const word[] = {
        [KEEP_RAM] = "ram", [KEEP_DISK] = "disk", [KEEP_OFF] = "off"};
    keep->limit = o->features_bytes;
    if (!o->features) return XC_OK;
    for (size_t i = 0; i < sizeof word / sizeof *word; i++) {
        keep->place = (enum keep_place)i;
        if (strcmp(o->features, word[i]) == 0) return XC_OK;
    }
    return fail(api_error(), XC_ERR_ARGUMENT, "features: \"%.40s\" is not one of ram, disk, off",
                o->features);
}

static xc_status read_opts(const xc_context *context, const xc_train_opts *from, xc_train_opts *o,
                           struct run_opts *run)
{
    *o = (xc_train_opts)XC_TRAIN_OPTS_INIT;
    if (!context) return refuse_null("context");
    if (!from) return refuse_null("opts");
    TRY(options_read(o, sizeof *o, from, "xc_train_opts"));
    if (!o->folder) return refuse_null("opts->folder");
    if (!(o->save_seconds >= 0))
        return fail(api_error(), XC_ERR_ARGUMENT, "save_seconds: %g, expected 0 or more",
                    o->save_seconds);
    *run = (struct run_opts){.machine = &context->machine,
                             .folder = o->folder,
                             .save_seconds = o->save_seconds,
                             .cache_bytes = (size_t)o->cache_bytes,
                             .stop_on_bad = o->stop_on_bad,
                             .until = o->until,
                             .time_limit = o->time_limit > 0 ? o->time_limit : 0,
                             .memory = o->memory_bytes,
                             .progress = o->progress,
                             .user = o->user};
    TRY(read_keeping(o, &run->keep));
    return decoders(o->decode_threads, &run->threads);
}

/* What the architecture says goes before the recipe's, and may not be another than what is asked
 * for. */
static xc_status check_dropout(const xc_train_opts *o)
{
    char said[32] = "";
    double rate;
    if (o->dropout == -1) return XC_OK;
    if (!(o->dropout >= 0 && o->dropout < 1))
        return fail(api_error(), XC_ERR_ARGUMENT, "dropout: %g, expected 0 <= rate < 1",
                    o->dropout);
    if (o->arch) arch_knob(o->arch, "dropout", said, sizeof said);
    if (!said[0] || (decimal_read(said, &rate) && rate == o->dropout)) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT,
                "dropout: %g, but the architecture says dropout=%s: give one of them", o->dropout,
                said);
}

static xc_status check_weights(const xc_train_opts *o, const struct dataset *d)
{
    const bool given = o->class_weight != NULL;
    if (given && o->class_weights)
        return fail(api_error(), XC_ERR_ARGUMENT, "both class_weights and class_weight are given");
    if (o->class_weights && strcmp(o->class_weights, "given") == 0)
        return fail(api_error(), XC_ERR_ARGUMENT, "class_weights: given, but class_weight is NULL");
    if (!given || o->class_weight_count == (uint32_t)d->classes) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "%u class weights, the data have %d classes",
                o->class_weight_count, d->classes);
}

static xc_status train_again(const xc_train_opts *o, const struct run_opts *run,
                             const xc_dataset *dataset)
{
    struct run_again again = {.args = o->args,
                              .data = dataset ? dataset->d : NULL,
                              .from = o->from,
                              .command = o->command};
    TRY(read_teachers(o, &again.teachers));
    if (!o->arch) return run_repeat(run, &again, api_error());
    return fail(api_error(), XC_ERR_ARGUMENT, "both arch and args are given");
}

xc_status xc_train(xc_context *context, const xc_dataset *dataset, const xc_train_opts *opts)
{
    ROUNDING_RULES;
    xc_train_opts o;
    struct run_opts run;
    struct run_start start = {0};
    TRY(read_opts(context, opts, &o, &run));
    if (o.args) return train_again(&o, &run, dataset);
    if (!dataset) return refuse_null("dataset");
    if (!o.arch == !o.from)
        return fail(api_error(), XC_ERR_ARGUMENT, "one of arch and from is needed, not %s",
                    o.arch ? "both" : "none");
    if (o.height > INT16_MAX || o.width > INT16_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT, "an input of %ux%u", o.height, o.width);
    TRY(check_dropout(&o));
    TRY(check_weights(&o, dataset->d));
    TRY(settings_of(&context->machine, &o, &start.settings));
    TRY(read_teachers(&o, &start.teachers));
    start.data = dataset->d;
    start.class_weight = o.class_weight;
    start.command = o.command;
    start.start = (struct start){.arch = o.arch,
                                 .from = o.from,
                                 .h = (int)o.height,
                                 .w = (int)o.width,
                                 .head = o.head,
                                 .preprocess = o.preprocess};
    return run_new(&run, &start, api_error());
}

xc_status xc_train_resume(xc_context *context, const xc_dataset *dataset, const xc_train_opts *opts)
{
    ROUNDING_RULES;
    xc_train_opts o;
    struct run_opts run;
    TRY(read_opts(context, opts, &o, &run));
    return run_resume(&run, dataset ? dataset->d : NULL, api_error());
}

xc_status xc_evaluate(xc_model *model, const xc_dataset *dataset, const xc_evaluate_opts *opts,
                      xc_evaluation *out)
{
    ROUNDING_RULES;
    xc_evaluate_opts o = XC_EVALUATE_OPTS_INIT;
    struct model_evaluation e = {0};
    struct score score;
    if (!model) return refuse_null("model");
    if (!dataset) return refuse_null("dataset");
    if (!out) return refuse_null("out");
    TRY(options_read(&o, sizeof o, opts, "xc_evaluate_opts"));
    if (!opts && model->packed.block) o.precision = XC_PRECISION_AUTO; /* its own */
    if (o.batch > EVALUATE_MOST)
        return fail(api_error(), XC_ERR_ARGUMENT, "batch: %u, expected at most %d", o.batch,
                    EVALUATE_MOST);
    if (o.height > INT16_MAX || o.width > INT16_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT, "an input of %ux%u, expected sides up to %d",
                    o.height, o.width, INT16_MAX);
    if ((int)o.split < 0 || (int)o.split >= XC_SPLITS)
        return fail(api_error(), XC_ERR_ARGUMENT, "split: %d is no xc_split", (int)o.split);
    if (!dataset->d->count[o.split])
        return fail(api_error(), XC_ERR_FORMAT, "%s: no %s samples", dataset->d->path,
                    xc_split_name(o.split));
    TRY(decoders(o.decode_threads, &e.threads));
    TRY(check_precision(o.precision));
    if ((int)o.tta < 0 || o.tta > XC_TTA_10CROP)
        return fail(api_error(), XC_ERR_ARGUMENT, "tta: %d is no xc_tta", (int)o.tta);
    if (o.scores && !o.scores->s->o.multi_label && dataset->d->multi_label)
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "%s: samples have several labels, the scores expect one", dataset->d->path);
    xc_preprocess preprocess = model->info.preprocess;
    TRY(options_read(&preprocess, sizeof preprocess, o.preprocess, "xc_preprocess"));
    if (o.preprocess) o.preprocess = &preprocess;
    e.data = dataset->d;
    e.precision = o.precision;
    e.tta = o.tta;
    e.scores = o.scores ? o.scores->s : NULL;
    e.split = (uint8_t)o.split;
    e.batch = o.batch ? (int)o.batch : EVALUATE_BATCH;
    e.h = (int)o.height;
    e.w = (int)o.width;
    e.preprocess = o.preprocess;
    e.tick = o.progress;
    e.user = o.user;
    TRY(evaluate_model(model, &e, &score, api_error()));
    if (score.rows == 0)
        return fail(api_error(), XC_ERR_FORMAT,
                    "%s: none of the pictures can be read, or none has a weight", dataset->d->path);
    *out = (xc_evaluation){.images = score.rows,
                           .unreadable = dataset_weighed(dataset->d, o.split) - score.rows,
                           .top1 = score_top1(&score),
                           .top5 = score_top5(&score),
                           .loss = score_loss(&score)};
    return XC_OK;
}
