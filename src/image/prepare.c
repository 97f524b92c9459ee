/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do pixels become exactly the tensor that the network was trained on? Here the fit decides how
 * large the canvas is, to what it is resized and which window of that is the input; the canvas and
 * the resize do the work, and the numbers are scaled last. Every rounding of a size is that of the
 * code that trained the published weights: torchvision and timm for crop, face-api for pad.
 */
#include "image/canvas.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "base/checked.h"

struct fit {
    int canvas_w, canvas_h, left, top; /* the picture stands at (left, top) */
    int64_t out_w, out_h;              /* the canvas is resized to this */
    struct window window;              /* of which this is the input */
};

enum { MAX_RESIZED_SIDE = 1 << 26 };

/* Python's round(n / 2) */
static int half_to_even(int64_t n)
{
    return (int)((n + ((n & 3) == 3)) / 2);
}

/* torchvision's Resize: the shorter side to `shorter`, the longer one truncated. */
static void resize_shorter(const struct view *view, int64_t shorter, struct fit *fit)
{
    bool tall = view->h > view->w;
    int64_t s = tall ? view->w : view->h, l = tall ? view->h : view->w;
    int64_t longer = shorter * l / s;
    fit->out_w = tall ? shorter : longer;
    fit->out_h = tall ? longer : shorter;
}

/* timm's ResizeKeepRatio: as small as covers w x h. */
static void resize_cover(const struct view *view, double w, double h, struct fit *fit)
{
    double ratio = fmin(view->w / w, view->h / h);
    fit->out_w = (int64_t)rint(view->w / ratio);
    fit->out_h = (int64_t)rint(view->h / ratio);
}

/* Square inputs resize by the shorter side and others cover, as timm does. */
static xc_status fit_crop(const struct view *view, double crop, int width, int height,
                          struct fit *fit, struct error *err)
{
    double w = floor(width / crop), h = floor(height / crop);
    if (w > MAX_RESIZED_SIDE || h > MAX_RESIZED_SIDE)
        return fail(err, XC_ERR_LIMIT, "crop fraction %g is too small for an input of %dx%d", crop,
                    width, height);
    if (width == height)
        resize_shorter(view, (int64_t)w, fit);
    else
        resize_cover(view, w, h, fit);
    if (fit->out_w > MAX_RESIZED_SIDE || fit->out_h > MAX_RESIZED_SIDE)
        return fail(err, XC_ERR_LIMIT, "a picture of %dx%d is too narrow to be cropped to %dx%d",
                    view->w, view->h, width, height);
    fit->window.x = half_to_even(fit->out_w - width);
    fit->window.y = half_to_even(fit->out_h - height);
    return XC_OK;
}

/* face-api pads to a square; here, to the input's aspect. The odd pixel goes to the right or below,
 * and the sides that are not square round to the nearest pixel. */
static xc_status fit_pad(const struct view *view, int width, int height, struct fit *fit,
                         struct error *err)
{
    int64_t w = view->w, h = view->h;
    if (w * height > h * width)
        h = (2 * w * height + width) / (2 * (int64_t)width);
    else
        w = (2 * h * width + height) / (2 * (int64_t)height);
    if (w > MAX_RESIZED_SIDE || h > MAX_RESIZED_SIDE)
        return fail(err, XC_ERR_LIMIT, "a picture of %dx%d is too narrow to be padded to %dx%d",
                    view->w, view->h, width, height);
    fit->canvas_w = (int)w;
    fit->canvas_h = (int)h;
    fit->left = (int)(w - view->w) / 2;
    fit->top = (int)(h - view->h) / 2;
    return XC_OK;
}

static xc_status fit_choose(const struct view *view, const xc_preprocess *p, int width, int height,
                            struct fit *fit, struct error *err)
{
    *fit = (struct fit){.canvas_w = view->w,
                        .canvas_h = view->h,
                        .out_w = width,
                        .out_h = height,
                        .window = {0, 0, width, height}};
    if (p->fit == XC_FIT_CROP) return fit_crop(view, p->crop, width, height, fit, err);
    if (p->fit == XC_FIT_PAD) return fit_pad(view, width, height, fit, err);
    return XC_OK;
}

/* How a channel's values become numbers, each step in float32. */
static float scaled(const xc_preprocess *p, int channel, float value)
{
    return (value / p->divisor - p->mean[channel]) / p->std[channel];
}

enum { STRIPE = 48 }; /* values; whole pixels of one channel or three */

/* The same for values of pixels side by side, in stripes that a compiler makes vectors of. */
static void scale(const xc_preprocess *p, int channels, size_t count, float *value)
{
    const float divisor = p->divisor;
    float mean[STRIPE], std[STRIPE];
    for (int i = 0; i < STRIPE; i++) {
        mean[i] = p->mean[i % channels];
        std[i] = p->std[i % channels];
    }
    for (; count >= STRIPE; count -= STRIPE, value += STRIPE)
        for (int i = 0; i < STRIPE; i++) value[i] = (value[i] / divisor - mean[i]) / std[i];
    for (size_t i = 0; i < count; i++) value[i] = scaled(p, (int)i % channels, value[i]);
}

/* The same for bytes, of which there are few. */
static void scale_bytes(const xc_preprocess *p, int channels, size_t pixels, const uint8_t *byte,
                        float *restrict out)
{
    float of[3][UINT8_MAX + 1];
    for (int c = 0; c < channels; c++)
        for (int v = 0; v <= UINT8_MAX; v++) of[c][v] = scaled(p, c, (float)v);
    if (channels == 1)
        for (size_t i = 0; i < pixels; i++) out[i] = of[0][byte[i]];
    else
        for (size_t i = 0; i < 3 * pixels; i += 3)
            for (size_t c = 0; c < 3; c++) out[i + c] = of[c][byte[i + c]];
}

static xc_status resize_and_scale(const struct canvas *canvas, const xc_preprocess *p,
                                  const struct fit *fit, float *out, struct error *err)
{
    const struct rows *rows = &canvas->rows;
    size_t row, count, channels = (size_t)rows->channels;
    size_t pixels = (size_t)fit->window.w * (size_t)fit->window.h;
    bool tf = p->filter == XC_FILTER_TF_BILINEAR;
    if (!size_mul((size_t)rows->w * 2, channels, &row) || !size_mul(pixels, channels, &count))
        return fail_memory(err, SIZE_MAX);
    uint8_t *bytes = malloc(tf ? row : count); /* two rows of scratch, or the resized picture */
    if (!bytes) return fail_memory(err, tf ? row : count);
    xc_status status = XC_OK;
    if (tf) {
        resize_tf_window(rows, (int)fit->out_w, (int)fit->out_h, fit->window, bytes, out);
        scale(p, rows->channels, count, out);
    } else {
        status = resize_window(rows, p->filter, (int)fit->out_w, (int)fit->out_h, fit->window,
                               bytes, err);
        if (status == XC_OK) scale_bytes(p, rows->channels, pixels, bytes, out);
    }
    free(bytes);
    return status;
}

xc_status image_prepare(const xc_image *image, const xc_preprocess *p, int height, int width,
                        int channels, float *out, struct error *err)
{
    TRY(preprocess_check(p, err));
    if (height < 1 || width < 1)
        return fail(err, XC_ERR_ARGUMENT, "an input of %dx%d has no pixels", width, height);
    TRY(preprocess_fits(p, channels, err));
    struct view view = view_of(image, p->apply_exif);
    struct fit fit;
    TRY(fit_choose(&view, p, width, height, &fit, err));
    struct canvas canvas = canvas_of(view, p, fit.canvas_w, fit.canvas_h, fit.left, fit.top);
    return resize_and_scale(&canvas, p, &fit, out, err);
}

xc_status image_shown(const xc_image *image, const xc_preprocess *p, int height, int width,
                      double *left, double *upper, double *right, double *lower, struct error *err)
{
    const struct view view = view_of(image, p->apply_exif);
    struct fit fit;
    TRY(fit_choose(&view, p, width, height, &fit, err));
    const double x = (double)fit.canvas_w / (double)fit.out_w;
    const double y = (double)fit.canvas_h / (double)fit.out_h;
    *left = fit.window.x * x - fit.left;
    *upper = fit.window.y * y - fit.top;
    *right = *left + fit.window.w * x;
    *lower = *upper + fit.window.h * y;
    return XC_OK;
}
