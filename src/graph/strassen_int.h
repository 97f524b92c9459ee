/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where do a matrix's quarters begin, and in which order do their products lie? What strassen.c and
 * strassen_fill.c agree on: the matrices of the seven products in the order of their use, those of
 * a series as one matrix, then the columns that remain.
 */
#ifndef XC_GRAPH_STRASSEN_INT_H
#define XC_GRAPH_STRASSEN_INT_H

#include "graph/strassen.h"

enum { STRASSEN_PRODUCTS = 7 };

struct strassen_cut {
    struct matrix quarter, rest; /* rest: all rows of the last columns, perhaps none */
};
struct strassen_cut strassen_cut(const struct matrix *m);
/* The numbers of a product's part. */
size_t strassen_quarter(const struct matrix *quarter, enum packing packing);

#endif
