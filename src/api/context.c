/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does this machine give to the library? Threads, CPU level and the log of a program. The
 * layers below only see the machine inside.
 */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>

static void say(const xc_context *c)
{
    char line[160];
    if (!c->log) return;
    int threads = pool_threads(c->machine.pool);
    snprintf(line, sizeof line, "xception %s: %d thread%s, %s kernels", XC_VERSION, threads,
             threads == 1 ? "" : "s", c->machine.f32.level);
    c->log(c->log_user, line);
}

static xc_status set_up(xc_context *c, const xc_context_opts *opts, struct error *err)
{
    unsigned allowed = ~0u;
    if (opts->threads < 0 || opts->threads > POOL_MAX_THREADS)
        return fail(err, XC_ERR_ARGUMENT, "threads: %d, expected 1..%d, or 0 for all",
                    opts->threads, POOL_MAX_THREADS);
    if (opts->cpu) TRY(machine_level("cpu", opts->cpu, &allowed, err));
    c->log = opts->log;
    c->log_user = opts->log_user;
    cpu_flags_text(cpu_flags(), c->features, sizeof c->features);
    machine_init(&c->machine, cpu_flags() & allowed);
    int threads = opts->threads ? opts->threads : pool_default_threads();
    if (threads > POOL_MAX_THREADS) threads = POOL_MAX_THREADS;
    return threads > 1 ? pool_new(threads, &c->machine.pool, err) : XC_OK;
}

xc_status xc_context_new(const xc_context_opts *opts, xc_context **out)
{
    xc_context_opts o = XC_CONTEXT_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    TRY(options_read(&o, sizeof o, opts, "xc_context_opts"));
    xc_context *context = calloc(1, sizeof *context);
    if (!context) return fail_memory(api_error(), sizeof *context);
    xc_status status = set_up(context, &o, api_error());
    if (status != XC_OK) {
        xc_context_free(context);
        return status;
    }
    say(context);
    *out = context;
    return XC_OK;
}

void xc_context_free(xc_context *context)
{
    if (!context) return;
    pool_free(context->machine.pool);
    free(context);
}

int32_t xc_context_threads(const xc_context *context)
{
    return context ? pool_threads(context->machine.pool) : 0;
}

xc_status xc_context_peak(xc_context *context, xc_precision precision, double seconds, double *out)
{
    if (!context) return refuse_null("context");
    if (!out) return refuse_null("out");
    if (!(seconds >= 0 && seconds <= 60))
        return fail(api_error(), XC_ERR_ARGUMENT, "seconds: %g, expected 0..60", seconds);
    TRY(check_precision(precision));
    *out = machine_peak(&context->machine, precision, seconds);
    return XC_OK;
}

const char *xc_context_cpu(const xc_context *context, xc_precision precision)
{
    if (!context || check_precision(precision) != XC_OK) return "";
    const struct machine *m = &context->machine;
    return machine_kernels(m, machine_precision(m, precision))->level;
}

const char *xc_context_cpu_features(const xc_context *context)
{
    return context ? context->features : "";
}
