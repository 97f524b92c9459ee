/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do the channels of a layer show, and the windows of the first one? Cells side by side, small
 * ones enlarged by a whole number, so that their pixels show.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"
#include "graph/op.h"
#include "image/draw.h"

enum { GAP = 4, CAPTION = LETTER_H + 4, LEAST_CELL = 72, MOST_CELLS = 4096, MOST_SIDE = 1024 };

static const uint8_t ink[3] = {40, 40, 40};

struct sheet {
    int cells, columns, rows, zoom, h, w; /* h, w: of what a cell shows */
    xc_image *out;
};

static xc_status open_sheet(struct sheet *s, int cells, int h, int w, struct error *err)
{
    const int larger = h > w ? h : w;
    if (cells < 1 || cells > MOST_CELLS || larger > MOST_SIDE)
        return fail(err, XC_ERR_LIMIT, "a sheet of %d cells of %dx%d, most are %d of %dx%d", cells,
                    h, w, MOST_CELLS, MOST_SIDE, MOST_SIDE);
    *s = (struct sheet){.cells = cells, .h = h, .w = w};
    s->zoom = larger < LEAST_CELL ? (LEAST_CELL + larger - 1) / larger : 1;
    s->columns = (int)ceil(sqrt(cells));
    s->rows = (cells + s->columns - 1) / s->columns;
    TRY(image_blank((uint32_t)(GAP + s->columns * (w * s->zoom + GAP)),
                    (uint32_t)(GAP + s->rows * (h * s->zoom + CAPTION + GAP)), XC_RGB8, &s->out,
                    err));
    memset(s->out->pixels, 255, (size_t)s->out->stride * s->out->info.height);
    return XC_OK;
}

static void put_pixel(const struct sheet *s, int cell, int y, int x, const uint8_t rgb[3])
{
    const int z = s->zoom;
    const int left = GAP + cell % s->columns * (s->w * z + GAP) + x * z;
    const int top = GAP + cell / s->columns * (s->h * z + CAPTION + GAP) + y * z;
    for (int i = 0; i < z * z; i++)
        memcpy(s->out->pixels + (top + i / z) * s->out->stride + (left + i % z) * 3, rgb, 3);
}

static void put_caption(const struct sheet *s, int cell, int channel)
{
    char text[16];
    const int left = GAP + cell % s->columns * (s->w * s->zoom + GAP);
    const int top = GAP + cell / s->columns * (s->h * s->zoom + CAPTION + GAP) + s->h * s->zoom;
    snprintf(text, sizeof text, "%d", channel);
    draw_text(s->out, left, top + 2, text, ink);
}

/* ---- maps ------------------------------------------------------------------------------------ */

struct channel {
    double activity; /* mean of squares */
    float low, high;
    int number;
};

static int most_active_first(const void *a, const void *b)
{
    const struct channel *x = a, *y = b;
    if (x->activity != y->activity) return x->activity < y->activity ? 1 : -1;
    return x->number - y->number;
}

static void look(const float *map, size_t pixels, int channels, struct channel *at)
{
    for (int c = 0; c < channels; c++) {
        at[c] = (struct channel){.low = map[c], .high = map[c], .number = c};
        for (size_t p = 0; p < pixels; p++) {
            const float v = map[p * (size_t)channels + (size_t)c];
            at[c].activity += (double)v * (double)v;
            at[c].low = v < at[c].low ? v : at[c].low;
            at[c].high = v > at[c].high ? v : at[c].high;
        }
    }
    qsort(at, (size_t)channels, sizeof *at, most_active_first);
}

static void put_map(const struct sheet *s, int cell, const float *map, int channels,
                    const struct channel *c)
{
    const double range = (double)c->high - (double)c->low;
    uint8_t rgb[3];
    for (int i = 0; i < s->h * s->w; i++) {
        const double v = (double)map[(size_t)i * (size_t)channels + (size_t)c->number];
        heat_colour(range > 0 ? (v - (double)c->low) / range : 0, rgb);
        put_pixel(s, cell, i / s->w, i % s->w, rgb);
    }
    put_caption(s, cell, c->number);
}

xc_status map_sheet(const float *map, int h, int w, int channels, int most, xc_image **out,
                    struct error *err)
{
    struct sheet s = {0};
    struct channel *at = calloc((size_t)channels, sizeof *at);
    *out = NULL;
    if (!at) return fail_memory(err, (size_t)channels * sizeof *at);
    const xc_status status = open_sheet(&s, most < channels ? most : channels, h, w, err);
    if (status == XC_OK) {
        look(map, (size_t)h * (size_t)w, channels, at);
        for (int i = 0; i < s.cells; i++) put_map(&s, i, map, channels, &at[i]);
        *out = s.out;
    }
    free(at);
    return status;
}

/* ---- filters --------------------------------------------------------------------------------- */

static const struct node *first_convolution(const struct graph *g)
{
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].kind == OP_CONV) return &g->node[i];
    return NULL;
}

/* Around grey, as far as the filter's largest weight: its zero is grey in every filter. */
static void put_filter(const struct sheet *s, int cell, const float *weight, int c, int oc)
{
    float most = 0;
    uint8_t rgb[3];
    const size_t step = (size_t)oc;
    for (int i = 0; i < s->h * s->w * c; i++)
        most = fmaxf(most, fabsf(weight[(size_t)i * step + (size_t)cell]));
    for (int i = 0; i < s->h * s->w; i++) {
        for (int k = 0; k < 3; k++) {
            const int from = i * c + (c == 3 ? k : 0);
            const float v = weight[(size_t)from * step + (size_t)cell];
            rgb[k] = (uint8_t)lrintf(127.5f + 127.5f * (most > 0 ? v / most : 0));
        }
        put_pixel(s, cell, i / s->w, i % s->w, rgb);
    }
    put_caption(s, cell, cell);
}

xc_status filter_sheet(const xc_model *model, xc_image **out, struct error *err)
{
    const struct graph *g = model->graph;
    const struct node *n = first_convolution(g);
    struct sheet s = {0};
    *out = NULL;
    if (!n) return fail(err, XC_ERR_UNSUPPORTED, "the network has no convolution");
    if (model->packed.block) return model_need_original(model, "drawings of filters", err);
    if (!model->data) return fail(err, XC_ERR_ARGUMENT, "the model has no weights");
    int param = node_param(g, n, PARAM_KERNEL);
    if (param < 0) param = node_param(g, n, PARAM_DEPTHWISE);
    if (param < 0) return fail(err, XC_ERR_INTERNAL, "%s: has no kernel", n->name);
    const struct param *p = &g->param.at[param];
    const int filters = p->role == PARAM_KERNEL ? p->dim[3] : p->dim[2];
    const int c = p->role == PARAM_KERNEL ? p->dim[2] : 1;
    TRY(open_sheet(&s, filters, p->dim[0], p->dim[1], err));
    for (int i = 0; i < filters; i++) put_filter(&s, i, model->data[param], c, filters);
    *out = s.out;
    return XC_OK;
}
