/* SPDX-License-Identifier: Apache-2.0 */
/* What is the SHA-256 of these bytes? (FIPS 180-4) */
#ifndef XC_BASE_SHA256_H
#define XC_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
    bool fast; /* the processor has instructions for it */
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t size);
void sha256_hex(struct sha256 *s, char hex[65]); /* ends the sum; lower case, NUL-terminated */

#endif
