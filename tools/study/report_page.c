/* SPDX-License-Identifier: Apache-2.0 */
/* The page: verdicts first, then each comparison with its curves, then every number and how it was
 * made. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define SHEET_MOST ((size_t)4 << 20)

/* ---- numbers --------------------------------------------------------------------------------- */

static void points(struct page *p, double fraction, int digits)
{
    if (fraction > 0) put(p, "+");
    put_number(p, 100 * fraction, digits);
}

/* 95 % interval in points, or what it says with one seed. */
static void points_between(struct page *p, const struct interval *i)
{
    if (isnan(i->low)) {
        put(p, "-");
        return;
    }
    points(p, i->low, 2);
    put(p, " .. ");
    points(p, i->high, 2);
}

static void thousands(struct page *p, uint64_t n)
{
    char room[PAGE_GROUPED];
    put(p, "%s", page_grouped(n, ",", room));
}

static const char *verdict_class(enum verdict v)
{
    return v == VERDICT_REPRODUCED ? "good" : v == VERDICT_NOT_REPRODUCED ? "bad" : "note";
}

static bool is_share(enum metric m)
{
    return m == METRIC_FINAL || m == METRIC_EARLY;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static void judged_value(struct page *p, const struct judged *j, double v)
{
    const enum metric m = j->finding->metric;
    if (m == METRIC_COUNT)
        thousands(p, (uint64_t)v);
    else
        put_number(p, is_share(m) ? 100 * v : v, 2);
    if (isfinite(v) && is_share(m)) put(p, " %%");
}

static void judged_difference(struct page *p, const struct judged *j)
{
    const struct interval *i = &j->d.seeds;
    if (j->finding->metric == METRIC_COUNT) {
        put(p, "exact");
        return;
    }
    const double scale = is_share(j->finding->metric) ? 1 : 0.01;
    const struct interval scaled = {i->mean * scale, i->low * scale, i->high * scale};
    points(p, scaled.mean, 2);
    put(p, "<br><span class=\"note\">");
    points_between(p, &scaled);
    put(p, "</span>");
}

/* Seeds that both networks have, where some are missing. */
static void missing_seeds(struct page *p, const struct judged *j, uint32_t repeat)
{
    if (j->finding->metric == METRIC_COUNT || j->d.pairs >= repeat) return;
    put(p, "<br><span class=\"note bad\">%zu of %u seeds</span>", j->d.pairs, repeat);
}

static void verdict_row(struct page *p, const struct judged *j, uint32_t repeat)
{
    const struct finding *f = j->finding;
    put(p, "<tr><td style=\"min-width:13rem\">");
    put_text(p, f->text);
    put(p, "<br><span class=\"note\">paper: ");
    put_text(p, f->paper);
    put(p, "</span></td><td class=\"%s\" style=\"white-space:nowrap\"><b>%s</b></td>",
        verdict_class(j->verdict), verdict_name(j->verdict));
    put(p, "<td>%s</td><td class=\"num\">", metric_text(f->metric));
    judged_value(p, j, j->a);
    put(p, "<br><span class=\"note\">against ");
    judged_value(p, j, j->b);
    put(p, "</span></td><td class=\"num\">");
    judged_difference(p, j);
    missing_seeds(p, j, repeat);
    put(p, "</td><td class=\"num\">");
    if (isnan(j->d.p)) {
        put(p, "-");
    } else {
        points_between(p, &j->d.both);
        put(p, "<br><span class=\"note\">p = ");
        put_number(p, j->d.p, 4);
        put(p, "</span>");
    }
    put(p, "</td></tr>\n");
}

static void verdicts(struct page *p, const struct report *r)
{
    if (!r->findings) return;
    put(p,
        "<h2>What the paper says, and what happened here</h2>\n<div class=\"wide\"><table>\n"
        "<thead><tr><th>Statement</th><th>Verdict</th><th>Measure</th><th class=\"num\">Here</th>"
        "<th class=\"num\">Difference<br>95 %% over seeds</th><th class=\"num\">Bootstrap<br>"
        "95 %% over seeds and pictures</th></tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < r->findings; i++) verdict_row(p, &r->judged[i], r->plan->repeat);
    put(p,
        "</tbody></table></div>\n<p class=\"note\">Measures: <i>end</i>, the score after the last "
        "epoch; <i>first quarter</i>, top-1 after the first quarter of the epochs; <i>epochs</i>, "
        "the "
        "first one that reaches 95 %% of the lower of the two last top-1s (never: one more than "
        "there "
        "are); <i>count</i>, trainable parameters of the published network; <i>steps/s</i>, of "
        "training.</p>\n");
}

/* What verdicts and colours follow. */
static void rule(struct page *p)
{
    put(p,
        "<p class=\"note\">The rule, computed and not written by hand: "
        "<i>A is more than B</i> is <b>reproduced</b> when the 95 %% interval of the difference "
        "over seeds (Student's t, seed by seed) and, for scores of test pictures, that of the "
        "paired bootstrap (seeds and pictures drawn again together, %d times) both lie above "
        "zero; <b>not reproduced</b> when both lie below; else <b>inside the noise</b>. <i>A "
        "equals B</i> is reproduced when both lie within %d point of zero, not reproduced when "
        "both leave out zero and the difference is larger than that. One seed has no spread: "
        "all of it is noise. Differences of shares are in percentage points; there is no "
        "correction for the number of statements.</p>\n",
        BOOTSTRAP_ROUNDS, MARGIN_POINTS);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void heading(struct page *p, const char *text, bool number)
{
    put(p, "<th%s>%s</th>", number ? " class=\"num\"" : "", text);
}

static void cell_number(struct page *p, double value, int digits, const char *unit)
{
    put(p, "<td class=\"num\">");
    put_number(p, value, digits);
    if (isfinite(value)) put(p, "%s", unit);
    put(p, "</td>");
}

static void network_row(struct page *p, const struct report *r, uint32_t arm)
{
    const struct arm *a = &r->plan->arm[arm];
    const struct interval *end = &r->end[arm];
    put(p, "<tr><td>");
    put_text(p, a->name);
    put(p, "</td><td class=\"num\" data-v=\"%ju\">", (uintmax_t)a->params);
    thousands(p, a->params);
    put(p, "</td>");
    cell_number(p, (double)a->macs / 1e6, 1, "");
    cell_number(p, 100 * end->mean, 2, " %");
    put(p, "<td class=\"num\"");
    if (isnan(end->low)) {
        put(p, ">-");
    } else {
        put(p, " data-v=\"");
        put_number(p, 100 * (end->high - end->mean), 2);
        put(p, "\">");
        put(p, "&plusmn; ");
        put_number(p, 100 * (end->high - end->mean), 2);
    }
    put(p, "</td><td class=\"num\">%u of %u</td>", r->cells[arm], r->plan->repeat);
    if (r->times) {
        const double goal = r->goal[a->mosaics][REPORT_GOALS - 1];
        cell_number(p, r->rate[arm], 0, "");
        cell_number(p, r->rate[arm] / r->plan->batch, 2, "");
        cell_number(p, report_reach(r, arm, goal, true) / 60, 1, "");
    }
    put(p, "</tr>\n");
}

static void networks(struct page *p, const struct report *r, const uint32_t *arm, uint32_t arms)
{
    put(p, "<div class=\"wide\"><table class=\"sortable\"><thead><tr>");
    heading(p, "Network", false);
    heading(p, "Parameters", true);
    heading(p, "M multiply-adds", true);
    heading(p, plan_has_several(r->plan, arm[0]) ? "MAP" : "Top-1", true);
    heading(p, "95 %", true);
    heading(p, "Seeds", true);
    if (r->times) {
        char goal[64];
        snprintf(goal, sizeof goal, "Minutes to %.0f %%",
                 100 * r->goal[r->plan->arm[arm[0]].mosaics][REPORT_GOALS - 1]);
        heading(p, "Images/s", true);
        heading(p, "Steps/s", true);
        heading(p, goal, true);
    }
    put(p, "</tr></thead>\n<tbody>\n");
    for (uint32_t i = 0; i < arms; i++) network_row(p, r, arm[i]);
    put(p, "</tbody></table></div>\n");
}

/* ---- sections -------------------------------------------------------------------------------- */

static bool any_done(const struct report *r, const uint32_t *arm, uint32_t arms)
{
    for (uint32_t i = 0; i < arms; i++)
        if (r->cells[arm[i]]) return true;
    return false;
}

static void section(struct page *p, const struct report *r, int preset)
{
    const char *title = report_title(preset);
    uint32_t arm[STUDY_ARMS];
    const uint32_t arms = report_arms(r, preset, arm);
    if (!arms) return;
    put(p, "<h2>");
    put_text(p, title);
    put(p, "</h2>\n");
    if (any_done(r, arm, arms)) {
        put(p, "<div class=\"row\">\n<figure>");
        report_curves(p, r, arm, arms, title);
        put(p, "<figcaption>Mean over seeds; the band goes from the lowest to the highest of "
               "them.</figcaption></figure>\n<figure>");
        report_ends(p, r, arm, arms, title);
        put(p, "<figcaption>After the last epoch: mean, each seed (rings), 95 %% interval over "
               "seeds.</figcaption></figure>\n</div>\n");
    }
    networks(p, r, arm, arms);
}

static void reach_table(struct page *p, const struct report *r, bool mosaics)
{
    bool any = false;
    for (uint32_t a = 0; a < r->plan->arms; a++) any |= r->plan->arm[a].mosaics == mosaics;
    if (!any) return;
    put(p, "<div class=\"wide\"><table class=\"sortable\"><thead><tr>");
    heading(p, mosaics ? "Network, mosaics" : "Network", false);
    for (int i = 0; i < REPORT_GOALS; i++) {
        char text[32];
        if (report_goal_is_twice(r, mosaics, i)) continue;
        snprintf(text, sizeof text, "%.0f %%", 100 * r->goal[mosaics][i]);
        heading(p, text, true);
    }
    put(p, "</tr></thead>\n<tbody>\n");
    for (uint32_t a = 0; a < r->plan->arms; a++) {
        if (r->plan->arm[a].mosaics != mosaics) continue;
        put(p, "<tr><td>");
        put_text(p, r->plan->arm[a].name);
        put(p, "</td>");
        for (int i = 0; i < REPORT_GOALS; i++)
            if (!report_goal_is_twice(r, mosaics, i))
                cell_number(p, report_reach(r, a, r->goal[mosaics][i], false), 1, "");
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
}

/* Differences of the ends, row less column. */
static void pair_table(struct page *p, const struct report *r, bool mosaics)
{
    uint32_t arm[STUDY_ARMS], arms = 0;
    for (uint32_t a = 0; a < r->plan->arms; a++)
        if (r->plan->arm[a].mosaics == mosaics && r->cells[a]) arm[arms++] = a;
    if (arms < 2) return;
    put(p, "<div class=\"wide\"><table><thead><tr><th></th>");
    for (uint32_t i = 0; i + 1 < arms; i++) {
        put(p, "<th class=\"num\">");
        put_text(p, r->plan->arm[arm[i]].name);
        put(p, "</th>");
    }
    put(p, "</tr></thead>\n<tbody>\n");
    for (uint32_t i = 1; i < arms; i++) {
        put(p, "<tr><td>");
        put_text(p, r->plan->arm[arm[i]].name);
        put(p, "</td>");
        for (uint32_t k = 0; k + 1 < arms; k++) {
            if (k >= i) {
                put(p, "<td></td>");
                continue;
            }
            const struct paired d = results_compare(r->results, arm[i], arm[k]);
            const enum verdict v = verdict_of(&d, CLAIM_MORE, 0);
            put(p, "<td class=\"num %s\">", verdict_class(v));
            points(p, d.seeds.mean, 2);
            put(p, "<br><span class=\"note\">p ");
            put_number(p, d.p, 3);
            put(p, "</span></td>");
        }
        put(p, "</tr>\n");
    }
    put(p, "</tbody></table></div>\n");
}

static void comparisons(struct page *p, const struct report *r)
{
    put(p, "<h2>Epochs to a given accuracy</h2>\n<p class=\"note\">Mean over seeds of the first "
           "epoch whose top-1 on the test pictures is at least this; - where a seed never came "
           "there.</p>\n");
    reach_table(p, r, false);
    reach_table(p, r, true);
    if (r->plan->arms < 2) return;
    put(p, "<h2>Every pair</h2>\n<p class=\"note\">Row less column, in points of the score at the "
           "end, and p of the paired bootstrap. Coloured where the rule below would say more "
           "(<span class=\"good\">green</span>) or less (<span class=\"bad\">red</span>).</p>\n");
    pair_table(p, r, false);
    pair_table(p, r, true);
    rule(p);
}

static void failures(struct page *p, const struct report *r)
{
    if (!r->results->failed) return;
    put(p, "<h2>Cells without a result</h2>\n<ul>\n");
    for (uint32_t i = 0; i < plan_cells(r->plan); i++) {
        uint64_t seed;
        const struct arm *a = plan_cell(r->plan, i, &seed);
        if (!r->results->cell[i].failed) continue;
        put(p, "<li class=\"bad\">");
        put_text(p, a->name);
        put(p, ", seed %ju: ", (uintmax_t)seed);
        put_text(p, r->results->cell[i].failed);
        put(p, "</li>\n");
    }
    put(p, "</ul>\n");
}

static void method(struct page *p, const struct report *r)
{
    const struct plan *plan = r->plan;
    bool mosaics = false;
    for (uint32_t a = 0; a < plan->arms; a++) mosaics |= plan->arm[a].mosaics;
    put(p,
        "<h2>How it was done</h2>\n<p>%u training and %u test pictures of %u classes "
        "(fingerprint <code>%.16s</code>), the same for every cell; %u epochs in batches of %u, "
        "seeds %ju to %ju. A seed decides weights, order and augmentation, so all networks see "
        "the same pictures in the same order. Recipe <code>cifar</code> of <code>xception "
        "train</code> without averaging, with a highest learning rate of ",
        plan->train, plan->test, plan->classes, plan->fingerprint, plan->epochs, plan->batch,
        (uintmax_t)plan->seed, (uintmax_t)(plan->seed + plan->repeat - 1));
    put_number(p, plan->lr, 6);
    put(p, " and augmentation <code>");
    put_text(p, plan->augment);
    put(p, "</code>. The weights after the last epoch count: nothing is chosen by the test "
           "pictures.</p>\n");
    if (mosaics)
        put(p,
            "<p>Mosaics are %ux%u pixels: one to four pictures of the same split, each in a "
            "quarter (one alone has all of it), with all their labels. The loss is that of a "
            "sigmoid a class; the score of a mosaic is the average precision of the first %u "
            "answers, and MAP its mean. Curves of mosaics show how often the best answer is one "
            "of the labels.</p>\n",
            plan->height, plan->width, plan->classes < 100 ? plan->classes : 100);
    if (plan->several)
        put(p,
            "<p>A picture has several labels: the loss is that of a sigmoid a class, the score the "
            "average precision of the first %u answers, and MAP its mean. Curves show how often "
            "the "
            "best answer is one of the labels.</p>\n",
            plan->classes < 100 ? plan->classes : 100);
    put(p, "<details><summary>The networks as architecture strings</summary>\n<ul>\n");
    for (uint32_t a = 0; a < plan->arms; a++) {
        put(p, "<li>");
        put_text(p, plan->arm[a].name);
        put(p, ": <code>");
        put_text(p, plan->arm[a].arch);
        put(p, "</code></li>\n");
    }
    put(p, "</ul></details>\n");
}

/* What the networks saw of their first pictures: the sheet of the first finished run. */
static void put_sheet(struct page *p, const struct report *r, const char *study, bool mosaics)
{
    for (uint32_t i = 0; i < plan_cells(r->plan); i++) {
        struct why ignored;
        char *png = NULL;
        size_t size = 0;
        if (plan_cell(r->plan, i, NULL)->mosaics != mosaics || !r->results->cell[i].done) continue;
        char *folder = cell_folder(r->plan, study, i);
        char *path = folder ? join(folder, "batch-train.png") : NULL;
        if (path && read_file(path, SHEET_MOST, &png, &size, &ignored) == XC_OK) {
            put(p, "<figure><img alt=\"%s\" src=\"",
                mosaics ? "mosaics of one to four pictures" : "training pictures");
            put_data(p, "image/png", png, size);
            put(p,
                "\"><figcaption>%s, as the networks see them: augmented.</figcaption></figure>\n",
                mosaics ? "Mosaics" : "Training pictures");
        }
        free(png);
        free(path);
        free(folder);
        return;
    }
}

/* ---- the page -------------------------------------------------------------------------------- */

static void cards(struct page *p, const struct report *r)
{
    uint32_t count[4] = {0};
    for (uint32_t i = 0; i < r->findings; i++) count[r->judged[i].verdict]++;
    put(p, "<div class=\"cards\">\n");
    page_card(p, "cells done", "%u of %u", r->results->done, plan_cells(r->plan));
    if (r->results->failed) page_card(p, "cells failed", "%u", r->results->failed);
    if (r->findings) {
        page_card(p, "reproduced", "%u of %u", count[VERDICT_REPRODUCED], r->findings);
        page_card(p, "not reproduced", "%u", count[VERDICT_NOT_REPRODUCED]);
        page_card(p, "inside the noise", "%u", count[VERDICT_NOISE]);
        if (count[VERDICT_NOT_RUN]) page_card(p, "not run", "%u", count[VERDICT_NOT_RUN]);
    }
    put(p, "</div>\n");
}

void report_page(const struct report *r, const char *study, struct page *p)
{
    const struct plan *plan = r->plan;
    const char *name = strrchr(plan->data, '/');
    char title[256], subtitle[256];
    snprintf(title, sizeof title, "A study on %.200s", name ? name + 1 : plan->data);
    snprintf(subtitle, sizeof subtitle,
             "%u networks under %u seed%s: %u epochs of %u pictures, judged by %u others.",
             plan->arms, plan->repeat, plan->repeat == 1 ? "" : "s", plan->epochs, plan->train,
             plan->test);
    page_begin(p, title, subtitle);
    cards(p, r);
    verdicts(p, r);
    for (int i = 0; i <= PRESETS; i++) section(p, r, i);
    comparisons(p, r);
    failures(p, r);
    method(p, r);
    put(p, "<div class=\"row\">\n");
    put_sheet(p, r, study, false);
    put_sheet(p, r, study, true);
    put(p, "</div>\n");
    page_end(p);
}
