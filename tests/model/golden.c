/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a golden network and measures how far from the published numbers it is. */
#include "model/golden.h"

#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "model/session.h"

#define CLASSES 1000

/* The published numbers come from double throughout, so the picture must be in double, too. */
static void run_ramp(xc_session *session, uint32_t side, xc_precision precision)
{
    size_t count = (size_t)side * side * 3;
    float *input = make_input(1, side, 3);
    double *wide = malloc(count * sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < count; i++) wide[i] = round(((double)input[i] + 1) * 127.5) / 127.5 - 1;
    if (precision == XC_PRECISION_F64)
        CHECK(session_run(session, wide, DTYPE_F64, 1, NULL, NULL));
    else
        CHECK(xc_run(session, input, 1));
    free(wide);
    free(input);
}

struct golden_run golden_run(const struct golden *g, struct golden_how how, xc_precision precision,
                             const char *const *taps)
{
    struct golden_run r;
    r.context = make_context_at(how.threads, how.level);
    r.model = make_model(r.context, g->arch, g->side, XC_WEIGHTS_GOLDEN);
    r.session =
        how.fast ? make_fast_session(r.model, 1, taps) : make_session(r.model, 1, precision, taps);
    run_ramp(r.session, g->side, precision);
    return r;
}

void golden_end(struct golden_run *r)
{
    xc_session_free(r->session);
    xc_model_unref(r->model);
    xc_context_free(r->context);
}

static double distance(const struct golden *g, const double *logit)
{
    double worst = 0;
    uint32_t best = 0;
    for (uint32_t i = 1; i < CLASSES; i++)
        if (logit[i] > logit[best]) best = i;
    for (int i = 0; i < 4; i++) worst = worse(worst, fabs(logit[i] - g->logit[i]));
    return best == g->at ? worse(worst, fabs(logit[best] - g->max)) : INFINITY;
}

void golden_check(const struct golden *g, const char *level, xc_precision precision, double bound)
{
    double logit[CLASSES];
    struct golden_run r = golden_run(g, (struct golden_how){2, level, false}, precision, NULL);
    CHECK(xc_session_read_f64(r.session, "logits", logit, CLASSES, NULL));
    double off = distance(g, logit);
    print_message("%s at %u, %s, %s: off by %.2g, bound %.2g\n", g->arch, g->side,
                  xc_context_cpu(r.context, precision),
                  precision == XC_PRECISION_F64 ? "double" : "float", off, bound);
    assert_true(off <= bound);
    logit[2] += 2 * bound; /* the check would see that */
    assert_false(distance(g, logit) <= bound);
    golden_end(&r);
}
