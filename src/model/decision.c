/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and applying the numbers of a calibrated model. */
#include "model/decision.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/softmax.h"
#include "weight/json.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17))

static const char *const words[] = {
    [XC_REJECT_NONE] = "none", [XC_REJECT_MAX_LOGIT] = "max-logit", [XC_REJECT_ENERGY] = "energy"};
enum { WORDS = sizeof words / sizeof *words };

const char *xc_reject_name(xc_reject reject)
{
    return (size_t)reject < WORDS ? words[reject] : NULL;
}

xc_status decision_check(const xc_decision *d, uint32_t classes, struct error *err)
{
    if (!(d->temperature >= 1e-3 && d->temperature <= 1000))
        return fail(err, XC_ERR_ARGUMENT, "temperature %g, expected 0.001 to 1000", d->temperature);
    if ((size_t)d->reject >= WORDS || !isfinite(d->reject_below))
        return fail(err, XC_ERR_ARGUMENT, "reject %d below %g", (int)d->reject, d->reject_below);
    for (uint32_t i = 0; d->least && i < classes; i++)
        if (!(d->least[i] >= 0 && d->least[i] <= 1))
            return fail(err, XC_ERR_ARGUMENT, "threshold %g of class %u, expected 0..1",
                        d->least[i], i);
    return XC_OK;
}

bool decision_is_plain(const xc_decision *d)
{
    return d->temperature == 1 && d->reject == XC_REJECT_NONE && !d->least;
}

const char *decision_write(const xc_decision *d, uint32_t classes, struct arena *a)
{
    json_t *least = d->least ? json_array() : json_null();
    for (uint32_t i = 0; d->least && i < classes; i++)
        if (json_array_append_new(least, json_real(d->least[i])) != 0) {
            json_decref(least);
            return NULL;
        }
    json_t *json = json_pack("{s:f,s:s,s:f,s:o}", "temperature", d->temperature, "reject",
                             words[d->reject], "reject_below", d->reject_below, "least", least);
    char *text = json ? json_dumps(json, DUMP_FLAGS) : NULL;
    const char *copy = text ? arena_strdup(a, text) : NULL;
    free(text);
    json_decref(json);
    return copy;
}

static xc_status read_least(const json_t *array, uint32_t classes, struct arena *a,
                            const double **out, struct error *err)
{
    *out = NULL;
    if (json_is_null(array)) return XC_OK;
    if (json_array_size(array) != classes)
        return fail(err, XC_ERR_FORMAT, "decision: %zu thresholds for %u classes",
                    json_array_size(array), classes);
    double *least = arena_push(a, classes, sizeof *least);
    if (!least) return fail_memory(err, classes * sizeof *least);
    for (uint32_t i = 0; i < classes; i++) {
        const json_t *number = json_array_get(array, i);
        least[i] = json_is_number(number) ? json_number_value(number) : NAN;
    }
    *out = least;
    return XC_OK;
}

xc_status decision_read(const char *text, uint32_t classes, struct arena *a, xc_decision *out,
                        struct error *err)
{
    xc_decision d = {.size = sizeof d};
    const char *reject = "";
    const json_t *least = NULL;
    json_error_t where = {.text = "not a JSON object"};
    json_t *json = json_modest(text, strlen(text), &where);
    xc_status status = XC_OK;
    if (!json_is_object(json) || json_unpack_ex(json, &where, JSON_STRICT, "{s:F,s:s,s:F,s:o}",
                                                "temperature", &d.temperature, "reject", &reject,
                                                "reject_below", &d.reject_below, "least", &least))
        status = fail(err, XC_ERR_FORMAT, "decision: %s", where.text);
    int word = 0;
    while (status == XC_OK && word < WORDS && strcmp(words[word], reject) != 0) word++;
    d.reject = (xc_reject)word;
    if (status == XC_OK) status = read_least(least, classes, a, &d.least, err);
    json_decref(json);
    struct error why;
    if (status == XC_OK && decision_check(&d, classes, &why) != XC_OK)
        status = fail(err, XC_ERR_FORMAT, "decision: %s", why.text);
    if (status == XC_OK) *out = d;
    return status;
}

static double largest(const double *x, size_t n)
{
    double most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (x[i] > most) most = x[i];
    return most;
}

void decision_probabilities(const xc_decision *d, bool sigmoid, const double *logit, size_t classes,
                            double *probability)
{
    const double t = d->temperature;
    const double lse = sigmoid ? 0 : log_sum_exp(logit, classes, largest(logit, classes), t);
    for (size_t i = 0; i < classes; i++)
        probability[i] = sigmoid ? 1 / (1 + exp(-logit[i] / t)) : exp(logit[i] / t - lse);
}

/* With one label a picture the best class has to reach its threshold, with several any. */
static bool too_unsure(const xc_decision *d, bool sigmoid, const double *probability,
                       size_t classes)
{
    size_t best = 0;
    for (size_t i = 0; i < classes; i++) {
        if (sigmoid && probability[i] >= d->least[i]) return false;
        if (probability[i] > probability[best]) best = i;
    }
    return sigmoid || probability[best] < d->least[best];
}

bool decision_unknown(const xc_decision *d, bool sigmoid, const double *logit,
                      const double *probability, size_t classes)
{
    const double most = largest(logit, classes);
    if (d->reject == XC_REJECT_MAX_LOGIT && most < d->reject_below) return true;
    if (d->reject == XC_REJECT_ENERGY && log_sum_exp(logit, classes, most, 1) < d->reject_below)
        return true;
    return d->least && too_unsure(d, sigmoid, probability, classes);
}
