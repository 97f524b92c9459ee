/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tensors does a PyTorch file hold? Training scripts wrap the state dict; the averaged
 * weights come first where a file has both, as timm takes them. A contiguous tensor stays where its
 * storage is; any other is gathered, and whole numbers are widened to I64. Little-endian
 * throughout, as the files are.
 */
#include "torch.h"

#include <string.h>

#include "base/checked.h"
#include "weight/foreign.h"

enum { MAX_WRAPPERS = 4 };

static const struct pickle_value *unwrap(const struct pickle_value *value)
{
    static const char *const WRAPPERS[] = {
        "state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "net", "module"};
    for (int depth = 0; depth < MAX_WRAPPERS; depth++) {
        const struct pickle_value *inner = NULL;
        for (size_t i = 0; !inner && i < sizeof WRAPPERS / sizeof *WRAPPERS; i++) {
            inner = pickle_get(value, WRAPPERS[i]);
            if (inner && inner->kind != PICKLE_DICT) inner = NULL;
        }
        if (!inner) break;
        value = inner;
    }
    return value;
}

static const char *plain_key(const char *key)
{
    static const char *const PREFIXES[] = {"module.", "_orig_mod."};
    bool stripped = true;
    while (stripped) {
        stripped = false;
        for (size_t i = 0; i < sizeof PREFIXES / sizeof *PREFIXES; i++) {
            size_t length = strlen(PREFIXES[i]);
            if (strncmp(key, PREFIXES[i], length) != 0) continue;
            key += length;
            stripped = true;
        }
    }
    return key;
}

xc_status torch_set_storage(struct pickle_storage *storage, const uint8_t *data, size_t bytes,
                            struct error *err)
{
    size_t needed;
    if (!size_mul(storage->count, storage->element->size, &needed) || bytes < needed)
        return fail(err, XC_ERR_FORMAT, "storage %s has %zu bytes, too few for %zu elements",
                    storage->key, bytes, storage->count);
    storage->data = data;
    storage->bytes = bytes;
    return XC_OK;
}

static bool is_contiguous(const struct pickle_tensor *t)
{
    size_t expected = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->size[i] > 1 && t->stride[i] != expected) return false;
        if (!size_mul(expected, t->size[i], &expected)) return false;
    }
    return true;
}

static int64_t widen(const uint8_t *from, const struct pickle_element *element)
{
    uint64_t bits = 0;
    for (size_t i = element->size; i > 0; i--) bits = bits << 8 | from[i - 1];
    unsigned unused = 64 - 8 * (unsigned)element->size;
    return element->is_signed ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
}

/* Every index lies inside the storage: checked when the pickle was read. */
static void gather(const struct pickle_tensor *t, uint8_t *out)
{
    const struct pickle_element *element = t->storage->element;
    size_t index[WEIGHT_MAX_RANK] = {0}, at = t->offset, width = dtype_size(element->type);
    for (size_t done = 0; done < t->count; done++, out += width) {
        const uint8_t *from = t->storage->data + at * element->size;
        int64_t whole = element->type == DTYPE_I64 ? widen(from, element) : 0;
        memcpy(out, element->type == DTYPE_I64 ? (const uint8_t *)&whole : from, width);
        for (int i = t->rank - 1; i >= 0; i--) {
            at += t->stride[i];
            if (++index[i] < t->size[i]) break;
            at -= t->size[i] * t->stride[i];
            index[i] = 0;
        }
    }
}

static xc_status add_tensor(struct import *im, const char *key, const struct pickle_tensor *t,
                            struct error *err)
{
    const struct pickle_storage *storage = t->storage;
    if (storage->element->size == 0)
        return fail(err, XC_ERR_UNSUPPORTED, "%s: its storage does not say of what type", key);
    struct weight_tensor *out;
    TRY(import_tensor(im, plain_key(key), storage->element->type, t->rank, t->size, &out, err));
    if (t->count == 0) return XC_OK;
    if (!storage->data)
        return fail(err, XC_ERR_FORMAT, "%s: storage %s is not in the file", key, storage->key);
    if (is_contiguous(t) && dtype_size(out->type) == storage->element->size) {
        out->data = storage->data + t->offset * storage->element->size;
        return XC_OK;
    }
    void *room;
    TRY(import_room(im, out->bytes, &room, err));
    gather(t, room);
    out->data = room;
    return XC_OK;
}

xc_status torch_state_dict(struct import *im, const struct pickle_value *root, struct error *err)
{
    const struct pickle_value *dict = unwrap(root);
    if (dict->kind != PICKLE_DICT)
        return fail(err, XC_ERR_UNSUPPORTED, "the file holds no state dict");
    TRY(import_meta(im, FOREIGN_FORMAT, FOREIGN_TORCH, err));
    for (size_t i = 0; i + 1 < dict->items->count; i += 2) {
        const struct pickle_value *key = dict->items->at[i], *value = dict->items->at[i + 1];
        if (key->kind != PICKLE_STRING || value->kind != PICKLE_TENSOR) continue;
        TRY(add_tensor(im, key->text, value->tensor, err));
    }
    if (im->tensors == 0)
        return fail(err, XC_ERR_UNSUPPORTED, "the file holds no state dict: no tensor in it");
    return XC_OK;
}
