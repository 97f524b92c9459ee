/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strassen's algorithm for weights: sums of quarters of B, once, from the numbers that the direct
 * algorithm would use. Each is added up in double and rounded once.
 */
#include "base/checked.h"
#include "graph/strassen_int.h"

enum {
    LEAST_ROWS = 512, /* below, the sums cost more than the eighth product */
    LEAST_COLUMNS = 512,
    RUN = 16,        /* columns that lie side by side in every packing */
    PANEL_PAIR = 32, /* what the widest tiles take at once */
};

/* How the quarters B11, B12, B21, B22 are added up for each product, in the order of their use; the
 * first product of its series, and how many that has. */
static const struct {
    signed char sign[4], first, count;
} products[STRASSEN_PRODUCTS] = {
    {{1, 0, 0, 0}, 0, 3},   /* B11 */
    {{1, -1, 0, 1}, 0, 3},  /* T2 */
    {{0, -1, 0, 1}, 0, 3},  /* T3 */
    {{0, 0, 1, 0}, 3, 1},   /* B21 */
    {{-1, 1, 1, -1}, 4, 1}, /* -T4 */
    {{-1, 1, 0, 0}, 5, 2},  /* T1 */
    {{0, 0, 0, 1}, 5, 2},   /* B22 */
};

bool strassen_takes(const struct matrix *m)
{
    return m->groups == 1 && m->rows % 2 == 0 && m->rows >= LEAST_ROWS &&
           m->columns >= LEAST_COLUMNS;
}

struct strassen_cut strassen_cut(const struct matrix *m)
{
    const size_t columns = m->columns / (2 * PANEL_PAIR) * PANEL_PAIR;
    return (struct strassen_cut){.quarter = {m->rows / 2, columns, 1},
                                 .rest = {m->rows, m->columns - 2 * columns, 1}};
}

size_t strassen_quarter(const struct matrix *quarter, enum packing packing)
{
    size_t numbers = 0;
    return packing_numbers(packing, quarter, &numbers) ? numbers : 0;
}

bool strassen_numbers(const struct fast_weights *w, size_t *numbers)
{
    const struct strassen_cut cut = strassen_cut(&w->matrix);
    size_t rest;
    return packing_numbers(w->packing, &cut.quarter, numbers) &&
           size_mul(*numbers, STRASSEN_PRODUCTS, numbers) &&
           packing_numbers(w->packing, &cut.rest, &rest) && size_add(*numbers, rest, numbers);
}

/* ---- numbers --------------------------------------------------------------------------------- */

struct run { /* some columns of a matrix: those of a row begin at + row * stride */
    size_t at, stride;
};

static struct run run_of(enum packing packing, const struct matrix *m, size_t column)
{
    const size_t width = packing_panel(packing, m, 0).width;
    const struct panel p = packing_panel(packing, m, column / width);
    return (struct run){p.at + (column - p.first), p.stride};
}

/* Columns first .. first + RUN of a product's matrix. */
static void fill_product(const struct fast_weights *w, size_t product, size_t first)
{
    const struct matrix quarter = strassen_cut(&w->matrix).quarter;
    const size_t series = (size_t)products[product].first, count = (size_t)products[product].count;
    const struct matrix all = {count * quarter.rows, quarter.columns, 1};
    const struct run to = run_of(w->packing, &all, first);
    const size_t at = series * strassen_quarter(&quarter, w->packing) + to.at +
                      (product - series) * quarter.rows * to.stride;
    for (size_t row = 0; row < quarter.rows; row++) {
        double sum[RUN] = {0};
        for (size_t q = 0; q < 4; q++) {
            const int sign = products[product].sign[q];
            if (sign == 0) continue;
            const struct run from = run_of(w->packing, &w->matrix, first + q % 2 * quarter.columns);
            fast_add(sum, sign, w, from.at + (row + q / 2 * quarter.rows) * from.stride, RUN);
        }
        fast_put(w, at + row * to.stride, sum, RUN);
    }
}

/* The last columns, as they are, from the matrix's column `first` on. */
static void fill_rest(const struct fast_weights *w, size_t first, size_t before)
{
    const struct matrix rest = strassen_cut(&w->matrix).rest;
    for (size_t j = 0; j < rest.columns; j++) {
        const struct run from = run_of(w->packing, &w->matrix, first + j);
        const struct run to = run_of(w->packing, &rest, j);
        for (size_t row = 0; row < rest.rows; row++) {
            double number = 0;
            fast_add(&number, 1, w, from.at + row * from.stride, 1);
            fast_put(w, before + to.at + row * to.stride, &number, 1);
        }
    }
}

/* A unit is a run of columns of a product. */
static void fill_products(void *ctx, size_t from, size_t to)
{
    const struct fast_weights *w = ctx;
    const size_t runs = strassen_cut(&w->matrix).quarter.columns / RUN;
    for (; from < to; from++) fill_product(w, from / runs, from % runs * RUN);
}

void strassen_fill(const struct fast_weights *w, struct pool *pool)
{
    const struct strassen_cut cut = strassen_cut(&w->matrix);
    struct fast_weights copy = *w;
    pool_for(pool, STRASSEN_PRODUCTS * cut.quarter.columns / RUN, 1, fill_products, &copy);
    const size_t before = STRASSEN_PRODUCTS * strassen_quarter(&cut.quarter, w->packing);
    fill_rest(w, 2 * cut.quarter.columns, before);
}
