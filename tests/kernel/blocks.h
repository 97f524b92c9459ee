/* SPDX-License-Identifier: Apache-2.0 */
/* Plain kernels with the sums of tile registers, level "amx" of kernel.h: the sources of the
 * others, compiled once more. */
#ifndef XC_TESTS_KERNEL_BLOCKS_H
#define XC_TESTS_KERNEL_BLOCKS_H

#include "kernel/training.h"

/* In the place of the plain ones in a table of brain floats. */
void blocks_kernels(struct kernels *k);
void blocks_training(struct training_kernels *k);

#endif
