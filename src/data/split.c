/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which training samples are held out? In every class the units with the smallest keyed hashes of
 * their names, until the part is reached; a unit is one sample or a whole group. So the choice is a
 * function of seed and names: a sample more or less moves few others.
 */
#include "data/dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/rng.h"

struct unit {
    size_t sample; /* the first of its group */
    uint64_t key;
    int32_t label;
    size_t samples;
};

static uint64_t key_of(const char *name, uint64_t seed)
{
    uint64_t hash = 0xcbf29ce484222325u;
    uint32_t word[4];
    for (const char *p = name; *p; p++) hash = (hash ^ (uint8_t)*p) * 0x100000001b3u;
    rng_words(seed, RNG_SPLIT, (uint32_t)hash, (uint32_t)(hash >> 32), 0, word);
    return (uint64_t)word[0] << 32 | word[1];
}

static int compare_units(const void *a, const void *b)
{
    const struct unit *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

static size_t most_groups(const struct dataset *d)
{
    size_t most = 0;
    for (size_t i = 0; i < d->samples; i++)
        if (d->sample[i].group > most) most = d->sample[i].group;
    return most;
}

/* One unit a group or lonely sample of train; unit_of[group] finds it again. */
static size_t make_units(const struct dataset *d, uint64_t seed, size_t *unit_of, struct unit *unit)
{
    size_t units = 0;
    for (size_t i = 0; i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        if (s->split != XC_SPLIT_TRAIN) continue;
        if (s->group && unit_of[s->group]) {
            unit[unit_of[s->group] - 1].samples++;
            continue;
        }
        unit[units++] = (struct unit){i, key_of(s->name, seed), s->label, 1};
        if (s->group) unit_of[s->group] = units;
    }
    return units;
}

/* Takes units of one class from the front: at least one, never the last. Groups go into taken. */
static size_t take(struct dataset *d, const struct unit *unit, size_t units, double part,
                   uint8_t *taken)
{
    size_t all = 0, held = 0, i = 0;
    for (size_t k = 0; k < units; k++) all += unit[k].samples;
    double target = rint((double)all * part);
    for (; i + 1 < units && ((double)held < target || i == 0); i++) {
        struct sample *s = &d->sample[unit[i].sample];
        held += unit[i].samples;
        if (s->group)
            taken[s->group] = 1;
        else
            s->split = XC_SPLIT_VAL;
    }
    return held;
}

static void move_groups(struct dataset *d, const uint8_t *taken)
{
    for (size_t i = 0; i < d->samples; i++) {
        struct sample *s = &d->sample[i];
        if (s->split == XC_SPLIT_TRAIN && taken[s->group]) s->split = XC_SPLIT_VAL;
    }
    memset(d->count, 0, sizeof d->count);
    for (size_t i = 0; i < d->samples; i++) d->count[d->sample[i].split]++;
}

xc_status dataset_split(struct dataset *d, double part, uint64_t seed, struct error *err)
{
    if (d->count[XC_SPLIT_VAL] > 0)
        return fail(err, XC_ERR_ARGUMENT,
                    "has a validation split of %zu samples already: nothing to "
                    "hold out",
                    d->count[XC_SPLIT_VAL]);
    d->val_split = part;
    d->split_seed = seed;
    size_t groups = most_groups(d) + 1;
    size_t *unit_of = calloc(groups, sizeof *unit_of);
    uint8_t *taken = calloc(groups, 1);
    struct unit *unit = calloc(d->samples, sizeof *unit);
    xc_status status = XC_OK;
    if (unit_of && taken && unit) {
        size_t units = make_units(d, seed, unit_of, unit), held = 0;
        qsort(unit, units, sizeof *unit, compare_units);
        for (size_t from = 0, to = 0; from < units; from = to) {
            while (to < units && unit[to].label == unit[from].label) to++;
            held += take(d, unit + from, to - from, part, taken);
        }
        move_groups(d, taken);
        if (held == 0)
            status = fail(err, XC_ERR_FORMAT,
                          "no class has two samples (or groups): nothing can be "
                          "held out");
    } else {
        status = fail_memory(err, d->samples * sizeof *unit);
    }
    free(unit);
    free(taken);
    free(unit_of);
    return status;
}

static size_t *counts_by_class(const struct dataset *d)
{
    size_t *n = calloc((size_t)d->classes, XC_SPLITS * sizeof *n);
    for (size_t i = 0; n && i < d->samples; i++) {
        const struct sample *s = &d->sample[i];
        n[(size_t)s->label * XC_SPLITS + s->split]++;
        for (int32_t k = 0; k < s->extra_count; k++)
            n[(size_t)s->extra[k] * XC_SPLITS + s->split]++;
    }
    return n;
}

xc_status dataset_trainable(const struct dataset *d, struct error *err)
{
    if (d->count[XC_SPLIT_TRAIN] == 0)
        return fail(err, XC_ERR_FORMAT, "%s: no training samples (%zu val, %zu test)", d->path,
                    d->count[XC_SPLIT_VAL], d->count[XC_SPLIT_TEST]);
    if (d->classes < 2)
        return fail(err, XC_ERR_FORMAT, "%s: one class (%s): there is nothing to tell apart",
                    d->path, d->class_name[0]);
    size_t *n = counts_by_class(d);
    if (!n) return fail_memory(err, 0);
    xc_status status = XC_OK;
    int found = 0, last = 0;
    for (int c = 0; c < d->classes && status == XC_OK; c++) {
        const size_t *count = n + (size_t)c * XC_SPLITS;
        size_t all = count[XC_SPLIT_TRAIN] + count[XC_SPLIT_VAL];
        if (count[XC_SPLIT_TRAIN] == 0 && count[XC_SPLIT_VAL] > 0)
            status = fail(err, XC_ERR_FORMAT,
                          "%s: class %s has %zu validation samples and none to "
                          "train on",
                          d->path, d->class_name[c], count[XC_SPLIT_VAL]);
        else if (all == 1)
            status =
                fail(err, XC_ERR_FORMAT, "%s: class %s has one sample, at least two are needed",
                     d->path, d->class_name[c]);
    }
    for (int c = 0; c < d->classes; c++) {
        if (n[(size_t)c * XC_SPLITS + XC_SPLIT_TRAIN] == 0) continue;
        found++;
        last = c;
    }
    if (status == XC_OK && found < 2 && !d->multi_label)
        status = fail(err, XC_ERR_FORMAT,
                      "%s: of %d classes only %s has training samples: there is nothing to tell "
                      "apart",
                      d->path, d->classes, d->class_name[last]);
    free(n);
    return status;
}

size_t dataset_weighed(const struct dataset *d, xc_split split)
{
    size_t count = 0;
    for (size_t i = 0; i < d->samples; i++)
        count += d->sample[i].split == split && d->sample[i].weight > 0;
    return count;
}
