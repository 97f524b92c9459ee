/* SPDX-License-Identifier: Apache-2.0 */
/* One line for what every test of a model begins with. */
#include "model/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

void check_status(xc_status status, const char *call, const char *file, int line)
{
    if (status == XC_OK) return;
    print_error("%s: %s: %s\n", call, xc_status_id(status), xc_error());
    _fail(file, line);
}

void check_refused(xc_status got, xc_status want, const char *text, const char *call,
                   const char *file, int line)
{
    if (got == want && strstr(xc_error(), text)) return;
    print_error("%s\n  gave %s: %s\n  expected %s: ...%s...\n", call, xc_status_id(got), xc_error(),
                xc_status_id(want), text);
    _fail(file, line);
}

xc_context *make_context_at(int threads, const char *level)
{
    xc_context_opts opts = XC_CONTEXT_OPTS_INIT;
    xc_context *context = NULL;
    opts.threads = threads;
    opts.cpu = level;
    CHECK(xc_context_new(&opts, &context));
    return context;
}

xc_context *make_context(int threads)
{
    return make_context_at(threads, NULL);
}

xc_model *make_model(xc_context *context, const char *arch, uint32_t side, xc_weights weights)
{
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    xc_model *model = NULL;
    opts.height = opts.width = side;
    opts.weights = weights;
    opts.seed = 1;
    CHECK(xc_model_create(context, arch, &opts, &model));
    return model;
}

static xc_session *open_session(xc_model *model, xc_session_opts opts, const char *const *taps)
{
    xc_session *session = NULL;
    opts.taps = taps;
    while (taps && taps[opts.tap_count]) opts.tap_count++;
    CHECK(xc_session_new(model, &opts, &session));
    return session;
}

xc_session *make_session(xc_model *model, uint32_t max_batch, xc_precision precision,
                         const char *const *taps)
{
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    opts.max_batch = max_batch;
    opts.precision = precision;
    return open_session(model, opts, taps);
}

xc_session *make_fast_session(xc_model *model, uint32_t max_batch, const char *const *taps)
{
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    opts.max_batch = max_batch;
    opts.algo = XC_ALGO_FAST;
    return open_session(model, opts, taps);
}

float *make_input(uint32_t n, uint32_t side, uint32_t channels)
{
    float *input = malloc((size_t)n * side * side * channels * sizeof *input), *at = input;
    assert_non_null(input);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t y = 0; y < side; y++)
            for (uint32_t x = 0; x < side; x++)
                for (uint32_t c = 0; c < channels; c++)
                    *at++ = (float)((3 * x + 5 * y + 7 * c + 11 * i) % 256) / 127.5f - 1.0f;
    return input;
}

float *read_result(const xc_session *session, const char *name, size_t *count)
{
    CHECK(xc_session_read(session, name, NULL, 0, count));
    float *out = malloc(*count * sizeof *out);
    assert_non_null(out);
    CHECK(xc_session_read(session, name, out, *count, count));
    return out;
}
