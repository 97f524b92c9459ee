/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_forward [ARCH [SIDE [THREADS [SECONDS]]]]: how long does one picture take? Random weights
 * and a grey input; runs for SECONDS (10, at least three runs) and prints minimum, median and
 * maximum of the wall time, the rate of multiply-adds at the median, and the peak resident memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "xception.h"

enum { MOST_RUNS = 10000, LEAST_RUNS = 3 };

struct setup {
    const char *arch;
    uint32_t side;
    int32_t threads;
    double seconds;
    xc_context *context;
    xc_model *model;
    xc_session *session;
    float *input;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static xc_status prepare(struct setup *s)
{
    xc_context_opts context = XC_CONTEXT_OPTS_INIT;
    context.threads = s->threads;
    xc_status status = xc_context_new(&context, &s->context);
    if (status != XC_OK) return status;
    xc_create_opts create = XC_CREATE_OPTS_INIT;
    create.weights = XC_WEIGHTS_RANDOM;
    create.height = create.width = s->side;
    status = xc_model_create(s->context, s->arch, &create, &s->model);
    if (status != XC_OK) return status;
    xc_session_opts session = XC_SESSION_OPTS_INIT;
    status = xc_session_new(s->model, &session, &s->session);
    if (status != XC_OK) return status;
    const xc_model_info *info = xc_model_get_info(s->model);
    size_t count = (size_t)info->height * info->width * info->channels;
    s->input = calloc(count, sizeof *s->input);
    return s->input ? XC_OK : XC_ERR_MEMORY;
}

static xc_status measure(const struct setup *s, double *seconds, int *runs)
{
    double end = now() + s->seconds;
    for (*runs = 0; *runs < MOST_RUNS && (*runs < LEAST_RUNS || now() < end); ++*runs) {
        double start = now();
        xc_status status = xc_run(s->session, s->input, 1);
        if (status != XC_OK) return status;
        seconds[*runs] = now() - start;
    }
    qsort(seconds, (size_t)*runs, sizeof *seconds, ascending);
    return XC_OK;
}

static void print(const struct setup *s, const double *seconds, int runs)
{
    const xc_model_info *info = xc_model_get_info(s->model);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double median = seconds[runs / 2];
    printf("%-16s %4ux%-4u %-8s threads %-3d runs %-5d ms min %.1f median %.1f max %.1f  "
           "%.2f Gmac/s  peak %ld MiB\n",
           info->arch, info->height, info->width, xc_context_cpu(s->context),
           xc_context_threads(s->context), runs, seconds[0] * 1e3, median * 1e3,
           seconds[runs - 1] * 1e3, (double)info->macs / median * 1e-9, usage.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    static double seconds[MOST_RUNS];
    struct setup s = {.arch = argc > 1 ? argv[1] : "xception",
                      .side = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0,
                      .threads = argc > 3 ? (int32_t)strtol(argv[3], NULL, 10) : 0,
                      .seconds = argc > 4 ? strtod(argv[4], NULL) : 10};
    int runs;
    xc_status status = prepare(&s);
    if (status == XC_OK) status = measure(&s, seconds, &runs);
    if (status == XC_OK)
        print(&s, seconds, runs);
    else
        fprintf(stderr, "bench_forward: %s\n", xc_error());
    free(s.input);
    xc_session_free(s.session);
    xc_model_unref(s.model);
    xc_context_free(s.context);
    return status == XC_OK ? 0 : 1;
}
