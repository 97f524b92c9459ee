/* SPDX-License-Identifier: Apache-2.0 */
/* What does each module make of the picture? The twelve channels of its result that vary most, each
 * stretched to its own range. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tour.h"

enum { COLUMNS = 4, ROWS = 3, TILES = COLUMNS * ROWS, TILE = 72, GAP = 3, MOST_MAPS = 48 };

struct map {
    const float *at; /* (h, w, c) */
    uint32_t h, w, c;
};

/* Dark blue to yellow, as bright as the value is large. */
static void colour(double v, uint8_t rgb[3])
{
    static const uint8_t stop[][3] = {
        {24, 15, 61}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    v = v < 0 ? 0 : v > 1 ? 1 : v;
    const int i = v < 1 ? (int)(v * 4) : 3;
    const double part = v * 4 - i;
    for (int k = 0; k < 3; k++)
        rgb[k] = (uint8_t)lround(stop[i][k] + (stop[i + 1][k] - stop[i][k]) * part);
}

/* The mean of the channel over the part of the map that pixel (x, y) of a tile shows. */
static double pixel(const struct map *m, uint32_t channel, uint32_t x, uint32_t y)
{
    const uint32_t x0 = x * m->w / TILE, y0 = y * m->h / TILE;
    uint32_t x1 = (x + 1) * m->w / TILE, y1 = (y + 1) * m->h / TILE;
    double sum = 0;
    if (x1 <= x0) x1 = x0 + 1;
    if (y1 <= y0) y1 = y0 + 1;
    for (uint32_t v = y0; v < y1; v++)
        for (uint32_t u = x0; u < x1; u++)
            sum += (double)m->at[((size_t)v * m->w + u) * m->c + channel];
    return sum / ((x1 - x0) * (y1 - y0));
}

static void draw_tile(const struct map *m, uint32_t channel, uint32_t left, uint32_t top,
                      xc_image *image)
{
    double low = INFINITY, high = -INFINITY, value[TILE][TILE];
    for (uint32_t y = 0; y < TILE; y++)
        for (uint32_t x = 0; x < TILE; x++) {
            value[y][x] = pixel(m, channel, x, y);
            low = fmin(low, value[y][x]);
            high = fmax(high, value[y][x]);
        }
    for (uint32_t y = 0; y < TILE; y++) {
        uint8_t *row = xc_image_pixels(image, top + y) + 3 * (size_t)left;
        for (uint32_t x = 0; x < TILE; x++)
            colour(high > low ? (value[y][x] - low) / (high - low) : 0, row + 3 * (size_t)x);
    }
}

/* The channels whose values spread most, largest first; returns how many there are. */
static int choose(const struct map *m, uint32_t channel[TILES])
{
    double spread[TILES];
    int count = 0;
    const size_t pixels = (size_t)m->h * m->w;
    for (uint32_t c = 0; c < m->c; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < pixels; i++) {
            const double v = (double)m->at[i * m->c + c];
            sum += v;
            squares += v * v;
        }
        const double variance = squares / (double)pixels - pow(sum / (double)pixels, 2);
        int at = count < TILES ? count++ : TILES;
        for (; at > 0 && spread[at - 1] < variance; at--)
            if (at < TILES) {
                spread[at] = spread[at - 1];
                channel[at] = channel[at - 1];
            }
        if (at == TILES) continue;
        spread[at] = variance;
        channel[at] = c;
    }
    return count;
}

static xc_status put_map(struct page *p, const struct map *m)
{
    uint32_t channel[TILES];
    const int count = choose(m, channel);
    xc_image *image = NULL;
    const uint32_t rows = (uint32_t)(count + COLUMNS - 1) / COLUMNS;
    xc_status status =
        xc_image_new(COLUMNS * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP, XC_RGB8, &image);
    for (int i = 0; i < count && status == XC_OK; i++)
        draw_tile(m, channel[i], (uint32_t)i % COLUMNS * (TILE + GAP),
                  (uint32_t)i / COLUMNS * (TILE + GAP), image);
    if (status == XC_OK && !put_picture(p, image, 512)) status = XC_ERR_UNSUPPORTED;
    xc_image_free(image);
    return status;
}

static xc_status put_module(struct tour *t, const xc_session *session, const struct module *m,
                            const char *tap)
{
    struct page *p = &t->page;
    const size_t count = (size_t)m->height * m->width * m->channels;
    size_t written = 0;
    xc_status status = xc_session_read(session, tap, NULL, 0, &written);
    if (status != XC_OK || written != count) return status; /* an output has that name, too */
    float *values = malloc(count * sizeof *values);
    if (!values) return XC_ERR_MEMORY;
    status = xc_session_read(session, tap, values, count, &written);
    if (status == XC_OK) {
        const struct map map = {values, m->height, m->width, m->channels};
        put(p, "<figure><img alt=\"feature maps of ");
        put_text(p, m->name);
        put(p, "\" src=\"");
        status = put_map(p, &map);
        put(p, "\"><figcaption><b>");
        put_text(p, m->name);
        put(p, "</b> %u × %u × %u</figcaption></figure>\n", m->height, m->width, m->channels);
    }
    free(values);
    return status;
}

xc_status tour_maps(struct tour *t)
{
    struct page *p = &t->page;
    const char *tap[MOST_MAPS];
    const struct module *of[MOST_MAPS];
    xc_session_opts opts = XC_SESSION_OPTS_INIT;
    xc_session *session = NULL;
    xc_status status = XC_OK;
    opts.taps = tap;
    for (int i = 0; i < t->modules.count && opts.tap_count < MOST_MAPS; i++) {
        const struct module *m = &t->modules.at[i];
        xc_layer layer;
        if (m->height * m->width < 2) continue;
        status = xc_model_layer(t->model, m->end, &layer);
        if (status != XC_OK) return status;
        if (strcmp(layer.kind, "Input") == 0) continue;
        tap[opts.tap_count] = layer.name;
        of[opts.tap_count++] = m;
    }
    status = xc_session_new(t->model, &opts, &session);
    if (status == XC_OK) status = xc_run(session, t->input, 1);
    if (status == XC_OK) {
        put_heading(p, "maps",
                    t->picture ? "Your picture at every module" : "A picture at every module");
        put(p,
            "<p>Of each module's result the twelve channels that vary most over the picture, dark "
            "where the value is low. The maps shrink and grow deeper: what they keep is less and "
            "less where, and more and more what.%s</p>\n<div class=\"gallery maps\">\n",
            t->file ? ""
                    : " <b>The weights are random</b>: an untrained network finds edges and "
                      "blobs by chance and loses them again.");
        put(p, "<figure><img alt=\"the picture\" src=\"");
        put_picture(p, t->image, 300);
        put(p, "\"><figcaption><b>the picture</b> ");
        put_text(p, t->picture ? t->picture : "drawn by this program");
        put(p, "</figcaption></figure>\n");
    }
    for (uint32_t i = 0; i < opts.tap_count && status == XC_OK; i++)
        status = put_module(t, session, of[i], tap[i]);
    if (status == XC_OK) put(p, "</div>\n");
    xc_session_free(session);
    return status;
}
