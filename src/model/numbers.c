/* SPDX-License-Identifier: Apache-2.0 */
/* How do numbers of any type get into the places of a plan, and out of them? */
#include <string.h>

#include "model/session_int.h"

static double number_of(const void *from, enum dtype type, size_t i)
{
    if (type == DTYPE_F64) return ((const double *)from)[i];
    if (type == DTYPE_F32) return (double)((const float *)from)[i];
    return (double)f32_from_bf16(((const uint16_t *)from)[i]);
}

static void round_numbers(const void *from, enum dtype type, size_t count, uint16_t *to)
{
    const float *floats = from;
    if (type == DTYPE_F32)
        for (size_t i = 0; i < count; i++) to[i] = bf16_from_f32(floats[i]);
    else
        for (size_t i = 0; i < count; i++) to[i] = bf16_from_f32((float)number_of(from, type, i));
}

void numbers_convert(const void *from, enum dtype type, size_t count, void *to, enum dtype wanted)
{
    if (type == wanted)
        memcpy(to, from, count * dtype_size(type));
    else if (wanted == DTYPE_F32)
        for (size_t i = 0; i < count; i++) ((float *)to)[i] = (float)number_of(from, type, i);
    else if (wanted == DTYPE_F64)
        for (size_t i = 0; i < count; i++) ((double *)to)[i] = number_of(from, type, i);
    else
        round_numbers(from, type, count, to);
}

/* Numbers that lie side by side in a view: those of a row, or of a pixel. */
static int side_by_side(const struct view *v)
{
    return v->pixel == v->c * (ptrdiff_t)dtype_size(v->type) ? v->w : 1;
}

/* Dense numbers into the places of a view of one image. */
static void scatter_each(const char *from, enum dtype type, const struct view *to)
{
    const int pixels = side_by_side(to);
    const size_t count = (size_t)pixels * (size_t)to->c, bytes = count * dtype_size(type);
    for (int y = 0; y < to->h; y++)
        for (int x = 0; x < to->w; x += pixels, from += bytes)
            numbers_convert(from, type, count, (char *)to->data + y * to->row + x * to->pixel,
                            to->type);
}

/* The same for float32 that is rounded and lies without gaps on both sides; false: it does not. A
 * row is one pixel to the kernel. */
static bool scatter_rounded(const struct kernels *k, const char *from, enum dtype type,
                            const struct view *to)
{
    if (type != DTYPE_F32 || to->type != DTYPE_BF16 || side_by_side(to) != to->w) return false;
    if (to->c > INT32_MAX / to->w) return false;
    struct map_call call = {.type = to->type, .out = *to};
    call.out.w = to->h;
    call.out.h = 1;
    call.out.c = to->w * to->c;
    call.out.pixel = to->row;
    call.in = call.out;
    call.in.data = (void *)(uintptr_t)from;
    call.in.type = type;
    call.in.pixel = call.out.c * (ptrdiff_t)sizeof(float);
    k->map(&call, 0, (size_t)to->h);
    return true;
}

void numbers_scatter(const struct kernels *k, const char *from, enum dtype type,
                     const struct view *to)
{
    if (!scatter_rounded(k, from, type, to)) scatter_each(from, type, to);
}

/* Without the gaps between pixels. */
void numbers_gather(const struct view *from, char *to, enum dtype wanted)
{
    const int pixels = side_by_side(from);
    const size_t count = (size_t)pixels * (size_t)from->c, bytes = count * dtype_size(wanted);
    for (int y = 0; y < from->h; y++)
        for (int x = 0; x < from->w; x += pixels, to += bytes)
            numbers_convert((const char *)from->data + y * from->row + x * from->pixel, from->type,
                            count, to, wanted);
}
