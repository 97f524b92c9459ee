/* SPDX-License-Identifier: Apache-2.0 */
/* How is an augmentation written down? One table of items; each has its numbers in order. */
#include "data/augment.h"

#include <stddef.h>
#include <string.h>

#include "base/decimal.h"

enum { MOST_NUMBERS = 4 };

struct number {
    size_t at; /* of a double in struct augment; whole: of an int */
    double usual, min, max;
    bool whole;
};

#define REAL(field, usual, min, max)                                                               \
    {                                                                                              \
        offsetof(struct augment, field), usual, min, max, false                                    \
    }
#define WHOLE(field, usual, min, max)                                                              \
    {                                                                                              \
        offsetof(struct augment, field), usual, min, max, true                                     \
    }

/* An item without a value takes the usual numbers; in one with, what is left out at the end does.
 */
static const struct item {
    const char *name;
    int numbers;
    struct number number[MOST_NUMBERS];
} items[] = {
    {"rrc",
     4,
     {REAL(scale_min, 0.08, 1e-4, 1), REAL(scale_max, 1, 1e-4, 1),
      REAL(ratio_min, 3.0 / 4.0, 0.05, 20), REAL(ratio_max, 4.0 / 3.0, 0.05, 20)}},
    {"pad", 1, {WHOLE(pad, 4, 1, 1024)}},
    {"mirror-pad", 1, {WHOLE(pad, 4, 1, 1024)}},
    {"flip", 1, {REAL(flip, 0.5, 0, 1)}},
    {"jitter",
     4,
     {REAL(brightness, 0.4, 0, 1), REAL(contrast, 0.4, 0, 1), REAL(saturation, 0.4, 0, 1),
      REAL(hue, 0, 0, 0.5)}},
    {"randaug", 2, {WHOLE(rand_ops, 2, 1, 16), REAL(rand_magnitude, 9, 0, 30)}},
    {"erase", 1, {REAL(erase, 0.25, 0, 1)}},
    {"mixup", 2, {REAL(mixup, 0.2, 0, 100), WHOLE(mixup_epochs, 0, 0, 1e6)}},
    {"cutmix", 2, {REAL(cutmix, 1, 0, 100), WHOLE(cutmix_epochs, 0, 0, 1e6)}},
};
enum { ITEMS = sizeof items / sizeof items[0] };

static const struct {
    const char *name, *spec;
} ready[] = {
    {"light", "rrc=0.5/1,flip"},
    {"standard", "rrc,flip,jitter=0.4/0.4/0.4"},
    {"strong", "rrc,flip,randaug,erase,mixup,cutmix"},
    {"small", "pad=4,flip"},
};

const char *augment_name(int i, const char **spec)
{
    if (i < 0 || (size_t)i >= sizeof ready / sizeof ready[0]) return NULL;
    *spec = ready[i].spec;
    return ready[i].name;
}

static void put(struct augment *a, const struct number *n, double value)
{
    char *at = (char *)a + n->at;
    if (n->whole)
        *(int *)(void *)at = (int)value;
    else
        *(double *)(void *)at = value;
}

/* text: NULL where there is no value. */
static xc_status read_numbers(const struct item *item, const char *text, const char *end,
                              struct augment *out, struct error *err)
{
    for (int i = 0; i < item->numbers; i++) put(out, &item->number[i], item->number[i].usual);
    for (int i = 0; text; i++) {
        double value;
        const char *stop = decimal_read(text, &value);
        if (i == item->numbers || !stop || stop > end || (*stop != '/' && stop != end))
            return fail(err, XC_ERR_ARGUMENT,
                        "augmentation: %s takes up to %d numbers, got \"%.*s\"", item->name,
                        item->numbers, (int)(end - text), text);
        const struct number *n = &item->number[i];
        if (!(value >= n->min && value <= n->max) || (n->whole && value != (double)(int)value))
            return fail(err, XC_ERR_ARGUMENT, "augmentation: %s: %g is no %s from %g to %g",
                        item->name, value, n->whole ? "whole number" : "number", n->min, n->max);
        put(out, n, value);
        text = stop < end ? stop + 1 : NULL;
    }
    return XC_OK;
}

static xc_status read_item(const char *text, const char *end, struct augment *out,
                           struct error *err)
{
    const char *equals = memchr(text, '=', (size_t)(end - text));
    size_t length = (size_t)((equals ? equals : end) - text);
    for (int i = 0; i < ITEMS; i++) {
        const struct item *item = &items[i];
        if (strlen(item->name) != length || strncmp(item->name, text, length) != 0) continue;
        if (!strcmp(item->name, "rrc")) out->crop = true;
        if (item->number[0].at == offsetof(struct augment, pad))
            out->pad_mirror = !strcmp(item->name, "mirror-pad");
        return read_numbers(item, equals ? equals + 1 : NULL, end, out, err);
    }
    return fail(
        err, XC_ERR_ARGUMENT,
        "augmentation: \"%.*s\" is none of rrc, pad, mirror-pad, flip, jitter, randaug, erase, "
        "mixup, cutmix",
        (int)length, text);
}

xc_status augment_parse(const char *spec, struct augment *out, struct error *err)
{
    *out = (struct augment){0};
    if (!strcmp(spec, "none")) return XC_OK;
    for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++)
        if (!strcmp(spec, ready[i].name)) spec = ready[i].spec;
    for (const char *at = spec;;) {
        const char *end = at + strcspn(at, ",");
        TRY(read_item(at, end, out, err));
        if (*end == '\0') break;
        at = end + 1;
    }
    if (out->crop && out->pad)
        return fail(err, XC_ERR_ARGUMENT, "augmentation: rrc and pad both choose a window");
    if (out->scale_min > out->scale_max || out->ratio_min > out->ratio_max)
        return fail(err, XC_ERR_ARGUMENT, "augmentation: rrc: a smallest value above the largest");
    return XC_OK;
}

bool augment_is_plain(const struct augment *a)
{
    bool jitter = a->brightness > 0 || a->contrast > 0 || a->saturation > 0 || a->hue > 0;
    return !a->crop && !a->pad && a->flip <= 0 && !jitter && !a->rand_ops && a->erase <= 0;
}

bool augment_has_mix(const struct augment *a)
{
    return a->mixup > 0 || a->cutmix > 0;
}
