/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without augmentation a sample takes the very code of evaluation (image_prepare). With it, colours
 * stay bytes until the last step, as in the frameworks: geometry, flip with the scaling, then
 * erasing. The network's colours (BGR, grey) are made last, from the resized picture.
 */
#include "data/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

struct viewer {
    const struct viewing *v;
    struct region_reader *region;
    struct sample_bytes bytes;
    uint8_t *rgb, *scratch; /* (h, w, 3) */
    float *numbers;         /* (h, w, 3): a fitted picture before it is bytes */
};

/* What a sample has: decoded pixels, or bytes. */
struct picture {
    const xc_image *image;
    const uint8_t *bytes;
    size_t count;
    xc_image *owned;
};

xc_status viewing_init(struct viewing *v, struct error *err)
{
    const xc_preprocess *p = v->preprocess;
    TRY(preprocess_check(p, err));
    if (v->h < 1 || v->w < 1 || v->h > 16384 || v->w > 16384)
        return fail(err, XC_ERR_ARGUMENT, "an input of %dx%d", v->h, v->w);
    TRY(preprocess_fits(p, v->c, err));
    for (int c = 0; c < v->c; c++)
        for (int i = 0; i < 256; i++)
            v->table[c][i] = ((float)i / p->divisor - p->mean[c]) / p->std[c];
    return XC_OK;
}

void viewer_free(struct viewer *v)
{
    if (!v) return;
    region_free(v->region);
    sample_bytes_free(&v->bytes);
    free(v->rgb);
    free(v->scratch);
    free(v->numbers);
    free(v);
}

xc_status viewer_new(const struct viewing *viewing, struct viewer **out, struct error *err)
{
    size_t n = (size_t)viewing->h * (size_t)viewing->w * 3; /* sides were checked */
    struct viewer *v = calloc(1, sizeof *v);
    xc_status status = v ? region_new(&v->region, err) : fail_memory(err, sizeof *v);
    if (status == XC_OK) {
        v->v = viewing;
        v->rgb = malloc(n);
        v->scratch = malloc(n);
        v->numbers = malloc(n * sizeof *v->numbers);
        if (!v->rgb || !v->scratch || !v->numbers) status = fail_memory(err, n);
    }
    if (status == XC_OK)
        *out = v;
    else
        viewer_free(v);
    return status;
}

/* Small pictures come decoded: decoding is most of their cost, and a cache keeps them so. */
enum { SMALL_FILE = 16384 };

static xc_status fetch(struct viewer *v, size_t index, struct picture *out, struct error *err)
{
    const struct viewing *s = v->v;
    const struct kept *kept = cache_get(s->cache, index);
    *out = (struct picture){0};
    if (kept) {
        *out =
            (struct picture){kept->image.base ? &kept->image : NULL, kept->bytes, kept->size, NULL};
        return XC_OK;
    }
    bool small = s->d->sample[index].bytes <= SMALL_FILE;
    if (s->d->raw.h || (s->cache && small)) {
        TRY(dataset_image(s->d, index, &v->bytes, &s->limits, &out->owned, err));
        const xc_image_info *info = &out->owned->info;
        out->image = out->owned;
        if (s->d->raw.h || (uint64_t)info->width * info->height <= REGION_WHOLE_PIXELS) {
            cache_put_image(s->cache, index, out->owned);
            return XC_OK;
        }
        image_free(out->owned); /* few bytes, many pixels: as a region */
        *out = (struct picture){0};
    }
    TRY(dataset_read(s->d, index, &v->bytes, err));
    cache_put_bytes(s->cache, index, v->bytes.data, v->bytes.size);
    out->bytes = v->bytes.data;
    out->count = v->bytes.size;
    return XC_OK;
}

static xc_status decode(const struct viewing *s, struct picture *p, struct error *err)
{
    if (p->image) return XC_OK;
    TRY(image_decode(p->bytes, p->count, &s->limits, &p->owned, err));
    p->image = p->owned;
    return XC_OK;
}

/* RandomResizedCrop into v->rgb. */
static xc_status make_crop(struct viewer *v, const struct picture *p, const struct view_key *key,
                           struct error *err)
{
    const struct viewing *s = v->v;
    int w, h;
    if (p->image)
        region_open_image(v->region, p->image, s->preprocess, &w, &h);
    else
        TRY(region_open(v->region, p->bytes, p->count, &s->limits, s->preprocess, &w, &h, err));
    struct box box = augment_crop(s->augment, key, w, h);
    xc_filter filter = s->preprocess->filter;
    if (filter == XC_FILTER_NEAREST || filter == XC_FILTER_TF_BILINEAR) filter = XC_FILTER_BILINEAR;
    return region_read(v->region, box, filter, s->w, s->h, v->rgb, err);
}

/* The fit of evaluation, as bytes, into v->rgb. */
static xc_status make_fit(struct viewer *v, struct picture *p, struct error *err)
{
    const struct viewing *s = v->v;
    TRY(decode(s, p, err));
    const xc_image_info *info = &p->image->info;
    size_t n = (size_t)s->h * (size_t)s->w * 3;
    bool as_is = (int)info->width == s->w && (int)info->height == s->h && info->format == XC_RGB8 &&
                 info->orientation == 1 && p->image->stride == (ptrdiff_t)s->w * 3 &&
                 (s->preprocess->fit != XC_FIT_CROP || s->preprocess->crop >= 1.0);
    if (as_is) {
        memcpy(v->rgb, p->image->base, n);
        return XC_OK;
    }
    xc_preprocess bytes = *s->preprocess;
    bytes.colour = XC_COLOUR_RGB;
    bytes.divisor = 1.0f;
    for (int c = 0; c < 3; c++) {
        bytes.mean[c] = 0.0f;
        bytes.std[c] = 1.0f;
    }
    TRY(image_prepare(p->image, &bytes, s->h, s->w, 3, v->numbers, err));
    for (size_t i = 0; i < n; i++) v->rgb[i] = (uint8_t)(v->numbers[i] + 0.5f);
    return XC_OK;
}

static void scale_row(const struct viewing *s, const uint8_t *rgb, bool flip, float *x)
{
    int first = s->preprocess->colour == XC_COLOUR_BGR ? 2 : 0;
    const uint8_t *p = flip ? rgb + (size_t)(s->w - 1) * 3 : rgb;
    ptrdiff_t step = flip ? -3 : 3;
    if (s->c == 1) {
        for (int i = 0; i < s->w; i++, p += step) *x++ = s->table[0][rgb_luma(p)];
        return;
    }
    for (int i = 0; i < s->w; i++, p += step, x += 3) {
        x[0] = s->table[0][p[first]];
        x[1] = s->table[1][p[1]];
        x[2] = s->table[2][p[2 - first]];
    }
}

static xc_status make_augmented(struct viewer *v, struct picture *p, const struct view_key *key,
                                float *x, struct error *err)
{
    const struct viewing *s = v->v;
    const struct augment *a = s->augment;
    TRY(a->crop ? make_crop(v, p, key, err) : make_fit(v, p, err));
    if (a->pad) {
        augment_pad(a, key, v->rgb, s->w, s->h, v->scratch);
        uint8_t *kept = v->rgb;
        v->rgb = v->scratch;
        v->scratch = kept;
    }
    augment_colours(a, key, v->rgb, s->w, s->h, v->scratch);
    bool flip = augment_flips(a, key);
    size_t row = (size_t)s->w * 3, out_row = (size_t)s->w * (size_t)s->c;
    for (size_t y = 0; y < (size_t)s->h; y++) scale_row(s, v->rgb + y * row, flip, x + y * out_row);
    augment_erase(a, key, x, s->w, s->h, s->c);
    return XC_OK;
}

xc_status viewer_make(struct viewer *v, const struct view_key *key, float *x, struct error *err)
{
    const struct viewing *s = v->v;
    struct picture p;
    TRY(fetch(v, key->sample, &p, err));
    xc_status status;
    if (augment_is_plain(s->augment)) {
        status = decode(s, &p, err);
        if (status == XC_OK)
            status = image_prepare(p.image, s->preprocess, s->h, s->w, s->c, x, err);
    } else {
        status = make_augmented(v, &p, key, x, err);
    }
    image_free(p.owned);
    const char *name = s->d->sample[key->sample].name;
    if (status != XC_OK && strncmp(err->text, name, strlen(name)) != 0) error_prefix(err, name);
    return status;
}
