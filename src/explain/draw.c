/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does heat come onto the picture? The network saw a part of it, at another size; every pixel
 * of the drawing asks where in the input it was. What the input did not show stays as it is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/explain.h"
#include "image/draw.h"

enum { SIDE = 640, SIDE_LEAST = 16, SIDE_MOST = 4096, GAP = 8, COLOURS = 256 };
/* Of the legend, times its zoom. */
enum { EDGE = 4, BAR = LETTER_H, STRIP = EDGE + LETTER_H + EDGE + BAR + EDGE, ZOOM_WIDTH = 240 };

static const uint8_t paper[3] = {255, 255, 255}, ink[3] = {40, 40, 40};

struct drawing {
    const xc_heatmap *heat;
    const xc_image *picture; /* RGB8, at the size of the drawing */
    double x_scale, y_scale; /* pixels of the drawing in one of the picture */
    uint8_t colour[COLOURS][3];
};

/* ---- the picture ----------------------------------------------------------------------------- */

static void copy_rgb(const xc_image *from, xc_image *to)
{
    const int channels = (int)from->info.format;
    for (uint32_t y = 0; y < from->info.height; y++) {
        const uint8_t *in = from->base + y * from->stride;
        uint8_t *out = to->pixels + y * to->stride;
        for (uint32_t x = 0; x < from->info.width; x++, in += channels, out += 3)
            for (int c = 0; c < 3; c++) {
                const unsigned v = in[channels == 1 ? 0 : c], a = channels == 4 ? in[3] : 255;
                out[c] = (uint8_t)((v * a + 255 * (255 - a) + 127) / 255); /* over white */
            }
    }
}

static xc_status as_rgb(const xc_image *image, bool turn, xc_image **out, struct error *err)
{
    xc_image *upright = NULL;
    if (turn) TRY(image_upright(image, &upright, err));
    const xc_image *from = turn ? upright : image;
    xc_status status = image_blank(from->info.width, from->info.height, XC_RGB8, out, err);
    if (status == XC_OK) copy_rgb(from, *out);
    image_free(upright);
    return status;
}

/* As RGB, the longer side of this many pixels. full: its size before. */
static xc_status fit_picture(const xc_heatmap *heat, const xc_image *image, uint32_t side,
                             xc_image **out, uint32_t full[2], struct error *err)
{
    xc_image *rgb = NULL;
    TRY(as_rgb(image, heat->turned, &rgb, err));
    const uint32_t w = full[0] = rgb->info.width, h = full[1] = rgb->info.height;
    const uint32_t longer = w > h ? w : h;
    const uint32_t to_w = (uint32_t)fmax(1, rint((double)w * side / longer));
    const uint32_t to_h = (uint32_t)fmax(1, rint((double)h * side / longer));
    xc_status status = image_blank(to_w, to_h, XC_RGB8, out, err);
    if (status == XC_OK)
        status = resize_u8(rgb->base, (int)w, (int)h, rgb->stride, 3, XC_FILTER_BICUBIC, (int)to_w,
                           (int)to_h, (*out)->pixels, err);
    image_free(rgb);
    return status;
}

/* ---- the heat -------------------------------------------------------------------------------- */

static double clamp(double x, double high)
{
    return fmin(fmax(x, 0), high);
}

/* Bilinear; y and x in pixels of the input, corners of pixels at whole numbers. */
static double sample(const xc_heatmap *heat, double y, double x)
{
    const int h = (int)heat->height, w = (int)heat->width;
    y = clamp(y - 0.5, h - 1);
    x = clamp(x - 0.5, w - 1);
    const int top = (int)y, left = (int)x;
    const int bottom = top + 1 < h ? top + 1 : top, right = left + 1 < w ? left + 1 : left;
    const float *above = heat->value + (size_t)top * heat->width;
    const float *below = heat->value + (size_t)bottom * heat->width;
    const double v = y - top, u = x - left;
    return (1 - v) * ((1 - u) * (double)above[left] + u * (double)above[right]) +
           v * ((1 - u) * (double)below[left] + u * (double)below[right]);
}

/* 0..1 at a pixel of the drawing; -1: the input does not show it. */
static double heat_at(const struct drawing *d, int py, int px)
{
    const xc_heatmap *heat = d->heat;
    const double x = ((px + 0.5) / d->x_scale - heat->left) / (heat->right - heat->left);
    const double y = ((py + 0.5) / d->y_scale - heat->upper) / (heat->lower - heat->upper);
    if (x < 0 || x > 1 || y < 0 || y > 1) return -1;
    const double v = sample(heat, y * heat->height, x * heat->width);
    return heat->top > 0 ? clamp(v / (double)heat->top, 1) : 0;
}

/* Cold parts show the picture, hot ones two thirds of the colour. */
static double opacity(double t, bool alone)
{
    return t < 0 ? 0 : alone ? 1 : 0.2 + 0.45 * t;
}

static void put_heat(const struct drawing *d, bool alone, xc_image *out, int left)
{
    const xc_image *picture = d->picture;
    for (int y = 0; y < (int)picture->info.height; y++) {
        const uint8_t *in = picture->base + y * picture->stride;
        uint8_t *to = out->pixels + y * out->stride + left * 3;
        for (int x = 0; x < (int)picture->info.width; x++, in += 3, to += 3) {
            const double t = heat_at(d, y, x), a = opacity(t, alone);
            const double grey = rgb_luma(in);
            const uint8_t *colour = d->colour[t > 0 ? lrint(t * (COLOURS - 1)) : 0];
            for (int c = 0; c < 3; c++) /* greyed, so that only the heat has strong colours */
                to[c] = (uint8_t)lrint((1 - a) * (alone ? paper[c] : 0.3 * in[c] + 0.7 * grey) +
                                       a * colour[c]);
        }
    }
}

static void put_picture(const xc_image *picture, xc_image *out)
{
    for (uint32_t y = 0; y < picture->info.height; y++)
        memcpy(out->pixels + y * out->stride, picture->base + y * picture->stride,
               (size_t)picture->info.width * 3);
}

/* ---- the legend ------------------------------------------------------------------------------ */

static int zoom_of(uint32_t width)
{
    return width / ZOOM_WIDTH > 1 ? (int)width / ZOOM_WIDTH : 1;
}

/* The answer, the method and the layer; the latter two only where `letters` have room for them. */
static void say_what(const xc_heatmap *heat, int letters, char *words, size_t size)
{
    char class[16];
    snprintf(class, sizeof class, "%u", heat->class_index);
    const int answer =
        snprintf(words, size, "%.80s %.3f", heat->label ? heat->label : class, (double)heat->prob);
    const char *method = xc_explain_method_name(heat->method);
    const int both = answer + 2 + (int)strlen(method), all = both + 1 + (int)strlen(heat->layer);
    char *rest = words + answer;
    if (all <= letters)
        snprintf(rest, size - (size_t)answer, "  %s %.80s", method, heat->layer);
    else if (both <= letters)
        snprintf(rest, size - (size_t)answer, "  %s", method);
}

/* Two lines, at the legend's own size: what is shown, and the colours with their ends. */
static void write_legend(const struct drawing *d, xc_image *strip)
{
    const xc_heatmap *heat = d->heat;
    const int w = (int)strip->info.width, line = EDGE + LETTER_H + EDGE;
    char words[256], number[24];
    say_what(heat, (w - 2 * EDGE) / LETTER_W, words, sizeof words);
    snprintf(number, sizeof number, "%.3g", (double)heat->top);
    const int room = (int)strlen(number) * LETTER_W, left = 2 * EDGE + LETTER_W;
    const int bar = w - left - 2 * EDGE - room;
    draw_text(strip, EDGE, EDGE, words, ink);
    if (bar < 16) return;
    draw_text(strip, EDGE, line, "0", ink);
    draw_text(strip, w - EDGE - room, line, number, ink);
    for (int y = line; y < line + BAR; y++)
        for (int x = 0; x < bar; x++)
            memcpy(strip->pixels + y * strip->stride + (left + x) * 3,
                   d->colour[x * (COLOURS - 1) / (bar - 1)], 3);
}

static xc_status put_legend(const struct drawing *d, xc_image *out, struct error *err)
{
    const int zoom = zoom_of(d->picture->info.width);
    const int w = (int)out->info.width / zoom, top = (int)out->info.height - STRIP * zoom;
    xc_image *strip = NULL;
    TRY(image_blank((uint32_t)w, STRIP, XC_RGB8, &strip, err));
    memset(strip->pixels, 255, (size_t)strip->stride * STRIP);
    write_legend(d, strip);
    for (int y = 0; y < STRIP * zoom; y++)
        for (int x = 0; x < w * zoom; x++)
            memcpy(out->pixels + (top + y) * out->stride + x * 3,
                   strip->pixels + y / zoom * strip->stride + x / zoom * 3, 3);
    image_free(strip);
    return XC_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static xc_status lay_out(const struct drawing *d, const xc_heat_opts *o, xc_image **out,
                         struct error *err)
{
    const uint32_t w = d->picture->info.width, h = d->picture->info.height;
    const bool both = o->style == XC_HEAT_SIDE_BY_SIDE;
    const uint32_t strip = o->legend ? STRIP * (uint32_t)zoom_of(w) : 0;
    TRY(image_blank(both ? 2 * w + GAP : w, h + strip, XC_RGB8, out, err));
    memset((*out)->pixels, 255, (size_t)(*out)->stride * (*out)->info.height);
    if (both) put_picture(d->picture, *out);
    put_heat(d, o->style == XC_HEAT_ALONE, *out, both ? (int)w + GAP : 0);
    return o->legend ? put_legend(d, *out, err) : XC_OK;
}

xc_status heat_draw(const xc_heatmap *heat, const xc_image *image, const xc_heat_opts *opts,
                    xc_image **out, struct error *err)
{
    const uint32_t side = opts->side ? opts->side : SIDE;
    struct drawing d = {.heat = heat};
    if ((int)opts->style < 0 || opts->style > XC_HEAT_ALONE)
        return fail(err, XC_ERR_ARGUMENT, "style: %d is no xc_heat_style", (int)opts->style);
    xc_image *picture = NULL;
    uint32_t full[2];
    *out = NULL;
    if (side < SIDE_LEAST || side > SIDE_MOST)
        return fail(err, XC_ERR_ARGUMENT, "side: %u, expected %d..%d", side, SIDE_LEAST, SIDE_MOST);
    if (!(heat->right > heat->left) || !(heat->lower > heat->upper))
        return fail(err, XC_ERR_ARGUMENT, "the heat map shows no part of a picture");
    TRY(fit_picture(heat, image, side, &picture, full, err));
    d.picture = picture;
    d.x_scale = (double)picture->info.width / full[0];
    d.y_scale = (double)picture->info.height / full[1];
    for (int i = 0; i < COLOURS; i++) heat_colour(i / (COLOURS - 1.0), d.colour[i]);
    const xc_status status = lay_out(&d, opts, out, err);
    image_free(picture);
    if (status != XC_OK) {
        image_free(*out);
        *out = NULL;
    }
    return status;
}
