/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is a block of numbers? A type and a shape; activations are (n, h, w, c), channels innermost.
 */
#ifndef XC_TENSOR_TENSOR_H
#define XC_TENSOR_TENSOR_H

#include "base/status.h"

enum dtype {
    DTYPE_F32,
    DTYPE_F64,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_I32,
    DTYPE_I64
};

size_t dtype_size(enum dtype type);
const char *dtype_name(enum dtype type); /* safetensors' words: "F32" */

struct shape {
    int n, h, w, c;
};

/* n*h*w*c; false when it does not fit size_t */
bool shape_count(struct shape s, size_t *out);
bool shape_equal(struct shape a, struct shape b);

/* Half and brain floats to float, exactly. */
float f32_from_f16(uint16_t bits);
static inline float f32_from_bf16(uint16_t bits)
{
    const union {
        uint32_t bits;
        float value;
    } wide = {(uint32_t)bits << 16};
    return wide.value;
}

/* To the nearest half float, of two the even one; what is larger than any becomes infinite, NaN
 * stays NaN. */
uint16_t f16_from_f32(float x);
/* To the nearest brain float, of two the even one. Like the processors that have an instruction for
 * it: what is subnormal becomes a zero with its sign, NaN stays NaN. */
static inline uint16_t bf16_from_f32(float x)
{
    const union {
        float value;
        uint32_t bits;
    } wide = {x};
    const uint32_t bits = wide.bits, magnitude = bits & 0x7FFFFFFF;
    const uint32_t nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    const uint32_t flushed = magnitude < 0x00800000 ? bits >> 16 & 0x8000 : nearest;
    return (uint16_t)(magnitude > 0x7F800000 ? bits >> 16 | 0x40 : flushed);
}

#endif
