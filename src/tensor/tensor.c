/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a block of numbers? Sizes and names of the element types, the count of a shape, and the
 * two half-width floats. A NaN keeps its payload when it is widened.
 */
#include "tensor/tensor.h"

#include <string.h>

#include "base/checked.h"

static const struct {
    const char *name;
    size_t size;
} TYPES[] = {
    [DTYPE_F32] = {"F32", 4},   [DTYPE_F64] = {"F64", 8}, [DTYPE_F16] = {"F16", 2},
    [DTYPE_BF16] = {"BF16", 2}, [DTYPE_I8] = {"I8", 1},   [DTYPE_U8] = {"U8", 1},
    [DTYPE_I32] = {"I32", 4},   [DTYPE_I64] = {"I64", 8},
};

size_t dtype_size(enum dtype type)
{
    return TYPES[type].size;
}

const char *dtype_name(enum dtype type)
{
    return TYPES[type].name;
}

bool shape_count(struct shape s, size_t *out)
{
    if (s.n < 0 || s.h < 0 || s.w < 0 || s.c < 0) return false;
    size_t count;
    return size_mul((size_t)s.n, (size_t)s.h, &count) && size_mul(count, (size_t)s.w, &count) &&
           size_mul(count, (size_t)s.c, out);
}

bool shape_equal(struct shape a, struct shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float f32_from_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    if (exponent == 31) return float_of(sign | 0x7F800000 | fraction << 13);
    if (exponent > 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f; /* subnormal or zero: exact in float */
    return sign ? -tiny : tiny;
}

uint16_t f16_from_f32(float x)
{
    const union {
        float value;
        uint32_t bits;
    } wide = {x};
    const uint32_t sign = wide.bits >> 16 & 0x8000, magnitude = wide.bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00);
    if (magnitude >= 0x477FF000) return (uint16_t)(sign | 0x7C00); /* 65520 and more */
    if (magnitude < 0x38800000) { /* below 2^-14: whole multiples of 2^-24 */
        const float scaled = (wide.bits & 0x80000000 ? -x : x) * 0x1p24f;
        uint32_t whole = (uint32_t)scaled;
        const float rest = scaled - (float)whole;
        whole += rest > 0.5f || (rest == 0.5f && (whole & 1));
        return (uint16_t)(sign | whole);
    }
    const uint32_t nearest = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((nearest >> 13) - (112u << 10)));
}
