/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of the public interface: tables of answers, and the numbers that follow from them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "metric/confusion.h"
#include "metric/interval.h"

enum { TOP = 5, BINS = 15, SCORES_CLASSES = 100000, SCORES_FOLDER = 255 };

xc_status xc_scores_new(const xc_scores_opts *opts, xc_scores **out)
{
    xc_scores_opts o = XC_SCORES_OPTS_INIT;
    if (!out) return refuse_null("out");
    *out = NULL;
    TRY(options_read(&o, sizeof o, opts, "xc_scores_opts"));
    if (o.classes < 1 || o.classes > SCORES_CLASSES)
        return fail(api_error(), XC_ERR_ARGUMENT, "%u classes, expected 1..%d", o.classes,
                    SCORES_CLASSES);
    if ((int)o.kind < 0 || o.kind > XC_SCORES_ANSWERS || o.bins > SCORES_MAX_BINS)
        return fail(api_error(), XC_ERR_ARGUMENT, "kind %d, %u bins", (int)o.kind, o.bins);
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
    if (!scores) return refuse_null("scores");
    if (!row) return refuse_null("row");
    if (row->extra_count && (!row->extra || row->extra_count > scores->s->o.classes))
        return fail(api_error(), XC_ERR_ARGUMENT, "%u further labels of %u classes",
                    row->extra_count, scores->s->o.classes);
    const struct scores_row r = {row->id,    row->score, row->answer,     row->probability,
                                 row->label, row->extra, row->extra_count};
    return scores_add(scores->s, &r, api_error());
}

xc_status xc_scores_set_temperature(xc_scores *scores, double temperature)
{
    if (!scores) return refuse_null("scores");
    return scores_set_temperature(scores->s, temperature, api_error());
}

uint64_t xc_scores_count(const xc_scores *scores)
{
    return scores ? scores->s->entries : 0;
}

xc_status xc_scores_get(const xc_scores *scores, uint64_t row, xc_scored *out)
{
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

static xc_status count_confusion(const struct scores *s, struct confusion *out)
{
    uint32_t *label = malloc(2 * (s->entries + 1) * sizeof *label), *answer = label + s->entries;
    if (!label) return fail_memory(api_error(), s->entries * sizeof *label);
    for (size_t i = 0; i < s->entries; i++) {
        const struct scores_entry *e = &s->entry[i];
        answer[i] = e->answer;
        label[i] = scores_hit(s, e) ? e->answer : e->label; /* of several labels the one meant */
    }
    const xc_status status =
        confusion_count(label, answer, s->entries, s->o.classes, out, api_error());
    for (size_t i = 0; i < s->entries; i++) out->several = out->several || s->entry[i].extra;
    free(label);
    return status;
}

static xc_status rank_classes(const struct scores *s, xc_class_scores *out)
{
    struct ranked *r = malloc((s->entries + 1) * sizeof *r);
    xc_status status = r ? XC_OK : fail_memory(api_error(), s->entries * sizeof *r);
    for (uint32_t c = 0; c < s->o.classes && status == XC_OK; c++) {
        status = scores_rank(s, c, r, api_error());
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

static xc_status score_classes(const struct scores *s, struct class_score *out)
{
    struct confusion confusion;
    if (s->o.multi_label) {
        count_labels(s, out);
        return XC_OK;
    }
    TRY(count_confusion(s, &confusion));
    confusion_classes(&confusion, out);
    confusion_free(&confusion);
    return XC_OK;
}

xc_status xc_scores_classes(const xc_scores *scores, xc_class_scores *out)
{
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    const struct scores *s = scores->s;
    struct class_score *score = calloc(s->o.classes, sizeof *score);
    if (!score) return fail_memory(api_error(), s->o.classes * sizeof *score);
    xc_status status = score_classes(s, score);
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
        if (s->o.kind != XC_SCORES_ANSWERS) status = rank_classes(s, out);
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

static void put_means(const struct scores *s, const xc_class_scores *class, xc_scores_summary *out)
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

xc_status xc_scores_sum(const xc_scores *scores, xc_scores_summary *out)
{
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
    const xc_status status = xc_scores_classes(scores, class);
    if (status == XC_OK) put_means(s, class, out);
    free(class);
    return status;
}

xc_status xc_scores_bins(const xc_scores *scores, xc_bin *out)
{
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
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    return scores_fit_temperature(scores->s, out, api_error());
}

xc_status xc_scores_confusion(const xc_scores *scores, const char *const *labels, const char *title,
                              const char *csv_path, const char *svg_path)
{
    struct arena arena = {0};
    struct confusion confusion = {0};
    if (!scores) return refuse_null("scores");
    const uint32_t classes = scores->s->o.classes;
    for (uint32_t c = 0; labels && c < classes; c++)
        if (!labels[c]) return fail(api_error(), XC_ERR_ARGUMENT, "label %u is NULL", c);
    const char **number = labels ? NULL : arena_push(&arena, classes, sizeof *number);
    for (uint32_t c = 0; number && c < classes; c++) number[c] = arena_printf(&arena, "%u", c);
    xc_status status = labels || (number && number[classes - 1])
                           ? count_confusion(scores->s, &confusion)
                           : fail_memory(api_error(), classes * sizeof *number);
    if (status == XC_OK)
        status = confusion_write(&confusion, labels ? labels : number, title ? title : "confusion",
                                 csv_path, svg_path, api_error());
    confusion_free(&confusion);
    arena_free(&arena);
    return status;
}

/* ---- one class against the others ------------------------------------------------------------ */

/* *out: free(). */
static xc_status ranked(const xc_scores *scores, uint32_t class, struct ranked **out)
{
    *out = malloc((scores->s->entries + 1) * sizeof **out);
    if (!*out) return fail_memory(api_error(), scores->s->entries * sizeof **out);
    const xc_status status = scores_rank(scores->s, class, *out, api_error());
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

xc_status xc_scores_curve(const xc_scores *scores, uint32_t class_index, xc_threshold *out,
                          size_t room, size_t *count)
{
    struct ranked *r;
    if (!scores) return refuse_null("scores");
    if (!out) return refuse_null("out");
    if (!count) return refuse_null("count");
    if (room < 2) return fail(api_error(), XC_ERR_ARGUMENT, "room for %zu points", room);
    TRY(ranked(scores, class_index, &r));
    const size_t n = scores->s->entries;
    struct rank_point *p = malloc((n + 1) * sizeof *p);
    if (p)
        spread(scores->s, p, ranking_points(r, n, p), out, room, count);
    else
        *count = 0;
    const bool failed = !p;
    free(p);
    free(r);
    return failed ? fail_memory(api_error(), n * sizeof *p) : XC_OK;
}

xc_status xc_scores_pick(const xc_scores *scores, uint32_t class_index, const char *rule,
                         xc_threshold *out)
{
    struct threshold_rule parsed;
    struct rank_point point, all = {0};
    struct ranked *r;
    if (!scores) return refuse_null("scores");
    if (!rule) return refuse_null("rule");
    if (!out) return refuse_null("out");
    TRY(threshold_rule_parse(rule, &parsed, api_error()));
    TRY(ranked(scores, class_index, &r));
    for (size_t i = 0; i < scores->s->entries; i++) {
        all.hits += r[i].positive;
        all.alarms += !r[i].positive;
    }
    *out = (xc_threshold){NAN, NAN, NAN, NAN};
    if (ranking_pick(r, scores->s->entries, &parsed, &point))
        *out = threshold_of(scores->s, &point, &all);
    free(r);
    return XC_OK;
}

/* ---- two tables ------------------------------------------------------------------------------ */

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

xc_status xc_scores_compare(const xc_scores *a, const xc_scores *b, xc_comparison *out)
{
    if (!a) return refuse_null("a");
    if (!b) return refuse_null("b");
    if (!out) return refuse_null("out");
    struct judged *p = judge(a->s), *q = judge(b->s);
    const size_t n = a->s->entries, m = b->s->entries;
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
    if (failed) return fail_memory(api_error(), (n + m) * sizeof *p);
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

xc_status xc_scores_reject(const xc_scores *known, const xc_scores *unknown, xc_reject reject,
                           double tpr, xc_rejection *out)
{
    const struct threshold_rule rule = {RULE_RECALL, tpr};
    struct rank_point point = {0};
    if (!known) return refuse_null("known");
    if (!unknown) return refuse_null("unknown");
    if (!out) return refuse_null("out");
    const struct scores *a = known->s, *b = unknown->s;
    if (a->o.kind != XC_SCORES_LOGITS || b->o.kind != XC_SCORES_LOGITS || !a->entries ||
        !b->entries || (reject != XC_REJECT_ENERGY && reject != XC_REJECT_MAX_LOGIT) ||
        !(tpr > 0 && tpr <= 1))
        return fail(api_error(), XC_ERR_ARGUMENT,
                    "two tables of logits, a score and 0 < tpr <= 1 are needed; %zu and %zu rows",
                    a->entries, b->entries);
    struct ranked *r = malloc((a->entries + b->entries) * sizeof *r);
    if (!r) return fail_memory(api_error(), (a->entries + b->entries) * sizeof *r);
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
