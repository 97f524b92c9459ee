/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of an evaluation, for a person and for a script. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"
#include "eval.h"

enum { WORST_CLASSES = 5, CONFUSED = 5 };

static void text_interval(const char *name, const xc_interval *i)
{
    if (!isnan(i->value))
        printf("  %s %.2f %% [%.1f, %.1f]", name, 100 * i->value, 100 * i->low, 100 * i->high);
}

static void text_numbers(const struct eval *e)
{
    const xc_scores_summary *s = &e->sum;
    char top[16];
    snprintf(top, sizeof top, "top%u", s->top);
    printf("%s  images %" PRIu64, e->models ? xc_split_name(e->split) : "given", s->rows);
    text_interval("top1", &s->top1);
    text_interval(top, &s->topk);
    if (!isnan(s->loss)) printf("  loss %.4f", s->loss);
    if (e->unreadable) printf("  unreadable %" PRIu64, e->unreadable);
    printf("\nclasses  precision %.4f  recall %.4f  F1 %.4f", s->precision, s->recall, s->f1);
    if (!isnan(s->auc)) printf("  AUC %.4f", s->auc);
    if (!isnan(s->average_precision)) printf("  mAP %.4f", s->average_precision);
    if (!isnan(s->map_at_k)) printf("  MAP@%u %.4f", s->top, s->map_at_k);
    if (!isnan(s->ece)) printf("\ncalibration  ECE %.4f", s->ece);
    if (!isnan(s->brier)) printf("  Brier %.4f", s->brier);
    if (e->fitted_temperature)
        printf("  with T = %.4f  (ECE %.4f, loss %.4f without)", s->temperature, e->before.ece,
               e->before.loss);
    else if (s->temperature != 1)
        printf("  T = %.4f", s->temperature);
    putchar('\n');
}

static int worse_class(const void *a, const void *b)
{
    const xc_class_scores *x = *(const xc_class_scores *const *)a,
                          *y = *(const xc_class_scores *const *)b;
    return x->f1 != y->f1 ? (x->f1 > y->f1) - (x->f1 < y->f1) : (x > y) - (x < y);
}

static void text_classes(const struct eval *e)
{
    const xc_class_scores **order = calloc(e->classes, sizeof *order);
    uint32_t n = 0;
    for (uint32_t c = 0; order && c < e->classes; c++)
        if (e->of_class[c].support) order[n++] = &e->of_class[c];
    if (n) qsort(order, n, sizeof *order, worse_class);
    for (uint32_t i = 0; i < n && i < WORST_CLASSES; i++) {
        fputs(i ? "         " : "worst    ", stdout);
        emit_plain(e->label[order[i] - e->of_class]);
        printf("  precision %.3f  recall %.3f  F1 %.3f  (%" PRIu64 ")\n", order[i]->precision,
               order[i]->recall, order[i]->f1, order[i]->support);
    }
    free(order);
}

static void text_fits(const struct eval *e)
{
    for (int k = XC_REJECT_MAX_LOGIT; e->ood && k <= XC_REJECT_ENERGY; k++)
        printf("unknown  %s: %.2f %% of %" PRIu64
               " accepted at %.2f %% of the known (AUC %.4f)%s\n",
               xc_reject_name((xc_reject)k), 100 * e->rejection[k].fpr, xc_scores_count(e->ood),
               100 * e->rejection[k].tpr, e->rejection[k].auc,
               e->decision.reject == (xc_reject)k ? "  chosen" : "");
    const char *rule = arg_text(e->args, "pick-threshold");
    for (uint32_t c = 0; rule && c < e->classes && c < WORST_CLASSES; c++) {
        fputs(c ? "         " : "least    ", stdout);
        emit_plain(e->label[c]);
        printf("  %.4f\n", e->least[c]);
    }
    if (rule && e->classes > WORST_CLASSES)
        printf("         (%u more)\n", e->classes - WORST_CLASSES);
}

static void text_comparison(const struct eval *e)
{
    const xc_comparison *c = &e->comparison;
    if (e->models < 2) return;
    printf("against  ");
    emit_plain(e->model[1].file);
    printf("  top1 %.2f %%  both %" PRIu64 "  only the first %" PRIu64 "  only this %" PRIu64
           "  neither %" PRIu64 "  p %.4g (McNemar)\n",
           c->rows ? 100 * (double)(c->both + c->only_b) / (double)c->rows : 0, c->both, c->only_a,
           c->only_b, c->neither, c->p);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_number(const char *name, double v)
{
    printf(",\"%s\":", name);
    if (isnan(v))
        printf("null");
    else
        printf("%.9g", v);
}

static void json_interval(const char *name, const xc_interval *i)
{
    json_number(name, i->value);
    if (!isnan(i->value)) printf(",\"%s_interval\":[%.9g,%.9g]", name, i->low, i->high);
}

static void json_classes(const struct eval *e)
{
    printf(",\"classes\":[");
    for (uint32_t c = 0; c < e->classes; c++) {
        const xc_class_scores *s = &e->of_class[c];
        printf("%s{\"label\":", c ? "," : "");
        emit_string(e->label[c]);
        printf(",\"support\":%" PRIu64, s->support);
        json_number("precision", s->precision);
        json_number("recall", s->recall);
        json_number("f1", s->f1);
        json_number("auc", s->auc);
        json_number("average_precision", s->average_precision);
        if (e->least) json_number("threshold", e->least[c]);
        putchar('}');
    }
    putchar(']');
}

static void json(const struct eval *e)
{
    const xc_scores_summary *s = &e->sum;
    char top[16];
    snprintf(top, sizeof top, "top%u", s->top);
    printf("{\"split\":\"%s\",\"images\":%" PRIu64 ",\"unreadable\":%" PRIu64,
           e->models ? xc_split_name(e->split) : "given", s->rows, e->unreadable);
    json_interval("top1", &s->top1);
    json_interval(top, &s->topk);
    json_number("loss", s->loss);
    json_number("precision", s->precision);
    json_number("recall", s->recall);
    json_number("f1", s->f1);
    json_number("auc", s->auc);
    json_number("map", s->average_precision);
    json_number("map_at_k", s->map_at_k);
    json_number("ece", s->ece);
    json_number("brier", s->brier);
    json_number("temperature", s->temperature);
    for (int k = XC_REJECT_MAX_LOGIT; e->ood && k <= XC_REJECT_ENERGY; k++) {
        const xc_rejection *r = &e->rejection[k];
        printf(",\"%s\":{\"threshold\":%.9g,\"tpr\":%.9g,\"fpr\":%.9g,\"auc\":%.9g}",
               xc_reject_name((xc_reject)k), r->threshold, r->tpr, r->fpr, r->auc);
    }
    if (e->models == 2)
        printf(",\"mcnemar\":{\"both\":%" PRIu64 ",\"only_a\":%" PRIu64 ",\"only_b\":%" PRIu64
               ",\"neither\":%" PRIu64 ",\"p\":%.9g}",
               e->comparison.both, e->comparison.only_a, e->comparison.only_b,
               e->comparison.neither, e->comparison.p);
    json_classes(e);
    printf("}\n");
}

void eval_print(const struct eval *e, const char *report)
{
    if (format_of(arg_text(e->args, "format")) == FORMAT_JSON) {
        json(e);
        return;
    }
    text_numbers(e);
    text_classes(e);
    text_fits(e);
    text_comparison(e);
    if (report) {
        printf("wrote    ");
        emit_plain(report);
        printf("/report.html and tables beside it\n");
    }
}
