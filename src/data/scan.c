/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures are read over all threads, in blocks between which progress is told. Sums are whole
 * numbers, and everything that compares pictures runs afterwards, in order: so nothing depends on
 * the threads. Sameness is a 64-bit hash of the pixels: enough against chance, not against malice.
 */
#include "data/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image/image.h"

enum { BLOCK = 256 };

struct job {
    const struct dataset *d;
    struct scan *scan;
    size_t from; /* of the block */
};

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t hash_row(uint64_t hash, const uint8_t *row, size_t n)
{
    uint64_t word;
    for (; n >= sizeof word; row += sizeof word, n -= sizeof word) {
        memcpy(&word, row, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, row, n);
    return mix(hash, word);
}

static void look_at(const xc_image *image, struct scanned *s)
{
    size_t channels = (size_t)image->info.format, row = image->info.width * channels;
    s->width = image->info.width;
    s->height = image->info.height;
    s->pixels = (uint64_t)s->width * s->height;
    s->hash = mix(mix(channels, s->width), s->height);
    for (uint32_t y = 0; y < s->height; y++) {
        const uint8_t *p = image->base + (ptrdiff_t)y * image->stride;
        s->hash = hash_row(s->hash, p, row);
        for (size_t x = 0; x < row; x += channels) {
            for (size_t c = 0; c < 3; c++) {
                uint32_t v = p[x + (channels == 1 ? 0 : c)];
                s->sum[c] += v;
                s->squares[c] += v * v;
            }
        }
    }
}

/* The format of the content, where the name ends like another one. */
static const char *other_format(const char *name, const char *content)
{
    static const struct {
        const char *ending, *format;
    } known[] = {{".jpg", "jpeg"},  {".jpeg", "jpeg"}, {".jpe", "jpeg"}, {".png", "png"},
                 {".webp", "webp"}, {".bmp", "bmp"},   {".pnm", "pnm"},  {".ppm", "pnm"},
                 {".pgm", "pnm"},   {".pbm", "pnm"}};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(ending, known[i].ending) == 0)
            return strcmp(content, known[i].format) == 0 ? NULL : content;
    return NULL;
}

static void scan_range(void *ctx, size_t from, size_t to)
{
    const struct job *job = ctx;
    struct sample_bytes bytes = {0};
    for (size_t i = job->from + from; i < job->from + to; i++) {
        struct error err = {XC_OK, ""};
        xc_image *image = NULL;
        struct scanned *s = &job->scan->sample[i];
        if (dataset_image(job->d, i, &bytes, NULL, &image, &err) == XC_OK &&
            look_of(image, &s->look, &err) == XC_OK) {
            look_at(image, s);
            s->content = other_format(job->d->sample[i].name, image->info.file_type);
        } else {
            s->reason = strdup(err.text);
        }
        image_free(image);
    }
    sample_bytes_free(&bytes);
}

static int by_hash(const void *a, const void *b)
{
    const struct scanned *x = *(struct scanned *const *)a, *y = *(struct scanned *const *)b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x > y) - (x < y);
}

static xc_status find_same(const struct dataset *d, struct scan *scan, struct error *err)
{
    struct scanned **order = calloc(scan->samples, sizeof(void *));
    size_t n = 0;
    if (!order) return fail_memory(err, scan->samples * sizeof(void *));
    for (size_t i = 0; i < scan->samples; i++)
        if (scan->sample[i].pixels > 0) order[n++] = &scan->sample[i];
    qsort(order, n, sizeof(void *), by_hash);
    for (size_t i = 1; i < n; i++) {
        if (order[i]->hash != order[i - 1]->hash) continue;
        order[i]->same_as = order[i - 1]->same_as;
        const struct sample *a = &d->sample[order[i]->same_as];
        const struct sample *b = &d->sample[order[i] - scan->sample];
        scan->same++;
        scan->leaks += a->split != b->split;
        scan->conflicts += a->label != b->label;
    }
    free(order);
    return XC_OK;
}

/* Each against all before it: a few nanoseconds a pair. */
struct comparing {
    struct scan *scan;
    size_t from; /* of the block */
};

static void near_range(void *ctx, size_t from, size_t to)
{
    const struct comparing *c = ctx;
    for (size_t i = c->from + from; i < c->from + to; i++) {
        struct scanned *s = &c->scan->sample[i];
        if (s->pixels == 0 || s->same_as != i) continue;
        for (size_t k = 0; k < i && s->near_to == i; k++) {
            const struct scanned *other = &c->scan->sample[k];
            if (other->pixels > 0 && other->same_as == k && look_near(&s->look, &other->look))
                s->near_to = (uint32_t)k;
        }
    }
}

/* Every picture is read by now; progress may still end it. */
static xc_status find_near(const struct dataset *d, struct pool *pool, xc_progress_fn *progress,
                           void *user, struct scan *scan, struct error *err)
{
    for (size_t from = 0; from < scan->samples; from += BLOCK) {
        struct comparing c = {scan, from};
        pool_for(pool, scan->samples - from < BLOCK ? scan->samples - from : BLOCK, 1, near_range,
                 &c);
        if (progress && !progress(user, scan->samples, scan->samples))
            return fail(err, XC_ERR_CANCELLED, "cancelled");
    }
    for (size_t i = 0; i < scan->samples; i++) {
        const struct scanned *s = &scan->sample[i];
        scan->misnamed += s->content != NULL;
        if (s->near_to == i) continue;
        scan->near++;
        scan->near_leaks += d->sample[i].split != d->sample[s->near_to].split;
        scan->near_conflicts += d->sample[i].label != d->sample[s->near_to].label;
    }
    return XC_OK;
}

static void sum_colours(struct scan *scan)
{
    for (int c = 0; c < 3; c++) {
        double pixels = 0, sum = 0, squares = 0;
        for (size_t i = 0; i < scan->samples; i++) {
            pixels += (double)scan->sample[i].pixels;
            sum += (double)scan->sample[i].sum[c];
            squares += (double)scan->sample[i].squares[c];
        }
        scan->mean[c] = pixels > 0 ? sum / pixels : 0.0;
        double variance = pixels > 0 ? squares / pixels - scan->mean[c] * scan->mean[c] : 0.0;
        scan->std[c] = sqrt(fmax(variance, 0.0));
    }
}

xc_status scan_run(const struct dataset *d, struct pool *pool, xc_progress_fn *progress, void *user,
                   struct scan *out, struct error *err)
{
    *out = (struct scan){.samples = d->samples};
    out->sample = calloc(d->samples, sizeof *out->sample);
    if (!out->sample) return fail_memory(err, d->samples * sizeof *out->sample);
    xc_status status = XC_OK;
    for (size_t i = 0; i < d->samples; i++)
        out->sample[i].same_as = out->sample[i].near_to = (uint32_t)i;
    for (size_t from = 0; from < d->samples && status == XC_OK; from += BLOCK) {
        struct job job = {d, out, from};
        size_t n = d->samples - from < BLOCK ? d->samples - from : BLOCK;
        pool_for(pool, n, 1, scan_range, &job);
        if (progress && !progress(user, from + n, d->samples))
            status = fail(err, XC_ERR_CANCELLED, "cancelled");
    }
    for (size_t i = 0; i < d->samples; i++) out->unreadable += out->sample[i].reason != NULL;
    if (status == XC_OK) status = find_same(d, out, err);
    if (status == XC_OK) status = find_near(d, pool, progress, user, out, err);
    if (status != XC_OK) {
        scan_free(out);
        return status;
    }
    sum_colours(out);
    return XC_OK;
}

void scan_free(struct scan *s)
{
    for (size_t i = 0; s->sample && i < s->samples; i++) free(s->sample[i].reason);
    free(s->sample);
    *s = (struct scan){0};
}
