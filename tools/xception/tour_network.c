/* SPDX-License-Identifier: Apache-2.0 */
/* The network itself: its flows with their shapes, where time and parameters go, and its answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "cost.h"
#include "tour.h"

static bool is_xception(const struct tour *t)
{
    const char *arch = xc_model_get_info(t->model)->arch;
    return strncmp(arch, "xception", 8) == 0 && (arch[8] == ',' || arch[8] == 0);
}

/* Without a knob that would make it another network than figure 5's. */
static bool is_figure_5(const struct tour *t)
{
    const char *arch = xc_model_get_info(t->model)->arch;
    for (const char *knob = strchr(arch, ','); knob; knob = strchr(knob + 1, ','))
        if (strncmp(knob, ",input=", 7) != 0 && strncmp(knob, ",classes=", 9) != 0) return false;
    return is_xception(t);
}

void tour_flows(struct tour *t)
{
    const xc_model_info *info = xc_model_get_info(t->model);
    struct page *p = &t->page;
    put_heading(p, "network", is_xception(t) ? "Xception" : "The network");
    put(p, "<p>Every box and every size below is read from the graph that looked at the picture: "
           "<code>");
    put_text(p, info->arch);
    put(p, "</code>.</p>\n");
    if (is_figure_5(t))
        put(p,
            "<p>Read it beside figure 5 of the paper. Fourteen modules: four in the entry flow, "
            "eight "
            "equal ones in the middle flow, two in the exit flow. The first has two regular "
            "convolutions and no pooling. Twelve have a shortcut: in the middle flow the map "
            "itself, "
            "where the size changes a 1 × 1 convolution of stride 2; the first and the last module "
            "have "
            "none. A ReLU stands <i>before</i> each separable convolution of modules 3 to 13, so "
            "that the shortcut carries negative numbers, too.</p>\n");
    put(p, "<div class=\"flows\">\n");
    for (int i = 0; i < diagram_sections(t->diagram); i++) {
        put(p, "<figure>");
        diagram_write_section(t->diagram, i, true, p);
        put(p, "</figure>\n");
    }
    put(p, "</div>\n<div class=\"cards\">");
    char number[40];
    snprintf(number, sizeof number, "%.2f M", (double)info->params / 1e6);
    page_card(p, "parameters", "%s", number);
    snprintf(number, sizeof number, "%.2f G", (double)info->macs / 1e9);
    page_card(p, "multiply-adds", "%s", number);
    page_card(p, "input", "%u × %u", info->height, info->width);
    page_card(p, "smallest input", "%u × %u", info->min_side, info->min_side);
    put(p, "</div>\n");
}

/* ---- where time and parameters go ------------------------------------------------------------ */

static int module_of_step(const struct tour *t, const char *name)
{
    xc_layer layer;
    const size_t n = strcspn(name, "/");
    for (uint32_t i = 0; i < xc_model_get_info(t->model)->layers; i++)
        if (xc_model_layer(t->model, i, &layer) == XC_OK &&
            (strcmp(layer.name, name) == 0 ||
             (strlen(layer.name) == n && memcmp(layer.name, name, n) == 0)))
            return t->modules.of[i];
    return -1;
}

/* ms: by module. */
static xc_status time_modules(struct tour *t, double *ms)
{
    xc_session *session = NULL;
    xc_step step;
    double *seconds = NULL;
    xc_status status = xc_session_new(t->model, NULL, &session);
    if (status == XC_OK) seconds = calloc(xc_session_steps(session) + 1u, sizeof *seconds);
    if (status == XC_OK && !seconds) status = XC_ERR_MEMORY;
    tour_tick(t, "timing the network", 0, 1);
    if (status == XC_OK) status = cost_steps(session, t->input, 2, seconds);
    for (uint32_t i = 0; status == XC_OK && i < xc_session_steps(session); i++) {
        status = xc_session_step(session, i, &step);
        const int at = status == XC_OK ? module_of_step(t, step.name) : -1;
        if (at >= 0) ms[at] += seconds[i] * 1e3;
    }
    xc_session_free(session);
    free(seconds);
    return status;
}

static void put_share(struct page *p, double value, double most, double sum, int digits)
{
    char text[40];
    snprintf(text, sizeof text, "%.*f", digits, value);
    put(p, "<td class=\"num bar\" data-v=\"%.6g\" style=\"--w:%d%%\" title=\"%.1f%%\">%s</td>",
        value, most > 0 ? (int)(100 * value / most) : 0, sum > 0 ? 100 * value / sum : 0, text);
}

static void put_costs(struct tour *t, const double *ms)
{
    struct page *p = &t->page;
    const struct modules *m = &t->modules;
    double most[3] = {0}, sum[3] = {0};
    for (int i = 0; i < m->count; i++) {
        const double v[3] = {(double)m->at[i].params / 1e6, (double)m->at[i].macs / 1e6, ms[i]};
        for (int k = 0; k < 3; k++) {
            sum[k] += v[k];
            most[k] = v[k] > most[k] ? v[k] : most[k];
        }
    }
    put(p, "<div class=\"wide\"><table class=\"sortable costs\"><thead><tr><th>module</th>"
           "<th>result</th><th class=\"num\">million parameters</th><th class=\"num\">million "
           "multiply-adds</th><th class=\"num\">milliseconds</th></tr></thead><tbody>\n");
    for (int i = 0; i < m->count; i++) {
        const struct module *at = &m->at[i];
        if (at->macs == 0 && at->params == 0) continue;
        put(p, "<tr><td>");
        put_text(p, at->name);
        put(p, "</td><td>%u × %u × %u</td>", at->height, at->width, at->channels);
        put_share(p, (double)at->params / 1e6, most[0], sum[0], 3);
        put_share(p, (double)at->macs / 1e6, most[1], sum[1], 1);
        put_share(p, ms[i], most[2], sum[2], 2);
        put(p, "</tr>\n");
    }
    put(p,
        "</tbody></table></div>\n<p>All together %.2f M parameters, %.2f G multiply-adds, "
        "<b id=\"all-ms\">%.1f ms</b>: %.0f G multiply-adds a second on one thread.</p>\n",
        sum[0], sum[1] / 1e3, sum[2], sum[2] > 0 ? sum[1] / sum[2] : 0);
}

static void show_pairs(void *user, size_t done, size_t of)
{
    tour_tick(user, "timing convolutions", done, of);
}

/* Pairs of the same layer as separable and as regular convolution. */
static xc_status put_pairs(struct tour *t)
{
    struct page *p = &t->page;
    struct cost_pair *pair = NULL;
    size_t count = 0;
    double is[2] = {0};
    xc_status status = cost_pairs(t->context, t->model, show_pairs, t, &pair, &count);
    if (status != XC_OK) return status;
    put(p, "<h3>What if its separable convolutions were regular ones?</h3>\n<div "
           "class=\"wide\"><table>"
           "<thead><tr><th>layer</th><th>shape</th><th class=\"num\">separable</th>"
           "<th class=\"num\">regular</th><th class=\"num\">weights</th><th class=\"num\">time</th>"
           "</tr></thead><tbody>\n");
    for (size_t i = 0; i < count; i++) {
        const struct cost_pair *c = &pair[i];
        if (!c->is_separable) continue;
        is[0] += c->times * c->separable.ms;
        is[1] += c->times * c->regular.ms;
        put(p, "<tr><td>");
        put_text(p, c->name);
        if (c->times > 1) put(p, " and %u more", c->times - 1);
        put(p,
            "</td><td>%u × %u × %u to %u</td><td class=\"num\">%.2f ms</td><td class=\"num\">"
            "%.2f ms</td><td class=\"num\">÷ %.1f</td><td class=\"num\">÷ %.1f</td></tr>\n",
            c->height, c->width, c->in, c->out, c->separable.ms, c->regular.ms,
            (double)c->regular.params / (double)c->separable.params,
            c->regular.ms / c->separable.ms);
    }
    put(p, "</tbody></table></div>\n");
    if (is[0] > 0)
        put(p,
            "<p>The separable layers take %.0f ms of a picture; regular ones of the same shapes "
            "would take %.0f.</p>\n",
            is[0], is[1]);
    else
        put(p, "<p>This network has no separable convolution.</p>\n");
    free(pair);
    return XC_OK;
}

xc_status tour_costs(struct tour *t)
{
    double *ms = calloc((size_t)t->modules.count + 1, sizeof *ms);
    if (!ms) return XC_ERR_MEMORY;
    xc_status status = time_modules(t, ms);
    if (status == XC_OK) {
        put_heading(&t->page, "costs", "Where parameters and time go");
        put(&t->page,
            "<p>Early modules have few parameters and large maps, late ones the other way "
            "round. Click a heading to sort.</p>\n");
        put_costs(t, ms);
        status = put_pairs(t);
    }
    free(ms);
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void put_answers(struct tour *t, const xc_answer *answer, uint32_t count)
{
    struct page *p = &t->page;
    put(p, "<ol class=\"answers\">\n");
    for (uint32_t i = 0; i < count && answer[i].index != UINT32_MAX; i++) {
        put(p, "<li style=\"--w:%.1f%%\"><span>", 100 * (double)answer[i].prob);
        const char *own = t->labels.count ? t->labels.text[answer[i].index] : answer[i].label;
        if (own)
            put_text(p, own);
        else
            put(p, "class %u", answer[i].index);
        put(p, "</span> <b>%.1f %%</b></li>\n", 100 * (double)answer[i].prob);
    }
    put(p, "</ol>\n");
}

xc_status tour_answer(struct tour *t)
{
    struct page *p = &t->page;
    const xc_model_info *info = xc_model_get_info(t->model);
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_session *session = NULL;
    xc_answer answer[5];
    const uint32_t count = info->classes < 5 ? info->classes : 5;
    if (!info->classifies) return XC_OK;
    put_heading(p, "answer", "The answer");
    if (!t->file) {
        put(p,
            "<p>This page was made without a model: the weights are random numbers, so the network "
            "has no opinion worth showing. Shapes, counts and times do not depend on them. "
            "With <code>xception tour PICTURE -m MODEL</code> the maps above are those of a "
            "trained network, and its answer stands here.</p>\n");
        return XC_OK;
    }
    opts.preprocess = &t->preprocess;
    xc_status status = xc_session_new(t->model, &opts, &session);
    const xc_image *image = t->image;
    if (status == XC_OK) status = xc_classify(session, &image, 1, count, answer);
    if (status == XC_OK) {
        put(p,
            "<p>%u classes; these are the likeliest. Where a network ends as Xception does, each "
            "channel of the last map is averaged over all positions, one dense layer makes a score "
            "a class of these means, and softmax makes parts of one of the scores.</p>\n",
            info->classes);
        put_answers(t, answer, count);
    }
    xc_session_free(session);
    return status;
}
