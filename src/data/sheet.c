/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of the network's input go back to bytes, so what shows is what came in, scaling
 * included. Every cell has its class below it, cut to the cell's width; small inputs are enlarged
 * by a whole number, so that their pixels show.
 */
#include "data/sheet.h"

#include <math.h>
#include <stdio.h>
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

struct cells {
    const struct dataset *d;
    const struct sheet_opts *o;
    struct viewer *viewer;
    const struct viewing *v;
    const uint32_t *index; /* of the split's samples */
    int shown;
    float *x; /* of two cells that are mixed */
    xc_image *out;
};

/* The sample in cell i; false: it cannot be read. */
static bool make_cell(const struct cells *s, int i, float *x, uint32_t *sample)
{
    const struct sheet_opts *o = s->o;
    const uint32_t samples = (uint32_t)s->d->count[o->split];
    struct error quiet;
    *sample = s->index[order_at(o->seed, o->epoch, samples, (uint32_t)i)];
    const struct view_key key = {o->seed, o->epoch, *sample};
    return viewer_make(s->viewer, &key, x, &quiet) == XC_OK;
}

static void place_cell(const struct cells *s, int i, const float *x, const char *caption)
{
    const struct sheet_opts *o = s->o;
    const int zoom = zoom_of(o), w = o->w * zoom, h = o->h * zoom;
    const int left = GAP + i % o->columns * (w + GAP);
    const int top = GAP + i / o->columns * (h + CAPTION + GAP);
    if (x)
        put_cell(s->v, x, zoom, s->out, left, top);
    else
        fill(s->out, left, top, w, h, red);
    put_caption(caption, s->out, left, top + h, w);
}

/* Cells mirror each other as the pictures of a batch do, each pair as if in a batch of its own. */
static void put_pair(const struct cells *s, int i)
{
    const struct sheet_opts *o = s->o;
    const int at[2] = {i, s->shown - 1 - i}, pair = at[0] == at[1] ? 1 : 2;
    const size_t size = (size_t)o->h * (size_t)o->w * (size_t)s->v->c;
    float part[4] = {1, 0, 0, 1}, equal[2] = {1, 1};
    const char *name[2];
    bool good[2], both = pair == 2;
    for (int k = 0; k < pair; k++) {
        uint32_t sample;
        good[k] = make_cell(s, at[k], s->x + (size_t)k * size, &sample);
        both = both && good[k];
        name[k] = s->d->class_name[s->d->sample[sample].label];
    }
    const struct view_key key = {o->seed, o->epoch, (uint32_t)i};
    if (both) augment_mix(&o->augment, &key, s->x, 2, o->h, o->w, s->v->c, part, equal, 2);
    for (int k = 0; k < pair; k++) {
        char mixed[160];
        const double own = (double)part[3 * k];
        const char *caption = name[k];
        if (own < 0.995) {
            snprintf(mixed, sizeof mixed, "%.0f%% %s, %s", 100 * own, name[k], name[1 - k]);
            caption = mixed;
        }
        place_cell(s, at[k], good[k] ? s->x + (size_t)k * size : NULL, caption);
    }
}

static void put_samples(struct cells *s)
{
    const size_t samples = s->d->count[s->o->split];
    const int cells = s->o->rows * s->o->columns;
    s->shown = samples < (size_t)cells ? (int)samples : cells;
    for (int i = 0; i < (s->shown + 1) / 2; i++) put_pair(s, i);
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
    float *x = malloc(2 * (size_t)o->h * (size_t)o->w * 3 * sizeof *x);
    xc_status status = index && x ? viewer_new(&v, &viewer, err) : fail_memory(err, 0);
    if (status == XC_OK) status = blank(o, out, err);
    struct cells cells = {.d = d, .o = o, .viewer = viewer, .v = &v, .index = index, .x = x};
    if (status == XC_OK) {
        cells.out = *out;
        put_samples(&cells);
    }
    viewer_free(viewer);
    free(x);
    free(index);
    return status;
}
