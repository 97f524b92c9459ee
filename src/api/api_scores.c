/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of the public interface: tables of answers, and the numbers that follow from them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "metric/confusion.h"
#include "metric/interval.h"

enum { TOP = 5, BINS = 15, SCORES_CLASSES = 100000 };

xc_status xc_scores_new(const xc_scores_opts *opts, xc_scores **out)
{
    xc_scores_opts o = XC_SCORES_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    TRY(options_read(&o, sizeof o, opts, "xc_scores_opts"));
    if (o.classes < 1 || o.classes > SCORES_CLASSES)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u classes, expected 1..%d", o.classes,
                    SCORES_CLASSES);
    if ((int)o.kind < 0 || o.kind > XC_SCORES_ANSWERS)
        return fail(api_error(), XC_ERR_ARGUMENT, "kind: %d is no xc_scores_kind", (int)o.kind);
    if (o.bins > SCORES_MAX_BINS)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u bins, expected at most %d", o.bins,
                    SCORES_MAX_BINS);
    const struct scores_opts s = {.kind = o.kind,
                                  .classes = o.classes,
                                  .multi_label = o.multi_label,
                                  .top = o.top ? o.top : TOP,
                                  .bins = o.bins ? o.bins : BINS,
                                  .folder = o.folder ? o.folder : "/tmp"};
    xc_scores *scores = calloc(1, sizeof *scores);
    if (!scores) return fail_memory(api_error(), sizeof *scores);
    const xc_status status = scores_new(&s, &scores->s, api_error());
    if (status == XC_OK)
        *out = scores;
    else
        free(scores);
    return status;
}

void xc_scores_free(xc_scores *scores)
{
    if (!scores) return;
    scores_free(scores->s);
    free(scores);
}

xc_status xc_scores_add(xc_scores *scores, const xc_scores_row *row)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!row) return refuse_null("row");
    if (row->extra_count && !row->extra) return refuse_null("row->extra");
    if (row->extra_count > scores->s->o.classes)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u further labels, there are %u classes",
                    row->extra_count, scores->s->o.classes);
    const struct scores_row r = {row->id,    row->score, row->answer,     row->probability,
                                 row->label, row->extra, row->extra_count};
    return scores_add(scores->s, &r, api_error());
}

xc_status xc_scores_set_temperature(xc_scores *scores, double temperature)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    return scores_set_temperature(scores->s, temperature, api_error());
}

uint64_t xc_scores_count(const xc_scores *scores)
{
    return scores ? scores->s->entries : 0;
}

xc_status xc_scores_get(const xc_scores *scores, uint64_t row, xc_scored *out)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    if (row >= scores->s->entries)
        return fail(api_error(), XC_ERR_ARGUMENT, "row %ju, there are %zu", (uintmax_t)row,
                    scores->s->entries);
    const struct scores_entry *e = &scores->s->entry[row];
    *out = (xc_scored){.id = e->id,
                       .label = e->label,
                       .answer = e->answer,
                       .place = e->place,
                       .probability = scores_confidence(scores->s, e),
                       .loss = e->loss,
                       .max_logit = e->most,
                       .energy = e->energy};
    return XC_OK;
}

/* ---- all rows -------------------------------------------------------------------------------- */

static xc_interval share(uint64_t hits, uint64_t n)
{
    xc_interval i = {.value = n ? (double)hits / (double)n : NAN};
    wilson_interval(hits, n, INTERVAL_Z95, &i.low, &i.high);
    return i;
}

xc_status xc_scores_classes(const xc_scores *scores, xc_class_scores *out)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    return scores_classes(scores->s, out, api_error());
}

xc_status xc_scores_sum(const xc_scores *scores, xc_scores_summary *out)
{
    ROUNDING_RULES;
    struct scores_sum sum;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    const struct scores *s = scores->s;
    TRY(scores_sum_up(s, &sum, api_error()));
    *out = (xc_scores_summary){.rows = sum.rows,
                               .top = s->o.top,
                               .bins = s->o.bins,
                               .top1 = share(sum.top1, sum.rows),
                               .topk = share(sum.topk, sum.rows),
                               .loss = sum.loss,
                               .brier = sum.brier,
                               .ece = sum.ece,
                               .map_at_k = sum.map_at_k,
                               .temperature = s->temperature};
    if (s->o.kind == XC_SCORES_ANSWERS) out->topk = (xc_interval){NAN, NAN, NAN};
    xc_class_scores *class = calloc(s->o.classes, sizeof *class);
    if (!class) return fail_memory(api_error(), s->o.classes * sizeof *class);
    const xc_status status = scores_classes(s, class, api_error());
    if (status == XC_OK) scores_means(s, class, out);
    free(class);
    return status;
}

xc_status xc_scores_bins(const xc_scores *scores, xc_bin *out)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    struct scores_bin *bin = calloc(scores->s->o.bins, sizeof *bin);
    if (!bin) return fail_memory(api_error(), scores->s->o.bins * sizeof *bin);
    scores_bins(scores->s, bin);
    for (uint32_t b = 0; b < scores->s->o.bins; b++) {
        out[b] = (xc_bin){bin[b].count, bin[b].hits, bin[b].confidence, 0, 1};
        wilson_interval(bin[b].hits, bin[b].count, INTERVAL_Z95, &out[b].low, &out[b].high);
    }
    free(bin);
    return XC_OK;
}

xc_status xc_scores_fit_temperature(const xc_scores *scores, double *out)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    return scores_fit_temperature(scores->s, out, api_error());
}

xc_status xc_scores_confusion(const xc_scores *scores, const char *const *labels, const char *title,
                              const char *csv_path, const char *svg_path)
{
    ROUNDING_RULES;
    struct arena arena = {0};
    struct confusion confusion = {0};
    if (!scores) return refuse_null("scores");
    const uint32_t classes = scores->s->o.classes;
    for (uint32_t c = 0; labels && c < classes; c++)
        if (!labels[c]) return fail(api_error(), XC_ERR_ARGUMENT, "label %u is NULL", c);
    const char **number = labels ? NULL : arena_push(&arena, classes, sizeof *number);
    for (uint32_t c = 0; number && c < classes; c++) number[c] = arena_printf(&arena, "%u", c);
    xc_status status = labels || (number && number[classes - 1])
                           ? scores_confusion(scores->s, &confusion, api_error())
                           : fail_memory(api_error(), classes * sizeof *number);
    if (status == XC_OK)
        status = confusion_write(&confusion, labels ? labels : number, title ? title : "confusion",
                                 csv_path, svg_path, api_error());
    confusion_free(&confusion);
    arena_free(&arena);
    return status;
}

/* ---- one class against the others ------------------------------------------------------------ */

xc_status xc_scores_curve(const xc_scores *scores, uint32_t class_index, xc_threshold *out,
                          size_t room, size_t *count)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    if (!count) return refuse_null("count");
    return scores_curve(scores->s, class_index, out, room, count, api_error());
}

xc_status xc_scores_pick(const xc_scores *scores, uint32_t class_index, const char *rule,
                         xc_threshold *out)
{
    ROUNDING_RULES;
    if (!scores) return refuse_null("scores");
    if (!rule) return refuse_null("rule");
    if (!out) return refuse_null("out");
    return scores_pick(scores->s, class_index, rule, out, api_error());
}

/* ---- two tables ------------------------------------------------------------------------------ */

xc_status xc_scores_compare(const xc_scores *a, const xc_scores *b, xc_comparison *out)
{
    ROUNDING_RULES;
    if (!a) return refuse_null("a");
    if (!b) return refuse_null("b");
    if (!out) return refuse_null("out");
    return scores_compare(a->s, b->s, out, api_error());
}

xc_status xc_scores_reject(const xc_scores *known, const xc_scores *unknown, xc_reject reject,
                           double tpr, xc_rejection *out)
{
    ROUNDING_RULES;
    if (!known) return refuse_null("known");
    if (!unknown) return refuse_null("unknown");
    if (!out) return refuse_null("out");
    return scores_reject(known->s, unknown->s, reject, tpr, out, api_error());
}
