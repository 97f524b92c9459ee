/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do a matrix's quarters begin, and in which order do their products lie? What winograd.c and
 * winograd_fill.c agree on: the matrices of the seven products in the order of their use, then the
 * columns that remain.
 */
#ifndef XC_GRAPH_WINOGRAD_INT_H
#define XC_GRAPH_WINOGRAD_INT_H

#include "graph/winograd.h"

enum { WINOGRAD_PRODUCTS = 7 };

struct winograd_cut {
    struct matrix quarter, rest; /* rest: all rows of the last columns, perhaps none */
};
struct winograd_cut winograd_cut(const struct matrix *m);
/* The numbers of a product's matrix. */
size_t winograd_quarter(const struct matrix *quarter, enum packing packing);

#endif
