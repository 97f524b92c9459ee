/* SPDX-License-Identifier: Apache-2.0 */
/* One class against the others. */
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
