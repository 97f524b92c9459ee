/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the sorted scores for each question. */
#include "metric/ranking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

static int best_first(const void *a, const void *b)
{
    const double x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y);
    return (x < y) - (x > y);
}

void ranking_sort(struct ranked *r, size_t n)
{
    qsort(r, n, sizeof *r, best_first);
}

/* Takes the pictures of the next score; false at the end. Starts with at = 0 and counts of 0. */
static bool step(const struct ranked *r, size_t n, size_t *at, struct rank_point *p)
{
    if (*at == n) return false;
    p->threshold = r[*at].score;
    do {
        p->hits += r[*at].positive;
        p->alarms += !r[*at].positive;
        ++*at;
    } while (*at < n && !best_first(&r[*at], &r[*at - 1]));
    return true;
}

static struct rank_point totals(const struct ranked *r, size_t n)
{
    struct rank_point all = {.threshold = NAN};
    for (size_t i = 0; i < n; i++) {
        all.hits += r[i].positive;
        all.alarms += !r[i].positive;
    }
    return all;
}

double ranking_auc(const struct ranked *r, size_t n)
{
    const struct rank_point all = totals(r, n);
    struct rank_point p = {0}, before = {0};
    double area = 0; /* in pairs */
    if (!all.hits || !all.alarms) return NAN;
    for (size_t at = 0; step(r, n, &at, &p); before = p)
        area += (double)(p.alarms - before.alarms) * ((double)p.hits + (double)before.hits) / 2;
    return area / (double)all.hits / (double)all.alarms;
}

double ranking_average_precision(const struct ranked *r, size_t n)
{
    const struct rank_point all = totals(r, n);
    struct rank_point p = {0}, before = {0};
    double sum = 0;
    if (!all.hits) return 0;
    for (size_t at = 0; step(r, n, &at, &p); before = p)
        sum += (double)(p.hits - before.hits) * (double)p.hits / (double)(p.hits + p.alarms);
    return sum / (double)all.hits;
}

size_t ranking_points(const struct ranked *r, size_t n, struct rank_point *out)
{
    struct rank_point p = {0};
    size_t points = 0;
    for (size_t at = 0; step(r, n, &at, &p); points++)
        if (out) out[points] = p;
    return points;
}

xc_status threshold_rule_parse(const char *text, struct threshold_rule *out, struct error *err)
{
    static const struct {
        const char *word;
        bool value;
    } known[] = {[RULE_F1] = {"f1", false},
                 [RULE_YOUDEN] = {"youden", false},
                 [RULE_RECALL] = {"recall=", true},
                 [RULE_PRECISION] = {"precision=", true},
                 [RULE_FPR] = {"fpr=", true}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t length = strlen(known[i].word);
        double value = 0;
        if (strncmp(text, known[i].word, length) != 0) continue;
        const char *end = known[i].value ? decimal_read(text + length, &value) : text + length;
        if (!end || *end || !(value >= 0 && value <= 1)) continue;
        *out = (struct threshold_rule){(enum rule_kind)i, value};
        return XC_OK;
    }
    return fail(err, XC_ERR_ARGUMENT,
                "rule \"%s\", expected f1, youden, recall=X, precision=X or fpr=X with X in 0..1",
                text);
}

static double ratio(uint64_t part, uint64_t of)
{
    return of ? (double)part / (double)of : 0;
}

/* What the rule wants to be large. */
static double merit(const struct threshold_rule *rule, const struct rank_point *p,
                    const struct rank_point *all)
{
    switch (rule->kind) {
    case RULE_F1:
        return ratio(2 * p->hits, all->hits + p->hits + p->alarms);
    case RULE_PRECISION:
        return ratio(p->hits, p->hits + p->alarms);
    case RULE_FPR:
        return -ratio(p->alarms, all->alarms);
    case RULE_RECALL:
        return ratio(p->hits, all->hits);
    default:
        return ratio(p->hits, all->hits) - ratio(p->alarms, all->alarms);
    }
}

bool ranking_pick(const struct ranked *r, size_t n, const struct threshold_rule *rule,
                  struct rank_point *out)
{
    const struct rank_point all = totals(r, n);
    const bool best = rule->kind == RULE_F1 || rule->kind == RULE_YOUDEN;
    const double needed = rule->kind == RULE_FPR ? -rule->value : rule->value;
    struct rank_point p = {0};
    double most = -INFINITY;
    bool found = false;
    if (!all.hits) return false;
    for (size_t at = 0; step(r, n, &at, &p);) {
        const double m = merit(rule, &p, &all);
        if (best ? !(m > most) : !(m >= needed)) continue;
        most = m;
        *out = p;
        found = true;
        if (rule->kind == RULE_RECALL) break;
    }
    return found;
}
