/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do weights become panels of 16 columns quickly? Forward a row of a panel is a piece of a row
 * of the weights. Turned round, a column of a panel is one: sixteen of them are read side by side
 * and transposed in registers. A word is a number, or a pair of brain floats.
 */
#include "kernel/x86/maps.h"
#include "kernel/x86/train.h"
#include "kernel/x86/transpose.h"

enum { PANEL = 16, DEPTH = PIXELS /* numbers of a word */ };

/* A panel of the result. */
struct target {
    const struct pack_call *call;
    size_t first, columns, rows; /* first: within its group */
    float *to;                   /* (rows / DEPTH, PANEL) words */
};

/* ---- forward --------------------------------------------------------------------------------- */

static void pack_rows(const struct target *t, const float *from, size_t all)
{
    const lanes k = first_lanes((int)t->columns);
    float *to = t->to;
    for (size_t row = 0; row < t->rows; row += DEPTH, from += DEPTH * all, to += PANEL) {
#ifdef KERNEL_BF16_MAPS
        const vec next = row + 1 < t->rows ? load_lanes(from + all, k) : zero();
        store(to, pair_words(narrowed(load_lanes(from, k)), narrowed(next)));
#else
        store(to, load_lanes(from, k));
#endif
    }
}

/* ---- turned round ---------------------------------------------------------------------------- */

/* Words of `count` numbers, at most sixteen words; the others are zero. */
INLINE vec words_at(const float *x, int count)
{
#ifdef KERNEL_BF16_MAPS
    const halves lower = narrowed(load_lanes(x, first_lanes(count)));
    const halves upper = narrowed(load_lanes(x + VL, first_lanes(count > VL ? count - VL : 0)));
    return AS_FLOAT(_mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1));
#else
    return load_lanes(x, first_lanes(count));
#endif
}

/* Rows of one tap: numbers from .. from + count of columns that are `step` apart. */
static void pack_turned(const struct target *t, const float *from, size_t step, int count,
                        float *to)
{
    vec v[PANEL];
#define LOAD(i) v[i] = i < t->columns ? words_at(from + i * step, count) : zero();
    SIXTEEN(LOAD)
#undef LOAD
    transpose(v);
#define STORE(i)                                                                                   \
    if (i < (count + DEPTH - 1) / DEPTH) store(to + i * PANEL, v[i]);
    SIXTEEN(STORE)
#undef STORE
}

static void pack_columns(const struct target *t, const float *from, size_t all)
{
    const struct pack_call *call = t->call;
    const size_t k = (size_t)call->k, o = (size_t)call->o;
    const size_t most = PANEL * DEPTH;
    float *to = t->to;
    for (size_t tap = 0; tap < pack_taps(call); tap++)
        for (size_t row = 0, count; row < o; row += count) {
            const float *x = from + (pack_tap(call, tap) * k + t->first) * all + row;
            count = o - row < most ? o - row : most;
            pack_turned(t, x, all, (int)count, to);
            to += (count + DEPTH - 1) / DEPTH * PANEL;
        }
}

/* ---- both ------------------------------------------------------------------------------------ */

void MAPS(pack)(const struct pack_call *call, size_t from, size_t to)
{
    const struct matrix m = pack_matrix(call);
    const size_t all = (size_t)call->o * (size_t)call->groups;
    const bool whole = !call->backward || pack_taps(call) == 1 || call->o % DEPTH == 0;
    if (call->packing == PACK_PLAIN || !whole) { /* a word would have numbers of two taps */
        PLAIN(pack)(call, from, to);
        return;
    }
    for (size_t i = from; i < to; i++) {
        const struct panel p = packing_panel(call->packing, &m, i);
        const float *weights = call->from;
        struct target t = {.call = call, .columns = p.columns, .rows = m.rows};
        t.to = (float *)call->to + p.at / DEPTH;
        t.first = p.first % m.columns;
        if (call->backward)
            pack_columns(&t, weights + p.first / m.columns * (size_t)call->o, all);
        else
            pack_rows(&t, weights + p.first, all);
    }
}
