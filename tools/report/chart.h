/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do numbers become a drawing? SVG put on a page: lines with bands, points, bars. Colours are
 * the page's (--s1 ...), so that a drawing is right in light and dark; chart_alone makes the same
 * drawing a file of its own.
 */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include "page.h"

#define CHART_COLOURS 8
enum { CHART_WIDTH = 640, CHART_HEIGHT = 360 };

struct series {
    const char *name; /* in the legend; NULL = not there */
    size_t points;    /* NaN in y: a gap */
    const double *x, *y;
    const double *low, *high; /* band around y; NULL = none */
    int colour;               /* 0 .. CHART_COLOURS - 1, and round again */
    bool dashed, dots;        /* dots: a mark at every point, with its numbers on hover */
};

struct axis {
    const char *name;
    double low, high; /* equal: as the series need it */
    bool log;         /* both ends above 0 */
    bool percent;     /* numbers are fractions, labels per cent */
    bool whole;       /* ticks at whole numbers only */
};

struct chart {
    const char *title; /* for readers of screens, and above the drawing where it stands alone */
    struct axis x, y;
    double width, height; /* 0 = CHART_WIDTH, CHART_HEIGHT */
    const struct series *series;
    size_t count;
    bool diagonal; /* a thin line from corner to corner: chance, perfect calibration */
};
void chart_lines(struct page *p, const struct chart *c);

struct bar_row {
    const char *name;
    double value;
    double low, high; /* whisker; NaN = none */
    int colour;
    const char *label; /* behind the bar; NULL = the number */
};
struct bar_dots { /* single values that a row is the mean of */
    const double *value;
    size_t count;
};
struct bars {
    const char *title;
    struct axis axis; /* of the values */
    double width;     /* 0 = CHART_WIDTH; the height follows from the rows */
    const struct bar_row *row;
    size_t count;
    const struct bar_dots *dots; /* of each row: a mark at the value and rings at these, in place
                                    of a bar; the axis need not begin at zero. NULL = bars */
};
/* One row a bar, name in front. */
void chart_bars(struct page *p, const struct bars *b);
double chart_bars_height(size_t rows);
double chart_lines_height(const struct chart *c); /* at least that of the chart */

/* A drawing as a file: begin, draw, end, then page_save. */
void chart_alone_begin(struct page *p, double width, double height, const char *title);
void chart_alone_end(struct page *p);

#endif
