/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does TensorFlow resize? tf.image.resize(method="bilinear", antialias=False): half-pixel
 * centres, four neighbours, whatever the scale, and a float result that is not rounded. All in
 * float32 in TensorFlow's order. Shrinking skips pixels, so this is not Pillow's bilinear.
 */
#include "image/resize.h"

#include <math.h>

struct pair {
    int lower, upper;
    float weight; /* of upper */
};

static struct pair pair_of(int out, float scale, int in_size)
{
    float at = ((float)out + 0.5f) * scale - 0.5f, below = floorf(at);
    int lower = (int)below, upper = (int)ceilf(at);
    return (struct pair){lower > 0 ? lower : 0, upper < in_size ? upper : in_size - 1, at - below};
}

static float mix(float a, float b, float weight)
{
    return a + (b - a) * weight;
}

void resize_tf_window(const struct rows *in, int out_w, int out_h, struct window window,
                      uint8_t *scratch, float *out)
{
    size_t pixel = (size_t)in->channels;
    float x_scale = (float)in->w / (float)out_w, y_scale = (float)in->h / (float)out_h;
    for (int y = 0; y < window.h; y++) {
        struct pair v = pair_of(window.y + y, y_scale, in->h);
        const uint8_t *top = in->get(in, v.lower, scratch);
        const uint8_t *bottom =
            in->get(in, v.upper, scratch ? scratch + (size_t)in->w * pixel : NULL);
        for (int x = 0; x < window.w; x++) {
            struct pair u = pair_of(window.x + x, x_scale, in->w);
            size_t left = (size_t)u.lower * pixel, right = (size_t)u.upper * pixel;
            for (size_t c = 0; c < pixel; c++)
                *out++ = mix(mix(top[left + c], top[right + c], u.weight),
                             mix(bottom[left + c], bottom[right + c], u.weight), v.weight);
        }
    }
}

void resize_tf_bilinear(const uint8_t *in, int w, int h, ptrdiff_t stride, int channels, int out_w,
                        int out_h, float *out)
{
    struct plain_rows rows = plain_rows_of(in, w, h, stride, channels);
    resize_tf_window(&rows.rows, out_w, out_h, (struct window){0, 0, out_w, out_h}, NULL, out);
}
