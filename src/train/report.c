/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came out of a run? The best weights, read back from their file and evaluated as a user
 * would: scores of val, and of test where there is one, scores of each class, who is taken for
 * whom, and the model card. The same run gives the same bytes: no clock and no host in them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "metric/confusion.h"
#include "train/run_args.h"
#include "train/run_files.h"

#define MODEL_FILE "best.safetensors"
enum { CARD_CLASSES = 40, CARD_CONFUSED = 8 };

struct report {
    const struct run_state *s;
    const struct report_opts *o;
    xc_model *model;
    char sha256[65];
    struct score score[XC_SPLITS]; /* rows 0: no such split */
    struct class_score *of_class;  /* of val */
    uint32_t *label, *prediction;  /* of val, one label a picture */
    size_t rows;
    struct confusion confusion; /* classes 0: there are several labels a picture */
};

static const struct dataset *data_of(const struct report *r)
{
    return r->s->trainer->data;
}

/* ---- evaluating ------------------------------------------------------------------------------ */

static void note_label(struct report *r, int label, const float *x, int classes)
{
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (x[c] > x[best]) best = c;
    r->label[r->rows] = (uint32_t)label;
    r->prediction[r->rows++] = (uint32_t)best;
}

/* A class is answered when its probability is above one half. */
static void note_labels(struct report *r, const float *target, const float *x, int classes)
{
    for (int c = 0; c < classes; c++) {
        struct class_score *s = &r->of_class[c];
        const bool is = target[c] > 0, said = x[c] > 0;
        s->support += is;
        s->predicted += said;
        s->hits += is && said;
    }
}

static void see_val(void *user, const struct batch *b, const float *logits)
{
    struct report *r = user;
    const int classes = data_of(r)->classes;
    for (int i = 0; i < b->n; i++) {
        const float *x = logits + (size_t)i * (size_t)classes;
        if (b->weight[i] <= 0) continue;
        if (data_of(r)->multi_label)
            note_labels(r, b->target + (size_t)i * (size_t)classes, x, classes);
        else
            note_label(r, b->label[i], x, classes);
    }
}

static double share(uint64_t part, uint64_t of)
{
    return of ? (double)part / (double)of : 0;
}

static xc_status count_classes(struct report *r, struct error *err)
{
    const uint32_t classes = (uint32_t)data_of(r)->classes;
    if (!data_of(r)->multi_label) {
        TRY(confusion_count(r->label, r->prediction, r->rows, classes, &r->confusion, err));
        confusion_classes(&r->confusion, r->of_class);
        return XC_OK;
    }
    for (uint32_t c = 0; c < classes; c++) {
        struct class_score *s = &r->of_class[c];
        s->precision = share(s->hits, s->predicted);
        s->recall = share(s->hits, s->support);
        s->f1 = share(2 * s->hits, s->predicted + s->support);
    }
    return XC_OK;
}

static xc_status evaluate_splits(struct report *r, struct error *err)
{
    static const uint8_t split[] = {XC_SPLIT_VAL, XC_SPLIT_TEST};
    const struct trainer *t = r->s->trainer;
    for (int i = 0; i < 2; i++) {
        const struct model_evaluation e = {.data = t->data,
                                           .split = split[i],
                                           .batch = t->s.batch,
                                           .threads = r->o->threads,
                                           .tick = r->o->tick,
                                           .user = r->o->user,
                                           .seen = split[i] == XC_SPLIT_VAL ? see_val : NULL,
                                           .seen_user = r};
        if (t->data->count[split[i]]) TRY(evaluate_model(r->model, &e, &r->score[split[i]], err));
    }
    return count_classes(r, err);
}

static xc_status open_best(struct report *r, struct error *err)
{
    struct file_view view;
    struct sha256 sum;
    const size_t classes = (size_t)data_of(r)->classes;
    const size_t rows = data_of(r)->count[XC_SPLIT_VAL];
    char *path = files_path(r->o->folder, MODEL_FILE);
    xc_status status = path ? file_map(path, FILES_MODEL_MAX, &view, err) : fail_memory(err, 1);
    if (status == XC_OK) {
        sha256_init(&sum);
        sha256_add(&sum, view.data, view.size);
        sha256_hex(&sum, r->sha256);
        status = model_from_file(r->o->machine, path, view, &r->model, err);
        if (status != XC_OK) file_release(&view);
    }
    free(path);
    TRY(status);
    r->of_class = calloc(classes, sizeof *r->of_class);
    r->label = malloc((rows + 1) * sizeof *r->label);
    r->prediction = malloc((rows + 1) * sizeof *r->prediction);
    if (r->of_class && r->label && r->prediction) return XC_OK;
    return fail_memory(err, (classes + rows) * sizeof *r->of_class);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void put_part(struct text *out, double v) /* six digits, without the locale's comma */
{
    const long millionths = lround(v * 1e6);
    text_add(out, "%ld.%06ld", millionths / 1000000, millionths % 1000000);
}

static void put_classes(struct text *out, const struct report *r)
{
    text_add(out, "label,pictures,answers,right,precision,recall,f1\n");
    for (int c = 0; c < data_of(r)->classes; c++) {
        const struct class_score *s = &r->of_class[c];
        text_add_csv(out, data_of(r)->class_name[c]);
        text_add(out, ",%ju,%ju,%ju,", (uintmax_t)s->support, (uintmax_t)s->predicted,
                 (uintmax_t)s->hits);
        put_part(out, s->precision);
        text_add(out, ",");
        put_part(out, s->recall);
        text_add(out, ",");
        put_part(out, s->f1);
        text_add(out, "\n");
    }
}

static void put_scores(struct text *out, const struct report *r)
{
    text_add(out, "{\"model\":\"" MODEL_FILE "\",\"sha256\":\"%s\"", r->sha256);
    for (int i = 0; i < XC_SPLITS; i++) {
        const struct score *s = &r->score[i];
        if (!s->rows) continue;
        text_add(
            out, ",\n \"%s\":{\"images\":%ju,\"unreadable\":%ju,\"top1\":", split_name((xc_split)i),
            (uintmax_t)s->rows, (uintmax_t)(dataset_weighed(data_of(r), (xc_split)i) - s->rows));
        put_part(out, score_top1(s));
        text_add(out, ",\"top5\":");
        put_part(out, score_top5(s));
        text_add(out, ",\"loss\":");
        put_part(out, score_loss(s));
        text_add(out, "}");
    }
    text_add(out, "}\n");
}

/* ---- the model card -------------------------------------------------------------------------- */

static void put_percent(struct text *out, double v)
{
    const long hundredths = lround(v * 1e4);
    text_add(out, "%ld.%02ld %%", hundredths / 100, hundredths % 100);
}

/* Text in a cell of a table. */
static void put_cell(struct text *out, const char *words)
{
    for (const char *c = words; *c; c++) {
        if (*c == '|' || *c == '\\' || *c == '<' || *c == '*' || *c == '`') text_add(out, "\\");
        text_add(out, "%c", (unsigned char)*c < ' ' ? ' ' : *c);
    }
}

static void put_row(struct text *out, const char *what, const char *value)
{
    text_add(out, "| %s | ", what);
    put_cell(out, value);
    text_add(out, " |\n");
}

static void put_results(struct text *out, const struct report *r)
{
    text_add(out, "\n## Results\n\n| split | pictures | top-1 | top-5 | loss |\n"
                  "|---|---:|---:|---:|---:|\n");
    for (int i = 0; i < XC_SPLITS; i++) {
        const struct score *s = &r->score[i];
        if (!s->rows) continue;
        text_add(out, "| %s | %ju | ", split_name((xc_split)i), (uintmax_t)s->rows);
        put_percent(out, score_top1(s));
        text_add(out, " | ");
        put_percent(out, score_top5(s));
        text_add(out, " | ");
        put_part(out, score_loss(s));
        text_add(out, " |\n");
    }
    const struct cursor *at = &r->s->trainer->at;
    const bool several = data_of(r)->multi_label;
    if (at->best_epoch == 0)
        text_add(out, "\nThe weights are those of step %ju; no epoch was finished.",
                 (uintmax_t)at->step);
    else
        text_add(out, "\nThe weights are those of epoch %u, chosen by %s on val%s.", at->best_epoch,
                 several ? "the loss" : "top-1",
                 r->score[XC_SPLIT_TEST].rows ? "; test chose nothing" : "");
    text_add(
        out, "%s\n\n| class | pictures | precision | recall | F1 |\n|---|---:|---:|---:|---:|\n",
        several ? " Top-1: the best answer is one of the picture's labels; classes: p > 0.5." : "");
    for (int c = 0; c < data_of(r)->classes && c < CARD_CLASSES; c++) {
        const struct class_score *s = &r->of_class[c];
        text_add(out, "| ");
        put_cell(out, data_of(r)->class_name[c]);
        text_add(out, " | %ju | ", (uintmax_t)s->support);
        put_percent(out, s->precision);
        text_add(out, " | ");
        put_percent(out, s->recall);
        text_add(out, " | ");
        put_percent(out, s->f1);
        text_add(out, " |\n");
    }
    if (data_of(r)->classes > CARD_CLASSES)
        text_add(out, "\nThe other %d classes are in classes.csv.\n",
                 data_of(r)->classes - CARD_CLASSES);
}

static void put_confused(struct text *out, const struct report *r)
{
    struct confusion_cell cell[CARD_CONFUSED];
    const char *const *name = data_of(r)->class_name;
    if (!r->confusion.classes) return;
    const size_t cells = confusion_worst(&r->confusion, cell, CARD_CONFUSED);
    if (cells)
        text_add(out, "\nMost often confused:\n\n| is | taken for | times |\n|---|---|---:|\n");
    for (size_t i = 0; i < cells; i++) {
        text_add(out, "| ");
        put_cell(out, name[cell[i].label]);
        text_add(out, " | ");
        put_cell(out, name[cell[i].prediction]);
        text_add(out, " | %ju |\n", (uintmax_t)cell[i].count);
    }
}

/* free(). Where a number means "as the network has it", those words. */
static char *setting_text(const char *key, const json_t *value)
{
    const double number = json_number_value(value);
    if (!strcmp(key, "dropout") && number < 0) return strdup("the network's own");
    if (!strcmp(key, "bn_momentum") && number == 0) return strdup("the network's own");
    return json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
}

static void put_settings(struct text *out, const struct report *r)
{
    const char *key;
    json_t *value, *json = settings_json(&r->s->trainer->s);
    if (!json) out->failed = true;
    text_add(out,
             "\n## Settings\n\nAll of args.json: `xception train --args args.json` repeats the "
             "run (with --from and --teacher where there were any).\n\n| setting | value "
             "|\n|---|---|\n");
    json_object_foreach(json, key, value)
    {
        char *shown = setting_text(key, value);
        if (!shown) out->failed = true;
        if (shown) put_row(out, key, json_is_string(value) ? json_string_value(value) : shown);
        free(shown);
    }
    json_decref(json);
}

static void put_data(struct text *out, const struct report *r)
{
    const struct dataset *d = data_of(r);
    char hex[65], count[128];
    json_t *json = json_loads(r->s->args, 0, NULL);
    const char *path = json_string_value(json_object_get(json_object_get(json, "data"), "path"));
    args_fingerprint(d, hex);
    text_add(out, "\n## Data\n\n| | |\n|---|---|\n");
    put_row(out, "read from", path ? path : d->path);
    json_decref(json);
    put_row(out, "kind", d->kind);
    snprintf(count, sizeof count, "%d%s", d->classes,
             d->multi_label ? ", several of them a picture" : "");
    put_row(out, "classes", count);
    snprintf(count, sizeof count, "train %zu, val %zu, test %zu", d->count[XC_SPLIT_TRAIN],
             d->count[XC_SPLIT_VAL], d->count[XC_SPLIT_TEST]);
    put_row(out, "samples", count);
    put_row(out, "fingerprint", hex);
}

static void put_teachers(struct text *out, const struct report *r)
{
    char name[32], words[160];
    size_t i;
    json_t *hash, *json = json_loads(r->s->args, 0, NULL);
    if (!json) out->failed = true;
    json_array_foreach(json_object_get(json, "teachers"), i, hash)
    {
        snprintf(name, sizeof name, "teacher %zu", i + 1);
        snprintf(words, sizeof words, "teacher-%zu.safetensors, SHA-256 of its parameters %.64s",
                 i + 1, json_string_value(hash));
        put_row(out, name, words);
    }
    json_decref(json);
}

static void put_card(struct text *out, const struct report *r)
{
    const xc_model *m = r->model;
    const char *slash = strrchr(r->o->folder, '/');
    char size[96];
    text_add(out, "---\nlibrary_name: xception\npipeline_tag: image-classification\n---\n\n# ");
    put_cell(out, slash && slash[1] ? slash + 1 : r->o->folder);
    text_add(out,
             "\n\nAn image classifier, trained by `xception train` %s. It runs with\n"
             "`xception classify -m " MODEL_FILE
             " PICTURE...`; labels and preprocessing are in the "
             "file.\n\n| | |\n|---|---|\n",
             XC_VERSION);
    put_row(out, "architecture", m->arch);
    snprintf(size, sizeof size, "%ju, of which %ju can be trained", (uintmax_t)m->info.params,
             (uintmax_t)m->info.trainable);
    put_row(out, "parameters", size);
    snprintf(size, sizeof size, "%ux%ux%u", m->info.height, m->info.width, m->info.channels);
    put_row(out, "input", size);
    put_row(out, "file", MODEL_FILE);
    put_row(out, "SHA-256", r->sha256);
    put_row(out, "began with", m->meta.source[0] ? m->meta.source : "random weights");
    if (m->meta.source[0])
        put_row(out, "licence of that", m->meta.licence[0] ? m->meta.licence : "not stated");
    put_teachers(out, r);
    put_results(out, r);
    put_confused(out, r);
    put_data(out, r);
    put_settings(out, r);
}

/* ---- files ----------------------------------------------------------------------------------- */

static xc_status write_text(const struct report *r, const char *name,
                            void (*put)(struct text *, const struct report *), struct error *err)
{
    struct text text = {0};
    put(&text, r);
    char *path = files_path(r->o->folder, name);
    xc_status status =
        path && !text.failed ? file_write(path, text.at, text.size, err) : fail_memory(err, 1);
    free(path);
    free(text.at);
    return status;
}

static xc_status write_confusion(const struct report *r, struct error *err)
{
    char *csv = files_path(r->o->folder, "confusion.csv");
    char *svg = files_path(r->o->folder, "confusion.svg");
    xc_status status = csv && svg ? XC_OK : fail_memory(err, 1);
    if (status == XC_OK)
        status =
            confusion_write(&r->confusion, data_of(r)->class_name, r->o->folder, csv, svg, err);
    free(csv);
    free(svg);
    return status;
}

static xc_status write_all(struct report *r, struct error *err)
{
    TRY(open_best(r, err));
    TRY(evaluate_splits(r, err));
    TRY(write_text(r, "evaluation.json", put_scores, err));
    TRY(write_text(r, "classes.csv", put_classes, err));
    if (r->confusion.classes) TRY(write_confusion(r, err));
    return write_text(r, "model-card.md", put_card, err);
}

xc_status report_write(const struct run_state *s, const struct report_opts *o, struct error *err)
{
    struct report r = {.s = s, .o = o};
    const xc_status status = write_all(&r, err);
    confusion_free(&r.confusion);
    model_unref(r.model);
    free(r.of_class);
    free(r.label);
    free(r.prediction);
    return status;
}
