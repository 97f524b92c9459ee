/* SPDX-License-Identifier: Apache-2.0 */
/* What a study says, in numbers: what the page shows, and report.json, report.csv, times.csv. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is shown --------------------------------------------------------------------------- */

static void sum_up(struct report *r, uint32_t arm)
{
    const struct cell_result *cell[STUDY_SEEDS];
    double end[STUDY_SEEDS], rate[STUDY_SEEDS];
    const uint32_t n = results_arm(r->results, arm, cell);
    for (uint32_t i = 0; i < n; i++) {
        end[i] = cell[i]->final;
        rate[i] = cell[i]->images_per_second;
    }
    r->cells[arm] = n;
    r->end[arm] = stats_interval(end, n);
    r->rate[arm] = stats_mean(rate, n);
}

/* Multiples of 5 % below the best curve's end: 20, 10 and 0 points below the last of them. */
static void set_goals(struct report *r, bool mosaics)
{
    const struct cell_result *cell[STUDY_SEEDS];
    double best = 0;
    for (uint32_t a = 0; a < r->plan->arms; a++) {
        if (r->plan->arm[a].mosaics != mosaics) continue;
        const uint32_t n = results_arm(r->results, a, cell);
        double sum = 0;
        for (uint32_t i = 0; i < n; i++) sum += cell[i]->curve[cell[i]->epochs - 1];
        if (n) best = fmax(best, sum / n);
    }
    const double top = floor(best * 20 - 1e-9) / 20;
    for (int i = 0; i < REPORT_GOALS; i++)
        r->goal[mosaics][i] = fmax(0.05, top - 0.1 * (REPORT_GOALS - 1 - i));
}

bool report_goal_is_twice(const struct report *r, bool mosaics, int i)
{
    return i > 0 && r->goal[mosaics][i] <= r->goal[mosaics][i - 1];
}

void report_prepare(xc_context *context, const struct results *results, bool times,
                    struct report *out)
{
    *out = (struct report){.plan = results->plan, .results = results, .times = times};
    for (uint32_t a = 0; a < out->plan->arms; a++) sum_up(out, a);
    set_goals(out, false);
    set_goals(out, true);
    const struct finding *f;
    for (int i = 0; (f = finding_at(i)) && out->findings < REPORT_FINDINGS; i++)
        if ((times || f->metric != METRIC_SPEED) &&
            finding_judge(context, results, f, &out->judged[out->findings]))
            out->findings++;
}

double report_reach(const struct report *r, uint32_t arm, double goal, bool seconds)
{
    const struct cell_result *cell[STUDY_SEEDS];
    const uint32_t n = results_arm(r->results, arm, cell);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t epoch = first_epoch(cell[i], goal);
        if (!epoch) return NAN;
        sum += seconds ? cell[i]->second[epoch - 1] : epoch;
    }
    return n ? sum / n : NAN;
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_real(struct page *p, double v)
{
    if (isfinite(v))
        put_number(p, v, 6);
    else
        put(p, "null");
}

static void json_member(struct page *p, const char *name, double v)
{
    put(p, ",\"%s\":", name);
    json_real(p, v);
}

static void json_interval(struct page *p, const char *name, const struct interval *i)
{
    put(p, ",\"%s\":[", name);
    json_real(p, i->low);
    put(p, ",");
    json_real(p, i->high);
    put(p, "]");
}

static void json_curve(struct page *p, const struct cell_result *c)
{
    put(p, ",\"curve\":[");
    for (uint32_t e = 0; e < c->epochs; e++) {
        if (e) put(p, ",");
        json_real(p, c->curve[e]);
    }
    put(p, "]");
}

static void json_cell(struct page *p, const struct report *r, uint32_t cell)
{
    const struct cell_result *c = &r->results->cell[cell];
    put(p, "{\"seed\":%ju", (uintmax_t)(r->plan->seed + cell / r->plan->arms));
    if (c->done) {
        json_member(p, "end", c->final);
        json_curve(p, c);
    }
    if (c->failed) {
        put(p, ",\"failed\":");
        put_json(p, c->failed);
    }
    put(p, "}");
}

static void json_arm(struct page *p, const struct report *r, uint32_t arm)
{
    const struct arm *a = &r->plan->arm[arm];
    put(p, "{\"name\":");
    put_json(p, a->name);
    put(p, ",\"arch\":");
    put_json(p, a->arch);
    put(p, ",\"labels\":\"%s\",\"ema\":", plan_has_several(r->plan, arm) ? "several" : "one");
    json_real(p, a->ema);
    put(p, ",\"params\":%ju,\"trainable\":%ju,\"macs\":%ju", (uintmax_t)a->params,
        (uintmax_t)a->trainable, (uintmax_t)a->macs);
    json_member(p, "end", r->end[arm].mean);
    json_interval(p, "end_95", &r->end[arm]);
    put(p, ",\"epochs_to\":{");
    for (int i = 0; i < REPORT_GOALS; i++) {
        if (report_goal_is_twice(r, a->mosaics, i)) continue;
        put(p, "%s\"%.2f\":", i ? "," : "", r->goal[a->mosaics][i]);
        json_real(p, report_reach(r, arm, r->goal[a->mosaics][i], false));
    }
    put(p, "},\"cells\":[");
    for (uint32_t s = 0; s < r->plan->repeat; s++) {
        if (s) put(p, ",");
        json_cell(p, r, s * r->plan->arms + arm);
    }
    put(p, "]}");
}

static void json_finding(struct page *p, const struct judged *j)
{
    put(p, "{\"claim\":");
    put_json(p, j->finding->text);
    put(p, ",\"paper\":");
    put_json(p, j->finding->paper);
    put(p, ",\"measure\":\"%s\",\"a\":", metric_text(j->finding->metric));
    put_json(p, j->finding->a);
    put(p, ",\"b\":");
    put_json(p, j->finding->b);
    json_member(p, "value_a", j->a);
    json_member(p, "value_b", j->b);
    put(p, ",\"seeds\":%zu", j->d.pairs);
    json_member(p, "difference", j->d.seeds.mean);
    json_interval(p, "seeds_95", &j->d.seeds);
    json_interval(p, "bootstrap_95", &j->d.both);
    json_member(p, "p", j->d.p);
    put(p, ",\"verdict\":\"%s\"}", verdict_name(j->verdict));
}

static void json_times(struct page *p, const struct report *r)
{
    put(p, ",\n\"times\":[\n");
    for (uint32_t a = 0; a < r->plan->arms; a++) {
        const double goal = r->goal[r->plan->arm[a].mosaics][REPORT_GOALS - 1];
        put(p, "%s{\"name\":", a ? ",\n" : "");
        put_json(p, r->plan->arm[a].name);
        json_member(p, "images_per_second", r->rate[a]);
        json_member(p, "steps_per_second", r->rate[a] / r->plan->batch);
        json_member(p, "seconds_to_highest_goal", report_reach(r, a, goal, true));
        put(p, "}");
    }
    put(p, "]");
}

static void write_json(const struct report *r, struct page *p)
{
    const struct plan *plan = r->plan;
    put(p,
        "{\"format\":\"xception-study-report-1\",\n\"classes\":%u,\"train\":%u,\"test\":%u,"
        "\"epochs\":%u,\"batch\":%u,\"seeds\":%u,\"cells\":%u,\"done\":%u,\"failed\":%u,\n"
        "\"fingerprint\":\"%s\",\n\"findings\":[\n",
        plan->classes, plan->train, plan->test, plan->epochs, plan->batch, plan->repeat,
        plan_cells(plan), r->results->done, r->results->failed, plan->fingerprint);
    for (uint32_t i = 0; i < r->findings; i++) {
        if (i) put(p, ",\n");
        json_finding(p, &r->judged[i]);
    }
    put(p, "],\n\"networks\":[\n");
    for (uint32_t a = 0; a < plan->arms; a++) {
        if (a) put(p, ",\n");
        json_arm(p, r, a);
    }
    put(p, "]");
    if (r->times) json_times(p, r);
    put(p, "}\n");
}

/* ---- CSV ------------------------------------------------------------------------------------- */

/* Always quoted: names hold commas. */
static void csv_text(struct page *p, const char *text)
{
    put(p, "\"");
    for (; *text; text++) put(p, *text == '"' ? "\"\"" : "%c", *text);
    put(p, "\"");
}

static void csv_real(struct page *p, double v)
{
    put(p, ",");
    if (isfinite(v)) put_number(p, v, 6);
}

/* A row a cell: what does not depend on a clock, or what does. */
static void write_csv(const struct report *r, struct page *p, bool times)
{
    put(p, times ? "network,seed,seconds,images_per_second,steps_per_second\n"
                 : "network,seed,labels,params,macs,epochs,test_pictures,end,last_top1,last_loss,"
                   "failed\n");
    for (uint32_t i = 0; i < plan_cells(r->plan); i++) {
        const struct cell_result *c = &r->results->cell[i];
        uint64_t seed;
        const struct arm *a = plan_cell(r->plan, i, &seed);
        csv_text(p, a->name);
        put(p, ",%ju", (uintmax_t)seed);
        if (times) {
            csv_real(p, c->done ? c->second[c->epochs - 1] : NAN);
            csv_real(p, c->done ? c->images_per_second : NAN);
            csv_real(p, c->done ? c->images_per_second / r->plan->batch : NAN);
        } else {
            put(p, ",%s,%ju,%ju,%u,%u",
                plan_has_several(r->plan, i % r->plan->arms) ? "several" : "one",
                (uintmax_t)a->params, (uintmax_t)a->macs, c->epochs, c->pictures);
            csv_real(p, c->done ? c->final : NAN);
            csv_real(p, c->done ? c->curve[c->epochs - 1] : NAN);
            csv_real(p, c->done ? c->loss[c->epochs - 1] : NAN);
            put(p, ",");
            if (c->failed) csv_text(p, c->failed);
        }
        put(p, "\n");
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

enum file { FILE_JSON, FILE_CSV, FILE_TIMES, FILE_PAGE, FILES };

static void write_one(const struct report *r, const char *study, enum file file, struct page *p)
{
    if (file == FILE_JSON)
        write_json(r, p);
    else if (file == FILE_PAGE)
        report_page(r, study, p);
    else
        write_csv(r, p, file == FILE_TIMES);
}

static xc_status save(struct page *p, const char *study, const char *name, struct why *why)
{
    char *path = join(study, name);
    const xc_status status = path && !p->failed ? refuse_as(why, page_save(p, path))
                                                : refuse(why, XC_ERR_MEMORY, "out of memory");
    page_free(p);
    free(path);
    return status;
}

xc_status report_write(const struct report *r, const char *study, struct why *why)
{
    static const char *const name[FILES] = {"report.json", "report.csv", "times.csv",
                                            "report.html"};
    xc_status status = XC_OK;
    for (int i = 0; i < FILES && status == XC_OK; i++) {
        struct page page = {0};
        if (i == FILE_TIMES && !r->times) continue;
        write_one(r, study, (enum file)i, &page);
        status = save(&page, study, name[i], why);
    }
    for (int i = 0; i <= PRESETS && status == XC_OK; i++) {
        struct page page = {0};
        char svg[32];
        snprintf(svg, sizeof svg, "%s.svg", i < PRESETS ? preset_name((enum preset)i) : "networks");
        if (report_drawing(r, i, &page))
            status = save(&page, study, svg, why);
        else
            page_free(&page);
    }
    return status;
}
