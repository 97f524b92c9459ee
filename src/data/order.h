/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order are samples seen? A keyed permutation of 0 .. n - 1: a function of (seed, epoch),
 * computed place by place, so that a sample cursor is a number and nothing is shuffled or saved.
 */
#ifndef XC_DATA_ORDER_H
#define XC_DATA_ORDER_H

#include <stdint.h>

/* position < n; n at least 1 */
uint32_t order_at(uint64_t seed, uint32_t epoch, uint32_t n, uint32_t position);

#endif
