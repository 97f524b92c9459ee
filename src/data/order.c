/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Feistel network permutes the smallest square of a power of two that holds 0 .. n - 1; places
 * that fall outside are sent round again until they fall inside ("cycle walking"), at most four
 * times on average. The round function is the library's random number.
 */
#include "data/order.h"

#include "base/rng.h"

enum { ROUNDS = 8 };

uint32_t order_at(uint64_t seed, uint32_t epoch, uint32_t n, uint32_t position)
{
    uint32_t half = 1, word[4];
    while (half < 16 && (uint64_t)1 << (2 * half) < n) half++;
    uint32_t mask = (1u << half) - 1, at = position;
    do {
        uint32_t left = at >> half, right = at & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            rng_words(seed, RNG_SHUFFLE, epoch, round, right, word);
            uint32_t next = left ^ (word[0] & mask);
            left = right;
            right = next;
        }
        at = left << half | right;
    } while (at >= n);
    return at;
}
