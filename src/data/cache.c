/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of pointers, one a sample. Two threads may read the same sample at once: the first
 * pointer stands, the other's copy is freed.
 */
#include "data/cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

struct cache {
    _Atomic(struct kept *) *entry;
    size_t entries, limit;
    atomic_size_t used;
};

xc_status cache_new(size_t samples, size_t limit, struct cache **out, struct error *err)
{
    struct cache *c = calloc(1, sizeof *c);
    if (c) c->entry = calloc(samples, sizeof *c->entry);
    if (!c || !c->entry) {
        free(c);
        return fail_memory(err, samples * sizeof(void *));
    }
    c->entries = samples;
    c->limit = limit;
    *out = c;
    return XC_OK;
}

void cache_free(struct cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->entries; i++) free(atomic_load(&c->entry[i]));
    free(c->entry);
    free(c);
}

const struct kept *cache_get(const struct cache *c, size_t index)
{
    return c ? atomic_load_explicit(&c->entry[index], memory_order_acquire) : NULL;
}

/* Room for a picture of `size` bytes, or NULL. */
static struct kept *reserve(struct cache *c, size_t size)
{
    size_t bytes;
    if (!c || !size_add(size, sizeof(struct kept), &bytes)) return NULL;
    size_t used = atomic_fetch_add(&c->used, bytes);
    struct kept *k = used <= c->limit && bytes <= c->limit - used ? malloc(bytes) : NULL;
    if (!k) atomic_fetch_sub(&c->used, bytes);
    if (k) *k = (struct kept){.size = size};
    return k;
}

static void publish(struct cache *c, size_t index, struct kept *k)
{
    struct kept *none = NULL;
    if (atomic_compare_exchange_strong(&c->entry[index], &none, k)) return;
    atomic_fetch_sub(&c->used, k->size + sizeof *k);
    free(k);
}

void cache_put_bytes(struct cache *c, size_t index, const uint8_t *bytes, size_t size)
{
    struct kept *k = reserve(c, size);
    if (!k) return;
    memcpy(k->bytes, bytes, size);
    publish(c, index, k);
}

void cache_put_image(struct cache *c, size_t index, const xc_image *image)
{
    size_t row = (size_t)image->info.width * (size_t)image->info.format;
    size_t size = row * image->info.height; /* a picture that is in memory */
    struct kept *k = reserve(c, size);
    if (!k) return;
    for (size_t y = 0; y < image->info.height; y++)
        memcpy(k->bytes + y * row, image->base + (ptrdiff_t)y * image->stride, row);
    k->image = (xc_image){.info = image->info, .base = k->bytes, .stride = (ptrdiff_t)row};
    publish(c, index, k);
}
