/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a confusion matrix look? Up to CONFUSION_DRAWN classes: every cell with its count,
 * recall at the end of a row, precision under a column. Above: the matrix with neighbouring classes
 * put together, and beside it the pairs that are confused most. Right answers are blue, wrong ones
 * orange; how strong is the share of the label's pictures.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metric/confusion.h"

enum { NAME_MOST = 22, CHAR_W = 7, TITLE_H = 48, LIST = 24, LIST_W = 430, SIDE_W = 120 };

struct drawing {
    const struct confusion *c;
    const char *const *name;
    const struct class_score *score;
    struct text *out;
    int cell, side, left, top; /* side: cells in a row */
    uint32_t merged;           /* classes that are one cell */
};

static size_t characters(const char *s)
{
    size_t n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* "0.417", without the locale's comma */
static void put_share(struct text *out, double v)
{
    const long milli = lround(v * 1000);
    text_add(out, "%ld.%03ld", milli / 1000, milli % 1000);
}

static void put_percent(struct text *out, double v)
{
    const long tenths = lround(v * 1000);
    text_add(out, "%ld.%ld %%", tenths / 10, tenths % 10);
}

static void put_name(const struct drawing *d, int at)
{
    const uint32_t first = (uint32_t)at * d->merged, end = first + d->merged;
    text_add_xml(d->out, d->name[first], 80);
    if (d->merged == 1) return;
    text_add(d->out, " \u2026 ");
    text_add_xml(d->out, d->name[end < d->c->classes ? end - 1 : d->c->classes - 1], 80);
}

static void put_cell(const struct drawing *d, int row, int column, uint64_t count, uint64_t of)
{
    const double share = of ? (double)count / (double)of : 0;
    const double strength = row == column ? share : sqrt(share);
    const int x = d->left + column * d->cell, y = d->top + row * d->cell;
    if (count == 0 && row != column) return;
    text_add(d->out, "<g><title>");
    put_name(d, row);
    text_add(d->out, " \u2192 ");
    put_name(d, column);
    text_add(d->out, ": %ju of %ju (", (uintmax_t)count, (uintmax_t)of);
    put_percent(d->out, share);
    text_add(d->out, ")</title><rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"",
             row == column ? "ok" : "no", x, y, d->cell - 1, d->cell - 1);
    text_add(d->out, " fill-opacity=\"");
    put_share(d->out, 0.06 + 0.94 * strength);
    text_add(d->out, "\"/>");
    if (d->merged == 1 && count && d->cell >= 20)
        text_add(d->out, "<text class=\"n%s\" x=\"%d\" y=\"%d\">%ju</text>",
                 strength > 0.5 ? " w" : "", x + d->cell / 2, y + d->cell / 2 + 4,
                 (uintmax_t)count);
    text_add(d->out, "</g>\n");
}

static void put_cells(const struct drawing *d)
{
    const size_t side = (size_t)d->side;
    uint64_t *sum = calloc(side * (side + 1), sizeof *sum);
    if (!sum) {
        d->out->failed = true;
        return;
    }
    uint64_t *of = sum + side * side;
    for (size_t i = 0; i < d->c->cells; i++) {
        const struct confusion_cell *cell = &d->c->cell[i];
        sum[cell->label / d->merged * side + cell->prediction / d->merged] += cell->count;
        of[cell->label / d->merged] += cell->count;
    }
    for (int r = 0; r < d->side; r++)
        for (int c = 0; c < d->side; c++)
            put_cell(d, r, c, sum[(size_t)r * side + (size_t)c], of[r]);
    free(sum);
}

static void put_names(const struct drawing *d)
{
    const int half = d->cell / 2, end = d->left + d->side * d->cell;
    for (int i = 0; i < d->side; i++) {
        const int at = i * d->cell + half;
        text_add(d->out, "<text class=\"e\" x=\"%d\" y=\"%d\">", d->left - 8, d->top + at + 4);
        text_add_xml(d->out, d->name[i], NAME_MOST);
        text_add(d->out, "</text><text transform=\"translate(%d %d) rotate(-50)\">",
                 d->left + at + 4, d->top - 8);
        text_add_xml(d->out, d->name[i], NAME_MOST);
        text_add(d->out, "</text>\n");
        if (d->c->several) continue;
        text_add(d->out, "<text class=\"e s\" x=\"%d\" y=\"%d\">", end + 62, d->top + at + 4);
        put_percent(d->out, d->score[i].recall);
        text_add(d->out, "</text><text class=\"e s\" x=\"%d\" y=\"%d\">%ju</text>", end + 108,
                 d->top + at + 4, (uintmax_t)d->score[i].support);
        text_add(d->out, "<text class=\"e s\" transform=\"translate(%d %d) rotate(-50)\">",
                 d->left + at + 6, d->top + d->side * d->cell + 14);
        put_percent(d->out, d->score[i].precision);
        text_add(d->out, "</text>\n");
    }
    if (d->c->several) return;
    text_add(d->out,
             "<text class=\"e s\" x=\"%d\" y=\"%d\">recall</text><text class=\"e s\" x=\"%d\" "
             "y=\"%d\">pictures</text><text class=\"e s\" x=\"%d\" y=\"%d\">precision</text>\n",
             end + 62, d->top - 10, end + 116, d->top - 10, d->left - 8,
             d->top + d->side * d->cell + 22);
}

static void put_list(const struct drawing *d)
{
    struct confusion_cell worst[LIST];
    const size_t found = confusion_worst(d->c, worst, LIST);
    const int x = d->left + d->side * d->cell + 36;
    text_add(d->out, "<text class=\"h\" x=\"%d\" y=\"%d\">%s</text>\n", x, d->top + 4,
             found ? "most confused (label \u2192 answer)" : "nothing is confused");
    for (size_t i = 0; i < found; i++) {
        text_add(d->out, "<text class=\"e\" x=\"%d\" y=\"%d\">%ju</text><text x=\"%d\" y=\"%d\">",
                 x + 34, d->top + 26 + 18 * (int)i, (uintmax_t)worst[i].count, x + 46,
                 d->top + 26 + 18 * (int)i);
        text_add_xml(d->out, d->name[worst[i].label], NAME_MOST);
        text_add(d->out, " \u2192 ");
        text_add_xml(d->out, d->name[worst[i].prediction], NAME_MOST);
        text_add(d->out, "</text>\n");
    }
}

static void put_head(const struct drawing *d, const char *title, int width, int height)
{
    text_add(d->out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
             "height=\"%d\">\n<style>.bg{fill:#fff}text{font:12px system-ui,sans-serif;fill:#333}"
             ".h{font-size:14px;font-weight:600;fill:#111}.e{text-anchor:end}.s{fill:#777}"
             ".n{text-anchor:middle}.n.w{fill:#fff}.ok{fill:#0b6bcb}.no{fill:#d1480f}"
             ".frame{fill:none;stroke:#ccc}@media(prefers-color-scheme:dark){.bg{fill:#16181c}"
             "text{fill:#ccc}.h{fill:#eee}.s{fill:#999}.ok{fill:#4b9df2}.no{fill:#f0763c}"
             ".n.w{fill:#111}.frame{stroke:#444}}</style>\n"
             "<rect class=\"bg\" width=\"100%%\" height=\"100%%\"/>\n"
             "<text class=\"h\" x=\"16\" y=\"26\">",
             width, height, width, height);
    text_add_xml(d->out, title, 100);
    text_add(d->out, "</text>\n");
    if (d->merged == 1)
        text_add(d->out,
                 "<text class=\"s\" x=\"16\" y=\"44\">rows: label, columns: answer</text>\n");
    else
        text_add(
            d->out,
            "<text class=\"s\" x=\"16\" y=\"44\">%u classes, %u in each row (label) and column "
            "(answer)</text>\n",
            d->c->classes, d->merged);
}

static void draw(struct drawing *d, const char *title)
{
    size_t longest = 4;
    for (uint32_t i = 0; i < d->c->classes; i++)
        if (characters(d->name[i]) > longest) longest = characters(d->name[i]);
    if (longest > NAME_MOST) longest = NAME_MOST;
    const int room = (int)longest * CHAR_W;
    const bool small = d->merged == 1;
    d->cell = !small ? 12 : d->side <= 12 ? 44 : d->side <= 24 ? 32 : 22;
    d->left = small ? 24 + (room > 60 ? room : 60) : 24;
    d->top = TITLE_H + (small ? 16 + room * 4 / 5 : 16);
    const int matrix = d->side * d->cell;
    const int width = d->left + matrix + (small ? SIDE_W + room / 4 : LIST_W);
    const int list = small ? 0 : 26 + 18 * LIST;
    const int height = d->top + (matrix > list ? matrix : list) + (small ? 64 : 24);
    put_head(d, title, width, height);
    text_add(d->out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n",
             d->left - 1, d->top - 1, matrix + 1, matrix + 1);
    put_cells(d);
    if (small)
        put_names(d);
    else
        put_list(d);
    text_add(d->out, "</svg>\n");
}

void confusion_svg(const struct confusion *c, const char *const *name, const char *title,
                   struct text *out)
{
    struct class_score *score = calloc((size_t)c->classes + 1, sizeof *score);
    const uint32_t merged = (c->classes + CONFUSION_DRAWN - 1) / CONFUSION_DRAWN;
    struct drawing d = {.c = c, .name = name, .score = score, .out = out};
    d.merged = merged ? merged : 1;
    d.side = (int)((c->classes + d.merged - 1) / d.merged);
    if (!score) {
        out->failed = true;
        return;
    }
    confusion_classes(c, score);
    draw(&d, title);
    free(score);
}
