/* SPDX-License-Identifier: Apache-2.0 */
/* The paper's statements (arXiv 1610.02357v3), and how a study is held against them. */
#include "findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BIT(word) (1u << PRESET_##word)

static const struct finding table[] = {
    {BIT(table1) | BIT(rivals) | BIT(fig6), "Xception ends higher than Inception",
     "ImageNet top-1 0.790 and 0.782", METRIC_FINAL, CLAIM_MORE, "xception", "inception"},
    {BIT(fig6), "Xception needs fewer steps than Inception to the same accuracy",
     "to 0.75: 39 k and 55 k steps", METRIC_EPOCHS, CLAIM_MORE, "inception", "xception"},
    {BIT(table1) | BIT(rivals), "Xception ends higher than ResNet",
     "ImageNet top-1 0.790 and 0.770 (ResNet-152)", METRIC_FINAL, CLAIM_MORE, "xception", "resnet"},
    {BIT(table1) | BIT(rivals), "Xception ends higher than VGG", "ImageNet top-1 0.790 and 0.715",
     METRIC_FINAL, CLAIM_MORE, "xception", "vgg"},
    {BIT(table2) | BIT(fig7), "Xception ends higher than Inception, several labels, no FC layers",
     "JFT MAP@100 6.70 and 6.36", METRIC_FINAL, CLAIM_MORE, "xception, mosaics",
     "inception, mosaics"},
    {BIT(table2) | BIT(fig8), "Xception ends higher than Inception, several labels, with FC layers",
     "JFT MAP@100 6.78 and 6.50", METRIC_FINAL, CLAIM_MORE, "xception+fc, mosaics",
     "inception+fc, mosaics"},
    {BIT(table2), "FC layers raise the end of Xception", "JFT MAP@100 6.78 and 6.70", METRIC_FINAL,
     CLAIM_MORE, "xception+fc, mosaics", "xception, mosaics"},
    {BIT(table2), "FC layers raise the end of Inception", "JFT MAP@100 6.50 and 6.36", METRIC_FINAL,
     CLAIM_MORE, "inception+fc, mosaics", "inception, mosaics"},
    {BIT(table2), "FC layers make the beginning of Xception slower",
     "after 2 M steps 5.80 and 5.38", METRIC_EARLY, CLAIM_MORE, "xception, mosaics",
     "xception+fc, mosaics"},
    {BIT(table2), "FC layers make the beginning of Inception slower",
     "after 2 M steps 5.59 and 5.32", METRIC_EARLY, CLAIM_MORE, "inception, mosaics",
     "inception+fc, mosaics"},
    {BIT(table3), "Xception of 1000 classes has 22,855,952 parameters", "22,855,952", METRIC_COUNT,
     CLAIM_EQUAL, "xception", "22855952"},
    {BIT(table3), "Inception V3 of 1000 classes has 23,626,728 parameters", "23,626,728",
     METRIC_COUNT, CLAIM_EQUAL, "inception-v3-2016", "23626728"},
    {BIT(table3), "Inception makes more steps a second than Xception", "31 and 28", METRIC_SPEED,
     CLAIM_MORE, "inception", "xception"},
    {BIT(fig9), "Residual connections raise the end", "ImageNet top-1 0.79 and 0.67", METRIC_FINAL,
     CLAIM_MORE, "xception", "no residual"},
    {BIT(fig9), "Without residual connections the beginning is slower",
     "after 10 k steps 0.66 and 0.07", METRIC_EARLY, CLAIM_MORE, "xception", "no residual"},
    {BIT(fig10), "No activation in between ends higher than ELU", "ImageNet top-1 0.789 and 0.780",
     METRIC_FINAL, CLAIM_MORE, "xception", "act=elu"},
    {BIT(fig10), "No activation in between ends higher than ReLU", "ImageNet top-1 0.789 and 0.770",
     METRIC_FINAL, CLAIM_MORE, "xception", "act=relu"},
    {BIT(fig10), "ELU in between ends higher than ReLU", "ImageNet top-1 0.780 and 0.770",
     METRIC_FINAL, CLAIM_MORE, "act=elu", "act=relu"},
    {BIT(fig10), "No activation in between needs fewer steps than ReLU",
     "to 0.75: 39 k and 81 k steps", METRIC_EPOCHS, CLAIM_MORE, "act=relu", "xception"},
    {BIT(spectrum), "At equal parameters the extreme module is better than a regular convolution",
     "the hypothesis of section 1; no number", METRIC_FINAL, CLAIM_MORE, "segments=all",
     "segments=1"},
    {BIT(spectrum), "At equal parameters it is better than an Inception-like one of 4 segments",
     "the hypothesis of section 1; no number", METRIC_FINAL, CLAIM_MORE, "segments=all",
     "segments=4"},
    {BIT(spectrum), "At equal parameters 4 segments are better than one",
     "ends of the spectrum in section 1; no number", METRIC_FINAL, CLAIM_MORE, "segments=4",
     "segments=1"},
    {BIT(order), "Depthwise first or pointwise first: it makes no difference",
     "section 1.2: unimportant; no number", METRIC_FINAL, CLAIM_EQUAL, "xception",
     "pointwise first"},
    {BIT(ema), "Averaged weights are better than the last ones", "used throughout; no number",
     METRIC_FINAL, CLAIM_MORE, "ema=0.99", "xception"},
    {BIT(ema), "Averaged weights are better early, at high learning rates",
     "used throughout; no number", METRIC_EARLY, CLAIM_MORE, "ema=0.99", "xception"},
};

const struct finding *finding_at(int i)
{
    return i >= 0 && i < (int)(sizeof table / sizeof *table) ? &table[i] : NULL;
}

const char *metric_text(enum metric m)
{
    static const char *const text[] = {"end", "first quarter", "epochs", "count", "steps/s"};
    return text[m];
}

uint32_t plan_arm(const struct plan *p, const char *name)
{
    uint32_t i = 0;
    while (i < p->arms && strcmp(p->arm[i].name, name) != 0) i++;
    return i;
}

/* ---- pairs of cells -------------------------------------------------------------------------- */

struct pairs {
    const struct cell_result *a[STUDY_SEEDS], *b[STUDY_SEEDS];
    uint32_t count;
};

/* Repetitions that both arms have finished. */
static void pair_cells(const struct results *r, uint32_t a, uint32_t b, struct pairs *out)
{
    out->count = 0;
    for (uint32_t s = 0; s < r->plan->repeat; s++) {
        const struct cell_result *x = &r->cell[s * r->plan->arms + a];
        const struct cell_result *y = &r->cell[s * r->plan->arms + b];
        if (!x->done || !y->done || x->pictures != y->pictures || x->pictures != r->plan->test)
            continue;
        out->a[out->count] = x;
        out->b[out->count++] = y;
    }
}

static struct paired compare_scores(const struct pairs *p)
{
    const float *a[STUDY_SEEDS], *b[STUDY_SEEDS];
    for (uint32_t i = 0; i < p->count; i++) {
        a[i] = p->a[i]->score;
        b[i] = p->b[i]->score;
    }
    return stats_paired(a, b, p->count, p->count ? p->a[0]->pictures : 0, BOOTSTRAP_ROUNDS, 0);
}

struct paired results_compare(const struct results *r, uint32_t a, uint32_t b)
{
    struct pairs p;
    pair_cells(r, a, b, &p);
    return compare_scores(&p);
}

uint32_t first_epoch(const struct cell_result *c, double goal)
{
    for (uint32_t i = 0; i < c->epochs; i++)
        if (c->curve[i] >= goal) return i + 1;
    return 0;
}

static double last(const struct cell_result *c)
{
    return c->curve[c->epochs - 1];
}

/* 95 % of the lower end: what both arms should reach. */
static double goal_of(const struct pairs *p)
{
    double a = 0, b = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        a += last(p->a[i]);
        b += last(p->b[i]);
    }
    return p->count ? 0.95 * fmin(a, b) / p->count : 0;
}

static double value_of(const struct plan *plan, const struct cell_result *c, enum metric m,
                       double goal)
{
    const uint32_t quarter = (c->epochs + 3) / 4, reached = first_epoch(c, goal);
    switch (m) {
    case METRIC_FINAL:
        return c->final;
    case METRIC_EARLY:
        return c->curve[quarter - 1];
    case METRIC_EPOCHS: /* one that never comes there counts as one epoch more than there were */
        return reached ? reached : c->epochs + 1;
    default:
        return c->images_per_second / plan->batch;
    }
}

static void judge_arms(const struct results *r, uint32_t a, uint32_t b, struct judged *out)
{
    struct pairs p;
    double va[STUDY_SEEDS], vb[STUDY_SEEDS];
    const enum metric m = out->finding->metric;
    pair_cells(r, a, b, &p);
    const double goal = goal_of(&p);
    for (uint32_t i = 0; i < p.count; i++) {
        va[i] = value_of(r->plan, p.a[i], m, goal);
        vb[i] = value_of(r->plan, p.b[i], m, goal);
    }
    out->a = stats_mean(va, p.count);
    out->b = stats_mean(vb, p.count);
    out->d = m == METRIC_FINAL ? compare_scores(&p) : stats_paired_values(va, vb, p.count);
    out->verdict = verdict_of(&out->d, out->finding->claim, MARGIN_POINTS / 100.0);
}

static bool judge_count(xc_context *context, struct judged *out)
{
    xc_create_opts opts = XC_CREATE_OPTS_INIT;
    xc_model *model = NULL;
    if (xc_model_create(context, out->finding->a, &opts, &model) != XC_OK) return false;
    out->a = (double)xc_model_get_info(model)->trainable;
    out->b = strtod(out->finding->b, NULL);
    xc_model_unref(model);
    out->verdict = fabs(out->a - out->b) < 0.5 ? VERDICT_REPRODUCED : VERDICT_NOT_REPRODUCED;
    return true;
}

bool finding_judge(xc_context *context, const struct results *r, const struct finding *f,
                   struct judged *out)
{
    const struct interval none = {NAN, NAN, NAN};
    *out = (struct judged){.finding = f, .d = {none, none, NAN, 0}};
    if (f->metric == METRIC_COUNT)
        return (r->plan->presets & f->presets) && judge_count(context, out);
    const uint32_t a = plan_arm(r->plan, f->a), b = plan_arm(r->plan, f->b);
    if (a == r->plan->arms || b == r->plan->arms) return false;
    judge_arms(r, a, b, out);
    return true;
}
