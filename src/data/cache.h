/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pictures stay in memory? As they come, until a limit: small ones decoded, others as their
 * file's bytes. Any thread; nothing is ever thrown out, so a pointer stays valid. Private to
 * src/data.
 */
#ifndef XC_DATA_CACHE_H
#define XC_DATA_CACHE_H

#include "image/image.h"

struct kept {
    xc_image image; /* base NULL: encoded */
    size_t size;    /* of the bytes */
    uint8_t bytes[];
};

struct cache;
XC_NODISCARD xc_status cache_new(size_t samples, size_t limit, struct cache **out,
                                 struct error *err);
void cache_free(struct cache *c);
const struct kept *cache_get(const struct cache *c, size_t index); /* NULL: not there */
/* Copies where there is room; out of memory counts as no room. */
void cache_put_bytes(struct cache *c, size_t index, const uint8_t *bytes, size_t size);
void cache_put_image(struct cache *c, size_t index, const xc_image *image);

#endif
