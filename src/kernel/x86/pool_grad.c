/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does pooling for training go a vector of channels at a time? Max: the number of the tap is
 * carried along as a float beside the largest value.
 */
#include <string.h>

#include "kernel/x86/act.h"
#include "kernel/x86/maps.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/train.h"

enum { MOST_TAPS = 256 };

/* ---- forward --------------------------------------------------------------------------------- */

struct top {
    vec value, tap;
};

/* The first largest, or the first NaN. */
INLINE struct top keep(struct top t, vec v, vec tap)
{
#ifdef __AVX512F__
    const choice above = _mm512_cmp_ps_mask(v, t.value, _CMP_NLE_UQ); /* or NaN */
    const choice take = _mm512_mask_cmp_ps_mask(above, t.value, t.value, _CMP_ORD_Q);
#else
    const choice above = _mm256_cmp_ps(v, t.value, _CMP_NLE_UQ);
    const choice take = _mm256_and_ps(above, _mm256_cmp_ps(t.value, t.value, _CMP_ORD_Q));
#endif
    return (struct top){choose(take, v, t.value), choose(take, tap, t.tap)};
}

INLINE void put_taps(vec tap, int count, uint8_t *index)
{
#ifdef __AVX512F__
    _mm512_mask_cvtepi32_storeu_epi8(index, first_lanes(count), _mm512_cvttps_epi32(tap));
#else
    const __m256i wide = _mm256_cvttps_epi32(tap);
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    uint8_t bytes[16];
    _mm_storeu_si128((__m128i *)(void *)bytes, _mm_packus_epi16(words, words));
    if (count >= VL)
        memcpy(index, bytes, VL);
    else
        memcpy(index, bytes, (size_t)count);
#endif
}

struct taps { /* of one window that are no padding */
    int count;
    float number[MOST_TAPS];
    const number *x[MOST_TAPS];
};

static void find_taps(const struct pool_index_call *call, struct place at, struct taps *t)
{
    const struct window *win = &call->window;
    t->count = 0;
    for (int ky = 0, tap = 0; ky < win->kh; ky++)
        for (int kx = 0; kx < win->kw; kx++, tap++) {
            const void *x = tap_at(&call->in, win, at, ky, kx);
            if (!x) continue;
            t->number[t->count] = (float)tap;
            t->x[t->count++] = x;
        }
}

/* What the windows one row further down see first, and this one's neighbours do not fetch: no
 * hardware expects the second row of a window while it follows the first. */
static void fetch_ahead(const struct pool_index_call *call, struct place at)
{
    const struct view *in = &call->in;
    const struct window *win = &call->window;
    const int y = (at.y + 1) * win->sy - win->pad_top + win->kh - win->sy, x = at.x * win->sx;
    for (int i = 0; i < win->sy; i++)
        for (int j = 0; j < win->sx; j++) {
            if (y + i < 0 || y + i >= in->h || x + j >= in->w) continue;
            const void *first = pixel_at(in, (struct place){at.n, y + i, x + j});
            const number *pixel = first;
            for (int c = 0; c < in->c; c += 64 / (int)sizeof *pixel)
                _mm_prefetch((const char *)(pixel + c), _MM_HINT_T0);
        }
}

/* Vectors c, c + VL, ... of the output, as many at once as `vectors`: each waits for itself only.
 */
INLINE void find_tops(const struct pool_index_call *call, const struct taps *t, int c,
                      const int vectors, number *out, uint8_t *index)
{
    const struct prologue *p = &call->prologue;
    const int left = call->out.c - c;
    const bool raw = !p->scale && p->act.kind == ACT_NONE;
    vec scale[4], shift[4];
    struct top top[4];
    const lanes last = first_lanes(left - (vectors - 1) * VL);
    const part last_part = first_part(left - (vectors - 1) * VL);
#define FOUR(X) X(0) X(1) X(2) X(3)
#define SOME(j) (j + 1 == vectors ? last : first_lanes(VL))
#define PART(j) (j + 1 == vectors ? last_part : first_part(VL))
#define START(j)                                                                                   \
    top[j] = (struct top){splat(-INFINITY), zero()};                                               \
    scale[j] = shift[j] = zero();                                                                  \
    if (j < vectors && p->scale) {                                                                 \
        scale[j] = load_lanes((const float *)p->scale + c + j * VL, SOME(j));                      \
        shift[j] = load_lanes((const float *)p->shift + c + j * VL, SOME(j));                      \
    }
    FOUR(START)
    for (int i = 0; i < t->count; i++) {
        const number *x = t->x[i] + c;
        const vec tap = splat(t->number[i]);
#define KEEP(j)                                                                                    \
    if (j < vectors) {                                                                             \
        vec v = load_part_of(x + j * VL, PART(j));                                                 \
        if (!raw) v = p->scale ? fused(scale[j], v, shift[j]) : v;                                 \
        if (p->act.kind != ACT_NONE) v = activate_vec(&p->act, v);                                 \
        top[j] = keep(top[j], v, tap);                                                             \
    }
        FOUR(KEEP)
    }
#define PUT(j)                                                                                     \
    if (j < vectors) {                                                                             \
        store_part_of(out + c + j * VL, PART(j), top[j].value);                                    \
        put_taps(top[j].tap, left - j * VL, index + c + j * VL);                                   \
    }
    FOUR(PUT)
#undef SOME
#undef PART
#undef START
#undef KEEP
#undef PUT
}

void MAPS(pool_index)(const struct pool_index_call *call, size_t from, size_t to)
{
    const int channels = call->out.c;
    struct taps taps;
    if (!is_own(&call->in) || !is_own(&call->out)) {
        PLAIN(pool_index)(call, from, to);
        return;
    }
    for (size_t unit = from; unit < to; unit++) {
        const struct place at = place_of(&call->out, unit);
        void *out = pixel_at(&call->out, at);
        uint8_t *index = call->index + unit * (size_t)channels;
        find_taps(call, at, &taps);
        fetch_ahead(call, at);
        int c = 0;
        for (; c + 4 * VL <= channels; c += 4 * VL) find_tops(call, &taps, c, 4, out, index);
        for (; c < channels; c += VL) find_tops(call, &taps, c, 1, out, index);
    }
}

/* ---- backward -------------------------------------------------------------------------------- */

struct giver { /* a window that a pixel lies in, and the tap that falls on it */
    const number *dout;
    const uint8_t *index; /* NULL: an average of so many taps */
    int tap;
    float taps;
};

INLINE ints bytes_at(const uint8_t *index, int count)
{
    union {
        uint8_t byte[16];
        __m128i all;
    } some = {{0}};
    const __m128i *first = (const void *)index;
    if (count >= VL) {
        some.all = VL == 16 ? _mm_loadu_si128(first) : _mm_loadl_epi64(first);
    } else {
        for (int j = 0; j < count && j < VL; j++) some.byte[j] = index[j];
    }
    return EPI32(cvtepu8)(some.all);
}

INLINE vec chosen(const struct giver *g, int c, int count, part some)
{
    const ints index = bytes_at(g->index + c, count), tap = EPI32(set1)(g->tap);
    const vec d = load_part_of(g->dout + c, some);
#ifdef __AVX512F__
    return _mm512_maskz_mov_ps(_mm512_cmpeq_epi32_mask(index, tap), d);
#else
    return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(index, tap)), d);
#endif
}

INLINE vec given(const struct giver *g, int c, int count, part some)
{
    if (g->index) return chosen(g, c, count, some);
    return PS(div)(load_part_of(g->dout + c, some), splat(g->taps));
}

static int first_window(int n, int pad, int k, int dilation, int stride)
{
    const int low = n + pad - (k - 1) * dilation;
    return low <= 0 ? 0 : (low + stride - 1) / stride;
}

/* Windows along one axis whose taps fall on a position, in index order. */
enum { MOST_GIVERS = 16, MOST_COLUMNS = 1024 };
struct givers {
    int count;
    struct {
        int16_t window;
        uint8_t tap, inside; /* inside: taps of the window that are no padding */
    } at[4];
};

struct axis {
    int pad, k, dilation, stride, windows, pixels;
};

static int count_inside(const struct axis *a, int window)
{
    int inside = 0;
    for (int tap = 0; tap < a->k; tap++) {
        const int at = window * a->stride - a->pad + tap * a->dilation;
        inside += at >= 0 && at < a->pixels;
    }
    return inside;
}

/* At most four, or the caller takes the plain kernel. */
static struct givers givers_on(const struct axis *a, int n)
{
    struct givers g = {0};
    const int end =
        (n + a->pad) / a->stride + 1 < a->windows ? (n + a->pad) / a->stride + 1 : a->windows;
    for (int i = first_window(n, a->pad, a->k, a->dilation, a->stride); i < end; i++) {
        const int tap = tap_on(n, i, a->pad, a->k, a->dilation, a->stride);
        if (tap < 0) continue;
        g.at[g.count].window = (int16_t)i;
        g.at[g.count].inside = (uint8_t)count_inside(a, i);
        g.at[g.count++].tap = (uint8_t)tap;
    }
    return g;
}

/* All windows over a pixel of the row that ys belongs to. */
static int find_givers(const struct pool_dx_call *call, int n, const struct givers *ys,
                       const struct givers *xs, struct giver *giver)
{
    const struct view *d = &call->dout;
    int count = 0;
    for (int i = 0; i < ys->count; i++) {
        const int oy = ys->at[i].window, tap = ys->at[i].tap * call->window.kw;
        const void *row = pixel_at(d, (struct place){n, oy, 0});
        const size_t pixel = ((size_t)n * (size_t)d->h + (size_t)oy) * (size_t)d->w;
        for (int j = 0; j < xs->count; j++) {
            const int ox = xs->at[j].window;
            struct giver *g = &giver[count++];
            *g = (struct giver){.dout = (const void *)further(row, ox * d->pixel)};
            if (call->index) g->index = call->index + (pixel + (size_t)ox) * (size_t)d->c;
            g->tap = tap + xs->at[j].tap;
            g->taps = (float)(call->count_pad ? call->window.kh * call->window.kw
                                              : ys->at[i].inside * xs->at[j].inside);
        }
    }
    return count;
}

static void pixel_dx(const struct pool_dx_call *call, const struct giver *giver, int count,
                     number *dx)
{
    const int channels = call->dx.c;
    for (int c = 0; c < channels; c += VL) {
        const part some = first_part(channels - c);
        vec sum = zero();
        for (int i = 0; i < count; i++) sum = add(sum, given(&giver[i], c, channels - c, some));
        if (call->add) sum = add(load_part_of(dx + c, some), sum);
        store_part_of(dx + c, some, sum);
    }
}

static bool is_served(const struct pool_dx_call *call)
{
    const struct window *w = &call->window;
    return w->kh <= 4 && w->kw <= 4 && call->dx.w <= MOST_COLUMNS && call->dout.h <= INT16_MAX &&
           is_own(&call->dout) && is_own(&call->dx);
}

static void pool_dx(const struct pool_dx_call *call, size_t from, size_t to)
{
    const struct window *w = &call->window;
    const struct axis rows = {w->pad_top, w->kh, w->dy, w->sy, call->dout.h, call->dx.h};
    const struct axis columns = {w->pad_left, w->kw, w->dx, w->sx, call->dout.w, call->dx.w};
    struct givers xs[MOST_COLUMNS];
    struct giver giver[MOST_GIVERS];
    for (int x = 0; x < call->dx.w; x++) xs[x] = givers_on(&columns, x);
    while (from < to) {
        struct place at = place_of(&call->dx, from);
        const struct givers ys = givers_on(&rows, at.y);
        for (; at.x < call->dx.w && from < to; at.x++, from++) {
            const int count = find_givers(call, at.n, &ys, &xs[at.x], giver);
            pixel_dx(call, giver, count, (void *)pixel_at(&call->dx, at));
        }
    }
}

void MAPS(pool_max_dx)(const struct pool_dx_call *call, size_t from, size_t to)
{
    if (is_served(call))
        pool_dx(call, from, to);
    else
        PLAIN(pool_max_dx)(call, from, to);
}

void MAPS(pool_average_dx)(const struct pool_dx_call *call, size_t from, size_t to)
{
    if (is_served(call))
        pool_dx(call, from, to);
    else
        PLAIN(pool_average_dx)(call, from, to);
}
