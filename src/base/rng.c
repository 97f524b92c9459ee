/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which random number? Philox4x32-10: ten rounds of two 32x32 -> 64 bit products. The key is the
 * seed, the counter is (i, a, b, purpose), so a stream is a place in one space and not a state.
 */
#include "base/rng.h"

#include <math.h>

enum { ROUNDS = 10 };

static void mix(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0];
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
    c[1] = (uint32_t)p1;
    c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
    c[3] = (uint32_t)p0;
}

void rng_words(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i,
               uint32_t out[4])
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    out[0] = i;
    out[1] = a;
    out[2] = b;
    out[3] = (uint32_t)purpose;
    for (int round = 0; round < ROUNDS; round++) {
        mix(out, key0, key1);
        key0 += 0x9E3779B9u; /* golden ratio */
        key1 += 0xBB67AE85u; /* sqrt(3) - 1 */
    }
}

float rng_uniform(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i)
{
    uint32_t word[4];
    rng_words(seed, purpose, a, b, i, word);
    return (float)(word[0] >> 8) * 0x1p-24f;
}

/* 53 bits as a number in [0, 1) */
static double unit(uint32_t high, uint32_t low)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double rng_normal(uint64_t seed, enum rng_purpose purpose, uint32_t a, uint32_t b, uint32_t i)
{
    const double two_pi = 6.28318530717958647692;
    uint32_t word[4];
    rng_words(seed, purpose, a, b, i, word);
    double radius = sqrt(-2.0 * log(1.0 - unit(word[0], word[1]))); /* 1 - u: never log(0) */
    return radius * cos(two_pi * unit(word[2], word[3]));
}
