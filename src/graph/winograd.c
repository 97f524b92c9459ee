/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Winograd's F(4, 3) for pixels: sums of columns, six convolutions of one column, sums of products.
 * All of it is made of calls to kernels, so every instruction set has the same bits.
 */
#include "graph/winograd.h"

#include "graph/memory.h"

enum {
    COLUMNS = 3,
    LEAST_CHANNELS = 16, /* of the input and of the output: below, sums cost what is saved */
    LEAST_FILTERS = 32,
    LEAST_PIXELS = 14 * 14, /* below, twice as many weights are read as are needed twice */
    LEAST_ROWS = 8 * 14,    /* of a matrix: its weights come from far */
    ROOM = 640 << 10        /* of the second-level cache */
};

bool winograd_takes(const struct window *window, int groups, int c, struct shape out)
{
    return window->kw == COLUMNS && window->sx == 1 && window->dx == 1 && groups == 1 &&
           c >= LEAST_CHANNELS && out.c >= LEAST_FILTERS && out.h * out.w >= LEAST_PIXELS;
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

size_t winograd_scratch(const struct conv_call *call, int rows)
{
    const struct view in = six_maps(call, rows_seen(&call->window, rows), call->in.c);
    const struct view out = six_maps(call, rows, call->out.c);
    return bytes_of(&in) + bytes_of(&out);
}

int winograd_rows(const struct conv_call *call)
{
    const int least = (LEAST_ROWS + quads(call->out.w) - 1) / quads(call->out.w);
    int rows = call->out.h < least ? call->out.h : least;
    while (rows < call->out.h && winograd_scratch(call, rows + 1) <= ROOM) rows++;
    return rows;
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

static void multiply(const struct kernels *k, const struct conv_call *call, const struct view *in,
                     const struct view *out)
{
    const struct matrix m = {(size_t)(call->window.kh * in->c), (size_t)out->c, 1};
    struct conv_call one = {.type = call->type,
                            .window = call->window,
                            .groups = 1,
                            .weight = call->weight,
                            .packing = call->packing};
    size_t numbers = 0;
    if (!packing_numbers(call->packing, &m, &numbers)) return;
    one.window.kw = 1;
    one.window.pad_top = one.window.pad_left = 0;
    for (int i = 0; i < WINOGRAD_PRODUCTS; i++) {
        one.in = rows_of(*in, i, 0, in->h);
        one.out = rows_of(*out, i, 0, out->h);
        k->conv(&one, 0, (size_t)out->h * (size_t)out->w);
        one.weight = (const char *)one.weight + numbers * dtype_size(call->type);
    }
}

/* Rows first .. first + rows of an image. */
static void run_rows(const struct kernels *k, const struct conv_call *call, int image, int first,
                     int rows, char *scratch)
{
    const struct window *window = &call->window;
    struct winograd_in_call in = {.type = call->type,
                                  .in = rows_of(call->in, image, 0, call->in.h),
                                  .out = six_maps(call, rows_seen(window, rows), call->in.c),
                                  .top = window->pad_top - first * window->sy,
                                  .left = window->pad_left,
                                  .act = call->prologue.act};
    struct winograd_out_call out = {.type = call->type,
                                    .in = six_maps(call, rows, call->out.c),
                                    .out = rows_of(call->out, image, first, rows),
                                    .epilogue = call->epilogue};
    in.out.data = scratch;
    out.in.data = scratch + bytes_of(&in.out);
    out.epilogue.add = rows_of(out.epilogue.add, image, first, rows);
    k->winograd_in(&in, 0, (size_t)in.out.h * (size_t)in.out.w);
    multiply(k, call, &in.out, &out.in);
    k->winograd_out(&out, 0, (size_t)rows * (size_t)out.in.w);
}

void winograd_conv(const struct kernels *k, const struct conv_call *call,
                   const struct winograd_rows *rows, void *scratch)
{
    for (int from = rows->from, end; from < rows->to; from = end) {
        const int left = rows->to - from, parts = (left + rows->most - 1) / rows->most;
        end = from + (left + parts - 1) / parts;
        run_rows(k, call, rows->image, from, end - from, scratch);
    }
}
