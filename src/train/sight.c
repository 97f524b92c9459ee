/* SPDX-License-Identifier: Apache-2.0 */
/* The scale of one preprocessing undone, that of the other done. */
#include "train/sight.h"

#include <string.h>

#include "image/image.h"

static int known_channels(const struct sight *s)
{
    return s->to.c < SIGHT_CHANNELS ? s->to.c : SIGHT_CHANNELS;
}

/* value = (byte / divisor - mean) / std */
static void find_scale(struct sight *s, const xc_preprocess *its, const xc_preprocess *shown)
{
    const double times = (double)shown->divisor / its->divisor;
    for (int c = 0; c < known_channels(s); c++) {
        const int from = s->turned && c < 3 ? 2 - c : c;
        const double scale = shown->std[from] * times / its->std[c];
        const double shift = (shown->mean[from] * times - its->mean[c]) / its->std[c];
        s->scale[c] = (float)scale;
        s->shift[c] = (float)shift;
        s->differs = s->differs || scale < 1 || scale > 1 || shift < 0 || shift > 0;
    }
}

struct sight sight_of(const xc_model *seer, const xc_model *shown)
{
    const xc_preprocess *its = &seer->meta.preprocess, *other = &shown->meta.preprocess;
    struct sight s = {.from = shown->graph->input, .to = seer->graph->input};
    s.resized = s.from.h != s.to.h || s.from.w != s.to.w;
    s.turned = (its->colour == XC_COLOUR_BGR) != (other->colour == XC_COLOUR_BGR) && s.from.c == 3;
    s.differs = s.resized || s.turned;
    find_scale(&s, its, other);
    return s;
}

static void rescale(const struct sight *s, size_t pixels, float *x)
{
    const int c = s->to.c, known = known_channels(s);
    for (; pixels > 0; pixels--, x += c) {
        if (s->turned) {
            const float first = x[0];
            x[0] = x[2];
            x[2] = first;
        }
        for (int i = 0; i < known; i++) x[i] = s->scale[i] * x[i] + s->shift[i];
    }
}

xc_status sight_turn(const struct sight *s, const float *from, int n, float *to, struct error *err)
{
    const size_t pixels = (size_t)n * (size_t)s->to.h * (size_t)s->to.w;
    if (s->resized)
        TRY(resize_bilinear_f32(from, n, s->from.w, s->from.h, s->from.c, s->to.w, s->to.h, to,
                                err));
    else
        memcpy(to, from, pixels * (size_t)s->to.c * sizeof *to);
    rescale(s, pixels, to);
    return XC_OK;
}
