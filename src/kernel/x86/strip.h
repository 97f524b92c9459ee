/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of a matrix product, written once for every vector type. The including file
 * defines
 *
 *   VECTOR, MASKS, LOAD, LOAD_SOME, LOAD_ADDEND, STORE_SOME, SPREAD, FMA, ADD, LOW, HIGH, FETCH,
 *   FETCH_NEXT, FETCH_ONE_BY_ONE, and STRIP_GIVE where there is more to storing than STORE_SOME,
 *
 * and, before each use of STRIP(name, rows), VECTORS, the number of vectors in a row of the tile (1
 * or 2), and B_AT(j), where vector j of a row of B begins.
 *
 * Each accumulator has a name: compilers keep names in registers, but give arrays to the stack. The
 * rows of A are reached from three pointers, five rows each, because there are not enough registers
 * for fourteen.
 *
 * What a tile needs at its end, places to store and numbers to add, is fetched at its beginning,
 * and then a part of the panels that follow. FETCH_ONE_BY_ONE: a row with each k. All at once they
 * take the places in which loads wait for memory; but where a tile takes little time, the loops
 * cost more.
 */
#include <math.h>

#define ROWS_1(X) X(0)
#define ROWS_2(X) ROWS_1(X) X(1)
#define ROWS_3(X) ROWS_2(X) X(2)
#define ROWS_4(X) ROWS_3(X) X(3)
#define ROWS_5(X) ROWS_4(X) X(4)
#define ROWS_6(X) ROWS_5(X) X(5)
#define ROWS_7(X) ROWS_6(X) X(6)
#define ROWS_8(X) ROWS_7(X) X(7)
#define ROWS_9(X) ROWS_8(X) X(8)
#define ROWS_10(X) ROWS_9(X) X(9)
#define ROWS_11(X) ROWS_10(X) X(10)
#define ROWS_12(X) ROWS_11(X) X(11)
#define ROWS_13(X) ROWS_12(X) X(12)
#define ROWS_14(X) ROWS_13(X) X(13)

#define A_0 a0
#define A_1 (a0 + row)
#define A_2 (a0 + 2 * row)
#define A_3 (a0 + 3 * row)
#define A_4 (a0 + 4 * row)
#define A_5 a5
#define A_6 (a5 + row)
#define A_7 (a5 + 2 * row)
#define A_8 (a5 + 3 * row)
#define A_9 (a5 + 4 * row)
#define A_10 a10
#define A_11 (a10 + row)
#define A_12 (a10 + 2 * row)
#define A_13 (a10 + 3 * row)

#define STRIP_DECLARE(r) VECTOR acc##r##_0, acc##r##_1;
#define STRIP_START(r)                                                                             \
    acc##r##_0 = bias_0;                                                                           \
    acc##r##_1 = bias_1;
#define STRIP_RESUME(r)                                                                            \
    acc##r##_0 = LOAD_SOME(0, c + r * s->c_row);                                                   \
    if (VECTORS > 1) acc##r##_1 = LOAD_SOME(1, c + r * s->c_row);
#define STRIP_FETCH(r)                                                                             \
    FETCH(c + r * s->c_row);                                                                       \
    if (add) FETCH(add + r * s->add_row);
#define STRIP_STEP(r)                                                                              \
    {                                                                                              \
        const VECTOR v = SPREAD(A_##r);                                                            \
        acc##r##_0 = FMA(v, b_0, acc##r##_0);                                                      \
        if (VECTORS > 1) acc##r##_1 = FMA(v, b_1, acc##r##_1);                                     \
    }
#define STRIP_ADD(r)                                                                               \
    acc##r##_0 = ADD(acc##r##_0, LOAD_ADDEND(0, add + r * s->add_row));                            \
    if (VECTORS > 1) acc##r##_1 = ADD(acc##r##_1, LOAD_ADDEND(1, add + r * s->add_row));
#define STRIP_LOW(r)                                                                               \
    acc##r##_0 = LOW(low, acc##r##_0);                                                             \
    if (VECTORS > 1) acc##r##_1 = LOW(low, acc##r##_1);
#define STRIP_HIGH(r)                                                                              \
    acc##r##_0 = HIGH(high, acc##r##_0);                                                           \
    if (VECTORS > 1) acc##r##_1 = HIGH(high, acc##r##_1);
#define STRIP_STORE(r)                                                                             \
    STORE_SOME(0, c + r * s->c_row, acc##r##_0);                                                   \
    if (VECTORS > 1) STORE_SOME(1, c + r * s->c_row, acc##r##_1);
#ifndef STRIP_GIVE
#define STRIP_GIVE(rows) ROWS_##rows(STRIP_STORE)
#endif

#define STRIP_B_1 (VECTORS > 1 ? LOAD(B_AT(1)) : b_0)
#define STRIP_BIAS_1 (VECTORS > 1 ? LOAD_SOME(1, s->bias) : bias_0)
#define STRIP_STEPS(rows) ROWS_##rows(STRIP_STEP)
#define EACH_ROW(rows, ONE) ROWS_##rows(ONE)

/* So many steps of k, in each of which a line or two are fetched. */
#define STRIP_LOOP(second_b, multiply_add)                                                         \
    for (int k = steps; k > 0; k--) {                                                              \
        const VECTOR b_0 = LOAD(B_AT(0)), b_1 = second_b;                                          \
        multiply_add a0 += sizeof(float);                                                          \
        a5 += sizeof(float);                                                                       \
        a10 += sizeof(float);                                                                      \
        FETCH_NEXT(next, second)                                                                   \
        next += pace;                                                                              \
        b += PANEL;                                                                                \
    }

#define STRIP_OF(form, EACH, name, rows)                                                           \
    static const char *name(const struct strip *s)                                                 \
    {                                                                                              \
        const ptrdiff_t row = s->a_row;                                                            \
        const char *a = s->a, *add = s->add, *ahead = s->fetch;                                    \
        char *c = s->c;                                                                            \
        MASKS(s->mask)                                                                             \
        for (int tile = 0; tile < s->tiles; tile++, a += rows * row, c += rows * s->c_row) {       \
            const float *b = s->b;                                                                 \
            const char *soon = FETCH_ONE_BY_ONE ? c : NULL, *then = add;                           \
            ptrdiff_t soon_row = s->c_row;                                                         \
            EACH(rows, form##_DECLARE) if (s->resume)                                              \
            {                                                                                      \
                EACH(rows, form##_RESUME)                                                          \
            }                                                                                      \
            else                                                                                   \
            {                                                                                      \
                const VECTOR bias_0 = LOAD_SOME(0, s->bias), bias_1 = form##_BIAS_1;               \
                EACH(rows, form##_START)                                                           \
            }                                                                                      \
            if (!FETCH_ONE_BY_ONE) {                                                               \
                ROWS_##rows(STRIP_FETCH)                                                           \
            }                                                                                      \
            for (int segment = 0; segment < s->segments; segment++) {                              \
                const char *a0 = a + s->segment[segment], *a5 = a0 + 5 * row, *a10 = a5 + 5 * row; \
                (void)a5, (void)a10; /* not used by low tiles */                                   \
                for (int left = s->k, steps; left > 0; left -= steps) {                            \
                    const char *next = ahead;                                                      \
                    ptrdiff_t pace = s->pace, second = s->panel * (ptrdiff_t)sizeof(float);        \
                    steps = left;                                                                  \
                    if (soon) {                                                                    \
                        steps = left < rows ? left : rows;                                         \
                        next = soon, pace = soon_row, second = 64;                                 \
                        soon = then, soon_row = s->add_row, then = NULL;                           \
                    } else {                                                                       \
                        ahead += left * pace;                                                      \
                    }                                                                              \
                    STRIP_LOOP(form##_B_1, form##_STEPS(rows))                                     \
                }                                                                                  \
            }                                                                                      \
            if (add) {                                                                             \
                EACH(rows, form##_ADD) add += rows * s->add_row;                                   \
            }                                                                                      \
            if (s->low > -INFINITY) {                                                              \
                const VECTOR low = SPREAD(&s->low);                                                \
                EACH(rows, form##_LOW)                                                             \
            }                                                                                      \
            if (s->high < INFINITY) {                                                              \
                const VECTOR high = SPREAD(&s->high);                                              \
                EACH(rows, form##_HIGH)                                                            \
            }                                                                                      \
            form##_GIVE(rows)                                                                      \
        }                                                                                          \
        return ahead;                                                                              \
    }

#define STRIP(name, rows) STRIP_OF(STRIP, EACH_ROW, name, rows)
