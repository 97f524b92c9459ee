/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Winograd's F(4, 3) for weights: of the three columns of a window six sums, each the matrix of a
 * product. They lie one behind the other, in the order of the products.
 */
#include "base/checked.h"
#include "graph/winograd.h"

/* What the columns are multiplied by, and what their sum is divided by. */
static const struct {
    signed char factor[WINOGRAD_WINDOW], divisor;
} sums[WINOGRAD_PRODUCTS] = {
    {{1, 0, 0}, 4},  {{1, 1, 1}, -6},  {{1, -1, 1}, -6},
    {{1, 2, 4}, 24}, {{1, -2, 4}, 24}, {{0, 0, 1}, 1},
};

static struct matrix product_of(const struct fast_weights *w)
{
    return (struct matrix){w->matrix.rows / WINOGRAD_WINDOW, w->matrix.columns, 1};
}

bool winograd_numbers(const struct fast_weights *w, size_t *numbers)
{
    const struct matrix product = product_of(w);
    return packing_numbers(w->packing, &product, numbers) &&
           size_mul(*numbers, WINOGRAD_PRODUCTS, numbers);
}

/* A panel of a product; `before` numbers lie in front of its matrix. */
static void fill_panel(const struct fast_weights *w, int product, size_t i, size_t before)
{
    const struct matrix m = product_of(w);
    const struct panel to = packing_panel(w->packing, &m, i);
    const struct panel from = packing_panel(w->packing, &w->matrix, i);
    for (size_t row = 0; row < m.rows; row++) {
        const size_t c = row % w->channels, first = (row - c) * WINOGRAD_WINDOW + c;
        double sum[PACKING_MOST_COLUMNS] = {0};
        for (size_t x = 0; x < WINOGRAD_WINDOW; x++)
            fast_add(sum, sums[product].factor[x], w, panel_at(&from, first + x * w->channels, 0),
                     to.columns);
        for (size_t j = 0; j < to.columns; j++) sum[j] /= sums[product].divisor;
        fast_put(w, before + panel_at(&to, row, 0), sum, to.columns);
    }
}

/* A unit is a panel of a product. */
static void fill_panels(void *ctx, size_t from, size_t to)
{
    const struct fast_weights *w = ctx;
    const struct matrix product = product_of(w);
    const size_t panels = packing_panels(w->packing, &product);
    size_t numbers = 0;
    if (!packing_numbers(w->packing, &product, &numbers)) return;
    for (; from < to; from++)
        fill_panel(w, (int)(from / panels), from % panels, from / panels * numbers);
}

void winograd_fill(const struct fast_weights *w, struct pool *pool)
{
    const struct matrix product = product_of(w);
    struct fast_weights copy = *w;
    pool_for(pool, WINOGRAD_PRODUCTS * packing_panels(w->packing, &product), 1, fill_panels, &copy);
}
