/* SPDX-License-Identifier: Apache-2.0 */
/* What is the SHA-256 of these bytes? FIPS 180-4, about 300 MB/s. */
#include "base/sha256.h"

#include <string.h>

/* cube roots of the first 64 primes: fractional parts */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void schedule(const uint8_t block[64], uint32_t w[64])
{
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
}

/* One round. The eight words a..h are not moved: each round names them one place further. */
static inline void round_of(uint32_t s[8], int turn, uint32_t addend)
{
#define WORD(i) s[((i)-turn) & 7]
    uint32_t a = WORD(0), b = WORD(1), c = WORD(2), e = WORD(4), f = WORD(5), g = WORD(6);
    uint32_t choice = g ^ (e & (f ^ g)), majority = (a & b) | (c & (a | b));
    uint32_t sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    uint32_t sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    uint32_t t1 = WORD(7) + sum1 + choice + addend;
    WORD(3) += t1;
    WORD(7) = t1 + sum0 + majority;
#undef WORD
}

static void compress_plain(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64], s[8];
    schedule(block, w);
    memcpy(s, state, sizeof s);
    for (int t = 0; t < 64; t += 8) {
        round_of(s, 0, K[t] + w[t]);
        round_of(s, 1, K[t + 1] + w[t + 1]);
        round_of(s, 2, K[t + 2] + w[t + 2]);
        round_of(s, 3, K[t + 3] + w[t + 3]);
        round_of(s, 4, K[t + 4] + w[t + 4]);
        round_of(s, 5, K[t + 5] + w[t + 5]);
        round_of(s, 6, K[t + 6] + w[t + 6]);
        round_of(s, 7, K[t + 7] + w[t + 7]);
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

/* ---- the instructions for it ----------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>

static bool has_instructions(void)
{
    unsigned a, b, c, d, features;
    if (!__get_cpuid(1, &a, &b, &features, &d)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    return (features & bit_SSE4_1) && (features & bit_SSSE3) && (b >> 29 & 1);
}

/* Two registers hold a b e f and c d g h; each instruction does two rounds. w[i mod 4] is words 4 i
 * to 4 i + 3 of the schedule. */
__attribute__((target("sha,sse4.1,ssse3"))) static void compress_fast(uint32_t state[8],
                                                                      const uint8_t block[64])
{
    const __m128i turn = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i *to = (__m128i *)(void *)state;
    __m128i w[4], abef, cdgh;
    const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(to), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(to + 1), 0x1b);
    const __m128i abef0 = abef = _mm_alignr_epi8(cdab, efgh, 8);
    const __m128i cdgh0 = cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)block + i), turn);
    for (int i = 0; i < 16; i++) {
        __m128i *now = &w[i & 3];
        const __m128i last = w[(i + 3) & 3];
        if (i >= 4) {
            const __m128i part = _mm_alignr_epi8(last, w[(i + 2) & 3], 4);
            *now = _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(i + 1) & 3]), part);
            *now = _mm_sha256msg2_epu32(*now, last);
        }
        const __m128i sum =
            _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(const void *)(K + 4 * i)));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_shuffle_epi32(_mm_add_epi32(abef, abef0), 0x1b); /* f e b a */
    cdgh = _mm_shuffle_epi32(_mm_add_epi32(cdgh, cdgh0), 0xb1); /* d c h g */
    _mm_storeu_si128(to, _mm_blend_epi16(abef, cdgh, 0xf0));
    _mm_storeu_si128(to + 1, _mm_alignr_epi8(cdgh, abef, 8));
}
#else
static bool has_instructions(void)
{
    return false;
}

static void compress_fast(uint32_t state[8], const uint8_t block[64])
{
    compress_plain(state, block);
}
#endif

/* ---- sums ------------------------------------------------------------------------------------ */

static void compress(struct sha256 *s, const uint8_t block[64])
{
    if (s->fast)
        compress_fast(s->state, block);
    else
        compress_plain(s->state, block);
}

void sha256_init(struct sha256 *s)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->state, start, sizeof start);
    s->bytes = 0;
    s->fast = has_instructions();
}

void sha256_add(struct sha256 *s, const void *data, size_t size)
{
    const uint8_t *from = data;
    while (size > 0) {
        size_t held = s->bytes % 64, room = 64 - held;
        size_t step = size < room ? size : room;
        if (step == 64) {
            compress(s, from);
        } else {
            memcpy(s->block + held, from, step);
            if (step == room) compress(s, s->block);
        }
        s->bytes += step;
        from += step;
        size -= step;
    }
}

void sha256_hex(struct sha256 *s, char hex[65])
{
    static const uint8_t padding[64] = {0x80};
    static const char digit[] = "0123456789abcdef";
    uint64_t bits = s->bytes * 8;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(s, padding, 1 + (119 - s->bytes % 64) % 64);
    sha256_add(s, length, sizeof length);
    for (int i = 0; i < 64; i++) hex[i] = digit[s->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[64] = '\0';
}
