/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Winograd's F(4, 3) for pixels: sums of columns, six convolutions of one column, sums of products.
 * All of it is made of calls to kernels, so every instruction set has the same bits.
 */
#include "graph/winograd.h"

#include "graph/memory.h"

enum {
    LEAST_CHANNELS = 16, /* with fewer, sums cost what is saved */
    LEAST_FILTERS = 32,
    LEAST_PIXELS =
        14 * 14,        /* with fewer, time goes into weights, of which there are twice as many */
    LEAST_ROWS = 8 * 14 /* of a matrix whose weights come from far */
};

bool winograd_takes(const struct window *window, int groups, int c, struct shape out)
{
    return window->kw == WINOGRAD_WINDOW && window->sx == 1 && window->dx == 1 && groups == 1 &&
           c >= LEAST_CHANNELS && out.c >= LEAST_FILTERS && (int64_t)out.h * out.w >= LEAST_PIXELS;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int quads(int columns)
{
    return (columns + WINOGRAD_OUTPUTS - 1) / WINOGRAD_OUTPUTS;
}

/* The rows of the input that so many rows of the output look at. */
static int rows_seen(const struct window *window, int rows)
{
    return (rows - 1) * window->sy + (window->kh - 1) * window->dy + 1;
}

/* Six maps of so many rows of fours, in a scratch. */
static struct view six_maps(const struct conv_call *call, int rows, int c)
{
    struct view v = {
        .n = WINOGRAD_PRODUCTS, .h = rows, .w = quads(call->out.w), .c = c, .type = call->type};
    v.pixel = memory_scratch_pixel(c, dtype_size(call->type));
    v.row = v.w * v.pixel;
    v.image = v.h * v.row;
    return v;
}

static size_t bytes_of(const struct view *v)
{
    return (size_t)v->n * (size_t)v->image;
}

static size_t scratch_of(const struct conv_call *call, int rows)
{
    const struct view in = six_maps(call, rows_seen(&call->window, rows), call->in.c);
    const struct view out = six_maps(call, rows, call->out.c);
    return bytes_of(&in) + bytes_of(&out);
}

size_t winograd_scratch(const struct winograd_call *call)
{
    return scratch_of(&call->conv, call->rows);
}

struct matrix winograd_product(const struct winograd_call *call)
{
    const struct conv_call *conv = &call->conv;
    return (struct matrix){(size_t)(conv->window.kh * conv->in.c), (size_t)conv->out.c, 1};
}

void winograd_prepare(struct winograd_call *call)
{
    const struct conv_call *conv = &call->conv;
    const struct matrix m = winograd_product(call);
    const int h = conv->out.h, width = quads(conv->out.w), least = (LEAST_ROWS + width - 1) / width;
    call->rows = h < least ? h : least;
    while (call->rows < h && scratch_of(conv, call->rows + 1) <= call->kernels->block_bytes)
        call->rows++;
    const bool counted = packing_numbers(conv->packing, &m, &call->product);
    call->product = counted ? call->product * dtype_size(conv->type) : 0;
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Rows of one image of a view, as one. */
static struct view rows_of(struct view v, int image, int first, int rows)
{
    if (!v.data) return v;
    v.data = (char *)v.data + image * v.image + first * v.row;
    v.n = 1;
    v.h = rows;
    return v;
}

static void multiply(const struct winograd_call *call, const struct view *in,
                     const struct view *out)
{
    struct conv_call one = {.type = call->conv.type,
                            .window = call->conv.window,
                            .groups = 1,
                            .weight = call->conv.weight,
                            .packing = call->conv.packing};
    one.window.kw = 1;
    one.window.pad_top = one.window.pad_left = 0;
    for (int i = 0; i < WINOGRAD_PRODUCTS; i++) {
        one.in = rows_of(*in, i, 0, in->h);
        one.out = rows_of(*out, i, 0, out->h);
        call->kernels->conv(&one, 0, (size_t)out->h * (size_t)out->w);
        one.weight = (const char *)one.weight + call->product;
    }
}

/* Rows first .. first + rows of an image. */
static void run_rows(const struct winograd_call *call, int image, int first, int rows,
                     char *scratch)
{
    const struct conv_call *conv = &call->conv;
    const struct window *window = &conv->window;
    struct winograd_in_call in = {.type = conv->type,
                                  .in = rows_of(conv->in, image, 0, conv->in.h),
                                  .out = six_maps(conv, rows_seen(window, rows), conv->in.c),
                                  .top = window->pad_top - first * window->sy,
                                  .left = window->pad_left,
                                  .act = conv->prologue.act};
    struct winograd_out_call out = {.type = conv->type,
                                    .in = six_maps(conv, rows, conv->out.c),
                                    .out = rows_of(conv->out, image, first, rows),
                                    .epilogue = conv->epilogue};
    in.out.data = scratch;
    out.in.data = scratch + bytes_of(&in.out);
    out.epilogue.add = rows_of(out.epilogue.add, image, first, rows);
    call->kernels->winograd_in(&in, 0, (size_t)in.out.h * (size_t)in.out.w);
    multiply(call, &in.out, &out.in);
    call->kernels->winograd_out(&out, 0, (size_t)rows * (size_t)out.in.w);
}

void winograd_run(const struct winograd_call *call, int image, int from, int to, void *scratch)
{
    for (int end; from < to; from = end) {
        const int left = to - from, parts = (left + call->rows - 1) / call->rows;
        end = from + (left + parts - 1) / parts;
        run_rows(call, image, from, end - from, scratch);
    }
}
