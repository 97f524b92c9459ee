/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner loops of a series of products: those of strip.h, which is included before, for whole
 * vectors. Sums are written on their way and go on, so what is added and limited is a copy. The
 * including file defines STORE, too. Outputs and addends are fetched a row with each k, everywhere.
 */

#define SERIES_AT(j, n, r) (end_##n + r * row_##n + (j) * (ptrdiff_t)sizeof(VECTOR))
#define SERIES_LOAD(j, n, r) LOAD((const float *)(const void *)SERIES_AT(j, n, r))
#define SERIES_PUT(r, sum_0, sum_1)                                                                \
    STORE(SERIES_AT(0, 0, r), HIGH(high, LOW(low, sum_0)));                                        \
    STORE(SERIES_AT(1, 0, r), HIGH(high, LOW(low, sum_1)));
#define SERIES_PUT_0(r) SERIES_PUT(r, acc##r##_0, acc##r##_1)
#define SERIES_PUT_1(r)                                                                            \
    SERIES_PUT(r, ADD(acc##r##_0, SERIES_LOAD(0, 1, r)), ADD(acc##r##_1, SERIES_LOAD(1, 1, r)))
#define SERIES_PUT_2(r)                                                                            \
    SERIES_PUT(r, ADD(ADD(acc##r##_0, SERIES_LOAD(0, 1, r)), SERIES_LOAD(0, 2, r)),                \
               ADD(ADD(acc##r##_1, SERIES_LOAD(1, 1, r)), SERIES_LOAD(1, 2, r)))

#define SERIES(name, rows)                                                                         \
    static const char *name(const struct series_strip *s)                                          \
    {                                                                                              \
        const char *ahead = s->fetch;                                                              \
        for (int tile = 0; tile < s->tiles; tile++) {                                              \
            const float *b = s->b;                                                                 \
            ROWS_##rows(STRIP_DECLARE)                                                             \
            {                                                                                      \
                const VECTOR bias_0 = LOAD(s->bias);                                               \
                const VECTOR bias_1 = LOAD(s->bias + sizeof(VECTOR) / sizeof(float));              \
                ROWS_##rows(STRIP_START)                                                           \
            }                                                                                      \
            for (int i = 0; i < s->count; i++) {                                                   \
                const ptrdiff_t row = s->end[i].a_row;                                             \
                const char *a0 = s->end[i].a + tile * rows * row, *a5 = a0 + 5 * row,              \
                           *a10 = a5 + 5 * row;                                                    \
                (void)a5, (void)a10; /* not used by low tiles */                                   \
                for (int left = s->k, steps, view = 0; left > 0; left -= steps) {                  \
                    const char *next = ahead;                                                      \
                    ptrdiff_t pace = s->pace, second = s->panel * (ptrdiff_t)sizeof(float);        \
                    steps = left;                                                                  \
                    if (view < s->end[i].views) {                                                  \
                        pace = s->end[i].row[view], second = 64;                                   \
                        next = s->end[i].at[view++] + tile * rows * pace;                          \
                        steps = left < rows ? left : rows;                                         \
                    } else {                                                                       \
                        ahead += left * pace;                                                      \
                    }                                                                              \
                    STRIP_LOOP(LOAD(B_AT(1)), ROWS_##rows(STRIP_STEP))                             \
                }                                                                                  \
                const VECTOR low = SPREAD(&s->end[i].low), high = SPREAD(&s->end[i].high);         \
                const ptrdiff_t row_0 = s->end[i].row[0], row_1 = s->end[i].row[1],                \
                                row_2 = s->end[i].row[2];                                          \
                char *end_0 = s->end[i].at[0] + tile * rows * row_0;                               \
                const char *end_1 = s->end[i].at[1], *end_2 = s->end[i].at[2];                     \
                if (s->end[i].views == 1) {                                                        \
                    ROWS_##rows(SERIES_PUT_0) continue;                                            \
                }                                                                                  \
                end_1 += tile * rows * row_1;                                                      \
                if (s->end[i].views == 2) {                                                        \
                    ROWS_##rows(SERIES_PUT_1) continue;                                            \
                }                                                                                  \
                end_2 += tile * rows * row_2;                                                      \
                ROWS_##rows(SERIES_PUT_2)                                                          \
            }                                                                                      \
        }                                                                                          \
        return ahead;                                                                              \
    }
