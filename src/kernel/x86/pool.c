/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The largest value, or the mean, under a window that slides over an image. A few vectors of
 * channels stay in registers while the taps of one output pixel pass by; the part of the window
 * that is on padding is cut off before.
 */
#include "kernel/x86/act.h"
#include "kernel/x86/pixels.h"
#include "kernel/x86/span.h"
#include "kernel/x86/vec.h"
#include "kernel/x86/x86.h"

/* The taps of an output pixel that are inside the input. */
struct taps {
    const char *first;
    int rows, columns;
    ptrdiff_t row, column; /* bytes from tap to tap */
};

static struct taps taps_of(const struct pool_call *call, struct place at)
{
    const struct window *win = &call->window;
    const struct span y = clip_span(at.y * win->sy - win->pad_top, win->kh, win->dy, call->in.h);
    const struct span x = clip_span(at.x * win->sx - win->pad_left, win->kw, win->dx, call->in.w);
    struct taps t = {.rows = y.count,
                     .columns = x.count,
                     .row = win->dy * call->in.row,
                     .column = win->dx * call->in.pixel};
    if (t.rows == 0 || t.columns == 0) return (struct taps){0};
    t.first = (const char *)pixel_at(&call->in, (struct place){at.n, y.at, x.at});
    return t;
}

/* Where the numbers of an output pixel go, and what is done to them before. */
struct sink {
    float *out;
    const float *addend;
    struct activation act;
    float divisor;
    int end; /* channels */
};

/* What becomes of the taps: MAX is only right when it finds no NaN. */
enum take { AVERAGE, MAX, MAX_OR_NAN };

/* acc becomes what all taps make of it; was NaN among them? Asked of MAX alone. */
INLINE bool take_taps(const struct taps *t, const struct sink *to, vec acc[4], int c,
                      const int vectors, const bool whole, const enum take how)
{
    const lanes k = first_lanes(to->end - c);
    choice bad = is_nan(zero());
    for (int y = 0; y < t->rows; y++) {
        const char *tap = t->first + y * t->row + c * (ptrdiff_t)sizeof(float);
        for (int x = 0; x < t->columns; x++, tap += t->column) {
            const float *from = (const void *)tap;
            vec v[4];
#define TAKE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        v[i] = whole ? load(from + i * VL) : load_lanes(from, k);                                  \
        acc[i] = how == AVERAGE ? add(acc[i], v[i])                                                \
                 : how == MAX   ? max_of(acc[i], v[i])                                             \
                                : larger_of(acc[i], v[i]);                                           \
    }
            TAKE(0);
            TAKE(1);
            TAKE(2);
            TAKE(3);
#undef TAKE
            if (how == MAX) bad = either(bad, either_is_nan(v[0], v[vectors > 1]));
            if (how == MAX && vectors == 4) bad = either(bad, either_is_nan(v[2], v[3]));
        }
    }
    return how == MAX && any(bad);
}

/* `vectors` vectors of channels from c on, one or four; `whole`: all their numbers exist. */
INLINE void pool_vectors(const struct taps *t, const struct sink *to, int c, const int vectors,
                         const bool whole, const bool average)
{
    const vec start = average ? zero() : splat(-INFINITY);
    vec acc[4] = {start, start, start, start};
    if (take_taps(t, to, acc, c, vectors, whole, average ? AVERAGE : MAX)) {
        acc[0] = acc[1] = acc[2] = acc[3] = start;
        take_taps(t, to, acc, c, vectors, whole, MAX_OR_NAN);
    }
#define GIVE(i)                                                                                    \
    if (i < vectors) {                                                                             \
        const int at = c + i * VL;                                                                 \
        vec v = average ? quotient(acc[i], splat(to->divisor)) : acc[i];                           \
        if (to->addend) v = add(v, load_channels(to->addend, at, to->end));                        \
        store_channels(to->out, at, to->end, activate_vec(&to->act, v));                           \
    }
    GIVE(0) GIVE(1) GIVE(2) GIVE(3)
#undef GIVE
}

INLINE void pool_pixel(const struct taps *t, const struct sink *to, const bool average)
{
    int c = 0;
    for (; c + 4 * VL <= to->end; c += 4 * VL) pool_vectors(t, to, c, 4, true, average);
    for (; c + VL <= to->end; c += VL) pool_vectors(t, to, c, 1, true, average);
    if (c < to->end) pool_vectors(t, to, c, 1, false, average);
}

static struct sink sink_of(const struct pool_call *call, struct place at)
{
    const struct epilogue *e = &call->epilogue;
    return (struct sink){.out = pixel_at(&call->out, at),
                         .addend = e->add.data ? pixel_at(&e->add, at) : NULL,
                         .act = e->act,
                         .end = call->out.c};
}

void X86(pool_max)(const struct pool_call *call, size_t from, size_t to)
{
    struct place at = place_of(&call->out, from);
    for (size_t unit = from; unit < to; unit++, at = next_place(&call->out, at)) {
        const struct taps t = taps_of(call, at);
        const struct sink sink = sink_of(call, at);
        pool_pixel(&t, &sink, false);
    }
}

void X86(pool_average)(const struct pool_call *call, size_t from, size_t to)
{
    const int all = call->window.kh * call->window.kw;
    struct place at = place_of(&call->out, from);
    for (size_t unit = from; unit < to; unit++, at = next_place(&call->out, at)) {
        const struct taps t = taps_of(call, at);
        struct sink sink = sink_of(call, at);
        sink.divisor = (float)(call->count_pad ? all : t.rows * t.columns);
        pool_pixel(&t, &sink, true);
    }
}
