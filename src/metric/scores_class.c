/* SPDX-License-Identifier: Apache-2.0 */
/* How good are the answers about each class? Counts and rates, one class against the others, means
 * over classes. */
#include <math.h>
#include <stdlib.h>

#include "metric/scores.h"

xc_status scores_rank(const struct scores *s, uint32_t class, struct ranked *out, struct error *err)
{
    const bool logits = s->o.kind == XC_SCORES_LOGITS;
    if (s->o.kind == XC_SCORES_ANSWERS)
        return fail(err, XC_ERR_ARGUMENT, "only the answers are known, not the scores of classes");
    if (class >= s->o.classes)
        return fail(err, XC_ERR_ARGUMENT, "class %u, there are %u", class, s->o.classes);
    double *x = malloc((s->entries + 1) * sizeof *x);
    if (!x) return fail_memory(err, s->entries * sizeof *x);
    const xc_status status = spill_column(&s->spill, class, x, err);
    for (size_t i = 0; status == XC_OK && i < s->entries; i++) {
        const struct scores_entry *e = &s->entry[i];
        out[i].score = logits ? x[i] / s->temperature - e->lse : x[i]; /* lse 0 of sigmoids */
        out[i].positive = scores_is(s, e, class);
    }
    free(x);
    if (status == XC_OK) ranking_sort(out, s->entries);
    return status;
}

double scores_probability(const struct scores *s, double ranked)
{
    if (s->o.kind != XC_SCORES_LOGITS) return ranked;
    return s->o.multi_label ? 1 / (1 + exp(-ranked)) : exp(ranked);
}

/* ---- counted --------------------------------------------------------------------------------- */

xc_status scores_confusion(const struct scores *s, struct confusion *out, struct error *err)
{
    uint32_t *label = malloc(2 * (s->entries + 1) * sizeof *label), *answer = label + s->entries;
    if (!label) return fail_memory(err, s->entries * sizeof *label);
    for (size_t i = 0; i < s->entries; i++) {
        const struct scores_entry *e = &s->entry[i];
        answer[i] = e->answer;
        label[i] = scores_hit(s, e) ? e->answer : e->label; /* of several labels the one meant */
    }
    const xc_status status = confusion_count(label, answer, s->entries, s->o.classes, out, err);
    for (size_t i = 0; i < s->entries; i++) out->several = out->several || s->entry[i].extra;
    free(label);
    return status;
}

static xc_status rank_classes(const struct scores *s, xc_class_scores *out, struct error *err)
{
    struct ranked *r = malloc((s->entries + 1) * sizeof *r);
    xc_status status = r ? XC_OK : fail_memory(err, s->entries * sizeof *r);
    for (uint32_t c = 0; c < s->o.classes && status == XC_OK; c++) {
        status = scores_rank(s, c, r, err);
        if (status != XC_OK) break;
        out[c].auc = ranking_auc(r, s->entries);
        out[c].average_precision = ranking_average_precision(r, s->entries);
    }
    free(r);
    return status;
}

/* Every label of a picture counts; the matrix has room for one. */
static void count_labels(const struct scores *s, struct class_score *out)
{
    for (size_t i = 0; i < s->entries; i++) {
        const struct scores_entry *e = &s->entry[i];
        for (uint32_t c = 0; c < s->o.classes; c++) out[c].support += scores_is(s, e, c);
        out[e->answer].predicted++;
        out[e->answer].hits += scores_hit(s, e);
    }
    for (uint32_t c = 0; c < s->o.classes; c++) confusion_rates(&out[c]);
}

static xc_status score_classes(const struct scores *s, struct class_score *out, struct error *err)
{
    struct confusion confusion;
    if (s->o.multi_label) {
        count_labels(s, out);
        return XC_OK;
    }
    TRY(scores_confusion(s, &confusion, err));
    confusion_classes(&confusion, out);
    confusion_free(&confusion);
    return XC_OK;
}

xc_status scores_classes(const struct scores *s, xc_class_scores *out, struct error *err)
{
    struct class_score *score = calloc(s->o.classes, sizeof *score);
    if (!score) return fail_memory(err, s->o.classes * sizeof *score);
    xc_status status = score_classes(s, score, err);
    if (status == XC_OK) {
        for (uint32_t c = 0; c < s->o.classes; c++)
            out[c] = (xc_class_scores){.support = score[c].support,
                                       .predicted = score[c].predicted,
                                       .hits = score[c].hits,
                                       .precision = score[c].precision,
                                       .recall = score[c].recall,
                                       .f1 = score[c].f1,
                                       .auc = NAN,
                                       .average_precision = NAN};
        if (s->o.kind != XC_SCORES_ANSWERS) status = rank_classes(s, out, err);
    }
    free(score);
    return status;
}

struct mean {
    double sum;
    uint32_t count;
};

static void add_to(struct mean *m, double v)
{
    if (isnan(v)) return;
    m->sum += v;
    m->count++;
}

static double mean_of(const struct mean *m)
{
    return m->count ? m->sum / m->count : NAN;
}

void scores_means(const struct scores *s, const xc_class_scores *class, xc_scores_summary *out)
{
    struct mean precision = {0}, recall = {0}, f1 = {0}, auc = {0}, average = {0};
    for (uint32_t c = 0; c < s->o.classes; c++) {
        if (!class[c].support) continue;
        add_to(&precision, class[c].precision);
        add_to(&recall, class[c].recall);
        add_to(&f1, class[c].f1);
        add_to(&auc, class[c].auc);
        add_to(&average, class[c].average_precision);
    }
    out->precision = mean_of(&precision);
    out->recall = mean_of(&recall);
    out->f1 = mean_of(&f1);
    out->auc = mean_of(&auc);
    out->average_precision = mean_of(&average);
}

/* ---- thresholds ------------------------------------------------------------------------------ */

/* *out: free(). */
static xc_status ranked(const struct scores *s, uint32_t class, struct ranked **out,
                        struct error *err)
{
    *out = malloc((s->entries + 1) * sizeof **out);
    if (!*out) return fail_memory(err, s->entries * sizeof **out);
    const xc_status status = scores_rank(s, class, *out, err);
    if (status != XC_OK) free(*out);
    return status;
}

static xc_threshold threshold_of(const struct scores *s, const struct rank_point *p,
                                 const struct rank_point *all)
{
    const double yes = (double)(p->hits + p->alarms);
    return (xc_threshold){.threshold = scores_probability(s, p->threshold),
                          .recall = all->hits ? (double)p->hits / (double)all->hits : NAN,
                          .fpr = all->alarms ? (double)p->alarms / (double)all->alarms : NAN,
                          .precision = yes > 0 ? (double)p->hits / yes : NAN};
}

static void spread(const struct scores *s, const struct rank_point *p, size_t points,
                   xc_threshold *out, size_t room, size_t *count)
{
    *count = points < room ? points : room;
    for (size_t i = 0; i < *count; i++) {
        const size_t at = *count == points ? i : i * (points - 1) / (*count - 1);
        out[i] = threshold_of(s, &p[at], &p[points - 1]);
    }
}

xc_status scores_curve(const struct scores *s, uint32_t class, xc_threshold *out, size_t room,
                       size_t *count, struct error *err)
{
    struct ranked *r;
    if (room < 2) return fail(err, XC_ERR_ARGUMENT, "room for %zu points", room);
    TRY(ranked(s, class, &r, err));
    const size_t n = s->entries;
    struct rank_point *p = malloc((n + 1) * sizeof *p);
    if (p)
        spread(s, p, ranking_points(r, n, p), out, room, count);
    else
        *count = 0;
    const bool failed = !p;
    free(p);
    free(r);
    return failed ? fail_memory(err, n * sizeof *p) : XC_OK;
}

xc_status scores_pick(const struct scores *s, uint32_t class, const char *rule, xc_threshold *out,
                      struct error *err)
{
    struct threshold_rule parsed;
    struct rank_point point, all = {0};
    struct ranked *r;
    TRY(threshold_rule_parse(rule, &parsed, err));
    TRY(ranked(s, class, &r, err));
    for (size_t i = 0; i < s->entries; i++) {
        all.hits += r[i].positive;
        all.alarms += !r[i].positive;
    }
    *out = (xc_threshold){NAN, NAN, NAN, NAN};
    if (ranking_pick(r, s->entries, &parsed, &point)) *out = threshold_of(s, &point, &all);
    free(r);
    return XC_OK;
}
