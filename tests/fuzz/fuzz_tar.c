/* SPDX-License-Identifier: Apache-2.0 */
/* Does the tar index survive any bytes, and does every member lie inside them? */
#include <stdlib.h>
#include <string.h>

#include "data/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    const uint8_t *data;
    size_t size;
};

static xc_status read_memory(void *ctx, uint64_t at, void *to, size_t n, struct error *err)
{
    const struct memory *m = ctx;
    (void)err;
    if (at > m->size || n > m->size - at) abort();
    memcpy(to, m->data + at, n);
    return XC_OK;
}

static xc_status on_member(void *user, const char *name, uint64_t offset, uint64_t bytes,
                           struct error *err)
{
    const struct memory *m = user;
    (void)err;
    if (name[0] == '\0' || name[0] == '/' || strlen(name) > TAR_MAX_NAME) abort();
    if (offset > m->size || bytes > m->size - offset) abort();
    return XC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory m = {data, size};
    struct tar_input in = {read_memory, &m, size};
    struct error err = {XC_OK, ""};
    size_t links;
    if (tar_index(&in, on_member, &m, &links, &err) != XC_OK && err.text[0] == '\0') abort();
    return 0;
}
