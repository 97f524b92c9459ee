/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of training that are only measured. */
#include "api/api.h"
#include "train/practice.h"

enum { MOST_BATCH = 4096, MOST_SIDE = 1 << 15 };

struct xc_practice;

static struct practice *inner(const xc_practice *practice)
{
    return (struct practice *)(uintptr_t)practice;
}

xc_status xc_practice_new(xc_context *context, const char *arch, const xc_practice_opts *opts,
                          xc_practice **out)
{
    ROUNDING_RULES;
    xc_practice_opts o = XC_PRACTICE_OPTS_INIT;
    struct practice *p;
    if (!out) return refuse_null("out");
    *out = NULL;
    if (!context) return refuse_null("context");
    if (!arch) return refuse_null("arch");
    TRY(options_read(&o, sizeof o, opts, "xc_practice_opts"));
    if (o.batch < 1 || o.batch > MOST_BATCH)
        return fail(api_error(), XC_ERR_ARGUMENT, "batch: %u is not in 1..%d", o.batch, MOST_BATCH);
    if (o.height > MOST_SIDE || o.width > MOST_SIDE)
        return fail(api_error(), XC_ERR_ARGUMENT, "%ux%u pixels: at most %d on a side", o.height,
                    o.width, MOST_SIDE);
    if (o.precision != XC_PRECISION_F32 && o.precision != XC_PRECISION_BF16 &&
        o.precision != XC_PRECISION_AUTO)
        return fail(api_error(), XC_ERR_ARGUMENT, "training is in float32 or bf16 numbers");
    const struct practice_opts inside = {.machine = &context->machine,
                                         .arch = arch,
                                         .h = (int)o.height,
                                         .w = (int)o.width,
                                         .batch = (int)o.batch,
                                         .memory = o.memory,
                                         .precision = o.precision};
    TRY(practice_new(&inside, &p, api_error()));
    *out = (xc_practice *)p;
    return XC_OK;
}

void xc_practice_free(xc_practice *practice)
{
    practice_free(inner(practice));
}

xc_status xc_practice_step(xc_practice *practice)
{
    ROUNDING_RULES;
    if (!practice) return refuse_null("practice");
    return practice_step(inner(practice), api_error());
}

void xc_practice_get_info(const xc_practice *practice, xc_practice_info *out)
{
    if (practice && out) practice_info(inner(practice), out);
}
