/* SPDX-License-Identifier: Apache-2.0 */
/* What do the cells of a folder say? metrics.csv and predictions.bin become numbers. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "predictions.h"
#include "stats.h"
#include "study.h"

#define METRICS_MOST ((size_t)64 << 20)
enum { COLUMNS = 32 };

/* ---- metrics.csv ----------------------------------------------------------------------------- */

static const char *const wanted[] = {"seconds", "train_loss", "val_top1", "images_per_second"};
enum { SECONDS, LOSS, TOP1, RATE, WANTED };

/* Where each wanted column is; false when one is missing. */
static bool find_columns(const char *line, int column[WANTED])
{
    for (int i = 0; i < WANTED; i++) column[i] = -1;
    for (int at = 0; at < COLUMNS && *line && *line != '\n'; at++) {
        const size_t n = strcspn(line, ",\n\r");
        for (int i = 0; i < WANTED; i++)
            if (strlen(wanted[i]) == n && strncmp(line, wanted[i], n) == 0) column[i] = at;
        line += n + (line[n] == ',');
    }
    for (int i = 0; i < WANTED; i++)
        if (column[i] < 0) return false;
    return true;
}

static bool read_row(const char *line, const int column[WANTED], double value[WANTED])
{
    int found = 0;
    for (int at = 0; at < COLUMNS && *line && *line != '\n'; at++) {
        char *end;
        const double v = strtod(line, &end);
        for (int i = 0; i < WANTED && end != line; i++)
            if (column[i] == at) {
                value[i] = v;
                found++;
            }
        line += strcspn(line, ",\n");
        line += *line == ',';
    }
    return found == WANTED;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line ? line + 1 : line;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool read_rows(const char *text, struct cell_result *c, double *rate)
{
    int column[WANTED];
    if (!find_columns(text, column)) return false;
    for (const char *line = next_line(text); *line; line = next_line(line)) {
        double value[WANTED];
        if (!read_row(line, column, value)) return false;
        c->curve[c->epochs] = value[TOP1];
        c->second[c->epochs] = value[SECONDS];
        c->loss[c->epochs] = value[LOSS];
        rate[c->epochs++] = value[RATE];
    }
    qsort(rate, c->epochs, sizeof *rate, ascending);
    c->images_per_second = c->epochs ? rate[c->epochs / 2] : NAN;
    return c->epochs > 0;
}

static xc_status read_metrics(const char *path, struct cell_result *c, struct why *why)
{
    char *text;
    size_t size, lines = 1;
    NEED(read_file(path, METRICS_MOST, &text, &size, why));
    for (const char *p = text; *p; p++) lines += *p == '\n';
    c->curve = calloc(lines, sizeof *c->curve);
    c->second = calloc(lines, sizeof *c->second);
    c->loss = calloc(lines, sizeof *c->loss);
    double *rate = calloc(lines, sizeof *rate);
    xc_status status = XC_OK;
    if (!c->curve || !c->second || !c->loss || !rate)
        status = refuse(why, XC_ERR_MEMORY, "%s: out of memory", path);
    else if (!read_rows(text, c, rate))
        status = refuse(why, XC_ERR_FORMAT, "%s: not the metrics of a run", path);
    free(rate);
    free(text);
    return status;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static char *failure_of(const char *folder)
{
    struct why ignored;
    char *path = NULL, *text = NULL;
    size_t size;
    if (asprintf(&path, "%s.failed", folder) < 0) return NULL;
    if (read_file(path, 65536, &text, &size, &ignored) == XC_OK) text[strcspn(text, "\n")] = 0;
    free(path);
    return text;
}

static xc_status read_cell(const char *folder, struct cell_result *c, struct why *why)
{
    char *metrics = join(folder, "metrics.csv"), *answers = join(folder, PREDICTIONS);
    xc_status status =
        metrics && answers ? XC_OK : refuse(why, XC_ERR_MEMORY, "%s: out of memory", folder);
    if (status == XC_OK) status = read_metrics(metrics, c, why);
    if (status == XC_OK) status = predictions_read(answers, &c->score, &c->pictures, why);
    double sum = 0;
    for (uint32_t i = 0; status == XC_OK && i < c->pictures; i++) sum += (double)c->score[i];
    c->final = c->pictures ? sum / c->pictures : NAN;
    c->done = status == XC_OK;
    free(answers);
    free(metrics);
    return status;
}

xc_status results_read(const struct plan *p, const char *study, struct results *out,
                       struct why *why)
{
    const uint32_t cells = plan_cells(p);
    xc_status status = XC_OK;
    *out = (struct results){.plan = p, .cell = calloc(cells, sizeof *out->cell)};
    if (!out->cell) return refuse(why, XC_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < cells && status == XC_OK; i++) {
        struct cell_result *c = &out->cell[i];
        char *folder = cell_folder(p, study, i);
        if (!folder) status = refuse(why, XC_ERR_MEMORY, "out of memory");
        if (folder && cell_done(p, study, i))
            status = read_cell(folder, c, why);
        else if (folder)
            c->failed = failure_of(folder);
        out->done += c->done;
        out->failed += c->failed != NULL;
        free(folder);
    }
    if (status != XC_OK) results_free(out);
    return status;
}

void results_free(struct results *r)
{
    for (uint32_t i = 0; r->cell && i < plan_cells(r->plan); i++) {
        free(r->cell[i].failed);
        free(r->cell[i].curve);
        free(r->cell[i].second);
        free(r->cell[i].loss);
        free(r->cell[i].score);
    }
    free(r->cell);
    r->cell = NULL;
}

uint32_t results_arm(const struct results *r, uint32_t arm, const struct cell_result **cell)
{
    uint32_t n = 0;
    for (uint32_t s = 0; s < r->plan->repeat; s++) {
        const struct cell_result *c = &r->cell[s * r->plan->arms + arm];
        if (c->done) cell[n++] = c;
    }
    return n;
}
