/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the public interface: prepare, run, read, classify. */
#include "api/api.h"
#include "model/session.h"

#define MAX_BATCH 1024u

static xc_status check_opts(const xc_session_opts *o)
{
    if (o->max_batch > MAX_BATCH)
        return fail(api_error(), XC_ERR_ARGUMENT, "max_batch: %u, expected 1..%u, or 0 for 1",
                    o->max_batch, MAX_BATCH);
    if (o->height > INT32_MAX || o->width > INT32_MAX)
        return fail(api_error(), XC_ERR_ARGUMENT, "an input of %ux%u is too large", o->height,
                    o->width);
    TRY(check_precision(o->precision));
    if (o->algo != XC_ALGO_DIRECT && o->algo != XC_ALGO_FAST)
        return fail(api_error(), XC_ERR_ARGUMENT, "algo: %d is not one of xc_algo", (int)o->algo);
    if (o->tap_count > 0 && !o->taps) return refuse_null("taps");
    for (uint32_t i = 0; i < o->tap_count; i++)
        if (!o->taps[i]) return fail(api_error(), XC_ERR_ARGUMENT, "tap %u is NULL", i);
    return XC_OK;
}

xc_status xc_session_new(xc_model *model, const xc_session_opts *opts, xc_session **out)
{
    ROUNDING_RULES;
    xc_session_opts o = XC_SESSION_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!model) return refuse_null("model");
    TRY(options_read(&o, sizeof o, opts, "xc_session_opts"));
    xc_preprocess preprocess = model->info.preprocess;
    TRY(options_read(&preprocess, sizeof preprocess, o.preprocess, "xc_preprocess"));
    if (o.preprocess) o.preprocess = &preprocess;
    if (!opts && model->packed.block) o.precision = XC_PRECISION_AUTO; /* its own */
    TRY(check_opts(&o));
    return session_new(model, &o, out, api_error());
}

void xc_session_free(xc_session *session)
{
    session_free(session);
}

void xc_session_cancel(xc_session *session)
{
    if (session) session_cancel(session);
}

void xc_session_size(const xc_session *session, uint32_t *height, uint32_t *width,
                     uint32_t *channels)
{
    struct shape input = session ? session_input(session) : (struct shape){0};
    if (height) *height = (uint32_t)input.h;
    if (width) *width = (uint32_t)input.w;
    if (channels) *channels = (uint32_t)input.c;
}

uint64_t xc_session_arena_bytes(const xc_session *session)
{
    return session ? session_arena_bytes(session) : 0;
}

xc_status xc_prepare(xc_session *session, const xc_image *image, float *out)
{
    ROUNDING_RULES;
    if (!session) return refuse_null("session");
    if (!image) return refuse_null("image");
    if (!out) return refuse_null("out");
    return session_prepare(session, image, out, api_error());
}

xc_status xc_session_shape(const xc_session *session, const char *name, uint32_t *height,
                           uint32_t *width, uint32_t *channels)
{
    struct shape shape;
    if (!session) return refuse_null("session");
    if (!name) return refuse_null("name");
    TRY(session_shape(session, name, &shape, api_error()));
    if (height) *height = (uint32_t)shape.h;
    if (width) *width = (uint32_t)shape.w;
    if (channels) *channels = (uint32_t)shape.c;
    return XC_OK;
}

static xc_status check_batch(const xc_session *session, uint32_t n)
{
    uint32_t most = (uint32_t)session_input(session).n;
    if (n >= 1 && n <= most) return XC_OK;
    return fail(api_error(), XC_ERR_ARGUMENT, "n: %u, this session takes 1..%u", n, most);
}

xc_status xc_run(xc_session *session, const float *input, uint32_t n)
{
    ROUNDING_RULES;
    if (!session) return refuse_null("session");
    if (!input) return refuse_null("input");
    TRY(check_batch(session, n));
    return session_run(session, input, DTYPE_F32, n, NULL, api_error());
}

xc_status xc_run_timed(xc_session *session, const float *input, uint32_t n, double *seconds)
{
    ROUNDING_RULES;
    if (!session) return refuse_null("session");
    if (!input) return refuse_null("input");
    if (!seconds) return refuse_null("seconds");
    TRY(check_batch(session, n));
    return session_run(session, input, DTYPE_F32, n, seconds, api_error());
}

uint32_t xc_session_steps(const xc_session *session)
{
    return session ? (uint32_t)session_steps(session) : 0;
}

xc_status xc_session_step(const xc_session *session, uint32_t index, xc_step *out)
{
    if (!session) return refuse_null("session");
    if (!out) return refuse_null("out");
    if (index >= xc_session_steps(session))
        return fail(api_error(), XC_ERR_ARGUMENT, "step %u of %u", index,
                    xc_session_steps(session));
    const struct plan_step step = session_step(session, (int)index);
    *out = (xc_step){.name = step.name,
                     .kind = step.op,
                     .height = (uint32_t)step.out.h,
                     .width = (uint32_t)step.out.w,
                     .channels = (uint32_t)step.out.c,
                     .macs = step.macs / (uint64_t)step.out.n};
    return XC_OK;
}

xc_status xc_session_read(const xc_session *session, const char *name, float *out, size_t count,
                          size_t *written)
{
    ROUNDING_RULES;
    size_t numbers;
    if (!session) return refuse_null("session");
    if (!name) return refuse_null("name");
    return session_read(session, name, DTYPE_F32, out, count, written ? written : &numbers,
                        api_error());
}

xc_status xc_session_read_f64(const xc_session *session, const char *name, double *out,
                              size_t count, size_t *written)
{
    ROUNDING_RULES;
    size_t numbers;
    if (!session) return refuse_null("session");
    if (!name) return refuse_null("name");
    return session_read(session, name, DTYPE_F64, out, count, written ? written : &numbers,
                        api_error());
}

bool xc_session_unknown(xc_session *session, uint32_t image)
{
    ROUNDING_RULES;
    return session && session_unknown(session, image);
}

xc_status xc_classify(xc_session *session, const xc_image *const *images, uint32_t n, uint32_t k,
                      xc_answer *answers)
{
    ROUNDING_RULES;
    if (!session) return refuse_null("session");
    if (!images) return refuse_null("images");
    if (!answers) return refuse_null("answers");
    TRY(check_batch(session, n));
    if (k < 1) return fail(api_error(), XC_ERR_ARGUMENT, "k: 0, expected at least 1");
    for (uint32_t i = 0; i < n; i++)
        if (!images[i]) return fail(api_error(), XC_ERR_ARGUMENT, "image %u is NULL", i);
    return session_classify(session, images, n, k, answers, api_error());
}
