/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a convolution become tiles of a matrix product? What gemm.c asks of an instruction set,
 * and what it gives in return.
 *
 * A is one row of numbers an output pixel, read where the input lies; B is the weight matrix in
 * panels of 16 columns; C is the output. A tile of C stays in registers while k runs from its
 * first number to its last.
 */
#ifndef XC_KERNEL_X86_GEMM_H
#define XC_KERNEL_X86_GEMM_H

#include "kernel/kernel.h"

enum { PANEL = 16, MOST_ROWS = 14, AHEAD = 32 }; /* AHEAD: rows of a panel that is read once */

/* Tiles of equal height one below the other. A row of A consists of segments of k numbers each;
 * rows, and their outputs, are a fixed number of bytes apart. */
struct strip {
    int tiles;
    const char *a;
    ptrdiff_t a_row;
    const ptrdiff_t *segment; /* bytes from the row's first number */
    int segments, k;
    const float *b;    /* the panel's rows for these k */
    ptrdiff_t panel;   /* numbers to the next panel */
    const char *fetch; /* what should come into the second-level cache meanwhile, */
    ptrdiff_t pace;    /* and how many bytes of each panel of it with each k that fetches them */
    char *c;
    ptrdiff_t c_row;
    const float *bias; /* of the first column; only columns in mask are read */
    bool resume;       /* the sums go on from what c holds, not from the bias */
    uint32_t mask;     /* columns that exist, the first one lowest */
    const char *add;   /* or NULL */
    ptrdiff_t add_row;
    float low, high; /* min(max(sum, low), high), NaN stays */
    bool rounded;    /* c and add are brain floats, where tiles know those; never with resume */
};
typedef const char *strip_fn(const struct strip *s); /* gives where its fetching ended */

/* The same for a series of products (kernel.h): a tile goes through all of them before the next. */
struct series_strip {
    int tiles, count, k; /* k: of a product */
    struct {
        const char *a;
        ptrdiff_t a_row;
        char *at[3]; /* what is written, and what is added before; */
        ptrdiff_t row[3];
        int views; /* how many of these there are, one at least */
        float low, high;
    } end[SERIES_MOST];
    const float *b;
    ptrdiff_t panel;
    const char *fetch;
    ptrdiff_t pace;
    const float *bias;
};
typedef const char *series_strip_fn(const struct series_strip *s);

/* The tiles of an instruction set: strips of `rows` rows at most, strip[r] of r + 1 rows. */
struct gemm {
    int rows;
    bool one_by_one;         /* tiles fetch a row of what they need at their end with each k */
    strip_fn *const *narrow; /* one panel */
    strip_fn *const *wide;   /* two panels, or NULL */
    strip_fn *const *mixed;  /* a panel and a half, or NULL; of brain floats: only rounded */
    int half_rows;           /* as `rows`, */
    strip_fn *const *half;   /* of half a panel, or NULL */
    int series_columns;
    series_strip_fn *const *series; /* of so many columns, as high as `rows` */
};

struct place;

/* Rows of A for `rows` output pixels from unit on: numbers k .. k + depth of each (of one group),
 * prologue applied, zeros for padding. Row i begins at to + i * step. */
struct gather {
    const struct conv_call *call;
    int group;
    size_t k;
    int depth;
    float *to;
    int step;
};
void gemm_gather(const struct gather *g, size_t unit, int rows);

/* `width` pixels of a row of the input, which the first of them may lie outside of, as the kernel
 * sees the group's channels; zeros for padding. They lie without gaps from `to` on. */
void gemm_gather_row(const struct gather *g, struct place first, int width);

/* Those that suit so many columns that are left. */
static inline strip_fn *const *gemm_strips(const struct gemm *g, int left, bool may_be_mixed)
{
    if (g->half && left <= PANEL / 2) return g->half;
    if (!g->wide || left <= PANEL) return g->narrow;
    return g->mixed && may_be_mixed && left <= PANEL + PANEL / 2 ? g->mixed : g->wide;
}

/* A run of rows in as few tiles as possible, as equal as possible; none higher than `most`. Leaves
 * s->fetch behind what was fetched. */
void gemm_cut_run(struct strip *s, strip_fn *const *strip, int most, int rows);
/* The pace of tiles that fetch as many panels as they read: all of `steps` rows of them, but
 * `other` of the k of a tile fetch something else. */
static inline ptrdiff_t gemm_pace(int tiles, int steps, int other)
{
    const ptrdiff_t bytes = PANEL * (ptrdiff_t)sizeof(float) * steps;
    const ptrdiff_t fetches = tiles * (ptrdiff_t)(steps - other);
    return fetches > 0 ? (bytes + fetches - 1) / fetches : 0;
}

void gemm_conv(const struct gemm *g, const struct conv_call *call, size_t from, size_t to);
void gemm_series(const struct gemm *g, const struct series_call *call, size_t from, size_t to);
void gemm_dense(const struct gemm *g, const struct dense_call *call, size_t from, size_t to);

#endif
