/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left in the folder of --report, beside the page? predictions.csv (worst first),
 * classes.csv, confusion.csv and .svg, reliability.svg, curves.svg; changed.csv with a second
 * model; unreadable.txt when there is something to say. And the drawings themselves, which the page
 * shows, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chart.h"
#include "emit.h"
#include "eval_draw.h"
#include "output.h"
#include "say.h"

static void put_value(FILE *file, double v)
{
    if (isnan(v))
        fputs(",", file);
    else
        fprintf(file, ",%.9g", v);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void put_labels(FILE *file, const struct eval *e, const xc_scored *s)
{
    xc_sample sample = {0};
    if (e->given) {
        emit_csv(file, e->given[s->id]);
        return;
    }
    char *all = strdup(e->label[s->label]);
    if (e->models && xc_dataset_sample(e->model[0].data, s->id, &sample) != XC_OK)
        sample.extra_count = 0;
    for (uint32_t i = 0; all && i < sample.extra_count; i++) {
        char *more = NULL;
        if (asprintf(&more, "%s|%s", all, e->label[sample.extra[i]]) < 0) more = NULL;
        free(all);
        all = more;
    }
    emit_csv(file, all ? all : "");
    free(all);
}

static int write_predictions(const struct eval *e, const char *folder)
{
    struct output o;
    if (!output_open(&o, folder, "predictions.csv")) return EXIT_DATA;
    fputs("path,label,prediction,probability,loss\n", o.file);
    for (uint64_t i = 0; i < e->worst.count; i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, e->worst.row[i], &s) != XC_OK) continue;
        emit_csv(o.file, eval_path(e, s.id));
        fputc(',', o.file);
        put_labels(o.file, e, &s);
        fputc(',', o.file);
        emit_csv(o.file, e->label[s.answer]);
        put_value(o.file, s.probability);
        put_value(o.file, s.loss);
        fputc('\n', o.file);
    }
    return output_close(&o);
}

static int write_classes(const struct eval *e, const char *folder)
{
    struct output o;
    if (!output_open(&o, folder, "classes.csv")) return EXIT_DATA;
    fputs("label,pictures,precision,recall,f1,auc,average_precision,threshold\n", o.file);
    for (uint32_t c = 0; c < e->classes; c++) {
        const xc_class_scores *s = &e->of_class[c];
        emit_csv(o.file, e->label[c]);
        fprintf(o.file, ",%" PRIu64, s->support);
        put_value(o.file, s->precision);
        put_value(o.file, s->recall);
        put_value(o.file, s->f1);
        put_value(o.file, s->auc);
        put_value(o.file, s->average_precision);
        put_value(o.file, e->least ? e->least[c] : NAN);
        fputc('\n', o.file);
    }
    return output_close(&o);
}

static int write_changed(const struct eval *e, const char *folder)
{
    const struct changed *change;
    struct output o;
    size_t count;
    if (e->models < 2) return EXIT_DONE;
    change = eval_changed(e, &count);
    if (!change) return EXIT_LIMIT;
    if (!output_open(&o, folder, "changed.csv")) {
        free((void *)(uintptr_t)change);
        return EXIT_DATA;
    }
    fputs("path,label,first,second\n", o.file);
    for (size_t i = 0; i < count; i++) {
        emit_csv(o.file, eval_path(e, change[i].id));
        fputc(',', o.file);
        emit_csv(o.file, e->label[change[i].label]);
        fputc(',', o.file);
        emit_csv(o.file, e->label[change[i].first]);
        fputc(',', o.file);
        emit_csv(o.file, e->model[1].name[change[i].second]);
        fputc('\n', o.file);
    }
    free((void *)(uintptr_t)change);
    return output_close(&o);
}

/* Those that have no row: read once more, for the sentence. */
static int write_unreadable(const struct eval *e, const char *folder)
{
    struct output o;
    xc_dataset_info info;
    if (!e->unreadable) return EXIT_DONE;
    xc_dataset_get_info(e->model[0].data, &info);
    bool *seen = calloc(info.samples + 1, sizeof *seen);
    if (!seen) return EXIT_LIMIT;
    if (!output_open(&o, folder, "unreadable.txt")) {
        free(seen);
        return EXIT_DATA;
    }
    for (uint64_t i = 0; i < xc_scores_count(e->model[0].scores); i++) {
        xc_scored s;
        if (xc_scores_get(e->model[0].scores, i, &s) == XC_OK) seen[s.id] = true;
    }
    for (uint64_t i = 0; i < info.samples; i++) {
        xc_sample sample;
        xc_image *image = NULL;
        if (seen[i] || xc_dataset_sample(e->model[0].data, i, &sample) != XC_OK ||
            sample.split != e->split || sample.weight <= 0)
            continue;
        const xc_status status = xc_dataset_image(e->model[0].data, i, NULL, &image);
        fprintf(o.file, "%s\n", status == XC_OK ? sample.name : xc_error_of(status));
        xc_image_free(image);
    }
    free(seen);
    return output_close(&o);
}

/* ---- pictures that two models answer differently --------------------------------------------- */

struct second {
    uint64_t id;
    uint32_t answer;
    bool right;
};

static int by_id(const void *a, const void *b)
{
    const uint64_t x = ((const struct second *)a)->id, y = ((const struct second *)b)->id;
    return (x > y) - (x < y);
}

struct changed *eval_changed(const struct eval *e, size_t *count)
{
    const xc_scores *first = e->model[0].scores, *other = e->model[1].scores;
    const size_t n = xc_scores_count(first), m = xc_scores_count(other);
    struct changed *out = calloc(n + 1, sizeof *out);
    struct second *second = calloc(m + 1, sizeof *second);
    xc_scored s;
    *count = 0;
    for (size_t i = 0; second && i < m; i++)
        if (xc_scores_get(other, i, &s) == XC_OK)
            second[i] = (struct second){s.id, s.answer, s.place == 0};
    if (second) qsort(second, m, sizeof *second, by_id);
    for (size_t i = 0; out && second && i < n; i++) {
        if (xc_scores_get(first, i, &s) != XC_OK) continue;
        const struct second key = {.id = s.id};
        const struct second *found = bsearch(&key, second, m, sizeof *second, by_id);
        if (!found || found->right == (s.place == 0)) continue;
        out[(*count)++] = (struct changed){s.id, s.label, s.answer, found->answer, s.place == 0};
    }
    free(second);
    return out;
}

/* ---- drawings -------------------------------------------------------------------------------- */

bool eval_draw_reliability(struct page *p, const struct eval *e)
{
    const uint32_t bins = e->sum.bins;
    xc_bin *bin = calloc(bins, sizeof *bin);
    double *x = calloc(4 * (size_t)bins, sizeof *x);
    size_t n = 0;
    if (bin && x && xc_scores_bins(e->model[0].scores, bin) == XC_OK)
        for (uint32_t b = 0; b < bins; b++) {
            if (!bin[b].count) continue;
            x[n] = bin[b].confidence;
            x[bins + n] = (double)bin[b].hits / (double)bin[b].count;
            x[2 * bins + n] = bin[b].low;
            x[3 * bins + n++] = bin[b].high;
        }
    const struct series s = {.name = "right answers",
                             .points = n,
                             .x = x,
                             .y = x + bins,
                             .low = x + 2 * bins,
                             .high = x + 3 * bins,
                             .dots = true};
    const struct chart c = {.title = "Reliability: is it right as often as it says?",
                            .x = {"confidence", 0, 1, .percent = true},
                            .y = {"right", 0, 1, .percent = true},
                            .width = 460,
                            .height = 400,
                            .series = &s,
                            .count = 1,
                            .diagonal = true};
    if (n) chart_lines(p, &c);
    free(bin);
    free(x);
    return n > 0;
}

enum { DRAWN = 6, POINTS = 160 };

static const struct eval *ordered; /* for qsort */

static int harder(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    const double x = ordered->of_class[i].average_precision,
                 y = ordered->of_class[k].average_precision;
    return x != y ? (x > y) - (x < y) : (i > k) - (i < k);
}

/* The classes with the lowest average precision; how many. */
static size_t hardest(const struct eval *e, uint32_t out[DRAWN])
{
    uint32_t *order = calloc((size_t)e->classes + 1, sizeof *order);
    size_t n = 0;
    for (uint32_t c = 0; order && c < e->classes; c++)
        if (!isnan(e->of_class[c].auc)) order[n++] = c;
    ordered = e;
    if (n) qsort(order, n, sizeof *order, harder);
    if (n > DRAWN) n = DRAWN;
    if (n) memcpy(out, order, n * sizeof *out);
    free(order);
    return n;
}

struct curves {
    double x[DRAWN][POINTS + 2], y[DRAWN][POINTS + 2];
    struct series series[DRAWN];
};

static void put_curve(const struct eval *e, uint32_t class, bool roc, struct curves *c, size_t i)
{
    xc_threshold t[POINTS];
    size_t n = 0, at = 0;
    if (xc_scores_curve(e->model[0].scores, class, t, POINTS, &n) != XC_OK) n = 0;
    if (roc) c->x[i][at] = c->y[i][at] = 0, at++;
    for (size_t k = 0; k < n; k++, at++) {
        c->x[i][at] = roc ? t[k].fpr : t[k].recall;
        c->y[i][at] = roc ? t[k].recall : t[k].precision;
    }
    c->series[i] = (struct series){
        .name = e->label[class], .points = at, .x = c->x[i], .y = c->y[i], .colour = (int)i};
}

bool eval_draw_curve(struct page *p, const struct eval *e, bool roc)
{
    uint32_t class[DRAWN];
    const size_t n = hardest(e, class);
    struct curves *c = n ? calloc(1, sizeof *c) : NULL;
    for (size_t i = 0; c && i < n; i++) put_curve(e, class[i], roc, c, i);
    if (c)
        chart_lines(p, &(struct chart){
                           .title = roc ? "ROC" : "Precision and recall",
                           .x = {roc ? "false positive rate" : "recall", 0, 1, .percent = true},
                           .y = {roc ? "true positive rate" : "precision", 0, 1, .percent = true},
                           .width = 460,
                           .height = 400,
                           .series = c->series,
                           .count = n,
                           .diagonal = roc});
    free(c);
    return c != NULL;
}

static int save_drawing(struct page *p, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    chart_alone_end(p);
    const xc_status status = page_save(p, path);
    page_free(p);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

static int write_drawings(const struct eval *e, const char *folder)
{
    struct page p = {0};
    char csv[4096], svg[4096];
    int code = EXIT_DONE;
    chart_alone_begin(&p, 460, 400, "reliability");
    if (eval_draw_reliability(&p, e)) code = save_drawing(&p, folder, "reliability.svg");
    page_free(&p);
    chart_alone_begin(&p, 460, 400, "ROC");
    if (code == EXIT_DONE && eval_draw_curve(&p, e, true))
        code = save_drawing(&p, folder, "curves.svg");
    page_free(&p);
    snprintf(csv, sizeof csv, "%s/confusion.csv", folder);
    snprintf(svg, sizeof svg, "%s/confusion.svg", folder);
    if (code != EXIT_DONE) return code;
    const xc_status status =
        xc_scores_confusion(e->model[0].scores, e->label, eval_title(e), csv, svg);
    return status == XC_OK ? EXIT_DONE : say_status(status, EXIT_DATA);
}

const char *eval_title(const struct eval *e)
{
    return e->models ? e->model[0].file : arg_text(e->args, "predictions");
}

/* The first two are of every report: where they stand, the others are of an earlier one. */
static const char *const written[] = {"report.html",    "predictions.csv", "classes.csv",
                                      "confusion.csv",  "confusion.svg",   "changed.csv",
                                      "unreadable.txt", "reliability.svg", "curves.svg"};
enum { WRITTEN = sizeof written / sizeof *written };

static bool is_there(const char *folder, const char *name)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

bool eval_check_report(const struct args *args, const char *folder)
{
    char path[4200];
    const bool study = is_there(folder, "study.json");
    if (study || is_there(folder, "args.json")) {
        say_usage("%s: holds a %s, whose files a report would replace", folder,
                  study ? "study" : "training run");
        char *word = shell_word(folder);
        say_hint("--report %s/report", word ? word : folder);
        free(word);
        return false;
    }
    for (int i = 0; i < WRITTEN; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, written[i]);
        if (output_is_input(args, path, NULL)) return false;
    }
    if (is_there(folder, written[0]) || !output_has_others(folder, written, WRITTEN)) return true;
    say_usage("%s: holds other files; a report takes a folder of its own", folder);
    return false;
}

bool eval_report_has_place(const char *folder)
{
    struct stat info;
    if (!folder || stat(folder, &info) != 0) return output_has_place(folder);
    errno = S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
    if (errno == 0 && access(folder, W_OK | X_OK) == 0) return true;
    say_error("%s: %s", folder, strerror(errno));
    return false;
}

/* What an earlier report left, and this one may not write. */
static void remove_old(const char *folder)
{
    char path[4200];
    if (!is_there(folder, written[0]) || !is_there(folder, written[1])) return;
    for (int i = 1; i < WRITTEN; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, written[i]);
        unlink(path);
    }
}

int eval_write_files(struct eval *e, const char *folder)
{
    struct stat info;
    if (mkdir(folder, 0777) != 0 && (errno != EEXIST || stat(folder, &info) != 0)) {
        say_error("%s: %s", folder, strerror(errno));
        return EXIT_DATA;
    }
    remove_old(folder);
    int code = write_predictions(e, folder);
    if (code == EXIT_DONE) code = write_classes(e, folder);
    if (code == EXIT_DONE) code = write_changed(e, folder);
    if (code == EXIT_DONE) code = write_unreadable(e, folder);
    return code == EXIT_DONE ? write_drawings(e, folder) : code;
}
