/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does one process measure of one configuration? In this order: when the weights are ready and
 * the first logits there, the machine's peak, the runs, the peak again, the peak memory, and at
 * last the steps. It speaks to its parent through a pipe, in the parent's own structs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "engine.h"
#include "say.h"
#include "seconds.h"

enum { LEAST_RUNS = 3, MOST_RUNS = 100000, MOST_STEP_RUNS = 200, WARM_RUNS = 2 };
#define PEAK_SECONDS 0.2

struct child {
    xc_context *context;
    xc_model *model;
    xc_session *session;
    xc_practice *practice; /* instead of model and session */
    xc_precision precision;
    uint32_t batch;
    bool fast;
    double seconds; /* to measure for */
    float *input;
    struct sample sample;
};

/* ---- getting ready --------------------------------------------------------------------------- */

/* Numbers between -1 and 1, as prepared pictures have. */
static int make_input(struct child *c)
{
    struct sample *s = &c->sample;
    xc_session_size(c->session, &s->height, &s->width, &s->channels);
    const size_t count = (size_t)c->batch * s->height * s->width * s->channels;
    c->input = malloc(count * sizeof *c->input);
    if (!c->input) {
        say_error("out of memory for %u pictures", c->batch);
        return EXIT_LIMIT;
    }
    uint32_t number = 1;
    for (size_t i = 0; i < count; i++) {
        number = number * 1664525u + 1013904223u;
        c->input[i] = (float)(number >> 8) * (2.0f / (1 << 24)) - 1.0f;
    }
    return EXIT_DONE;
}

static int open_session(const struct args *args, struct child *c)
{
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    if (!arg_size(args, &opts.height, &opts.width)) return EXIT_USAGE;
    opts.max_batch = c->batch;
    opts.precision = c->precision;
    opts.algo = engine_algo(args);
    c->fast = opts.algo == XC_ALGO_FAST;
    xc_status status = xc_session_new(c->model, &opts, &c->session);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_MODEL);
}

static void describe(struct child *c)
{
    struct sample *s = &c->sample;
    xc_step step;
    snprintf(s->arch, sizeof s->arch, "%s", xc_model_get_info(c->model)->arch);
    snprintf(s->level, sizeof s->level, "%s", xc_context_cpu(c->context, c->precision));
    snprintf(s->kind, sizeof s->kind, "%s", c->fast ? "fast" : "direct");
    for (uint32_t i = 0; i < xc_session_steps(c->session); i++)
        if (xc_session_step(c->session, i, &step) == XC_OK) s->macs += step.macs;
}

static int get_ready(const struct args *args, struct child *c)
{
    const char *model = arg_text(args, "model"), *arch = arg_text(args, "arch");
    int code = engine_open(args, &c->context);
    if (model && strcmp(model, MODEL_FD_PATH) == 0) arch = NULL; /* what was made of it */
    if (code == EXIT_DONE) code = engine_model(c->context, model, arch, &c->model);
    if (code == EXIT_DONE) code = open_session(args, c);
    if (code == EXIT_DONE) c->sample.ready = seconds_now();
    if (code == EXIT_DONE) code = make_input(c);
    if (code == EXIT_DONE) describe(c);
    return code;
}

/* With --train. */
static int get_practice(const struct args *args, struct child *c)
{
    struct sample *s = &c->sample;
    const char *arch = arg_text(args, "arch");
    xc_practice_opts opts = XC_PRACTICE_OPTS_INIT;
    xc_practice_info info;
    opts.batch = c->batch;
    opts.precision = c->precision;
    if (!arg_size(args, &opts.height, &opts.width) ||
        !arg_bytes(args, "memory-limit", &opts.memory))
        return EXIT_USAGE;
    int code = engine_open(args, &c->context);
    if (code != EXIT_DONE) return code;
    xc_status status = xc_practice_new(c->context, arch ? arch : "xception", &opts, &c->practice);
    if (status != XC_OK) return say_status(status, EXIT_USAGE);
    s->ready = seconds_now();
    xc_practice_get_info(c->practice, &info);
    snprintf(s->arch, sizeof s->arch, "%s", info.arch);
    snprintf(s->level, sizeof s->level, "%s", xc_context_cpu(c->context, c->precision));
    snprintf(s->kind, sizeof s->kind, "training");
    s->height = info.height, s->width = info.width, s->channels = info.channels;
    s->macs = info.macs;
    return EXIT_DONE;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* The most memory that was resident since the program began; its predecessor in this process does
 * not count, as it does in getrusage. */
static uint64_t resident_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %llu", &kib) == 1) break;
    if (file) fclose(file);
    return kib * 1024;
}

static xc_status run_once(struct child *c)
{
    if (c->practice) return xc_practice_step(c->practice);
    return xc_run(c->session, c->input, c->batch);
}

static xc_status time_runs(struct child *c)
{
    struct sample *s = &c->sample;
    xc_status status = XC_OK;
    for (int i = 0; c->seconds > 0 && i < WARM_RUNS && status == XC_OK; i++) status = run_once(c);
    const double end = seconds_now() + c->seconds;
    while (status == XC_OK && s->runs < MOST_RUNS &&
           (s->runs < LEAST_RUNS || seconds_now() < end)) {
        const double start = seconds_now();
        status = run_once(c);
        s->run_seconds[s->runs++] = seconds_now() - start;
    }
    return status;
}

static xc_status add_peak(struct child *c)
{
    double peak = 0;
    xc_status status =
        xc_context_peak(c->context, c->precision, c->seconds > 0 ? PEAK_SECONDS : 0, &peak);
    c->sample.peak += peak / 2;
    return status;
}

static xc_status measure(struct child *c)
{
    struct sample *s = &c->sample;
    xc_status status = run_once(c);
    s->first = seconds_now();
    const struct load before = machine_load();
    if (status == XC_OK) status = add_peak(c);
    if (status == XC_OK) status = time_runs(c);
    if (status == XC_OK) status = add_peak(c);
    const struct load after = machine_load();
    if (c->seconds > 0) s->others = machine_others(&before, &after); /* or too short to say */
    s->resident = resident_bytes();
    return status;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* seconds: (runs, steps). column: room for one number a run. */
static void sum_up_steps(struct child *c, const double *seconds, double *column, uint32_t runs)
{
    struct sample *s = &c->sample;
    for (uint32_t i = 0; i < s->steps; i++) {
        struct step_time *to = &s->step[i];
        xc_step step = {.name = "", .kind = ""};
        for (uint32_t r = 0; r < runs; r++) column[r] = seconds[(size_t)r * s->steps + i];
        if (xc_session_step(c->session, i, &step) != XC_OK) continue;
        snprintf(to->name, sizeof to->name, "%s", step.name);
        snprintf(to->kind, sizeof to->kind, "%s", step.kind);
        to->height = step.height;
        to->width = step.width;
        to->channels = step.channels;
        to->macs = step.macs;
        to->seconds = median(column, runs);
    }
}

static int time_steps(struct child *c)
{
    struct sample *s = &c->sample;
    s->steps = xc_session_steps(c->session);
    const uint32_t most = s->runs < MOST_STEP_RUNS ? s->runs : MOST_STEP_RUNS;
    double *seconds = calloc((size_t)most * s->steps + most, sizeof *seconds);
    s->step = calloc(s->steps, sizeof *s->step);
    int code = EXIT_DONE;
    if (!seconds || !s->step) {
        say_error("out of memory for the times of %u steps", s->steps);
        code = EXIT_LIMIT;
    }
    for (uint32_t r = 0; r < most && code == EXIT_DONE; r++) {
        xc_status status =
            xc_run_timed(c->session, c->input, c->batch, seconds + (size_t)r * s->steps);
        if (status != XC_OK) code = say_status(status, EXIT_MODEL);
    }
    if (code == EXIT_DONE) sum_up_steps(c, seconds, seconds + (size_t)most * s->steps, most);
    free(seconds);
    return code;
}

/* ---- the process ----------------------------------------------------------------------------- */

static int report(const struct sample *s, int fd)
{
    FILE *pipe = fdopen(fd, "wb");
    bool good = pipe && fwrite(s, sizeof *s, 1, pipe) == 1 &&
                fwrite(s->run_seconds, sizeof *s->run_seconds, s->runs, pipe) == s->runs &&
                (s->steps == 0 || fwrite(s->step, sizeof *s->step, s->steps, pipe) == s->steps);
    if (pipe && fclose(pipe) != 0) good = false;
    if (good) return EXIT_DONE;
    say_error("--result-fd %d: %s", fd, strerror(errno));
    return EXIT_LIMIT;
}

int bench_child(const struct args *args, int fd)
{
    struct child c = {.batch = arg_number(args, "batch", 1),
                      .seconds = (double)arg_number(args, "seconds", BENCH_SECONDS)};
    const char *precision = arg_text(args, "precision");
    if (precision && !engine_precision(precision, &c.precision)) return EXIT_USAGE;
    c.sample.run_seconds = malloc(MOST_RUNS * sizeof *c.sample.run_seconds);
    int code = !c.sample.run_seconds   ? EXIT_LIMIT
               : arg_on(args, "train") ? get_practice(args, &c)
                                       : get_ready(args, &c);
    if (code == EXIT_DONE) {
        xc_status status = measure(&c);
        if (status != XC_OK) code = say_status(status, EXIT_MODEL);
    }
    if (code == EXIT_DONE && arg_on(args, "layers")) code = time_steps(&c);
    if (code == EXIT_DONE) code = report(&c.sample, fd);
    sample_free(&c.sample);
    free(c.input);
    xc_practice_free(c.practice);
    xc_session_free(c.session);
    xc_model_unref(c.model);
    xc_context_free(c.context);
    return code;
}
