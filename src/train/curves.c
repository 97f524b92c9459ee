/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How did the training go, at a glance? Two panels side by side, loss and top-1, each with a line
 * for training and one for validation. Plain SVG without a script or a font of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "train/history.h"

enum { PANEL_W = 400, PANEL_H = 260, LEFT = 52, TOP = 64, GAP = 76, TICKS = 5 };

/* One decimal of a coordinate, without the locale's comma. */
static void put_at(struct text *out, double v)
{
    const long tenths = lround(v * 10);
    text_add(out, "%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10, labs(tenths) % 10);
}

struct panel {
    const char *title;
    size_t train, val;          /* columns */
    double x, low, high, scale; /* scale: what labels are multiplied by */
    const char *unit;
};

static double value_at(const struct history *h, size_t row, size_t column)
{
    double value[HISTORY_WIDTH];
    memcpy(value, &h->row[row], sizeof value);
    return value[column];
}

static double x_of(const struct history *h, const struct panel *p, size_t row)
{
    return p->x + (h->rows > 1 ? PANEL_W * (double)row / (double)(h->rows - 1) : PANEL_W / 2.0);
}

static double y_of(const struct panel *p, double v)
{
    return TOP + PANEL_H * (p->high - v) / (p->high - p->low);
}

/* A step of 1, 2 or 5 times a power of ten that cuts the range into about TICKS parts. */
static double tick_step(double range)
{
    const double rough = range / TICKS, ten = pow(10, floor(log10(rough)));
    return rough <= ten ? ten : rough <= 2 * ten ? 2 * ten : rough <= 5 * ten ? 5 * ten : 10 * ten;
}

static void find_range(const struct history *h, struct panel *p)
{
    p->low = INFINITY;
    p->high = -INFINITY;
    for (size_t i = 0; i < h->rows; i++) {
        p->low = fmin(p->low, fmin(value_at(h, i, p->train), value_at(h, i, p->val)));
        p->high = fmax(p->high, fmax(value_at(h, i, p->train), value_at(h, i, p->val)));
    }
    if (!(p->low <= p->high) || !isfinite(p->low) || !isfinite(p->high)) p->low = p->high = 0;
    if (p->high - p->low < 1e-9) p->high = p->low + 1;
    const double step = tick_step(p->high - p->low);
    p->low = floor(p->low / step + 1e-9) * step;
    p->high = ceil(p->high / step - 1e-9) * step;
}

static void put_number(struct text *out, double v, double step)
{
    const int digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
    double unit = 1;
    for (int i = 0; i < digits; i++) unit *= 10;
    const long whole = lround(v * unit), part = lround(unit);
    text_add(out, "%s%ld", whole < 0 ? "-" : "", labs(whole) / part);
    if (digits) text_add(out, ".%0*ld", digits, labs(whole) % part);
}

static void put_grid(struct text *out, const struct history *h, const struct panel *p)
{
    const double step = tick_step(p->high - p->low);
    for (double v = p->low; v <= p->high + step / 2; v += step) {
        text_add(out, "<path class=\"grid\" d=\"M");
        put_at(out, p->x);
        text_add(out, " ");
        put_at(out, y_of(p, v));
        text_add(out, "h%d\"/><text class=\"y\" x=\"", PANEL_W);
        put_at(out, p->x - 8);
        text_add(out, "\" y=\"");
        put_at(out, y_of(p, v) + 4);
        text_add(out, "\">");
        put_number(out, v * p->scale, step * p->scale);
        text_add(out, "%s</text>\n", p->unit);
    }
    const size_t every = (size_t)fmax(1, tick_step(fmax(1, (double)h->rows)));
    for (size_t e = every; e <= h->rows; e += every) {
        text_add(out, "<text class=\"x\" x=\"");
        put_at(out, x_of(h, p, e - 1));
        text_add(out, "\" y=\"%d\">%zu</text>\n", TOP + PANEL_H + 20, e);
    }
}

static void put_line(struct text *out, const struct history *h, const struct panel *p,
                     size_t column, const char *class)
{
    text_add(out, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < h->rows; i++) {
        if (i) text_add(out, " ");
        put_at(out, x_of(h, p, i));
        text_add(out, ",");
        put_at(out, y_of(p, value_at(h, i, column)));
    }
    text_add(out, "\"/>\n");
    for (size_t i = 0; h->rows <= 30 && i < h->rows; i++) {
        text_add(out, "<circle class=\"%s dot\" r=\"2.4\" cx=\"", class);
        put_at(out, x_of(h, p, i));
        text_add(out, "\" cy=\"");
        put_at(out, y_of(p, value_at(h, i, column)));
        text_add(out, "\"/>\n");
    }
}

static void put_panel(struct text *out, const struct history *h, struct panel *p)
{
    find_range(h, p);
    text_add(out, "<text class=\"name\" x=\"");
    put_at(out, p->x);
    text_add(out, "\" y=\"%d\">%s</text>\n", TOP - 14, p->title);
    put_grid(out, h, p);
    put_line(out, h, p, p->train, "train");
    put_line(out, h, p, p->val, "val");
    text_add(out, "<text class=\"x\" x=\"");
    put_at(out, p->x + PANEL_W / 2.0);
    text_add(out, "\" y=\"%d\">epoch</text>\n", TOP + PANEL_H + 40);
}

static void put_legend(struct text *out, int width)
{
    text_add(out,
             "<path class=\"train\" d=\"M%d 24h22\"/><text x=\"%d\" y=\"28\">training</text>"
             "<path class=\"val\" d=\"M%d 24h22\"/><text x=\"%d\" y=\"28\">validation</text>\n",
             width - 230, width - 202, width - 126, width - 98);
}

static void put_title(struct text *out, const char *title)
{
    text_add(out, "<text class=\"title\" x=\"%d\" y=\"29\">", LEFT);
    text_add_xml(out, title, SIZE_MAX);
    text_add(out, "</text>\n");
}

#define COLUMN(name) (offsetof(struct history_row, name) / sizeof(double))

static void draw(struct text *out, const struct history *h, const char *title)
{
    const int width = LEFT + 2 * PANEL_W + GAP + 28, height = TOP + PANEL_H + 56;
    struct panel loss = {.title = "loss",
                         .train = COLUMN(train_loss),
                         .val = COLUMN(val_loss),
                         .x = LEFT,
                         .scale = 1,
                         .unit = ""};
    struct panel top1 = {.title = "top-1",
                         .train = COLUMN(train_top1),
                         .val = COLUMN(val_top1),
                         .x = LEFT + PANEL_W + GAP,
                         .scale = 100,
                         .unit = " %"};
    text_add(out,
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
             "height=\"%d\">\n<style>text{font:13px system-ui,sans-serif;fill:#444}"
             ".title{font-size:15px;font-weight:600;fill:#111}.name{font-weight:600}"
             ".x{text-anchor:middle}.y{text-anchor:end}.grid{stroke:#e3e3e3}"
             "polyline,path{fill:none;stroke-width:2;stroke-linejoin:round}"
             "path.grid{stroke-width:1}.train{stroke:#9aa5b1}.val{stroke:#0b6bcb}"
             ".dot{stroke:none}.dot.train{fill:#9aa5b1}.dot.val{fill:#0b6bcb}</style>\n"
             "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
             width, height, width, height);
    put_title(out, title);
    put_legend(out, width);
    put_panel(out, h, &loss);
    put_panel(out, h, &top1);
    text_add(out, "</svg>\n");
}

xc_status history_svg(const struct history *h, const char *title, const char *path,
                      struct error *err)
{
    struct text svg = {0};
    draw(&svg, h, title);
    const xc_status status =
        svg.failed ? fail_memory(err, svg.size) : file_write(path, svg.at, svg.size, err);
    free(svg.at);
    return status;
}
