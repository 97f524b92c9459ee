/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does max pooling for training go a vector of channels at a time? The number of the tap is
 * carried along as a float beside the largest value.
 */
#include "kernel/ref/block.h"
#include "kernel/x86/act.h"
#include "kernel/x86/train.h"

enum { MOST_TAPS = 256 };

/* ---- forward -----------------------------------------------------------------------------------
 */

struct top {
    vec value, tap;
};

/* The first largest, or the first NaN. */
INLINE struct top keep(struct top t, vec v, int tap)
{
    const choice more = less(t.value, v), gone = is_nan(t.value), nan = is_nan(v);
    const vec tap_of = choose(nan, splat((float)tap), choose(more, splat((float)tap), t.tap));
    const vec value = choose(nan, v, choose(more, v, t.value));
    return (struct top){choose(gone, t.value, value), choose(gone, t.tap, tap_of)};
}

INLINE vec load_vector(const struct prologue *p, const float *x, int c, lanes some)
{
    vec v = load_lanes(x + c, some);
    if (p->scale)
        v = fused(load_lanes((const float *)p->scale + c, some), v,
                  load_lanes((const float *)p->shift + c, some));
    return p->act.kind == ACT_NONE ? v : activate_vec(&p->act, v);
}

static void put_taps(vec tap, int count, uint8_t *index)
{
    float number[VL];
    store(number, tap);
    for (int j = 0; j < count; j++) index[j] = (uint8_t)number[j];
}

void X86(pool_index)(const struct pool_index_call *call, size_t from, size_t to)
{
    const struct window *win = &call->window;
    const int channels = call->out.c, taps = win->kh * win->kw;
    const float *x[MOST_TAPS];
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->out, unit);
        float *out = pixel_at(&call->out, at);
        uint8_t *index = call->index + unit * (size_t)channels;
        for (int tap = 0; tap < taps; tap++)
            x[tap] = tap_at(&call->in, win, at, tap / win->kw, tap % win->kw);
        for (int c = 0; c < channels; c += VL) {
            const int count = channels - c < VL ? channels - c : VL;
            const lanes some = first_lanes(count);
            struct top top = {splat(-INFINITY), zero()};
            for (int tap = 0; tap < taps; tap++)
                if (x[tap]) top = keep(top, load_vector(&call->prologue, x[tap], c, some), tap);
            store_lanes(out + c, some, top.value);
            put_taps(top.tap, count, index + c);
        }
    }
}

/* ---- backward ----------------------------------------------------------------------------------
 */

struct giver { /* a window that a pixel lies in, and the tap that falls on it */
    const float *dout;
    const uint8_t *index;
    int tap;
};

INLINE ints bytes_at(const uint8_t *index, int count)
{
    union {
        uint8_t byte[16];
        __m128i all;
    } some = {{0}};
    if (count >= VL && VL == 16) {
        some.all = _mm_loadu_si128((const __m128i *)(const void *)index);
    } else {
        for (int j = 0; j < count && j < VL; j++) some.byte[j] = index[j];
    }
    return EPI32(cvtepu8)(some.all);
}

INLINE vec chosen(const struct giver *g, int c, int count, lanes some)
{
    const ints index = bytes_at(g->index + c, count), tap = EPI32(set1)(g->tap);
    const vec d = load_lanes(g->dout + c, some);
#ifdef __AVX512F__
    return _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(index, tap), d);
#else
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(index, tap)), d);
#endif
}

/* Of windows along one axis: the tap of window i that falls on n, or -1. */
static int tap_on(int n, int i, int pad, int k, int dilation, int stride)
{
    const int at = n + pad - i * stride;
    return at >= 0 && at % dilation == 0 && at / dilation < k ? at / dilation : -1;
}

static int first_window(int n, int pad, int k, int dilation, int stride)
{
    const int low = n + pad - (k - 1) * dilation;
    return low <= 0 ? 0 : (low + stride - 1) / stride;
}

static int find_givers(const struct pool_dx_call *call, struct place at, struct giver *giver)
{
    const struct window *w = &call->window;
    const struct view *d = &call->dout;
    int count = 0;
    for (int oy = first_window(at.y, w->pad_top, w->kh, w->dy, w->sy);
         oy < d->h && oy * w->sy <= at.y + w->pad_top; oy++) {
        const int ky = tap_on(at.y, oy, w->pad_top, w->kh, w->dy, w->sy);
        for (int ox = first_window(at.x, w->pad_left, w->kw, w->dx, w->sx);
             ky >= 0 && ox < d->w && ox * w->sx <= at.x + w->pad_left; ox++) {
            const int kx = tap_on(at.x, ox, w->pad_left, w->kw, w->dx, w->sx);
            const size_t pixel = ((size_t)at.n * (size_t)d->h + (size_t)oy) * (size_t)d->w;
            if (kx < 0) continue;
            giver[count++] =
                (struct giver){pixel_at(d, (struct place){at.n, oy, ox}),
                               call->index + (pixel + (size_t)ox) * (size_t)d->c, ky * w->kw + kx};
        }
    }
    return count;
}

void X86(pool_max_dx)(const struct pool_dx_call *call, size_t from, size_t to)
{
    const int channels = call->dx.c;
    struct giver giver[MOST_TAPS];
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->dx, unit);
        const int count = find_givers(call, at, giver);
        float *dx = pixel_at(&call->dx, at);
        for (int c = 0; c < channels; c += VL) {
            const lanes some = first_lanes(channels - c);
            vec sum = zero();
            for (int i = 0; i < count; i++)
                sum = add(sum, chosen(&giver[i], c, channels - c, some));
            if (call->add) sum = add(load_lanes(dx + c, some), sum);
            store_lanes(dx + c, some, sum);
        }
    }
}
