/* SPDX-License-Identifier: Apache-2.0 */
/* Where are the parts of a .pth since 1.6? A zip with PREFIX/data.pkl, and each storage stored in
 * PREFIX/data/KEY. PREFIX is any word. */
#include <string.h>

#include "torch.h"
#include "archive.h"

static const char PICKLE[] = "/data.pkl";
enum { MAX_PICKLE = 16 << 20 };

static xc_status check_byte_order(struct archive *archive, struct import *im, int prefix,
                                  const char *name, struct error *err)
{
    struct member order;
    const char *path = arena_printf(&im->arena, "%.*s/byteorder", prefix, name);
    if (!path) return fail_memory(err, strlen(name));
    TRY(archive_read(archive, path, true, &order, err));
    if (order.data && (order.size != 6 || memcmp(order.data, "little", 6) != 0))
        return fail(err, XC_ERR_UNSUPPORTED, "the file is not little-endian");
    return XC_OK;
}

static xc_status read_storages(struct archive *archive, struct import *im, int prefix,
                               const char *name, const struct pickle *pickle, struct error *err)
{
    for (size_t i = 0; i < pickle->storages; i++) {
        struct pickle_storage *storage = pickle->storage[i];
        struct member member;
        const char *path = arena_printf(&im->arena, "%.*s/data/%s", prefix, name, storage->key);
        if (!path) return fail_memory(err, strlen(storage->key));
        TRY(archive_read(archive, path, true, &member, err));
        if (!member.data)
            return fail(err, XC_ERR_FORMAT, "storage %s is not in the file", storage->key);
        TRY(torch_set_storage(storage, member.data, member.size, err));
    }
    return XC_OK;
}

static xc_status import_parts(struct import *im, struct archive *archive, struct error *err)
{
    const char *name = archive_ending(archive, PICKLE);
    if (!name) return fail(err, XC_ERR_FORMAT, "a zip without data.pkl: not from PyTorch");
    int prefix = (int)(strlen(name) - strlen(PICKLE));
    struct member text;
    TRY(check_byte_order(archive, im, prefix, name, err));
    TRY(archive_read(archive, name, true, &text, err));
    if (text.size > MAX_PICKLE)
        return fail(err, XC_ERR_LIMIT, "%s has %zu bytes, the limit is %d", name, text.size,
                    MAX_PICKLE);
    struct bytes in = bytes_of(text.data, text.size);
    struct pickle pickle;
    TRY(pickle_read(&in, &im->arena, &pickle, err));
    TRY(read_storages(archive, im, prefix, name, &pickle, err));
    return torch_state_dict(im, pickle.root, err);
}

xc_status import_torch_zip(struct import *im, const void *bytes, size_t size, struct error *err)
{
    struct archive *archive = NULL;
    TRY(archive_open(bytes, size, im, &archive, err));
    xc_status status = import_parts(im, archive, err);
    archive_close(archive);
    return status;
}
