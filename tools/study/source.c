/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures does a study learn from, and by which is it judged? A part of the given ones, the
 * same for every cell, and mosaics of them. Both are data sets of a program (xc_dataset_new): the
 * bytes come from the given data when they are asked for, from any thread.
 *
 * A mosaic of one picture is the picture; of two to four, each is in a quarter of the canvas of its
 * own, the rest is grey.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"
#include "study.h"

enum { PICK = 1, COUNT = 2, PLACE = 3, SHUFFLE = 4, MOST_LABELS = 4, HEADER = 32 };

/* Numbers for one purpose of one sample. */
static uint32_t draw(const struct source *s, int purpose, uint64_t sample, uint64_t k, uint32_t n)
{
    return stats_draw(s->seed * 16 + (uint64_t)purpose, sample << 8 | k, n);
}

/* ---- which of the given ---------------------------------------------------------------------- */

struct candidate {
    uint64_t index;
    uint32_t label, random;
    double rank; /* within its class, 0..1: the first N of all ranks are N in equal parts */
};

static int by_class(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->random != y->random) return x->random < y->random ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->rank < y->rank || x->rank > y->rank) return x->rank < y->rank ? -1 : 1;
    return by_class(a, b);
}

static int by_index(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void rank_classes(struct candidate *c, size_t n)
{
    qsort(c, n, sizeof *c, by_class);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && c[to].label == c[from].label;) to++;
        for (size_t i = from; i < to; i++)
            c[i].rank = ((double)(i - from) + 0.5) / (double)(to - from);
    }
    qsort(c, n, sizeof *c, by_rank);
}

/* Appends at most `limit` samples of a split (0: all) to s->index, in the order of names. */
static xc_status choose(struct source *s, xc_split split, uint32_t limit, uint32_t *count,
                        struct why *why)
{
    xc_dataset_info info;
    xc_sample sample;
    size_t n = 0;
    xc_dataset_get_info(s->all, &info);
    struct candidate *c = malloc((info.split[split] + 1) * sizeof *c);
    if (!c) return refuse(why, XC_ERR_MEMORY, "out of memory");
    for (uint64_t i = 0; i < info.samples && n < info.split[split]; i++)
        if (xc_dataset_sample(s->all, i, &sample) == XC_OK && sample.split == split)
            c[n++] = (struct candidate){i, sample.label, draw(s, SHUFFLE, i, 0, UINT32_MAX), 0};
    rank_classes(c, n);
    if (limit && n > limit) n = limit;
    uint64_t *to = s->index + s->train + s->test;
    for (size_t i = 0; i < n; i++) to[i] = c[i].index;
    qsort(to, n, sizeof *to, by_index);
    *count = (uint32_t)n;
    free(c);
    return XC_OK;
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* The given labels, divided by |; cut where they do not fit. */
static void join_labels(const struct source *s, const xc_sample *sample, char *out, size_t room)
{
    int n = snprintf(out, room, "%s", xc_dataset_class(s->all, sample->label));
    for (uint32_t k = 0; k < sample->extra_count && n >= 0 && (size_t)n < room; k++)
        n += snprintf(out + n, room - (size_t)n, "|%s",
                      xc_dataset_class(s->all, (uint32_t)sample->extra[k]));
}

struct labels {
    char text[4096];
};
static _Thread_local struct labels told; /* describe's strings are copied by its caller */
static _Thread_local char called[64];

static xc_status describe_picture(void *user, uint64_t i, xc_source_sample *out)
{
    const struct source *s = user;
    xc_sample sample;
    NEED(xc_dataset_sample(s->all, s->index[i], &sample));
    join_labels(s, &sample, told.text, sizeof told.text);
    out->name = sample.name;
    out->label = told.text;
    out->bytes = sample.bytes;
    out->split = i < s->train ? XC_SPLIT_TRAIN : XC_SPLIT_VAL;
    return XC_OK;
}

/* "P6 W H 255\n" and the pixels; alpha is left out. */
static void write_pnm(const xc_image *image, const xc_image_info *info, const char *header,
                      size_t length, uint8_t *to)
{
    const size_t stored = info->format, kept = stored == XC_GREY8 ? 1 : 3;
    memcpy(to, header, length);
    to += length;
    for (uint32_t y = 0; y < info->height; y++) {
        const uint8_t *row = xc_image_row(image, y);
        for (uint32_t x = 0; x < info->width; x++, to += kept) memcpy(to, row + x * stored, kept);
    }
}

static void encode_pnm(const xc_image *image, void *to, size_t room, size_t *size)
{
    xc_image_info info;
    char header[HEADER];
    xc_image_get_info(image, &info);
    const bool grey = info.format == XC_GREY8;
    const int n =
        snprintf(header, sizeof header, "P%d %u %u 255\n", grey ? 5 : 6, info.width, info.height);
    *size = (size_t)n + (size_t)info.width * info.height * (grey ? 1 : 3);
    if (*size <= room) write_pnm(image, &info, header, (size_t)n, to);
}

static xc_status read_picture(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    const struct source *s = user;
    xc_dataset_info info;
    xc_image *image = NULL;
    xc_dataset_get_info(s->all, &info);
    if (!info.raw_height) return xc_dataset_read(s->all, s->index[i], to, room, size);
    NEED(xc_dataset_image(s->all, s->index[i], NULL, &image));
    encode_pnm(image, to, room, size);
    xc_image_free(image);
    return XC_OK;
}

/* ---- mosaics --------------------------------------------------------------------------------- */

struct mosaic {
    uint32_t pictures;
    uint64_t index[MOST_LABELS]; /* of the given data */
    uint32_t quarter[MOST_LABELS];
};

static struct mosaic mosaic_at(const struct source *s, uint64_t i)
{
    const bool train = i < s->train;
    const uint32_t from = train ? 0 : s->train, n = train ? s->train : s->test;
    struct mosaic m = {.pictures = 1 + draw(s, COUNT, i, 0, MOST_LABELS), .quarter = {0, 1, 2, 3}};
    for (uint32_t k = 0; k < m.pictures; k++) m.index[k] = s->index[from + draw(s, PICK, i, k, n)];
    for (uint32_t k = 3; k > 0; k--) {
        const uint32_t other = draw(s, PLACE, i, k, k + 1), held = m.quarter[k];
        m.quarter[k] = m.quarter[other];
        m.quarter[other] = held;
    }
    return m;
}

static xc_status describe_mosaic(void *user, uint64_t i, xc_source_sample *out)
{
    const struct source *s = user;
    const struct mosaic m = mosaic_at(s, i);
    xc_sample sample;
    size_t used = 0;
    told.text[0] = 0;
    for (uint32_t k = 0; k < m.pictures; k++) {
        NEED(xc_dataset_sample(s->all, m.index[k], &sample));
        bool again = false;
        for (uint32_t j = 0; j < k; j++) {
            xc_sample before;
            NEED(xc_dataset_sample(s->all, m.index[j], &before));
            again |= before.label == sample.label;
        }
        if (again || used + 512 > sizeof told.text) continue;
        const char *name = xc_dataset_class(s->all, sample.label);
        used += (size_t)snprintf(told.text + used, sizeof told.text - used, "%s%.500s",
                                 used ? "|" : "", name);
    }
    snprintf(called, sizeof called, "mosaic-%08ju", (uintmax_t)i);
    out->name = called;
    out->label = told.text;
    out->bytes = (uint64_t)s->height * s->width * s->channels;
    out->split = i < s->train ? XC_SPLIT_TRAIN : XC_SPLIT_VAL;
    return XC_OK;
}

static void paste(const xc_image *from, xc_image *to, uint32_t left, uint32_t top)
{
    xc_image_info a, b;
    xc_image_get_info(from, &a);
    xc_image_get_info(to, &b);
    const size_t in = a.format, out = b.format;
    for (uint32_t y = 0; y < a.height; y++) {
        const uint8_t *row = xc_image_row(from, y);
        uint8_t *pixel = xc_image_pixels(to, top + y) + left * out;
        for (uint32_t x = 0; x < a.width; x++)
            for (size_t c = 0; c < out; c++) pixel[x * out + c] = row[x * in + (in > 2 ? c : 0)];
    }
}

/* Picture k of the mosaic, in the size of its place, onto the canvas. */
static xc_status place(const struct source *s, const struct mosaic *m, uint32_t k, xc_image *canvas)
{
    const bool alone = m->pictures == 1;
    const uint32_t half_w = s->width / 2, half_h = s->height / 2;
    const uint32_t right = m->quarter[k] & 1, low = m->quarter[k] >> 1;
    xc_image *raw = NULL, *upright = NULL, *fitted = NULL;
    xc_status status = xc_dataset_image(s->all, m->index[k], NULL, &raw);
    if (status == XC_OK) status = xc_image_upright(raw, &upright);
    if (status == XC_OK)
        status = xc_image_resize(upright, alone ? s->width : half_w, alone ? s->height : half_h,
                                 XC_FILTER_BICUBIC, &fitted);
    if (status == XC_OK)
        paste(fitted, canvas, alone ? 0 : right * (s->width - half_w),
              alone ? 0 : low * (s->height - half_h));
    xc_image_free(fitted);
    xc_image_free(upright);
    xc_image_free(raw);
    return status;
}

static xc_status read_mosaic(void *user, uint64_t i, void *to, size_t room, size_t *size)
{
    const struct source *s = user;
    const struct mosaic m = mosaic_at(s, i);
    xc_image *canvas = NULL;
    NEED(xc_image_new(s->width, s->height, s->channels == 1 ? XC_GREY8 : XC_RGB8, &canvas));
    for (uint32_t y = 0; y < s->height; y++)
        memset(xc_image_pixels(canvas, y), 128, (size_t)s->width * s->channels);
    xc_status status = XC_OK;
    for (uint32_t k = 0; k < m.pictures && status == XC_OK; k++) status = place(s, &m, k, canvas);
    if (status == XC_OK) encode_pnm(canvas, to, room, size);
    xc_image_free(canvas);
    return status;
}

/* ---- data sets ------------------------------------------------------------------------------- */

typedef xc_status describe_fn(void *user, uint64_t i, xc_source_sample *out);

static xc_status make_set(struct source *s, describe_fn *describe, xc_read_fn *read,
                          xc_dataset **out, struct why *why)
{
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    const xc_source from = {.size = sizeof from,
                            .user = s,
                            .samples = (uint64_t)s->train + s->test,
                            .describe = describe,
                            .read = read,
                            .name = s->data};
    const char **name = malloc((s->classes + 1) * sizeof *name);
    if (!name) return refuse(why, XC_ERR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < s->classes; i++) name[i] = xc_dataset_class(s->all, i);
    opts.classes = name;
    opts.class_count = s->classes;
    const xc_status status = refuse_as(why, xc_dataset_new(&from, &opts, out));
    free(name);
    return status;
}

static xc_status check_classes(const struct source *s, const char *data, struct why *why)
{
    for (uint32_t i = 0; i < s->classes; i++)
        if (strchr(xc_dataset_class(s->all, i), '|'))
            return refuse(why, XC_ERR_UNSUPPORTED,
                          "%s: a study cannot have | in the name of a class (%s)", data,
                          xc_dataset_class(s->all, i));
    return XC_OK;
}

static xc_status fill(struct source *s, const char *data, uint32_t limit, uint32_t test_limit,
                      struct why *why)
{
    xc_dataset_info info;
    uint32_t test = 0;
    xc_dataset_get_info(s->all, &info);
    const xc_split judge = info.split[XC_SPLIT_TEST] ? XC_SPLIT_TEST : XC_SPLIT_VAL;
    s->classes = info.classes;
    if (!info.split[XC_SPLIT_TRAIN] || !info.split[judge])
        return refuse(why, XC_ERR_FORMAT,
                      "%s: %ju training and no test or validation pictures; --val-split 20 holds "
                      "out a fifth",
                      data, (uintmax_t)info.split[XC_SPLIT_TRAIN]);
    if (info.samples > UINT32_MAX / 2)
        return refuse(why, XC_ERR_LIMIT, "%s: %ju pictures", data, (uintmax_t)info.samples);
    NEED(check_classes(s, data, why));
    s->index = malloc((size_t)info.samples * sizeof *s->index);
    if (!s->index) return refuse(why, XC_ERR_MEMORY, "out of memory");
    NEED(choose(s, XC_SPLIT_TRAIN, limit, &s->train, why));
    NEED(choose(s, judge, test_limit, &test, why));
    s->test = test;
    NEED(make_set(s, describe_picture, read_picture, &s->pictures, why));
    return refuse_as(why, xc_dataset_trainable(s->pictures));
}

xc_status source_open(const char *data, uint32_t val_split, uint32_t limit, uint32_t test_limit,
                      uint64_t seed, struct source **out, struct why *why)
{
    xc_dataset_opts opts = XC_DATASET_OPTS_INIT;
    struct source *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return refuse(why, XC_ERR_MEMORY, "out of memory");
    opts.val_split = val_split / 100.0;
    opts.seed = seed;
    s->seed = seed;
    s->data = data;
    xc_status status = refuse_as(why, xc_dataset_open(data, &opts, &s->all));
    if (status == XC_OK) status = fill(s, data, limit, test_limit, why);
    if (status == XC_OK)
        *out = s;
    else
        source_free(s);
    return status;
}

xc_status source_mosaics(struct source *s, uint32_t height, uint32_t width, uint32_t channels,
                         struct why *why)
{
    if (s->mosaics) return XC_OK;
    if (height < 2 || width < 2)
        return refuse(why, XC_ERR_ARGUMENT, "mosaics of %ux%u pixels: too small for four pictures",
                      height, width);
    s->height = height;
    s->width = width;
    s->channels = channels == 1 ? 1 : 3;
    return make_set(s, describe_mosaic, read_mosaic, &s->mosaics, why);
}

void source_free(struct source *s)
{
    if (!s) return;
    xc_dataset_free(s->mosaics);
    xc_dataset_free(s->pictures);
    xc_dataset_free(s->all);
    free(s->index);
    free(s);
}
