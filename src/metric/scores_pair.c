/* SPDX-License-Identifier: Apache-2.0 */
/* What do two tables say together: which of two models is better, and are unknown pictures told
 * from known ones? */
#include <math.h>
#include <stdlib.h>

#include "metric/interval.h"
#include "metric/scores.h"

struct judged {
    uint64_t id;
    bool right;
};

static int by_id(const void *a, const void *b)
{
    const uint64_t x = ((const struct judged *)a)->id, y = ((const struct judged *)b)->id;
    return (x > y) - (x < y);
}

static struct judged *judge(const struct scores *s)
{
    struct judged *j = malloc((s->entries + 1) * sizeof *j);
    for (size_t i = 0; j && i < s->entries; i++)
        j[i] = (struct judged){s->entry[i].id, scores_hit(s, &s->entry[i])};
    if (j) qsort(j, s->entries, sizeof *j, by_id);
    return j;
}

xc_status scores_compare(const struct scores *a, const struct scores *b, xc_comparison *out,
                         struct error *err)
{
    struct judged *p = judge(a), *q = judge(b);
    const size_t n = a->entries, m = b->entries;
    const bool failed = !p || !q;
    *out = (xc_comparison){0};
    for (size_t i = 0, k = 0; !failed && i < n && k < m;) {
        if (p[i].id == q[k].id) {
            uint64_t *cell = p[i].right ? (q[k].right ? &out->both : &out->only_a)
                                        : (q[k].right ? &out->only_b : &out->neither);
            ++*cell;
            out->rows++;
        }
        const bool next_p = p[i].id <= q[k].id, next_q = q[k].id <= p[i].id;
        i += next_p;
        k += next_q;
    }
    free(p);
    free(q);
    if (failed) return fail_memory(err, (n + m) * sizeof *p);
    out->p = mcnemar_test(out->only_a, out->only_b, &out->statistic);
    return XC_OK;
}

static size_t put_rejects(const struct scores *s, xc_reject reject, bool known, struct ranked *out)
{
    for (size_t i = 0; i < s->entries; i++)
        out[i] = (struct ranked){reject == XC_REJECT_ENERGY ? s->entry[i].energy : s->entry[i].most,
                                 known};
    return s->entries;
}

xc_status scores_reject(const struct scores *known, const struct scores *unknown, xc_reject reject,
                        double tpr, xc_rejection *out, struct error *err)
{
    const struct threshold_rule rule = {RULE_RECALL, tpr};
    struct rank_point point = {0};
    const struct scores *a = known, *b = unknown;
    if (a->o.kind != XC_SCORES_LOGITS || b->o.kind != XC_SCORES_LOGITS || !a->entries ||
        !b->entries || (reject != XC_REJECT_ENERGY && reject != XC_REJECT_MAX_LOGIT) ||
        !(tpr > 0 && tpr <= 1))
        return fail(err, XC_ERR_ARGUMENT,
                    "two tables of logits, a score and 0 < tpr <= 1 are needed; %zu and %zu rows",
                    a->entries, b->entries);
    struct ranked *r = malloc((a->entries + b->entries) * sizeof *r);
    if (!r) return fail_memory(err, (a->entries + b->entries) * sizeof *r);
    size_t n = put_rejects(a, reject, true, r);
    n += put_rejects(b, reject, false, r + n);
    ranking_sort(r, n);
    ranking_pick(r, n, &rule, &point);
    *out = (xc_rejection){.threshold = point.threshold,
                          .tpr = (double)point.hits / (double)a->entries,
                          .fpr = (double)point.alarms / (double)b->entries,
                          .auc = ranking_auc(r, n)};
    free(r);
    return XC_OK;
}
