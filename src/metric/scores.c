/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in: what is kept of each, and what a temperature changes. */
#include "metric/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/softmax.h"

xc_status scores_new(const struct scores_opts *opts, struct scores **out, struct error *err)
{
    struct scores *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return fail_memory(err, sizeof *s);
    s->o = *opts;
    s->temperature = 1;
    s->extras = 1;
    s->spill.fd = -1;
    xc_status status = XC_OK;
    if (opts->kind != XC_SCORES_ANSWERS)
        status =
            spill_open(&s->spill, opts->classes, opts->kind == XC_SCORES_LOGITS, opts->folder, err);
    s->o.folder = NULL; /* the caller's; the spill has a copy */
    if (status == XC_OK)
        *out = s;
    else
        scores_free(s);
    return status;
}

void scores_free(struct scores *s)
{
    if (!s) return;
    spill_close(&s->spill);
    free(s->entry);
    free(s->extra);
    free(s);
}

/* ---- one row --------------------------------------------------------------------------------- */

static const int32_t *extra_of(const struct scores *s, const struct scores_entry *e, int32_t *count)
{
    *count = e->extra ? s->extra[e->extra] : 0;
    return e->extra ? s->extra + e->extra + 1 : NULL;
}

bool scores_is(const struct scores *s, const struct scores_entry *e, uint32_t c)
{
    int32_t count;
    const int32_t *extra = extra_of(s, e, &count);
    if (e->label == c) return true;
    for (int32_t i = 0; i < count; i++)
        if (extra[i] == (int32_t)c) return true;
    return false;
}

bool scores_hit(const struct scores *s, const struct scores_entry *e)
{
    return scores_is(s, e, e->answer);
}

double scores_confidence(const struct scores *s, const struct scores_entry *e)
{
    if (s->o.kind != XC_SCORES_LOGITS) return e->most;
    if (s->o.multi_label) return 1 / (1 + exp(-e->most / s->temperature));
    return exp(e->most / s->temperature - e->lse);
}

/* How many scores are better than that of c; of equal ones the first is. NaN is never better. */
static uint32_t place_of(const double *x, uint32_t classes, uint32_t c)
{
    uint32_t place = 0;
    if (isnan(x[c])) return classes;
    for (uint32_t i = 0; i < classes; i++) place += x[i] > x[c] || (x[i] == x[c] && i < c);
    return place;
}

/* Of a sigmoid's logit, without overflow. */
static double binary_loss(double v, bool is)
{
    return fmax(v, 0) - (is ? v : 0) + log1p(exp(-fabs(v)));
}

#define EPSILON 2.220446049250313e-16 /* as scikit-learn clips probabilities */

static double clipped_log(double p)
{
    return log(fmin(fmax(p, EPSILON), 1 - EPSILON));
}

static double loss_of(const struct scores *s, const struct scores_entry *e, const double *x)
{
    const bool logits = s->o.kind == XC_SCORES_LOGITS;
    double sum = 0;
    if (!s->o.multi_label)
        return logits ? e->lse - x[e->label] / s->temperature : -clipped_log(x[e->label]);
    for (uint32_t c = 0; c < s->o.classes; c++) {
        const bool is = scores_is(s, e, c);
        sum += logits ? binary_loss(x[c] / s->temperature, is) : -clipped_log(is ? x[c] : 1 - x[c]);
    }
    return sum;
}

static void measure(const struct scores *s, struct scores_entry *e, const double *x)
{
    const bool softmax = s->o.kind == XC_SCORES_LOGITS && !s->o.multi_label;
    e->lse = softmax ? log_sum_exp(x, s->o.classes, e->most, s->temperature) : 0;
    e->loss = loss_of(s, e, x);
}

/* ---- adding ---------------------------------------------------------------------------------- */

static xc_status check_row(const struct scores *s, const struct scores_row *r, struct error *err)
{
    const bool answers = s->o.kind == XC_SCORES_ANSWERS;
    if (r->label >= s->o.classes || (answers && r->answer >= s->o.classes))
        return fail(err, XC_ERR_ARGUMENT, "row %zu: label %u, answer %u, there are %u classes",
                    s->entries, r->label, answers ? r->answer : 0, s->o.classes);
    if (r->extra_count && !s->o.multi_label && !answers)
        return fail(err, XC_ERR_ARGUMENT, "row %zu: %u further labels, scores of one label a row",
                    s->entries, r->extra_count);
    for (uint32_t i = 0; i < r->extra_count; i++)
        if (r->extra[i] < 0 || (uint32_t)r->extra[i] >= s->o.classes)
            return fail(err, XC_ERR_ARGUMENT, "row %zu: label %d, there are %u classes", s->entries,
                        r->extra[i], s->o.classes);
    for (uint32_t i = 0; i < r->extra_count; i++)
        for (uint32_t k = 0; k <= i; k++)
            if (r->extra[i] == (k ? r->extra[k - 1] : (int32_t)r->label))
                return fail(err, XC_ERR_ARGUMENT, "row %zu: label %d stands twice", s->entries,
                            r->extra[i]);
    if (answers && !isnan(r->probability) && !(r->probability >= 0 && r->probability <= 1))
        return fail(err, XC_ERR_ARGUMENT, "row %zu: the answer has probability %g", s->entries,
                    r->probability);
    if (!answers && !r->score)
        return fail(err, XC_ERR_ARGUMENT, "row %zu: has no scores", s->entries);
    for (uint32_t c = 0; !answers && c < s->o.classes; c++) {
        if (!isfinite(r->score[c]))
            return fail(err, XC_ERR_NUMBER, "row %zu: the score of class %u is %f", s->entries, c,
                        r->score[c]);
        if (s->o.kind == XC_SCORES_PROBABILITIES && (r->score[c] < 0 || r->score[c] > 1))
            return fail(err, XC_ERR_ARGUMENT, "row %zu: class %u has probability %g", s->entries, c,
                        r->score[c]);
    }
    return XC_OK;
}

static xc_status make_room(struct scores *s, uint32_t extra, struct error *err)
{
    if (s->entries == s->room) {
        const size_t room = s->room ? 2 * s->room : 1024;
        struct scores_entry *entry = realloc(s->entry, room * sizeof *entry);
        if (!entry) return fail_memory(err, room * sizeof *entry);
        s->entry = entry;
        s->room = room;
    }
    if (extra && s->extras + extra + 1 > s->extra_room) {
        const size_t room = 2 * s->extra_room + extra + 1024;
        int32_t *more = room > UINT32_MAX ? NULL : realloc(s->extra, room * sizeof *more);
        if (!more) return fail_memory(err, room * sizeof *more);
        s->extra = more;
        s->extra_room = room;
    }
    return XC_OK;
}

static void keep_extra(struct scores *s, const struct scores_row *r, struct scores_entry *e)
{
    if (!r->extra_count) return;
    e->extra = (uint32_t)s->extras;
    s->extra[s->extras++] = (int32_t)r->extra_count;
    memcpy(s->extra + s->extras, r->extra, r->extra_count * sizeof *r->extra);
    s->extras += r->extra_count;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* AP@k of one row: precision at each label among the first k answers, over how many could be there.
 */
static xc_status precision_of(const struct scores *s, const struct scores_row *r,
                              struct scores_entry *e, double *out, struct error *err)
{
    const uint32_t labels = r->extra_count + 1, k = s->o.top;
    uint32_t *place = malloc(labels * sizeof *place);
    if (!place) return fail_memory(err, labels * sizeof *place);
    double sum = 0;
    for (uint32_t i = 0; i < labels; i++)
        place[i] = place_of(r->score, s->o.classes, i ? (uint32_t)r->extra[i - 1] : r->label);
    qsort(place, labels, sizeof *place, ascending);
    for (uint32_t i = 0; i < labels && place[i] < k; i++) sum += (i + 1.0) / (place[i] + 1.0);
    e->place = place[0];
    *out = sum / (labels < k ? labels : k);
    free(place);
    return XC_OK;
}

static void choose_answer(const struct scores *s, const double *x, struct scores_entry *e)
{
    e->answer = 0;
    for (uint32_t c = 1; c < s->o.classes; c++)
        if (x[c] > x[e->answer]) e->answer = c;
    e->most = x[e->answer];
}

xc_status scores_add(struct scores *s, const struct scores_row *r, struct error *err)
{
    struct scores_entry e = {.id = r->id, .label = r->label, .answer = r->answer};
    TRY(check_row(s, r, err));
    TRY(make_room(s, r->extra_count, err));
    keep_extra(s, r, &e);
    if (s->o.kind == XC_SCORES_ANSWERS) {
        e.most = r->probability;
        e.loss = NAN;
        e.place = scores_hit(s, &e) ? 0 : s->o.classes;
    } else {
        choose_answer(s, r->score, &e);
        double precision = 0;
        TRY(precision_of(s, r, &e, &precision, err));
        measure(s, &e, r->score);
        if (s->o.kind == XC_SCORES_LOGITS)
            e.energy = log_sum_exp(r->score, s->o.classes, e.most, 1);
        TRY(spill_add(&s->spill, r->score, err));
        s->precision += precision;
    }
    s->entry[s->entries++] = e;
    return XC_OK;
}

xc_status scores_set_temperature(struct scores *s, double temperature, struct error *err)
{
    if (s->o.kind != XC_SCORES_LOGITS)
        return fail(err, XC_ERR_ARGUMENT, "a temperature needs scores before the softmax");
    if (!(temperature >= 1e-3 && temperature <= 1000))
        return fail(err, XC_ERR_ARGUMENT, "a temperature of %g, expected 0.001 to 1000",
                    temperature);
    double *x = malloc((size_t)s->o.classes * SCORES_BLOCK * sizeof *x);
    if (!x) return fail_memory(err, (size_t)s->o.classes * SCORES_BLOCK * sizeof *x);
    xc_status status = XC_OK;
    s->temperature = temperature;
    for (size_t i = 0; i < s->entries && status == XC_OK; i++) {
        if (i % SCORES_BLOCK == 0) status = spill_block(&s->spill, i / SCORES_BLOCK, x, err);
        if (status == XC_OK) measure(s, &s->entry[i], x + i % SCORES_BLOCK * (size_t)s->o.classes);
    }
    free(x);
    return status;
}
