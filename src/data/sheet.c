/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of the network's input go back to bytes, so what shows is what came in, scaling
 * included. Every cell has its class below it, cut to the cell's width; small inputs are enlarged
 * by a whole number, so that their pixels show.
 */
#include "data/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/order.h"
#include "data/view.h"
#include "image/draw.h"

enum { GAP = 4, CAPTION = LETTER_H + 4, MOST_CELLS = 1024, LEAST_CELL = 64 };

static const uint8_t paper[3] = {255, 255, 255}, ink[3] = {40, 40, 40}, red[3] = {200, 30, 30};

/* Screen pixels a pixel of the input. */
static int zoom_of(const struct sheet_opts *o)
{
    return o->w < LEAST_CELL ? (LEAST_CELL + o->w - 1) / o->w : 1;
}

static void fill(xc_image *out, int left, int top, int w, int h, const uint8_t rgb[3])
{
    for (int y = top; y < top + h; y++)
        for (int x = left; x < left + w; x++) memcpy(out->pixels + y * out->stride + x * 3, rgb, 3);
}

static void put_cell(const struct viewing *v, const float *x, int zoom, xc_image *out, int left,
                     int top)
{
    const xc_preprocess *p = v->preprocess;
    for (int i = 0; i < v->h * v->w; i++, x += v->c) {
        uint8_t rgb[3];
        for (int c = 0; c < 3; c++) {
            int from = v->c == 1 ? 0 : p->colour == XC_COLOUR_BGR ? 2 - c : c;
            float value = rintf((x[from] * p->std[from] + p->mean[from]) * p->divisor);
            rgb[c] = (uint8_t)(value >= 0.0f ? fminf(value, 255.0f) : 0.0f);
        }
        fill(out, left + i % v->w * zoom, top + i / v->w * zoom, zoom, zoom, rgb);
    }
}

static void put_caption(const char *text, xc_image *out, int left, int top, int w)
{
    char cut[64];
    size_t most = (size_t)(w / LETTER_W);
    most = most < sizeof cut - 1 ? most : sizeof cut - 1;
    size_t n = strnlen(text, most);
    memcpy(cut, text, n);
    cut[n] = '\0';
    draw_text(out, left, top + 2, cut, ink);
}

/* NULL: out of memory. */
static uint32_t *split_index(const struct dataset *d, uint8_t split)
{
    uint32_t *index = calloc(d->count[split] + 1, sizeof *index), n = 0;
    for (size_t i = 0; index && i < d->samples; i++)
        if (d->sample[i].split == split) index[n++] = (uint32_t)i;
    return index;
}

static void put_samples(const struct dataset *d, const struct sheet_opts *o, struct viewer *viewer,
                        const struct viewing *v, const uint32_t *index, float *x, xc_image *out)
{
    uint32_t samples = (uint32_t)d->count[o->split];
    int zoom = zoom_of(o), w = o->w * zoom, h = o->h * zoom;
    for (int i = 0; i < o->rows * o->columns && (uint32_t)i < samples; i++) {
        int left = GAP + i % o->columns * (w + GAP);
        int top = GAP + i / o->columns * (h + CAPTION + GAP);
        struct view_key key = {o->seed, o->epoch,
                               index[order_at(o->seed, o->epoch, samples, (uint32_t)i)]};
        struct error quiet;
        if (viewer_make(viewer, &key, x, &quiet) == XC_OK)
            put_cell(v, x, zoom, out, left, top);
        else
            fill(out, left, top, w, h, red);
        put_caption(d->class_name[d->sample[key.sample].label], out, left, top + h, w);
    }
}

static xc_status blank(const struct sheet_opts *o, xc_image **out, struct error *err)
{
    int zoom = zoom_of(o);
    uint32_t w = (uint32_t)(GAP + o->columns * (o->w * zoom + GAP));
    uint32_t h = (uint32_t)(GAP + o->rows * (o->h * zoom + CAPTION + GAP));
    TRY(image_blank(w, h, XC_RGB8, out, err));
    fill(*out, 0, 0, (int)w, (int)h, paper);
    return XC_OK;
}

xc_status sheet_make(const struct dataset *d, const struct sheet_opts *o, xc_image **out,
                     struct error *err)
{
    struct viewing v = {.d = d,
                        .preprocess = o->preprocess,
                        .augment = &o->augment,
                        .limits = XC_IMAGE_LIMITS_INIT,
                        .h = o->h,
                        .w = o->w,
                        .c = o->preprocess->colour == XC_COLOUR_GREY ? 1 : 3};
    struct viewer *viewer = NULL;
    *out = NULL;
    if (o->rows < 1 || o->columns < 1 || o->rows > MOST_CELLS || o->columns > MOST_CELLS)
        return fail(err, XC_ERR_ARGUMENT, "a sheet of %dx%d cells", o->columns, o->rows);
    if (o->split >= XC_SPLITS || d->count[o->split] == 0)
        return fail(err, XC_ERR_ARGUMENT, "%s: no samples of this split", d->path);
    TRY(viewing_init(&v, err));
    uint32_t *index = split_index(d, o->split);
    float *x = malloc((size_t)o->h * (size_t)o->w * 3 * sizeof *x);
    xc_status status = index && x ? viewer_new(&v, &viewer, err) : fail_memory(err, 0);
    if (status == XC_OK) status = blank(o, out, err);
    if (status == XC_OK) put_samples(d, o, viewer, &v, index, x, *out);
    viewer_free(viewer);
    free(x);
    free(index);
    return status;
}
