/* SPDX-License-Identifier: Apache-2.0 */
/* Layers one by one: a module of the spectrum for each, counted, run, timed. */
#include "cost.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "seconds.h"

enum { LEAST_RUNS = 6, FEW_RUNS = 2, MOST_RUNS = 200 };
#define SECONDS 0.12

xc_status cost_context(const char *cpu, xc_context **out)
{
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    opts.threads = 1;
    opts.cpu = cpu;
    return xc_context_new(&opts, out);
}

static void count_params(const xc_model *model, struct cost *out)
{
    xc_layer layer;
    out->params = 0;
    for (uint32_t i = 0; i < xc_model_get_info(model)->layers; i++)
        if (xc_model_layer(model, i, &layer) == XC_OK && layer.macs) out->params += layer.params;
    out->macs = xc_model_get_info(model)->macs;
}

static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

xc_status cost_steps(xc_session *session, const float *input, double limit, double *seconds)
{
    const uint32_t steps = xc_session_steps(session);
    double *now = calloc(steps + 1u, sizeof *now), least = 0, sum = 0;
    xc_status status = now ? XC_OK : XC_ERR_MEMORY;
    const double start = seconds_now();
    for (int i = 0; i < MOST_RUNS && status == XC_OK; i++) {
        const double gone = (seconds_now() - start) / limit;
        if ((i >= FEW_RUNS && gone > 10) || (i >= LEAST_RUNS && gone > 1)) break;
        const double begun = thread_seconds();
        status = xc_run_timed(session, input, 1, now);
        const double whole = thread_seconds() - begun;
        least = i <= 1 || whole < least ? whole : least; /* the first run warms up */
        for (uint32_t k = 0; k < steps; k++)
            seconds[k] = i <= 1 || now[k] < seconds[k] ? now[k] : seconds[k];
    }
    for (uint32_t k = 0; k < steps; k++) sum += seconds[k];
    for (uint32_t k = 0; k < steps && sum > least; k++) seconds[k] *= least / sum;
    free(now);
    return status;
}

/* All steps that multiply. */
static xc_status time_model(xc_model *model, double *ms)
{
    const xc_model_info *info = xc_model_get_info(model);
    const size_t count = (size_t)info->height * info->width * info->channels;
    xc_session *session = NULL;
    xc_step step;
    double *seconds = NULL;
    float *input = calloc(count, sizeof *input);
    xc_status status = input ? xc_session_new(model, NULL, &session) : XC_ERR_MEMORY;
    if (status == XC_OK) seconds = calloc(xc_session_steps(session) + 1u, sizeof *seconds);
    if (status == XC_OK && !seconds) status = XC_ERR_MEMORY;
    for (size_t i = 0; input && i < count; i++) input[i] = (float)(i * 7 % 256) / 128 - 1;
    if (status == XC_OK) status = cost_steps(session, input, SECONDS, seconds);
    *ms = 0;
    for (uint32_t i = 0; status == XC_OK && i < xc_session_steps(session); i++)
        if (xc_session_step(session, i, &step) == XC_OK && step.macs) *ms += seconds[i] * 1e3;
    xc_session_free(session);
    free(seconds);
    free(input);
    return status;
}

xc_status cost_of(xc_context *context, const char *arch, bool timed, struct cost *out)
{
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    xc_model *model = NULL;
    *out = (struct cost){0};
    if (timed) opts.weights = XC_WEIGHTS_RANDOM;
    xc_status status = xc_model_create(context, arch, &opts, &model);
    if (status == XC_OK) count_params(model, out);
    if (status == XC_OK && timed) status = time_model(model, &out->ms);
    xc_model_unref(model);
    return status;
}

/* ---- the convolutions of a network ----------------------------------------------------------- */

static uint32_t input_channels(const xc_model *model, uint32_t self, const char *name)
{
    xc_layer layer;
    const size_t n = strcspn(name, ",");
    for (uint32_t i = 0; i < self; i++)
        if (xc_model_layer(model, i, &layer) == XC_OK && strlen(layer.name) == n &&
            memcmp(layer.name, name, n) == 0)
            return layer.channels;
    return 0;
}

/* Is layer i a convolution that could be of the other kind, too? */
static bool read_pair(const xc_model *model, uint32_t i, struct cost_pair *out)
{
    xc_layer layer;
    uint32_t kh, kw, stride = 1;
    if (xc_model_layer(model, i, &layer) != XC_OK) return false;
    const bool separable = strcmp(layer.kind, "SepConv") == 0;
    if (!separable && strcmp(layer.kind, "Conv") != 0) return false;
    if (strstr(layer.detail, "dilation") || strchr(layer.inputs, ',')) return false;
    const int fields = sscanf(layer.detail, "%" SCNu32 "x%" SCNu32 "/%" SCNu32, &kh, &kw, &stride);
    if (fields < 2 || kh != kw || kh < 2 || kh > 31 || stride < 1 || stride > 16) return false;
    *out = (struct cost_pair){.name = layer.name,
                              .height = layer.height,
                              .width = layer.width,
                              .in = input_channels(model, i, layer.inputs),
                              .out = layer.channels,
                              .kernel = kh,
                              .stride = stride,
                              .times = 1,
                              .is_separable = separable};
    return out->in > 0;
}

static bool same_shape(const struct cost_pair *a, const struct cost_pair *b)
{
    return a->height == b->height && a->width == b->width && a->in == b->in && a->out == b->out &&
           a->kernel == b->kernel && a->stride == b->stride && a->is_separable == b->is_separable;
}

/* Of a size that "same" padding takes to the layer's output. */
static xc_status cost_as(xc_context *context, const struct cost_pair *p, const char *module,
                         struct cost *out)
{
    char arch[160];
    snprintf(arch, sizeof arch,
             "inception-module,input=%" PRIu32 "x%" PRIu32 "x%" PRIu32 ",module=%s,width=%" PRIu32
             ",kernel=%" PRIu32 ",stride=%" PRIu32,
             p->height * p->stride, p->width * p->stride, p->in, module, p->out, p->kernel,
             p->stride);
    return cost_of(context, arch, true, out);
}

xc_status cost_pairs(xc_context *context, const xc_model *model, cost_tick *tick, void *user,
                     struct cost_pair **pairs, size_t *count)
{
    const uint32_t layers = xc_model_get_info(model)->layers;
    struct cost_pair *list = calloc(layers + 1u, sizeof *list), next;
    xc_status status = list ? XC_OK : XC_ERR_MEMORY;
    *pairs = list;
    *count = 0;
    for (uint32_t i = 0; i < layers && list; i++) {
        if (!read_pair(model, i, &next)) continue;
        size_t at = 0;
        while (at < *count && !same_shape(&list[at], &next)) at++;
        if (at < *count)
            list[at].times++;
        else
            list[(*count)++] = next;
    }
    for (size_t i = 0; i < *count && status == XC_OK; i++) {
        tick(user, i, *count);
        status = cost_as(context, &list[i], "separable", &list[i].separable);
        if (status == XC_OK) status = cost_as(context, &list[i], "regular", &list[i].regular);
    }
    if (status == XC_OK) return XC_OK;
    free(list);
    *pairs = NULL;
    *count = 0;
    return status;
}
