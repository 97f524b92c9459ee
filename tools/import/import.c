/* SPDX-License-Identifier: Apache-2.0 */
/* How is what was found kept, and where does it become too much? Counts, sizes and the sum of all
 * bytes are checked here, once for all formats. */
#include "import.h"

#include <string.h>

#include "base/checked.h"

void import_free(struct import *im)
{
    arena_free(&im->arena);
    *im = (struct import){0};
}

bool import_has(const struct import *im, const char *name)
{
    for (int i = 0; i < im->tensors; i++)
        if (strcmp(im->tensor[i].name, name) == 0) return true;
    return false;
}

xc_status import_tensor(struct import *im, const char *name, enum dtype type, int rank,
                        const size_t dim[], struct weight_tensor **out, struct error *err)
{
    if (!im->tensor) im->tensor = arena_push(&im->arena, WEIGHT_MAX_TENSORS, sizeof *im->tensor);
    if (!im->tensor) return fail_memory(err, WEIGHT_MAX_TENSORS);
    if (im->tensors == WEIGHT_MAX_TENSORS)
        return fail(err, XC_ERR_LIMIT, "more than %d tensors", WEIGHT_MAX_TENSORS);
    if (import_has(im, name)) return fail(err, XC_ERR_FORMAT, "two tensors are named %s", name);
    struct weight_tensor t = {.type = type, .rank = rank, .count = 1};
    bool fits = true;
    for (int i = 0; i < rank; i++) {
        t.dim[i] = dim[i];
        fits = fits && size_mul(t.count, dim[i], &t.count);
    }
    fits =
        fits && size_mul(t.count, dtype_size(type), &t.bytes) && t.bytes <= im->limit - im->bytes;
    if (!fits)
        return fail(err, XC_ERR_LIMIT, "%s: more than %zu bytes of tensors", name, im->limit);
    t.name = arena_strdup(&im->arena, name);
    if (!t.name) return fail_memory(err, strlen(name));
    im->bytes += t.bytes;
    *out = &im->tensor[im->tensors++];
    **out = t;
    return XC_OK;
}

xc_status import_room(struct import *im, size_t bytes, void **out, struct error *err)
{
    if (bytes > im->limit)
        return fail(err, XC_ERR_LIMIT, "%zu bytes in one piece, the limit is %zu", bytes,
                    im->limit);
    *out = arena_push(&im->arena, bytes, 1);
    return *out ? XC_OK : fail_memory(err, bytes);
}

xc_status import_meta(struct import *im, const char *key, const char *value, struct error *err)
{
    if (!value) return XC_OK;
    if (im->metas == IMPORT_MAX_META) return fail(err, XC_ERR_INTERNAL, "no room for %s", key);
    const char *copy = arena_strdup(&im->arena, value);
    if (!copy) return fail_memory(err, strlen(value));
    im->meta[im->metas++] = (struct weight_meta){key, copy};
    return XC_OK;
}
