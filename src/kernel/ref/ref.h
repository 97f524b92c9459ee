/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the table with the plain kernels of one object set; each is ref.c compiled once. */
#ifndef XC_KERNEL_REF_REF_H
#define XC_KERNEL_REF_REF_H

#include "kernel/training.h"

void ref_kernels_f32(struct kernels *k);
void ref_kernels_f32_fma(struct kernels *k);
void ref_kernels_f64(struct kernels *k);
void ref_kernels_f64_fma(struct kernels *k);
void ref_kernels_bf16(struct kernels *k); /* but for what has no brain floats */
void ref_kernels_bf16_fma(struct kernels *k);
void ref_training_f32(struct training_kernels *k);
void ref_training_f32_fma(struct training_kernels *k);
void ref_training_f64(struct training_kernels *k);
void ref_training_f64_fma(struct training_kernels *k);
void ref_training_bf16(struct training_kernels *k);
void ref_training_bf16_fma(struct training_kernels *k);

#endif
