/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strassen's algorithm for pixels: sums of quarters of A, seven products, sums of products. All of
 * it is made of calls to the kernels that everybody uses, so every instruction set has the same
 * bits; nearly all sums ride on what a product adds at its end.
 *
 *   S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
 *   T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21      (strassen_fill.c)
 *
 *   P1 = A11 B11                          C11 = A12 B21 + P1
 *   U2 = S2 T2 + P1                       C12 = S4 B22 + (U2 + P5)
 *   U3 = S3 T3 + U2                       C21 = A22 (-T4) + U3
 *   P5 = S1 T1                            C22 = P5 + U3
 *
 * The biases start the sums of A12 B21, A22 (-T4) and P5; a skip connection is added to P1, U2 +
 * P5, U3 and P5 once nothing else needs them. A pixel without a neighbour has one of zeros.
 */
#include <string.h>

#include "graph/memory.h"
#include "graph/strassen_int.h"

enum { LINE = 64, TEMPORARIES = 3 };

struct block { /* pixels, in pairs */
    const struct kernels *kernels;
    const struct conv_call *call;
    int k, n;             /* rows and columns of a quarter of the weights */
    ptrdiff_t product;    /* bytes of one */
    ptrdiff_t size;       /* of a number */
    const char *weight;   /* the next product's */
    int pairs, whole;     /* whole: those whose second pixel exists */
    struct view s[4];     /* S1 .. S4 */
    struct view x, y, p5; /* x: P1, then U3; y: U2 */
};

static const struct view none;
static const struct activation no_act;

/* ---- views ----------------------------------------------------------------------------------- */

/* Pixels first, first + 2, ... of a row; channels from .. from + count. */
static struct view every_other(const struct block *b, struct view v, int first, int from, int count)
{
    if (!v.data) return v;
    v.data = (char *)v.data + first * v.pixel + from * b->size;
    v.w = first ? b->whole : b->pairs;
    v.c = count;
    v.pixel *= 2;
    return v;
}

static struct view a_quarter(const struct block *b, int row, int column)
{
    const int k = b->k;
    return every_other(b, b->call->in, row, column * k, k);
}

static struct view c_quarter(const struct block *b, struct view v, int row, int column)
{
    const int n = b->n;
    return every_other(b, v, row, column * n, n);
}

static struct view take_rows(const struct block *b, int numbers, char **scratch)
{
    struct view v = {.data = *scratch, .n = 1, .h = 1, .w = b->pairs, .c = numbers};
    v.pixel = memory_scratch_pixel(numbers, (size_t)b->size);
    *scratch += b->pairs * v.pixel;
    return v;
}

size_t strassen_scratch(const struct matrix *m, enum dtype type, size_t pixels)
{
    const struct strassen_cut cut = strassen_cut(m);
    const size_t size = dtype_size(type), pairs = (pixels + 1) / 2;
    return pairs * (size_t)(4 * memory_scratch_pixel((int)cut.quarter.rows, size) +
                            TEMPORARIES * memory_scratch_pixel((int)cut.quarter.columns, size));
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* out = act(a times the next matrix + add), for the pixels of a. */
static void multiply(struct block *b, struct view a, struct view add, struct view out,
                     const void *bias, struct activation act)
{
    struct conv_call call = *b->call;
    call.in = a;
    call.out = out;
    call.out.w = a.w;
    call.weight = b->weight;
    call.epilogue = (struct epilogue){.bias = bias, .add = add, .act = act};
    call.epilogue.add.w = a.w;
    if (a.w) b->kernels->pointwise(&call, 0, (size_t)a.w);
    b->weight += b->product;
}

/* out = act(x + y), for the pixels of out; x may be out. */
static void add(const struct block *b, struct view x, struct view y, struct view out,
                struct activation act)
{
    struct map_call call = {.type = b->call->type, .in = x, .out = out};
    call.in.w = out.w;
    call.epilogue = (struct epilogue){.add = y, .act = act};
    b->kernels->map(&call, 0, (size_t)out.w);
}

/* x += skip, where there is one. */
static void add_skip(const struct block *b, struct view x, struct view skip)
{
    if (!skip.data) return;
    x.w = skip.w;
    add(b, x, skip, x, no_act);
}

/* ---- the algorithm --------------------------------------------------------------------------- */

static struct view from_pair(struct view v, int first, int count)
{
    v.data = (char *)v.data + first * v.pixel;
    v.w = count;
    return v;
}

/* S1 .. S4 of pairs [first, first + count); a21 and a22 begin with the first of them. */
static void sum_pairs(const struct block *b, int first, int count, struct view a21, struct view a22)
{
    struct quarters_call call = {.type = b->call->type};
    call.in[0] = from_pair(a_quarter(b, 0, 0), first, count);
    call.in[1] = from_pair(a_quarter(b, 0, 1), first, count);
    call.in[2] = a21;
    call.in[3] = a22;
    for (int i = 0; i < 4; i++) call.out[i] = from_pair(b->s[i], first, count);
    b->kernels->quarters(&call, 0, (size_t)count);
}

static void sum_input(const struct block *b)
{
    if (b->whole) sum_pairs(b, 0, b->whole, a_quarter(b, 1, 0), a_quarter(b, 1, 1));
    if (b->whole == b->pairs) return;
    const struct view zeros = from_pair(b->s[3], b->whole, 1); /* until S4 is written */
    memset(zeros.data, 0, (size_t)zeros.pixel);
    sum_pairs(b, b->whole, 1, zeros, zeros);
}

static void multiply_quarters(struct block *b)
{
    const struct epilogue *e = &b->call->epilogue;
    const struct view *s = b->s, x = b->x, y = b->y, p5 = b->p5, out = b->call->out;
    const void *left = e->bias;
    const void *right = left ? (const char *)left + b->n * b->size : NULL;
    multiply(b, a_quarter(b, 0, 0), none, x, NULL, no_act); /* P1 */
    multiply(b, s[1], x, y, NULL, no_act);                  /* U2 */
    add_skip(b, x, c_quarter(b, e->add, 0, 0));
    multiply(b, a_quarter(b, 0, 1), x, c_quarter(b, out, 0, 0), left, e->act);
    multiply(b, s[2], y, x, NULL, no_act); /* U3 */
    multiply(b, s[0], none, p5, right, no_act);
    add(b, y, p5, y, no_act);
    add_skip(b, y, c_quarter(b, e->add, 0, 1));
    multiply(b, s[3], y, c_quarter(b, out, 0, 1), NULL, e->act);
    add_skip(b, p5, c_quarter(b, e->add, 1, 1));
    if (b->whole) add(b, p5, x, c_quarter(b, out, 1, 1), e->act);
    add_skip(b, x, c_quarter(b, e->add, 1, 0));
    multiply(b, a_quarter(b, 1, 1), x, c_quarter(b, out, 1, 0), left, e->act);
}

static struct view channels_from(struct view v, int first, ptrdiff_t size)
{
    if (!v.data) return v;
    v.data = (char *)v.data + first * size;
    v.c -= first;
    return v;
}

/* The columns that do not fit into two equal halves. */
static void multiply_rest(const struct block *b)
{
    struct conv_call call = *b->call;
    struct epilogue *e = &call.epilogue;
    const int first = 2 * b->n;
    if (first == call.out.c) return;
    call.weight = b->weight;
    call.out = channels_from(call.out, first, b->size);
    if (e->add.data) e->add = channels_from(e->add, first, b->size);
    if (e->bias) e->bias = (const char *)e->bias + first * b->size;
    b->kernels->pointwise(&call, 0, (size_t)call.out.w);
}

void strassen_conv(const struct kernels *k, const struct conv_call *call, void *scratch)
{
    const struct matrix m = {(size_t)call->in.c, (size_t)call->out.c, 1};
    const struct strassen_cut cut = strassen_cut(&m);
    const int pixels = call->out.w;
    struct block b = {.kernels = k,
                      .call = call,
                      .k = (int)cut.quarter.rows,
                      .n = (int)cut.quarter.columns,
                      .size = (ptrdiff_t)dtype_size(call->type),
                      .weight = call->weight,
                      .pairs = (pixels + 1) / 2,
                      .whole = pixels / 2};
    char *next = scratch;
    b.product = (ptrdiff_t)strassen_quarter(&cut.quarter, call->packing) * b.size;
    for (int i = 0; i < 4; i++) b.s[i] = take_rows(&b, b.k, &next);
    b.x = take_rows(&b, b.n, &next);
    b.y = take_rows(&b, b.n, &next);
    b.p5 = take_rows(&b, b.n, &next);
    sum_input(&b);
    multiply_quarters(&b);
    multiply_rest(&b);
}
