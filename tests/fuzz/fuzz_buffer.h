/* SPDX-License-Identifier: Apache-2.0 */
/* Where do the fuzz targets of weight files write safetensors bytes? */
#ifndef XC_FUZZ_BUFFER_H
#define XC_FUZZ_BUFFER_H

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

struct fuzz_buffer {
    uint8_t *data;
    size_t size;
};

static inline xc_status fuzz_sink(void *user, const void *data, size_t size, struct error *err)
{
    struct fuzz_buffer *b = user;
    uint8_t *grown = realloc(b->data, b->size + size + 1);
    if (!grown) return fail_memory(err, size);
    memcpy(grown + b->size, data, size);
    b->data = grown;
    b->size += size;
    return XC_OK;
}

#endif
