/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which random number? A function of (seed, purpose, a, b, i): Philox4x32-10 (Salmon et al. 2011,
 * "Parallel random numbers: as easy as 1, 2, 3"). There is no state to save or to share.
 */
#ifndef XC_BASE_RNG_H
#define XC_BASE_RNG_H

#include <stdint.h>

enum rng_purpose {
    RNG_INIT = 1,
    RNG_SHUFFLE = 2,
    RNG_AUGMENT = 3,
    RNG_DROPOUT = 4,
    RNG_TEST = 5,
    RNG_SPLIT = 6,
    RNG_EXPLAIN = 7
};

/* Four words for counter i of the stream (seed, purpose, a, b). */
void rng_words(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i,
               uint32_t out[4]);
/* Uniform in [0, 1) with 24 bits; standard normal by Box-Muller in double. Number i of the stream.
 */
float rng_uniform(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i);
double rng_normal(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i);

#endif
