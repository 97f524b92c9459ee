/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks to SVG: boxes and arrows of a block, blocks of a section one under the other, sections in
 * panels, panels in columns.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagram_int.h"

enum { PANEL_PAD = 18, PANEL_GAP = 22, PANEL_TOP = 40, LABEL_ROOM = 92, MARGIN = 10 };

/* Colours in each rule, not as variables: librsvg knows none. */
const char diagram_style[] =
    ".dg{font-family:system-ui,sans-serif}.dg .page{fill:#fff}"
    ".dg .panel{fill:#f5f7fa;stroke:#cfd6df}.dg rect.b{fill:#e6dcf3;stroke:#46566b}"
    ".dg rect.input{fill:#fff}.dg rect.conv{fill:#cfe3f7}.dg rect.sep{fill:#fbdcb8}"
    ".dg rect.pool{fill:#d6efd2}.dg rect.dense{fill:#f6d3d9}.dg .add{fill:#fff;stroke:#46566b}"
    ".dg path.w{stroke:#46566b;fill:none}.dg .tip{fill:#46566b;stroke:none}"
    ".dg text{fill:#1b2430;font-size:11px;text-anchor:middle}"
    ".dg .s{fill:#5a6675;font-size:10px}.dg .e{fill:#5a6675;font-size:10px;text-anchor:start}"
    ".dg .t{font-size:15px;font-weight:600}.dg .n{font-size:15px;font-weight:600;text-anchor:end}"
    ".dg .frame{fill:none;stroke:#5a6675;stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){.dg .page{fill:#14181d}"
    ".dg .panel{fill:#1c2229;stroke:#37424f}.dg rect.b{fill:#453a5e;stroke:#8fa3b8}"
    ".dg rect.input{fill:#14181d}.dg rect.conv{fill:#274a6d}.dg rect.sep{fill:#6d4a1f}"
    ".dg rect.pool{fill:#2a5a33}.dg rect.dense{fill:#6b2f3b}.dg .add{fill:#14181d;stroke:#8fa3b8}"
    ".dg path.w{stroke:#8fa3b8}.dg .tip{fill:#8fa3b8}.dg text{fill:#e8edf3}"
    ".dg .s,.dg .e{fill:#9fb0c2}.dg .frame{stroke:#9fb0c2}}";

struct pen {
    const struct diagram *d;
    struct page *to;
    const struct box *said; /* whose shape stands last on an edge */
};

/* ---- pieces ---------------------------------------------------------------------------------- */

static long px(double v)
{
    return lround(v);
}

static void text_at(struct page *to, const char *style, double x, double y, const char *text)
{
    put(to, "<text%s%s%s x=\"%ld\" y=\"%ld\">", *style ? " class=\"" : "", style,
        *style ? "\"" : "", px(x), px(y));
    put_text(to, text);
    put(to, "</text>\n");
}

/* A wire that turns twice, with a tip: down to `turn`, across, down to y2. */
static void wire(struct page *to, double x1, double y1, double turn, double x2, double y2)
{
    const double end = y2 - 5;
    put(to, "<path class=\"w\" d=\"M%ld %ld", px(x1), px(y1));
    if (x1 < x2 || x1 > x2) put(to, "V%ldH%ld", px(turn), px(x2));
    put(to, "V%ld\"/>", px(end));
    put(to, "<path class=\"tip\" d=\"M%ld %ldm-3.5 0h7l-3.5 6z\"/>\n", px(x2), px(end - 1));
}

/* Down, then sideways into a circle. */
static void wire_side(struct page *to, double x1, double y1, double x2, double y2)
{
    const double way = x1 < x2 ? -1 : 1, end = x2 + way * (JOIN_H / 2 + 5);
    put(to, "<path class=\"w\" d=\"M%ld %ldV%ldH%ld\"/>", px(x1), px(y1), px(y2), px(end));
    put(to, "<path class=\"tip\" d=\"M%ld %ldm0 -3.5v7l%d -3.5z\"/>\n", px(end + way), px(y2),
        x1 < x2 ? 6 : -6);
}

static void shape_text(const struct box *b, char text[BOX_TEXT])
{
    snprintf(text, BOX_TEXT, "%" PRIu32 " × %" PRIu32 " × %" PRIu32, b->height, b->width,
             b->channels);
}

static void draw_box(struct page *to, const struct box *b, double x, double y)
{
    static const char *const style[] = {
        [BOX_INPUT] = "input", [BOX_CONV] = "conv",    [BOX_SEPARABLE] = "sep",
        [BOX_POOL] = "pool",   [BOX_DENSE] = "dense",  [BOX_OTHER] = "other",
        [BOX_ADD] = "add",     [BOX_CONCAT] = "concat"};
    char shape[BOX_TEXT];
    shape_text(b, shape);
    x += b->x;
    y += b->y;
    put(to, "<g><title>");
    put_text(to, b->name);
    put(to, ": %s%s</title>", shape, b->norm ? ", then batch norm" : "");
    if (b->kind == BOX_ADD) {
        put(to, "<circle class=\"add\" cx=\"%ld\" cy=\"%ld\" r=\"%d\"/>", px(x), px(y + b->h / 2),
            JOIN_H / 2 - 1);
        text_at(to, "", x, y + b->h / 2 + 4, "+");
        put(to, "</g>");
        return;
    }
    put(to,
        "<rect class=\"b %s\" x=\"%ld\" y=\"%ld\" width=\"%ld\" height=\"%ld\" "
        "rx=\"5\"/>",
        style[b->kind], px(x - b->w / 2), px(y), px(b->w), px(b->h));
    if (b->kind == BOX_CONCAT) {
        char text[BOX_TEXT + 8];
        snprintf(text, sizeof text, "Concat: %s", shape);
        text_at(to, "", x, y + b->h / 2 + 4, text);
    } else {
        y += 6 + LINE_H - 3;
        for (int i = 0; i < BOX_LINES; i++) {
            if (!b->line[i][0]) continue;
            text_at(to, i == 1 ? "" : "s", x, y, b->line[i]);
            y += LINE_H;
        }
    }
    put(to, "</g>\n");
}

/* ---- a block --------------------------------------------------------------------------------- */

/* The wires into box i of a block whose input arrives at (0, 0). */
static void draw_inputs(const struct pen *p, const struct block *k, int i, int *empty, double x,
                        double y)
{
    const struct box *b = &p->d->box[i];
    const double top = y + b->y;
    for (int n = 0; n < b->inputs; n++) {
        const bool inside = b->input[n] >= k->first;
        const struct box *from = inside ? &p->d->box[b->input[n]] : NULL;
        const double fx = x + (from ? from->x : 0), fy = from ? y + from->y + from->h : y;
        const double turn = fy + (from ? from->readers > 1 ? 9 : 5 : 1 + split_room(p->d, k));
        if (!from && (b->kind == BOX_ADD || b->kind == BOX_CONCAT) && *empty < BOX_INPUTS) {
            const double side = x + k->side[(*empty)++];
            put(p->to, "<path class=\"w\" d=\"M%ld %ldV%ldH%ld\"/>", px(fx), px(fy), px(turn),
                px(side));
            wire_side(p->to, side, turn, x + b->x, top + b->h / 2);
        } else if (b->kind == BOX_ADD && from && (from->x < b->x || from->x > b->x)) {
            wire_side(p->to, fx, fy, x + b->x, top + b->h / 2);
        } else {
            wire(p->to, fx, fy, turn, b->kind == BOX_CONCAT ? fx : x + b->x, top);
        }
    }
}

/* Its output's shape beside the arrow that leaves it, when it is another one than was said last. */
static void draw_shape(struct pen *p, const struct box *b, double x, double y)
{
    char text[BOX_TEXT];
    const struct box *said = p->said;
    if (said && said->height == b->height && said->width == b->width &&
        said->channels == b->channels)
        return;
    p->said = b;
    if (b->kind == BOX_CONCAT) return; /* says it itself */
    shape_text(b, text);
    if (b->kind == BOX_ADD)
        text_at(p->to, "e", x + b->x + JOIN_H / 2.0 + 6, y + b->y + b->h / 2 + 4, text);
    else
        text_at(p->to, "e", x + b->x + 6, y + b->y + b->h + 12, text);
}

static void draw_block(struct pen *p, const struct block *k, double x, double y)
{
    int empty = 0;
    for (int i = k->first; i <= k->last; i++) draw_inputs(p, k, i, &empty, x, y);
    for (int i = k->first; i <= k->last; i++) draw_box(p->to, &p->d->box[i], x, y);
    const struct box *last = &p->d->box[k->last];
    if (last->kind == BOX_ADD && last->line[2][0])
        text_at(p->to, "e", x + last->x + JOIN_H / 2.0 + 6, y + last->y - 1, last->line[2]);
    if (last->kind != BOX_INPUT && last->readers) draw_shape(p, last, x, y);
}

/* ---- a section ------------------------------------------------------------------------------- */

static double draw_repeat(struct pen *p, const struct repeat *r, const struct section *s, double x,
                          double y)
{
    double top = y;
    if (r->times > 1) y += 8;
    double left = 0, right = 0;
    for (int i = r->first; i <= r->last; i++) {
        const struct block *k = &p->d->block[i];
        draw_block(p, k, x, y);
        left = k->left < left ? k->left : left;
        right = k->right > right ? k->right : right;
        y += k->height;
    }
    (void)s;
    if (r->times > 1) {
        char text[BOX_TEXT];
        put(p->to,
            "<rect class=\"frame\" x=\"%ld\" y=\"%ld\" width=\"%ld\" height=\"%ld\" "
            "rx=\"8\"/>\n",
            px(x + left - 9), px(top + 8), px(right - left + 18), px(y - top));
        snprintf(text, sizeof text, "%d ×", r->times);
        text_at(p->to, "n", x + left - 14, top + 26, text);
        y += 8;
    }
    return y;
}

static bool has_input(const struct diagram *d, const struct section *s)
{
    return d->box[d->block[d->repeat[s->first].first].first].kind == BOX_INPUT;
}

static double section_height(const struct diagram *d, const struct section *s)
{
    return PANEL_TOP + (has_input(d, s) ? 0 : 22) + s->height + 34;
}

static bool has_frames(const struct diagram *d, const struct section *s)
{
    for (int i = s->first; i <= s->last; i++)
        if (d->repeat[i].times > 1) return true;
    return false;
}

static double section_left(const struct diagram *d, const struct section *s)
{
    double left = -s->left < BOX_W / 2.0 ? BOX_W / 2.0 : -s->left;
    return left + PANEL_PAD + (has_frames(d, s) ? 34 : 0);
}

static double section_right(const struct section *s)
{
    const double right = s->right < BOX_W / 2.0 ? BOX_W / 2.0 : s->right;
    return right + PANEL_PAD + (right < LABEL_ROOM ? LABEL_ROOM - right : 0);
}

static void draw_panel(struct page *to, const char *title, double x, double y, double width,
                       double height)
{
    put(to,
        "<rect class=\"panel\" x=\"%ld\" y=\"%ld\" width=\"%ld\" height=\"%ld\" "
        "rx=\"10\"/>\n",
        px(x), px(y), px(width), px(height));
    text_at(to, "t", x + width / 2, y + 25, title);
}

/* In a panel whose upper left corner is (x, y); width, height: of the panel. */
static void draw_section(struct pen *p, const struct section *s, double x, double y, double width,
                         double height, bool framed)
{
    const struct diagram *d = p->d;
    char shape[BOX_TEXT];
    const double left = section_left(d, s), right = section_right(s);
    const double middle = x + left + (width - left - right) / 2;
    if (framed) {
        draw_panel(p->to, s->title, x, y, width, height);
        y += PANEL_TOP;
    }
    const struct block *first = &d->block[d->repeat[s->first].first];
    if (!has_input(d, s)) {
        const struct box *from = &d->box[first->from];
        shape_text(from, shape);
        text_at(p->to, "s", middle, y + 14, shape);
        p->said = from;
        y += 20;
    }
    for (int i = s->first; i <= s->last; i++) y = draw_repeat(p, &d->repeat[i], s, middle, y);
    const struct box *last = &d->box[d->block[d->repeat[s->last].last].last];
    if (last->readers) {
        shape_text(last, shape);
        wire(p->to, middle + last->x, y, y + 6, middle, y + 16);
        p->said = last;
    }
}

/* ---- everything ------------------------------------------------------------------------------ */

static void open_svg(struct page *to, double width, double height, bool alone, const char *label)
{
    put(to,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"dg\" viewBox=\"0 0 %ld %ld\" "
        "width=\"%ld\" height=\"%ld\" role=\"img\" aria-label=\"",
        px(width), px(height), px(width), px(height));
    put_text(to, label);
    put(to, "\">\n");
    if (!alone) return;
    put(to, "<style>%s</style>\n<rect class=\"page\" width=\"100%%\" height=\"100%%\"/>\n",
        diagram_style);
}

struct column {
    int first, last; /* sections */
    double width, height;
};

/* Sections in order, a column ending where the next one would make it higher than `most`. */
static int make_columns(const struct diagram *d, double most, struct column *column, int room)
{
    int count = 0;
    for (int i = 0; i < d->sections; i++) {
        const struct section *s = &d->section[i];
        const double h = section_height(d, s), w = section_left(d, s) + section_right(s);
        struct column *c = count ? &column[count - 1] : NULL;
        if (!c || (c->height + PANEL_GAP + h > most && count < room)) {
            column[count++] = (struct column){i, i, w, h};
            continue;
        }
        c->last = i;
        c->height += PANEL_GAP + h;
        c->width = w > c->width ? w : c->width;
    }
    return count;
}

enum { MAX_COLUMNS = 8 };

static double columns_size(const struct column *c, int count, double *height)
{
    double width = 2 * MARGIN - PANEL_GAP;
    *height = 0;
    for (int i = 0; i < count; i++) {
        width += c[i].width + PANEL_GAP;
        *height = c[i].height > *height ? c[i].height : *height;
    }
    *height += 2 * MARGIN + 26;
    return width;
}

/* The least height that needs no more than `columns`; 0: those of the pleasantest shape. */
static int best_columns(const struct diagram *d, int columns, struct column *out)
{
    struct column try[MAX_COLUMNS];
    double best = 1e9, height;
    int count = 0;
    for (int most = 200; most <= 12000; most += 20) {
        const int n = make_columns(d, most, try, MAX_COLUMNS);
        const double width = columns_size(try, n, &height), ratio = width / height;
        if (columns && n > columns) continue;
        const double bad = columns ? height : ratio > 1.9 ? ratio / 1.9 : 1.9 / ratio;
        if (bad > best - 0.01) continue;
        best = bad;
        count = n;
        memcpy(out, try, sizeof try);
    }
    return count;
}

static void footer_text(const struct diagram *d, char text[200])
{
    char params[PAGE_GROUPED], macs[PAGE_GROUPED];
    snprintf(text, 200, "%s parameters, %s multiply-adds%s", page_grouped(d->params, " ", params),
             page_grouped(d->macs, " ", macs),
             d->all_norm ? "; batch norm follows every convolution" : "");
}

void diagram_write(const struct diagram *d, int columns, bool alone, struct page *to)
{
    struct column column[MAX_COLUMNS] = {0};
    struct pen p = {.d = d, .to = to};
    char footer[200];
    double height;
    const int count = best_columns(d, columns, column);
    const double panels = columns_size(column, count, &height);
    footer_text(d, footer);
    const double words = 5.6 * (double)strlen(footer), width = panels > words ? panels : words;
    double x = MARGIN + (width - panels) / 2;
    open_svg(to, width, height, alone, "the network, from input to answer");
    for (int i = 0; i < count; i++) {
        const struct column *c = &column[i];
        const double full = height - 2 * MARGIN - 26;
        double y = MARGIN;
        for (int k = c->first; k <= c->last; k++) {
            double h = section_height(d, &d->section[k]);
            if (k == c->last && MARGIN + full - y > h) h = MARGIN + full - y;
            draw_section(&p, &d->section[k], x, y, c->width, h, true);
            y += h + PANEL_GAP;
            if (k < c->last) wire(to, x + c->width / 2, y - PANEL_GAP, 0, x + c->width / 2, y);
        }
        x += c->width + PANEL_GAP;
        if (i + 1 < count)
            put(to,
                "<path class=\"w\" d=\"M%ld %dh%d\"/><path class=\"tip\" d=\"M%ld "
                "%dm0 -3.5v7l6 -3.5z\"/>\n",
                px(x - PANEL_GAP), MARGIN + 20, PANEL_GAP - 5, px(x - 6), MARGIN + 20);
    }
    text_at(to, "s", width / 2, height - MARGIN, footer);
    put(to, "</svg>\n");
}

void diagram_write_section(const struct diagram *d, int section, bool framed, struct page *to)
{
    const struct section *s = &d->section[section];
    struct pen p = {.d = d, .to = to};
    const double width = section_left(d, s) + section_right(s);
    const double height = section_height(d, s) - (framed ? 0 : PANEL_TOP + PANEL_PAD);
    open_svg(to, width + 2, height + 2, false, s->title);
    draw_section(&p, s, 1, 1, width, height, framed);
    put(to, "</svg>\n");
}

int diagram_sections(const struct diagram *d)
{
    return d->sections;
}

const char *diagram_title(const struct diagram *d, int section)
{
    return d->section[section].title;
}

struct diagram *diagram_new(const xc_model *model)
{
    struct diagram *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    if (boxes_make(d, model) && blocks_make(d, xc_model_get_info(model)->arch)) return d;
    diagram_free(d);
    return NULL;
}

void diagram_free(struct diagram *d)
{
    if (!d) return;
    free(d->box);
    free(d->box_of);
    free(d->block);
    free(d->repeat);
    free(d->section);
    free(d);
}
