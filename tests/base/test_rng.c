/* SPDX-License-Identifier: Apache-2.0 */
/* Is it Philox4x32-10? The known answers of Random123, and the moments of what is made of it. */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#include "harness.h"

struct answer {
    uint32_t counter[4], key[2], words[4];
};

static const struct answer ANSWERS[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void test_known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
        const struct answer *a = &ANSWERS[i];
        uint32_t words[4];
        uint64_t seed = (uint64_t)a->key[1] << 32 | a->key[0];
        rng_words(seed, (enum rng_purpose)a->counter[3], a->counter[1], a->counter[2],
                  a->counter[0], words);
        assert_memory_equal(words, a->words, sizeof words);
    }
}

static void test_moments(void **state)
{
    (void)state;
    enum { N = 200000 };
    double uniform = 0, sum = 0, square = 0;
    for (uint32_t i = 0; i < N; i++) {
        float u = rng_uniform(7, RNG_TEST, 1, 2, i);
        assert_true(u >= 0 && u < 1);
        double z = rng_normal(7, RNG_TEST, 1, 2, i);
        uniform += (double)u;
        sum += z;
        square += z * z;
    }
    assert_true(fabs(uniform / N - 0.5) < 0.004); /* six standard errors */
    assert_true(fabs(sum / N) < 0.0135);
    assert_true(fabs(square / N - 1) < 0.019);
}

static void test_every_part_of_the_place_counts(void **state)
{
    (void)state;
    uint32_t base[4], other[4];
    rng_words(1, RNG_TEST, 2, 3, 4, base);
    const struct {
        uint64_t seed;
        enum rng_purpose purpose;
        uint32_t a, b, i;
    } place[] = {{2, RNG_TEST, 2, 3, 4}, {1 + ((uint64_t)1 << 32), RNG_TEST, 2, 3, 4},
                 {1, RNG_INIT, 2, 3, 4}, {1, RNG_TEST, 3, 3, 4},
                 {1, RNG_TEST, 2, 4, 4}, {1, RNG_TEST, 2, 3, 5}};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++) {
        rng_words(place[i].seed, place[i].purpose, place[i].a, place[i].b, place[i].i, other);
        assert_memory_not_equal(base, other, sizeof base);
    }
}

RUN(cmocka_unit_test(test_known_answers), cmocka_unit_test(test_moments),
    cmocka_unit_test(test_every_part_of_the_place_counts))
