/* SPDX-License-Identifier: Apache-2.0 */
/* Counting by sorting: one word a picture, label above prediction. */
#include "metric/confusion.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/file.h"

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static size_t count_runs(const uint64_t *word, size_t n, struct confusion_cell *cell)
{
    size_t cells = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || word[i] != word[i - 1]) {
            if (cell)
                cell[cells] =
                    (struct confusion_cell){(uint32_t)(word[i] >> 32), (uint32_t)word[i], 0};
            cells++;
        }
        if (cell) cell[cells - 1].count++;
    }
    return cells;
}

xc_status confusion_count(const uint32_t *label, const uint32_t *prediction, size_t n,
                          uint32_t classes, struct confusion *out, struct error *err)
{
    size_t bytes;
    *out = (struct confusion){.classes = classes};
    uint64_t *word = size_mul(n + 1, sizeof *word, &bytes) ? malloc(bytes) : NULL;
    if (!word) return fail_memory(err, n);
    for (size_t i = 0; i < n; i++) {
        if (label[i] >= classes || prediction[i] >= classes) {
            free(word);
            return fail(err, XC_ERR_ARGUMENT, "picture %zu: label %u, prediction %u of %u classes",
                        i, label[i], prediction[i], classes);
        }
        word[i] = (uint64_t)label[i] << 32 | prediction[i];
    }
    qsort(word, n, sizeof *word, ascending);
    out->cells = count_runs(word, n, NULL);
    out->cell = calloc(out->cells + 1, sizeof *out->cell);
    if (out->cell) count_runs(word, n, out->cell);
    free(word);
    return out->cell ? XC_OK : fail_memory(err, out->cells * sizeof *out->cell);
}

void confusion_free(struct confusion *c)
{
    free(c->cell);
    *c = (struct confusion){0};
}

uint64_t confusion_at(const struct confusion *c, uint32_t label, uint32_t prediction)
{
    size_t low = 0, high = c->cells;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const struct confusion_cell *cell = &c->cell[mid];
        if (cell->label == label && cell->prediction == prediction) return cell->count;
        if (cell->label < label || (cell->label == label && cell->prediction < prediction))
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

static double ratio(uint64_t part, uint64_t of)
{
    return of ? (double)part / (double)of : 0;
}

void confusion_rates(struct class_score *s)
{
    s->precision = ratio(s->hits, s->predicted);
    s->recall = ratio(s->hits, s->support);
    s->f1 = ratio(2 * s->hits, s->support + s->predicted);
}

void confusion_classes(const struct confusion *c, struct class_score *out)
{
    for (uint32_t i = 0; i < c->classes; i++) out[i] = (struct class_score){0};
    for (size_t i = 0; i < c->cells; i++) {
        const struct confusion_cell *cell = &c->cell[i];
        out[cell->label].support += cell->count;
        out[cell->prediction].predicted += cell->count;
        if (cell->label == cell->prediction) out[cell->label].hits = cell->count;
    }
    for (uint32_t i = 0; i < c->classes; i++) confusion_rates(&out[i]);
}

static bool worse(const struct confusion_cell *a, const struct confusion_cell *b)
{
    if (a->count != b->count) return a->count > b->count;
    return a->label != b->label ? a->label < b->label : a->prediction < b->prediction;
}

size_t confusion_worst(const struct confusion *c, struct confusion_cell *out, size_t room)
{
    size_t found = 0;
    for (size_t i = 0; i < c->cells && room; i++) {
        const struct confusion_cell *cell = &c->cell[i];
        if (cell->label == cell->prediction) continue;
        if (found == room && !worse(cell, &out[room - 1])) continue;
        size_t at = found < room ? found++ : room - 1;
        for (; at > 0 && worse(cell, &out[at - 1]); at--) out[at] = out[at - 1];
        out[at] = *cell;
    }
    return found;
}

static void put_dense(const struct confusion *c, const char *const *name, struct text *out)
{
    size_t at = 0;
    text_add(out, "label");
    for (uint32_t p = 0; p < c->classes; p++) {
        text_add(out, ",");
        text_add_csv(out, name[p]);
    }
    text_add(out, "\n");
    for (uint32_t l = 0; l < c->classes; l++) {
        text_add_csv(out, name[l]);
        for (uint32_t p = 0; p < c->classes; p++) {
            const bool here =
                at < c->cells && c->cell[at].label == l && c->cell[at].prediction == p;
            text_add(out, ",%ju", here ? (uintmax_t)c->cell[at++].count : 0);
        }
        text_add(out, "\n");
    }
}

void confusion_csv(const struct confusion *c, const char *const *name, struct text *out)
{
    if (c->classes <= CONFUSION_DENSE) {
        put_dense(c, name, out);
        return;
    }
    text_add(out, "label,prediction,count\n");
    for (size_t i = 0; i < c->cells; i++) {
        text_add_csv(out, name[c->cell[i].label]);
        text_add(out, ",");
        text_add_csv(out, name[c->cell[i].prediction]);
        text_add(out, ",%ju\n", (uintmax_t)c->cell[i].count);
    }
}

/* Frees the text. */
static xc_status write_text(struct text *text, const char *path, struct error *err)
{
    const xc_status status =
        text->failed ? fail_memory(err, text->size) : file_write(path, text->at, text->size, err);
    free(text->at);
    return status;
}

xc_status confusion_write(const struct confusion *c, const char *const *name, const char *title,
                          const char *csv_path, const char *svg_path, struct error *err)
{
    struct text csv = {0}, svg = {0};
    if (csv_path) {
        confusion_csv(c, name, &csv);
        TRY(write_text(&csv, csv_path, err));
    }
    if (!svg_path) return XC_OK;
    confusion_svg(c, name, title, &svg);
    return write_text(&svg, svg_path, err);
}
