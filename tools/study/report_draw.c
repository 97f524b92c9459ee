/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison as drawings: curves over epochs, and where they end; on the page, and as a file. */
#include <chart.h>
#include <math.h>
#include <stdlib.h>

#include "report.h"

struct lines {
    double *x, *mean, *low, *high; /* of one arm */
    uint32_t points;
};

static bool collect(const struct report *r, uint32_t arm, struct lines *out)
{
    const struct cell_result *cell[STUDY_SEEDS];
    const uint32_t n = results_arm(r->results, arm, cell);
    uint32_t epochs = n ? cell[0]->epochs : 0;
    for (uint32_t i = 1; i < n; i++) epochs = cell[i]->epochs < epochs ? cell[i]->epochs : epochs;
    double *all = calloc(4 * (size_t)epochs + 1, sizeof *all);
    if (!all) return false;
    *out = (struct lines){all, all + epochs, all + 2 * epochs, all + 3 * epochs, epochs};
    for (uint32_t e = 0; e < epochs; e++) {
        double value[STUDY_SEEDS];
        out->x[e] = e + 1;
        out->low[e] = 1;
        for (uint32_t i = 0; i < n; i++) {
            value[i] = cell[i]->curve[e];
            out->low[e] = fmin(out->low[e], value[i]);
            out->high[e] = fmax(out->high[e], value[i]);
        }
        out->mean[e] = stats_mean(value, n);
    }
    return true;
}

/* Of all these networks, whether or not they have curves. */
static double curves_height(const struct report *r, const uint32_t *arm, uint32_t arms)
{
    struct series series[STUDY_ARMS] = {{0}};
    for (uint32_t i = 0; i < arms; i++) series[i].name = r->plan->arm[arm[i]].name;
    return chart_lines_height(&(struct chart){.series = series, .count = arms});
}

bool report_curves(struct page *p, const struct report *r, const uint32_t *arm, uint32_t arms,
                   const char *title)
{
    struct lines line[STUDY_ARMS] = {{0}};
    struct series series[STUDY_ARMS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < arms; i++) {
        if (!collect(r, arm[i], &line[i]) || !line[i].points) continue;
        const struct lines *l = &line[i];
        series[count++] = (struct series){.name = r->plan->arm[arm[i]].name,
                                          .points = l->points,
                                          .x = l->x,
                                          .y = l->mean,
                                          .low = l->low,
                                          .high = l->high,
                                          .colour = (int)i,
                                          .dashed = i >= CHART_COLOURS,
                                          .dots = l->points <= 40};
    }
    if (count)
        chart_lines(p, &(struct chart){.title = title,
                                       .x = {.name = "epoch", .whole = true},
                                       .y = {.name = "top-1 of test pictures", .percent = true},
                                       .series = series,
                                       .count = count});
    for (uint32_t i = 0; i < arms; i++) free(line[i].x);
    return count > 0;
}

bool report_ends(struct page *p, const struct report *r, const uint32_t *arm, uint32_t arms,
                 const char *title)
{
    struct bar_row row[STUDY_ARMS];
    struct bar_dots dots[STUDY_ARMS];
    double each[STUDY_ARMS][STUDY_SEEDS];
    const struct cell_result *cell[STUDY_SEEDS];
    uint32_t count = 0;
    const bool several = plan_has_several(r->plan, arm[0]);
    for (uint32_t i = 0; i < arms; i++) {
        const struct interval *end = &r->end[arm[i]];
        const uint32_t n = results_arm(r->results, arm[i], cell);
        if (!n) continue;
        for (uint32_t s = 0; s < n; s++) each[i][s] = cell[s]->final;
        dots[count] = (struct bar_dots){each[i], n};
        row[count++] = (struct bar_row){.name = r->plan->arm[arm[i]].name,
                                        .value = end->mean,
                                        .low = n > 1 ? fmax(0, end->low) : NAN, /* none is drawn */
                                        .high = n > 1 ? fmin(1, end->high) : NAN,
                                        .colour = (int)i};
    }
    if (!count) return false;
    chart_bars(p, &(struct bars){.title = title,
                                 .axis = {.name = several ? "MAP at the end" : "top-1 at the end",
                                          .percent = true},
                                 .row = row,
                                 .count = count,
                                 .dots = dots});
    return true;
}

const char *report_title(int preset)
{
    return preset < PRESETS ? preset_text((enum preset)preset) : "The networks";
}

uint32_t report_arms(const struct report *r, int preset, uint32_t arm[STUDY_ARMS])
{
    uint32_t arms = 0;
    for (uint32_t a = 0; a < r->plan->arms; a++) {
        const uint32_t of = r->plan->arm[a].presets;
        if (preset < PRESETS ? of >> preset & 1 : !of) arm[arms++] = a;
    }
    return arms;
}

bool report_drawing(const struct report *r, int preset, struct page *p)
{
    const char *title = report_title(preset);
    uint32_t arm[STUDY_ARMS] = {0};
    const uint32_t arms = report_arms(r, preset, arm);
    chart_alone_begin(p, 2 * CHART_WIDTH,
                      fmax(curves_height(r, arm, arms), chart_bars_height(arms)), title);
    bool any = arms && report_curves(p, r, arm, arms, title);
    put(p, "<g transform=\"translate(%d 0)\">\n", CHART_WIDTH);
    any = any && report_ends(p, r, arm, arms, title);
    put(p, "</g>\n");
    chart_alone_end(p);
    return any;
}
