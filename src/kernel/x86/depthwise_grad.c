/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both gradients of a 3x3 depthwise convolution, image by image. That of the input is a depthwise
 * convolution of dout with the taps turned round. For that of the weights three rows of the input
 * (as the convolution saw them) lie in a ring, a vector of channels each, with zeros where padding
 * is; so there is one inner loop of nine taps, and no border in it. Brain floats lie there in
 * words, each beside its right neighbour.
 *
 * A row too wide for the ring, another window or a stride takes the plain kernel.
 */
#include <string.h>

#include "kernel/x86/act.h"
#include "kernel/x86/maps.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/train.h"
#include "kernel/x86/x86.h"

enum { RING = 4608, BORDER = 4, TAPS = 9, BLOCK_CHANNELS = 128, VECTORS = 4 };

static bool is_served(const struct depthwise_grad_call *call)
{
    const struct window *w = &call->window;
    const int widest = call->in.w > call->dout.w ? call->in.w : call->dout.w;
    return w->kh == 3 && w->kw == 3 && w->sy == 1 && w->sx == 1 && w->dy == 1 && w->dx == 1 &&
           w->pad_top >= 0 && w->pad_top <= 2 && w->pad_left >= 0 && w->pad_left <= 2 &&
           (widest + 2 * BORDER) * VL <= RING && is_own(&call->in) && is_own(&call->dout) &&
           is_own(&call->dx);
}

/* ---- of the input ---------------------------------------------------------------------------- */

static struct view channels_of(struct view v, int first, int count)
{
    if (v.data) v.data = (number *)v.data + first;
    v.c = count;
    return v;
}

/* Channels first .. first + width, at most BLOCK_CHANNELS, of image n. */
static void image_dx(const struct depthwise_grad_call *call, int n, int first, int width)
{
    number weight[TAPS * BLOCK_CHANNELS];
    for (int tap = 0; tap < TAPS; tap++)
        memcpy(weight + tap * width,
               (const number *)call->weight + (TAPS - 1 - tap) * call->in.c + first,
               (size_t)width * sizeof *weight);
    struct conv_call conv = {.type = call->type,
                             .in = channels_of(call->dout, first, width),
                             .out = channels_of(call->dx, first, width),
                             .window = call->window,
                             .groups = width,
                             .weight = weight};
    conv.window.pad_top = 2 - call->window.pad_top;
    conv.window.pad_left = 2 - call->window.pad_left;
    if (call->add) conv.epilogue.add = conv.out;
    const size_t pixels = (size_t)call->dx.h * (size_t)call->dx.w;
    MAPS(depthwise)(&conv, (size_t)n * pixels, (size_t)(n + 1) * pixels);
}

/* ---- of the weights -------------------------------------------------------------------------- */

struct sweep {
    const struct depthwise_grad_call *call;
    int n; /* image */
    float *dw;
    struct vector {
        int first; /* channel */
        lanes some;
        part numbers;
        float in[3][RING]; /* rows y mod 3; pixel x at (x + BORDER / 2) * VL */
    } vector[VECTORS];
};

static float *row_of(float ring[3][RING], int y)
{
    return ring[(y + 3) % 3] + BORDER / 2 * VL;
}

/* Puts pixels down one after the other; the first one is at `to`. */
struct row {
    float *to;
#ifdef KERNEL_BF16_MAPS
    halves before;
#endif
};

INLINE struct row row_begin(float *to)
{
#ifdef KERNEL_BF16_MAPS
    return (struct row){to, narrowed(zero())};
#else
    return (struct row){to};
#endif
}

INLINE void row_add(struct row *r, vec v)
{
#ifdef KERNEL_BF16_MAPS
    const halves now = narrowed(v);
    store(r->to - VL, pair_words(r->before, now));
    r->before = now;
#else
    store(r->to, v);
#endif
    r->to += VL;
}

static void load_in(const struct sweep *s, struct vector *v, int y)
{
    const struct depthwise_grad_call *call = s->call;
    const struct prologue *p = &call->prologue;
    float *to = row_of(v->in, y);
    const int widest = call->in.w > call->dout.w ? call->in.w : call->dout.w;
    if (y < 0 || y >= call->in.h) {
        memset(to - BORDER / 2 * VL, 0, (size_t)((widest + BORDER) * VL) * sizeof *to);
        return;
    }
    const void *pixel = pixel_at(&call->in, (struct place){s->n, y, 0});
    const number *x = (const number *)pixel + v->first;
    const vec scale = p->scale ? load_lanes((const float *)p->scale + v->first, v->some) : zero();
    const vec shift = p->scale ? load_lanes((const float *)p->shift + v->first, v->some) : zero();
    const vec floor = splat(p->act.kind == ACT_RELU ? 0 : -INFINITY);
    const ptrdiff_t ahead = y + 2 < call->in.h ? 2 * call->in.row : 0;
    const bool rare = p->act.kind != ACT_NONE && p->act.kind != ACT_RELU;
    struct row row = row_begin(to);
    for (int i = -BORDER / 2; i < 0; i++) store(to + i * VL, zero());
    if (p->scale && !rare)
        for (int i = 0; i < call->in.w; i++, x = (const void *)further(x, call->in.pixel)) {
            _mm_prefetch((const char *)further(x, ahead), _MM_HINT_T0);
            row_add(&row, max_of(floor, fused(scale, load_part_of(x, v->numbers), shift)));
        }
    else
        for (int i = 0; i < call->in.w; i++, x = (const void *)further(x, call->in.pixel)) {
            _mm_prefetch((const char *)further(x, ahead), _MM_HINT_T0);
            vec z = load_part_of(x, v->numbers);
            if (p->scale) z = fused(scale, z, shift);
            row_add(&row, rare ? activate_vec(&p->act, z) : max_of(floor, z));
        }
    const int behind = widest - call->in.w + BORDER / 2 + PIXELS - 1;
    for (int i = 0; i < behind; i++) row_add(&row, zero());
}

/* Of dout: PIXELS neighbours, as far as there are so many. */
INLINE vec load_dout(const number *d, ptrdiff_t pixel, int count, part some)
{
#ifdef KERNEL_BF16_MAPS
    const number *next = (const void *)further(d, pixel);
    return pair_words(part_halves(d, some), count > 1 ? part_halves(next, some) : narrowed(zero()));
#else
    (void)pixel, (void)count;
    return load_part_of(d, some);
#endif
}

#define EACH_TAP(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)

/* Rows from .. to of dout: a chunk, whose sums are added to dw, or replace it. */
static void dw_chunk(const struct sweep *s, struct vector *v, int from, int to, bool replace)
{
    const struct depthwise_grad_call *call = s->call;
    const int top = call->window.pad_top, left = call->window.pad_left;
    vec acc[TAPS];
#define START(i) acc[i] = zero();
    EACH_TAP(START)
#undef START
    for (int y = from; y < to; y++) {
        const float *in[3];
        load_in(s, v, y - top + 2);
        for (int ky = 0; ky < 3; ky++) in[ky] = row_of(v->in, y - top + ky) - left * VL;
        const void *row = pixel_at(&call->dout, (struct place){s->n, y, 0});
        const number *d = (const number *)row + v->first;
        const unsigned before = sums_begin();
#define PIN(i) acc[i] = pinned(acc[i]);
        EACH_TAP(PIN)
        for (int x = 0; x < call->dout.w; x += PIXELS) {
            const vec dz = load_dout(d, call->dout.pixel, call->dout.w - x, v->numbers);
#define TAP(i) acc[i] = multiply_add(load(in[i / 3] + (x + i % 3) * VL), dz, acc[i]);
            EACH_TAP(TAP)
#undef TAP
            d = (const void *)further(d, PIXELS * call->dout.pixel);
        }
        EACH_TAP(PIN)
        sums_end(before);
        EACH_TAP(PIN)
#undef PIN
    }
#define PUT(i)                                                                                     \
    {                                                                                              \
        float *dw = s->dw + i * call->in.c + v->first;                                             \
        store_lanes(dw, v->some, replace ? acc[i] : add(load_lanes(dw, v->some), acc[i]));         \
    }
    EACH_TAP(PUT)
#undef PUT
}

/* The vectors take turns, so that lines of memory that follow each other are read together. */
static void image_dw(struct sweep *s, int vectors, bool first_of_group)
{
    const struct view *dout = &s->call->dout;
    const int step = depthwise_chunk_rows(dout->w), top = s->call->window.pad_top;
    for (struct vector *v = s->vector; v < s->vector + vectors; v++) {
        load_in(s, v, -top);
        load_in(s, v, 1 - top);
    }
    for (int y = 0; y < dout->h; y += step)
        for (struct vector *v = s->vector; v < s->vector + vectors; v++)
            dw_chunk(s, v, y, dout->h - y < step ? dout->h : y + step, first_of_group && y == 0);
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Channels from .. to of image n. */
static void image_grads(struct sweep *s, int from, int to, bool first_of_group)
{
    const struct depthwise_grad_call *call = s->call;
    for (int first = from, width; call->dx.data && first < to; first += width) {
        width = to - first < BLOCK_CHANNELS ? to - first : BLOCK_CHANNELS;
        image_dx(call, s->n, first, width);
    }
    for (int first = from, count; call->dw && first < to; first += count * VL) {
        for (count = 0; count < VECTORS && first + count * VL < to; count++) {
            s->vector[count].first = first + count * VL;
            s->vector[count].some = first_lanes(to - s->vector[count].first);
            s->vector[count].numbers = first_part(to - s->vector[count].first);
        }
        image_dw(s, count, first_of_group);
    }
}

void MAPS(depthwise_grad)(const struct depthwise_grad_call *call, size_t from, size_t to)
{
    if (!is_served(call)) {
        PLAIN(depthwise_grad)(call, from, to);
        return;
    }
    const size_t c = (size_t)call->in.c;
    const int n = call->in.n, images = call->images ? call->images : n;
    struct sweep s;
    s.call = call;
    for (size_t end; from < to; from = end) {
        const size_t group = from / c, first = group * c;
        const int start = (int)group * images, stop = n - start < images ? n : start + images;
        end = to < first + c ? to : first + c;
        s.dw = (float *)call->dw + group * TAPS * c;
        for (s.n = start; s.n < stop; s.n++)
            image_grads(&s, (int)(from - first), (int)(end - first), call->images && s.n == start);
    }
}
