/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a row of stored pixels become a row of the network's colours? Orientation, alpha, colour
 * and padding, in this order, one row at a time. Grey and alpha follow Pillow's convert and paste.
 */
#include "image/canvas.h"

#include <string.h>

#include "image/format.h"

struct turn turn_of(uint32_t o)
{
    return (struct turn){.mirror_x = o == 2 || o == 3 || o == 7 || o == 8,
                         .mirror_y = o == 3 || o == 4 || o == 6 || o == 7,
                         .swap = o >= 5};
}

struct view view_of(const xc_image *image, bool turn)
{
    int w = (int)image->info.width, h = (int)image->info.height;
    int channels = (int)image->info.format;
    struct turn t = turn_of(turn ? image->info.orientation : 1);
    ptrdiff_t x_step = t.mirror_x ? -channels : channels;
    ptrdiff_t y_step = t.mirror_y ? -image->stride : image->stride;
    const uint8_t *base = image->base;
    if (t.mirror_x) base -= x_step * (w - 1);
    if (t.mirror_y) base -= y_step * (h - 1);
    return t.swap ? (struct view){base, h, w, channels, y_step, x_step}
                  : (struct view){base, w, h, channels, x_step, y_step};
}

uint8_t rgb_luma(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

/* Pillow's paste with a mask: over + (under - over) rounded to nearest. */
static uint8_t compose(uint32_t over, uint32_t under, uint32_t alpha)
{
    uint32_t sum = over * alpha + under * (255 - alpha) + 128;
    return (uint8_t)((sum + (sum >> 8)) >> 8);
}

/* Any stored pixel as red, green, blue. */
static void pixel_rgb(const uint8_t *in, int channels, const xc_preprocess *p, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) {
        rgb[c] = in[channels == 1 ? 0 : c];
        if (channels == 4 && !p->drop_alpha) rgb[c] = compose(rgb[c], p->background[c], in[3]);
    }
}

/* Writes the pixel in the network's colours and returns what follows it. */
static uint8_t *pixel_put(const uint8_t rgb[3], xc_colour colour, uint8_t *out)
{
    if (colour == XC_COLOUR_GREY) {
        *out = rgb_luma(rgb);
        return out + 1;
    }
    bool swap = colour == XC_COLOUR_BGR;
    out[0] = rgb[swap ? 2 : 0];
    out[1] = rgb[1];
    out[2] = rgb[swap ? 0 : 2];
    return out + 3;
}

static uint8_t *pad_put(const struct canvas *canvas, int n, uint8_t *out)
{
    size_t pixel = (size_t)canvas->rows.channels;
    for (int x = 0; x < n; x++, out += pixel) memcpy(out, canvas->pad, pixel);
    return out;
}

/* Are stored rows the network's rows, as they lie? */
static bool is_stored(const struct canvas *canvas)
{
    const struct view *view = &canvas->view;
    return canvas->p->colour == XC_COLOUR_RGB && view->channels == 3 && view->across == 3 &&
           view->w == canvas->rows.w;
}

static const uint8_t *canvas_row(const struct rows *rows, int y, uint8_t *scratch)
{
    const struct canvas *canvas = (const struct canvas *)rows;
    const struct view *view = &canvas->view;
    if (y < canvas->top || y >= canvas->top + view->h) {
        pad_put(canvas, rows->w, scratch);
        return scratch;
    }
    const uint8_t *in = view->base + (y - canvas->top) * view->down;
    if (is_stored(canvas)) return in;
    uint8_t *out = pad_put(canvas, canvas->left, scratch);
    for (int x = 0; x < view->w; x++, in += view->across) {
        uint8_t rgb[3];
        pixel_rgb(in, view->channels, canvas->p, rgb);
        out = pixel_put(rgb, canvas->p->colour, out);
    }
    pad_put(canvas, rows->w - canvas->left - view->w, out);
    return scratch;
}

struct canvas canvas_of(struct view view, const xc_preprocess *p, int w, int h, int left, int top)
{
    int channels = p->colour == XC_COLOUR_GREY ? 1 : 3;
    struct canvas canvas = {{w, h, channels, canvas_row}, view, left, top, p, {0}};
    pixel_put(p->pad, p->colour, canvas.pad);
    return canvas;
}

xc_status image_upright(const xc_image *image, xc_image **out, struct error *err)
{
    const struct view v = view_of(image, true);
    const xc_image_limits own = {sizeof own, UINT32_MAX, UINT64_MAX, UINT64_MAX};
    TRY(image_new((uint32_t)v.w, (uint32_t)v.h, image->info.format, "memory", &own, out, err));
    for (int y = 0; y < v.h; y++) {
        const uint8_t *in = v.base + y * v.down;
        uint8_t *to = (*out)->pixels + y * (*out)->stride;
        for (int x = 0; x < v.w; x++, in += v.across, to += v.channels)
            memcpy(to, in, (size_t)v.channels);
    }
    return XC_OK;
}
