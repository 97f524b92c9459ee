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
float f32_from_bf16(uint16_t bits);

#endif
