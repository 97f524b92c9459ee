/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where are the parts of a .pth before 1.6? Five pickles in a row: a magic number (ten bytes long:
 * compared as bytes), the protocol, a description of the writing machine, the object, the list of
 * storage keys. Then, for each key in that order, a u64 count and the raw numbers.
 */
#include <string.h>

#include "base/checked.h"
#include "torch.h"

enum { MAGIC_PICKLE = 15, PROTOCOL = 1001 };

static xc_status check_writer(struct bytes *in, struct import *im, struct error *err)
{
    struct pickle protocol, machine;
    bytes_skip(in, MAGIC_PICKLE); /* weight_probe looked at it */
    TRY(pickle_read(in, &im->arena, &protocol, err));
    if (protocol.root->kind != PICKLE_INT || protocol.root->integer != PROTOCOL)
        return fail(err, XC_ERR_UNSUPPORTED, "a PyTorch file of another protocol than %d",
                    PROTOCOL);
    TRY(pickle_read(in, &im->arena, &machine, err));
    const struct pickle_value *little = pickle_get(machine.root, "little_endian");
    if (!little || little->kind != PICKLE_BOOL || !little->integer)
        return fail(err, XC_ERR_UNSUPPORTED, "the file is not little-endian");
    return XC_OK;
}

static struct pickle_storage *find(const struct pickle *object, const char *key)
{
    for (size_t i = 0; i < object->storages; i++)
        if (strcmp(object->storage[i]->key, key) == 0) return object->storage[i];
    return NULL;
}

static xc_status read_storage(struct bytes *in, const struct pickle *object,
                              const struct pickle_value *key, struct error *err)
{
    struct pickle_storage *storage = key->kind == PICKLE_STRING ? find(object, key->text) : NULL;
    if (!storage) return fail(err, XC_ERR_FORMAT, "a storage that no tensor uses");
    if (storage->element->size == 0)
        return fail(err, XC_ERR_UNSUPPORTED, "storage %s does not say of what type", storage->key);
    if (bytes_u64le(in) != storage->count && !in->failed)
        return fail(err, XC_ERR_FORMAT, "storage %s has not the size that it should", storage->key);
    size_t bytes;
    const uint8_t *data = NULL;
    if (size_mul(storage->count, storage->element->size, &bytes)) data = bytes_take(in, bytes);
    if (!data) return fail(err, XC_ERR_FORMAT, "storage %s is cut off", storage->key);
    return torch_set_storage(storage, data, bytes, err);
}

xc_status import_torch_old(struct import *im, const void *bytes, size_t size, struct error *err)
{
    struct bytes in = bytes_of(bytes, size);
    struct pickle object, keys;
    TRY(check_writer(&in, im, err));
    TRY(pickle_read(&in, &im->arena, &object, err));
    TRY(pickle_read(&in, &im->arena, &keys, err));
    if (keys.root->kind != PICKLE_LIST || keys.root->items->count != object.storages)
        return fail(err, XC_ERR_FORMAT, "the list of storages is not that of the tensors");
    for (size_t i = 0; i < keys.root->items->count; i++)
        TRY(read_storage(&in, &object, keys.root->items->at[i], err));
    if (bytes_left(&in) > 0)
        return fail(err, XC_ERR_FORMAT, "%zu bytes after the last storage", bytes_left(&in));
    return torch_state_dict(im, object.root, err);
}
