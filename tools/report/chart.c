/* SPDX-License-Identifier: Apache-2.0 */
/* Axes with round ticks, lines, bands, dots and bars as SVG. */
#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 58, RIGHT = 16, TOP = 14, BOTTOM = 46, LEGEND = 20, TICKS = 6 };

/* ---- axes ------------------------------------------------------------------------------------ */

struct scale {
    struct axis axis;
    double from, to; /* pixels */
    double step;     /* between ticks; log: ignored */
};

/* 1, 2 or 5 times a power of ten that cuts the range into about TICKS parts. */
static double round_step(double range, bool whole)
{
    const double rough = range / TICKS, ten = pow(10, floor(log10(rough)));
    const double step = rough <= ten       ? ten
                        : rough <= 2 * ten ? 2 * ten
                        : rough <= 5 * ten ? 5 * ten
                                           : 10 * ten;
    return whole && step < 1 ? 1 : step;
}

static void widen(struct axis *a)
{
    if (!isfinite(a->low) || !isfinite(a->high) || a->low > a->high) a->low = a->high = 0;
    if (a->log && a->low <= 0) a->low = a->high = 1;
    if (a->low < a->high) return;
    const double more = a->low != 0 ? fabs(a->low) / 2 : 1;
    a->high += more;
    if (!a->log) a->low -= a->low > 0 || a->low < 0 ? more : 0;
}

static struct scale scale_of(struct axis a, bool given, double from, double to)
{
    widen(&a);
    struct scale s = {.axis = a, .from = from, .to = to};
    if (a.log) return s;
    s.step = round_step(a.high - a.low, a.whole);
    if (!given) { /* out to the next ticks */
        s.axis.low = floor(a.low / s.step + 1e-9) * s.step;
        s.axis.high = ceil(a.high / s.step - 1e-9) * s.step;
        if (a.percent && a.high <= 1) s.axis.high = fmin(s.axis.high, 1);
    }
    return s;
}

static double place(const struct scale *s, double v)
{
    const struct axis *a = &s->axis;
    double part =
        a->log ? log(v / a->low) / log(a->high / a->low) : (v - a->low) / (a->high - a->low);
    part = part < -0.02 ? -0.02 : part > 1.02 ? 1.02 : part;
    return s->from + part * (s->to - s->from);
}

static int decimals(double step)
{
    const int n = (int)ceil(-log10(step) - 1e-9);
    return n < 0 ? 0 : n > 9 ? 9 : n;
}

static void put_value(struct page *p, const struct axis *a, double v, int digits)
{
    if (a->percent) {
        put_number(p, 100 * v, digits > 2 ? digits - 2 : 0);
        put(p, "%%");
    } else if (fabs(v) >= 1e9) {
        put_number(p, v / 1e9, 2);
        put(p, " G");
    } else if (fabs(v) >= 1e6) {
        put_number(p, v / 1e6, 2);
        put(p, " M");
    } else if (fabs(v) >= 1e4) {
        put_number(p, v / 1e3, 2);
        put(p, " k");
    } else {
        put_number(p, v, digits);
    }
}

/* Calls back for each tick. */
typedef void tick_fn(struct page *p, const struct scale *s, double v, int digits, double across);

static void each_tick(struct page *p, const struct scale *s, double across, tick_fn *tick)
{
    if (s->axis.log) {
        const int first = (int)ceil(log10(s->axis.low) - 1e-9);
        const int last = (int)floor(log10(s->axis.high) + 1e-9);
        for (int e = first; e <= last; e++) tick(p, s, pow(10, e), e < 0 ? -e : 0, across);
        return;
    }
    const int count = (int)floor((s->axis.high - s->axis.low) / s->step + 1e-6);
    const double first = ceil(s->axis.low / s->step - 1e-9) * s->step;
    for (int i = 0; i <= count && i < 50; i++)
        if (first + i * s->step <= s->axis.high + s->step * 1e-6)
            tick(p, s, first + i * s->step, decimals(s->step), across);
}

/* printf's %f has the locale's comma: coordinates go through whole tenths. */
static void at(struct page *p, double v)
{
    const long tenths = lround(v * 10);
    put(p, "%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10, labs(tenths) % 10);
}

static void attribute(struct page *p, const char *name, double v)
{
    put(p, " %s=\"", name);
    at(p, v);
    put(p, "\"");
}

static void line(struct page *p, double x1, double y1, double x2, double y2, const char *more)
{
    put(p, "<line");
    attribute(p, "x1", x1);
    attribute(p, "y1", y1);
    attribute(p, "x2", x2);
    attribute(p, "y2", y2);
    put(p, " %s/>", more);
}

static void words(struct page *p, double x, double y, const char *anchor, const char *text)
{
    put(p, "<text");
    attribute(p, "x", x);
    attribute(p, "y", y);
    put(p, " text-anchor=\"%s\">", anchor);
    put_text(p, text);
    put(p, "</text>");
}

static void y_tick(struct page *p, const struct scale *s, double v, int digits, double across)
{
    const double y = place(s, v);
    line(p, LEFT, y, across, y, "stroke=\"var(--line)\"");
    put(p, "<text");
    attribute(p, "x", LEFT - 7);
    attribute(p, "y", y + 4);
    put(p, " text-anchor=\"end\">");
    put_value(p, &s->axis, v, digits);
    put(p, "</text>");
}

static void x_tick(struct page *p, const struct scale *s, double v, int digits, double across)
{
    const double x = place(s, v);
    line(p, x, across, x, across + 4, "stroke=\"var(--soft)\"");
    put(p, "<text");
    attribute(p, "x", x);
    attribute(p, "y", across + 18);
    put(p, " text-anchor=\"middle\">");
    put_value(p, &s->axis, v, digits);
    put(p, "</text>");
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void reach(struct axis *a, const double *v, size_t n)
{
    for (size_t i = 0; v && i < n; i++) {
        if (!isfinite(v[i]) || (a->log && v[i] <= 0)) continue;
        a->low = fmin(a->low, v[i]);
        a->high = fmax(a->high, v[i]);
    }
}

static struct scale fit_axis(const struct chart *c, bool is_y, double from, double to)
{
    struct axis a = is_y ? c->y : c->x;
    const bool given = a.low < a.high;
    if (!given) {
        a.low = INFINITY;
        a.high = -INFINITY;
        for (size_t i = 0; i < c->count; i++) {
            const struct series *s = &c->series[i];
            reach(&a, is_y ? s->y : s->x, s->points);
            if (is_y) reach(&a, s->low, s->points);
            if (is_y) reach(&a, s->high, s->points);
        }
    }
    return scale_of(a, given || !is_y, from, to);
}

static bool seen(const struct scale *x, const struct scale *y, double u, double v)
{
    return isfinite(u) && isfinite(v) && !(x->axis.log && u <= 0) && !(y->axis.log && v <= 0);
}

static void put_band(struct page *p, const struct series *s, const struct scale *x,
                     const struct scale *y)
{
    bool open = false;
    if (!s->low || !s->high) return;
    put(p, "<path stroke=\"none\" fill=\"var(--s%d)\" fill-opacity=\".18\" d=\"",
        s->colour % CHART_COLOURS + 1);
    for (int back = 0; back < 2; back++) {
        for (size_t k = 0; k < s->points; k++) {
            const size_t i = back ? s->points - 1 - k : k;
            const double v = back ? s->low[i] : s->high[i];
            if (!seen(x, y, s->x[i], s->low[i]) || !seen(x, y, s->x[i], s->high[i])) continue;
            put(p, "%s", open ? "L" : "M");
            at(p, place(x, s->x[i]));
            put(p, " ");
            at(p, place(y, v));
            open = true;
        }
    }
    put(p, "%s\"/>", open ? "Z" : "");
}

static void put_line(struct page *p, const struct series *s, const struct scale *x,
                     const struct scale *y)
{
    bool open = false;
    put(p,
        "<path fill=\"none\" stroke=\"var(--s%d)\" stroke-width=\"2\" stroke-linejoin=\"round\"%s"
        " d=\"",
        s->colour % CHART_COLOURS + 1, s->dashed ? " stroke-dasharray=\"6 4\"" : "");
    for (size_t i = 0; i < s->points; i++) {
        if (!seen(x, y, s->x[i], s->y[i])) {
            open = false;
            continue;
        }
        put(p, "%s", open ? "L" : "M");
        at(p, place(x, s->x[i]));
        put(p, " ");
        at(p, place(y, s->y[i]));
        open = true;
    }
    put(p, "\"/>");
}

static void put_dots(struct page *p, const struct series *s, const struct scale *x,
                     const struct scale *y)
{
    for (size_t i = 0; s->dots && i < s->points; i++) {
        if (!seen(x, y, s->x[i], s->y[i])) continue;
        put(p, "<circle r=\"3.5\" fill=\"var(--s%d)\"", s->colour % CHART_COLOURS + 1);
        attribute(p, "cx", place(x, s->x[i]));
        attribute(p, "cy", place(y, s->y[i]));
        put(p, "><title>");
        if (s->name) put_text(p, s->name);
        put(p, "%s", s->name ? ": " : "");
        put_value(p, &x->axis, s->x[i], 4);
        put(p, ", ");
        put_value(p, &y->axis, s->y[i], 4);
        put(p, "</title></circle>");
    }
}

/* Names over the drawing, row by row; returns how many rows. */
static int put_legend(struct page *p, const struct chart *c, double width, bool draw)
{
    double x = LEFT;
    int row = 0, names = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct series *s = &c->series[i];
        if (!s->name) continue;
        const double wide = 34 + 7.2 * (double)strlen(s->name);
        if (x > LEFT && x + wide > width) {
            x = LEFT;
            row++;
        }
        const double y = TOP + row * LEGEND;
        if (draw) {
            put(p, "<g stroke=\"var(--s%d)\" stroke-width=\"3\"%s>", s->colour % CHART_COLOURS + 1,
                s->dashed ? " stroke-dasharray=\"5 3\"" : "");
            line(p, x, y, x + 18, y, "");
            put(p, "</g>");
            words(p, x + 24, y + 4, "start", s->name);
        }
        x += wide;
        names++;
    }
    return names ? row + 1 : 0;
}

static void begin(struct page *p, const char *title, double width, double height)
{
    put(p, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"");
    attribute(p, "width", width);
    attribute(p, "height", height);
    put(p, " viewBox=\"0 0 ");
    at(p, width);
    put(p, " ");
    at(p, height);
    put(p, "\" font-size=\"12\" font-family=\"system-ui,sans-serif\" fill=\"var(--soft)\" "
           "aria-label=\"");
    put_text(p, title ? title : "chart");
    put(p, "\">");
}

/* A long legend makes it higher, not the drawing lower. */
double chart_lines_height(const struct chart *c)
{
    enum { LEAST = 220 };
    const double height = c->height > 0 ? c->height : CHART_HEIGHT;
    const double width = c->width > 0 ? c->width : CHART_WIDTH;
    return fmax(height, TOP + put_legend(NULL, c, width, false) * LEGEND + LEAST + BOTTOM);
}

void chart_lines(struct page *p, const struct chart *c)
{
    const double width = c->width > 0 ? c->width : CHART_WIDTH;
    const double height = chart_lines_height(c);
    begin(p, c->title, width, height);
    const int legend = put_legend(p, c, width, true);
    const double top = TOP + legend * LEGEND, low = height - BOTTOM, right = width - RIGHT;
    const struct scale x = fit_axis(c, false, LEFT, right), y = fit_axis(c, true, low, top);
    each_tick(p, &y, right, y_tick);
    each_tick(p, &x, low, x_tick);
    line(p, LEFT, low, right, low, "stroke=\"var(--soft)\"");
    if (c->diagonal)
        line(p, LEFT, low, right, top, "stroke=\"var(--soft)\" stroke-dasharray=\"2 4\"");
    for (size_t i = 0; i < c->count; i++) put_band(p, &c->series[i], &x, &y);
    for (size_t i = 0; i < c->count; i++) put_line(p, &c->series[i], &x, &y);
    for (size_t i = 0; i < c->count; i++) put_dots(p, &c->series[i], &x, &y);
    if (c->x.name) words(p, (LEFT + right) / 2, height - 8, "middle", c->x.name);
    if (c->y.name) {
        put(p, "<g transform=\"rotate(-90 13 ");
        at(p, (top + low) / 2);
        put(p, ")\">");
        words(p, 13, (top + low) / 2, "middle", c->y.name);
        put(p, "</g>");
    }
    put(p, "</svg>\n");
}

/* ---- bars ------------------------------------------------------------------------------------ */

enum { BAR_ROW = 26, BAR_GAP = 6 };

static void put_mark(struct page *p, double x, double y, double radius, const char *more)
{
    put(p, "<circle");
    attribute(p, "cx", x);
    attribute(p, "cy", y);
    attribute(p, "r", radius);
    put(p, " %s/>", more);
}

static void put_whisker(struct page *p, const struct bar_row *r, const struct scale *s, double mid)
{
    const double low = place(s, r->low), high = place(s, r->high);
    const char *stroke = "stroke=\"var(--ink)\" stroke-width=\"1.5\"";
    line(p, low, mid, high, mid, stroke);
    line(p, low, mid - 4, low, mid + 4, stroke);
    line(p, high, mid - 4, high, mid + 4, stroke);
}

static void put_bar(struct page *p, const struct bar_row *r, const struct scale *s, double y,
                    const struct bar_dots *dots)
{
    const double mid = y + BAR_ROW / 2.0;
    const double zero = place(s, fmax(s->axis.low, fmin(0, s->axis.high)));
    const double end = isfinite(r->value) ? place(s, r->value) : zero;
    double after = fmax(zero, end);
    char fill[32];
    snprintf(fill, sizeof fill, "fill=\"var(--s%d)\"", r->colour % CHART_COLOURS + 1);
    if (!dots) {
        put(p, "<rect rx=\"2\" %s", fill);
        attribute(p, "x", fmin(zero, end));
        attribute(p, "y", y + BAR_GAP / 2.0);
        attribute(p, "width", fabs(end - zero));
        attribute(p, "height", BAR_ROW - BAR_GAP);
        put(p, "/>");
    }
    if (isfinite(r->low) && isfinite(r->high) && r->low < r->high) {
        put_whisker(p, r, s, mid);
        after = fmax(after, place(s, r->high));
    }
    if (dots && isfinite(r->value)) put_mark(p, end, mid, 5, fill);
    for (size_t i = 0; dots && i < dots->count; i++) {
        put_mark(p, place(s, dots->value[i]), mid, 3, "fill=\"none\" stroke=\"var(--ink)\"");
        after = fmax(after, place(s, dots->value[i]));
    }
    put(p, "<text fill=\"var(--ink)\"");
    attribute(p, "x", after + 8);
    attribute(p, "y", mid + 4);
    put(p, ">");
    if (r->label)
        put_text(p, r->label);
    else
        put_value(p, &s->axis, r->value, s->axis.percent ? 4 : 3);
    put(p, "</text>");
}

double chart_bars_height(size_t rows)
{
    return (double)rows * BAR_ROW + BOTTOM;
}

void chart_bars(struct page *p, const struct bars *b)
{
    const double width = b->width > 0 ? b->width : CHART_WIDTH;
    const double height = chart_bars_height(b->count);
    struct axis a = b->axis;
    const bool given = a.low < a.high;
    size_t longest = 4, label = 6;
    if (!given) a.low = a.high = b->dots ? NAN : 0; /* bars begin at zero */
    for (size_t i = 0; i < b->count; i++) {
        const struct bar_row *r = &b->row[i];
        const double all[] = {r->value, r->low, r->high};
        if (!given) reach(&a, all, 3);
        if (!given && b->dots) reach(&a, b->dots[i].value, b->dots[i].count);
        if (strlen(r->name) > longest) longest = strlen(r->name);
        if (r->label && strlen(r->label) > label) label = strlen(r->label);
    }
    const double names = fmin(12 + 7 * (double)longest, width / 2);
    const double right = fmax(names + 60, width - 14 - 7 * (double)label);
    const struct scale s = scale_of(a, given, names, right);
    begin(p, b->title, width, height);
    each_tick(p, &s, (double)b->count * BAR_ROW, x_tick);
    for (size_t i = 0; i < b->count; i++) {
        const double y = (double)i * BAR_ROW;
        words(p, names - 8, y + BAR_ROW / 2.0 + 4, "end", b->row[i].name);
        put_bar(p, &b->row[i], &s, y, b->dots ? &b->dots[i] : NULL);
    }
    if (b->axis.name) words(p, (names + right) / 2, height - 8, "middle", b->axis.name);
    put(p, "</svg>\n");
}

/* ---- a file of its own ----------------------------------------------------------------------- */

void chart_alone_begin(struct page *p, double width, double height, const char *title)
{
    put(p, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    attribute(p, "width", width);
    attribute(p, "height", height);
    put(p, " viewBox=\"0 0 ");
    at(p, width);
    put(p, " ");
    at(p, height);
    put(p, "\">\n<title>");
    put_text(p, title);
    put(p, "</title>\n<style>");
    page_drawing_colours(p);
    put(p, "</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"var(--paper)\"/>\n");
}

void chart_alone_end(struct page *p)
{
    put(p, "</svg>\n");
}
