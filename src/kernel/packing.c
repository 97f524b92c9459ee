/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where does a column of a weight matrix lie? One answer for each packing, so that whoever fills or
 * reads weights needs to know none of them.
 */
#include <string.h>

#include "base/checked.h"
#include "kernel/kernel.h"

static const char *const NAMES[] = {
    [PACK_PLAIN] = "plain", [PACK_PANEL16] = "panel16", [PACK_PAIRS16] = "pairs16"};

const char *packing_name(enum packing packing)
{
    return NAMES[packing];
}

bool packing_parse(const char *name, enum packing *out)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        *out = (enum packing)i;
        if (strcmp(name, NAMES[i]) == 0) return true;
    }
    return false;
}

static size_t run_of(enum packing packing)
{
    return packing == PACK_PLAIN ? PACKING_MOST_COLUMNS : 16;
}

/* Rows that are interleaved. */
static size_t depth_of(enum packing packing)
{
    return packing == PACK_PAIRS16 ? 2 : 1;
}

/* Plain columns are counted through all groups. */
static size_t columns_of(enum packing packing, const struct matrix *m)
{
    return packing == PACK_PLAIN ? m->columns * m->groups : m->columns;
}

size_t packing_panels(enum packing packing, const struct matrix *m)
{
    const size_t run = run_of(packing), columns = columns_of(packing, m);
    const size_t panels = columns / run + (columns % run != 0);
    return packing == PACK_PLAIN ? panels : panels * m->groups;
}

bool packing_numbers(enum packing packing, const struct matrix *m, size_t *numbers)
{
    if (packing == PACK_PLAIN) return size_mul(m->rows, m->columns * m->groups, numbers);
    return size_align(m->rows, depth_of(packing), numbers) &&
           size_mul(*numbers, run_of(packing), numbers) &&
           size_mul(*numbers, packing_panels(packing, m), numbers);
}

struct panel packing_panel(enum packing packing, const struct matrix *m, size_t i)
{
    const size_t run = run_of(packing), columns = columns_of(packing, m);
    const size_t in_group = columns / run + (columns % run != 0);
    const size_t first = i % in_group * run, depth = depth_of(packing);
    const size_t steps = m->rows / depth + (m->rows % depth != 0);
    struct panel p = {.columns = columns - first < run ? columns - first : run, .depth = depth};
    p.first = i / in_group * columns + first;
    p.width = packing == PACK_PLAIN ? p.columns : run;
    p.at = packing == PACK_PLAIN ? first : i * steps * depth * run;
    p.stride = packing == PACK_PLAIN ? columns : depth * run;
    return p;
}
