/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of training by instruction set; training.c puts them into the table. */
#ifndef XC_KERNEL_X86_TRAIN_H
#define XC_KERNEL_X86_TRAIN_H

#include "kernel/training.h"

#define TRAINED(slot, call)                                                                        \
    void slot##_avx2(const struct call##_call *, size_t, size_t);                                  \
    void slot##_avx512(const struct call##_call *, size_t, size_t);                                \
    void slot##_f32_fma(const struct call##_call *, size_t, size_t); /* where nothing is faster */ \
    void slot##_bf16_avx2(const struct call##_call *, size_t, size_t);                             \
    void slot##_bf16_avx512(const struct call##_call *, size_t, size_t);                           \
    void slot##_bf16_avx512bf16(const struct call##_call *, size_t, size_t);                       \
    void slot##_bf16_fma(const struct call##_call *, size_t, size_t);
TRAINING_KERNELS(TRAINED)
#undef TRAINED
void conv_dw_bf16_amx(const struct conv_dw_call *call, size_t from, size_t to);
void depthwise_grad_bf16_amx(const struct depthwise_grad_call *call, size_t from, size_t to);

#endif
