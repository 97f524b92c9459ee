/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strassen's algorithm for pixels: sums of quarters of A, seven products in four series, whose
 * partial sums are quarters of C once others are added to them. All of it is made of calls to
 * kernels that have the same bits in every instruction set.
 *
 *   S1 = A21 + A22   S2 = S1 - A11   S3 = A11 - A21   S4 = A12 - S2
 *   T1 = B12 - B11   T2 = B22 - T1   T3 = B22 - B12   T4 = T2 - B21      (strassen_fill.c)
 *
 *   U1 = A11 B11, U2 = U1 + S2 T2, U3 = U2 + S3 T3
 *   C11 = A12 B21 + U1
 *   C21 = A22 (-T4) + U3
 *   C22 = S1 T1 + U3, C12 = S1 T1 + S4 B22 + U2
 *
 * The biases start the last three series, skip connections are added last. A pixel without a
 * neighbour has one of zeros.
 */
#include <string.h>

#include "graph/memory.h"
#include "graph/strassen_int.h"

enum { LINE = 64, TEMPORARIES = 3 };

struct block { /* pixels, in pairs */
    const struct kernels *kernels;
    const struct conv_call *call;
    int k, n;           /* rows and columns of a quarter of the weights */
    ptrdiff_t product;  /* bytes of one */
    ptrdiff_t size;     /* of a number */
    const char *weight; /* the next product's */
    int pairs, whole;   /* whole: those whose second pixel exists */
    struct view s[4];   /* S1 .. S4 */
    struct view u1, u2, u3;
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

/* ---- series of products ---------------------------------------------------------------------- */

static struct series_call start(const struct block *b, const void *bias)
{
    return (struct series_call){.bias = bias, .weight = b->weight};
}

/* Goes on with a times the next matrix; out = act((sum + partial) + skip). */
static void then(struct series_call *s, struct view a, struct view partial, struct view skip,
                 struct view out, struct activation act)
{
    const int i = s->count++;
    s->in[i] = a;
    s->add[i][0] = partial;
    s->add[i][1] = skip;
    s->out[i] = out;
    s->act[i] = act;
}

/* For so many pixels. */
static void finish(struct block *b, const struct series_call *s, int pixels)
{
    b->kernels->series(s, 0, (size_t)pixels);
    b->weight += s->count * b->product;
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

/* C22 = act(v + skip), as far as there are second pixels. */
static void put_last(const struct block *b, struct view v, struct view skip, struct view out)
{
    struct map_call call = {.type = b->call->type, .in = v, .out = out};
    call.in.w = out.w;
    call.epilogue = (struct epilogue){.add = skip, .act = b->call->epilogue.act};
    b->kernels->map(&call, 0, (size_t)out.w);
}

static void multiply_quarters(struct block *b)
{
    const struct epilogue *e = &b->call->epilogue;
    const struct view *s = b->s, out = b->call->out;
    const struct view c22 = c_quarter(b, out, 1, 1), skip22 = c_quarter(b, e->add, 1, 1);
    const void *left = e->bias;
    const void *right = left ? (const char *)left + b->n * b->size : NULL;
    struct series_call series = start(b, NULL);
    then(&series, a_quarter(b, 0, 0), none, none, b->u1, no_act);
    then(&series, s[1], none, none, b->u2, no_act);
    then(&series, s[2], none, none, b->u3, no_act);
    finish(b, &series, b->pairs);
    series = start(b, left);
    then(&series, a_quarter(b, 0, 1), b->u1, c_quarter(b, e->add, 0, 0), c_quarter(b, out, 0, 0),
         e->act);
    finish(b, &series, b->pairs);
    series = start(b, left);
    then(&series, a_quarter(b, 1, 1), b->u3, c_quarter(b, e->add, 1, 0), c_quarter(b, out, 1, 0),
         e->act);
    finish(b, &series, b->whole);
    series = start(b, right);
    if (b->whole == b->pairs)
        then(&series, s[0], b->u3, skip22, c22, e->act);
    else /* there is no place for the last pixel's neighbour */
        then(&series, s[0], b->u3, none, b->u3, no_act);
    then(&series, s[3], b->u2, c_quarter(b, e->add, 0, 1), c_quarter(b, out, 0, 1), e->act);
    finish(b, &series, b->pairs);
    if (b->whole < b->pairs && b->whole) put_last(b, b->u3, skip22, c22);
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
    b.u1 = take_rows(&b, b.n, &next);
    b.u2 = take_rows(&b, b.n, &next);
    b.u3 = take_rows(&b, b.n, &next);
    sum_input(&b);
    multiply_quarters(&b);
    multiply_rest(&b);
}
