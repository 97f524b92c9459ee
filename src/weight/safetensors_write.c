/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How do tensors become safetensors bytes, always the same ones? The header is one compact JSON
 * object: metadata first (keys sorted), then the tensors in the caller's order; spaces pad it so
 * that the data starts on a 64-byte boundary. What is written here, safetensors_read accepts.
 */
#include "weight/weight.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { DATA_BOUNDARY = 64, LENGTH_FIELD = 8 };

/* json objects keep the order in which their members were set */
static bool set_text(json_t *object, const char *key, const char *value)
{
    return json_object_set_new(object, key, json_string(value)) == 0;
}

static int by_key(const void *a, const void *b)
{
    const struct weight_meta *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static xc_status put_metadata(json_t *root, const struct weight_meta *meta, int metas,
                              struct error *err)
{
    if (metas == 0) return XC_OK;
    json_t *object = json_object();
    const struct weight_meta **sorted = calloc((size_t)metas, sizeof *sorted);
    xc_status status = object && sorted ? XC_OK : fail_memory(err, (size_t)metas);
    for (int i = 0; status == XC_OK && i < metas; i++) sorted[i] = &meta[i];
    if (status == XC_OK) qsort(sorted, (size_t)metas, sizeof(struct weight_meta *), by_key);
    for (int i = 0; status == XC_OK && i < metas; i++) {
        if (json_object_get(object, sorted[i]->key))
            status = fail(err, XC_ERR_ARGUMENT, "metadata %s twice", sorted[i]->key);
        else if (!set_text(object, sorted[i]->key, sorted[i]->value))
            status = fail(err, XC_ERR_FORMAT, "metadata %s is not UTF-8", sorted[i]->key);
    }
    if (status == XC_OK && json_object_set(root, "__metadata__", object) != 0)
        status = fail_memory(err, (size_t)metas);
    free(sorted);
    json_decref(object);
    return status;
}

static bool fill_entry(json_t *entry, const struct weight_tensor *t, size_t begin, size_t end)
{
    json_t *shape = json_array(), *place = json_array();
    bool good = set_text(entry, "dtype", dtype_name(t->type));
    for (int i = 0; i < t->rank; i++)
        good = good && json_array_append_new(shape, json_integer((json_int_t)t->dim[i])) == 0;
    good = good && json_array_append_new(place, json_integer((json_int_t)begin)) == 0 &&
           json_array_append_new(place, json_integer((json_int_t)end)) == 0;
    good = json_object_set_new(entry, "shape", shape) == 0 && good;
    return json_object_set_new(entry, "data_offsets", place) == 0 && good;
}

static bool tensor_bytes(const struct weight_tensor *t, size_t *out)
{
    *out = dtype_size(t->type);
    for (int i = 0; i < t->rank; i++)
        if (!size_mul(*out, t->dim[i], out)) return false;
    return true;
}

/* Adds t, whose data begins at *at, and moves *at behind it. */
static xc_status put_tensor(json_t *root, const struct weight_tensor *t, size_t *at,
                            struct error *err)
{
    size_t bytes, end;
    if (t->rank < 0 || t->rank > WEIGHT_MAX_RANK)
        return fail(err, XC_ERR_LIMIT, "%s: rank %d, the limit is %d", t->name, t->rank,
                    WEIGHT_MAX_RANK);
    if (!tensor_bytes(t, &bytes) || bytes != t->bytes || !size_add(*at, bytes, &end) ||
        end > INT64_MAX)
        return fail(err, XC_ERR_ARGUMENT, "%s: the shape does not fill %zu bytes", t->name,
                    t->bytes);
    if (strcmp(t->name, "__metadata__") == 0 || json_object_get(root, t->name))
        return fail(err, XC_ERR_TENSOR, "two tensors are named %s", t->name);
    json_t *entry = json_object();
    if (!entry || !fill_entry(entry, t, *at, end)) {
        json_decref(entry);
        return fail_memory(err, sizeof *t);
    }
    if (json_object_set_new(root, t->name, entry) != 0)
        return fail(err, XC_ERR_FORMAT, "the name of a tensor is not UTF-8");
    *at = end;
    return XC_OK;
}

static xc_status build_header(const struct weight_tensor *tensor, int tensors,
                              const struct weight_meta *meta, int metas, char **out,
                              struct error *err)
{
    if (tensors > WEIGHT_MAX_TENSORS)
        return fail(err, XC_ERR_LIMIT, "%d tensors, the limit is %d", tensors, WEIGHT_MAX_TENSORS);
    json_t *root = json_object();
    xc_status status = root ? put_metadata(root, meta, metas, err) : fail_memory(err, 1);
    size_t at = 0;
    for (int i = 0; status == XC_OK && i < tensors; i++)
        status = put_tensor(root, &tensor[i], &at, err);
    if (status == XC_OK) {
        *out = json_dumps(root, JSON_COMPACT);
        if (!*out) status = fail_memory(err, (size_t)tensors);
    }
    json_decref(root);
    return status;
}

/* The length field and the padded header, in one piece. */
static xc_status write_header(const char *json, weight_sink *sink, void *user, struct error *err)
{
    size_t length = strlen(json), whole;
    if (!size_align(length + LENGTH_FIELD, DATA_BOUNDARY, &whole) ||
        whole - LENGTH_FIELD > WEIGHT_MAX_HEADER)
        return fail(err, XC_ERR_LIMIT, "a header of %zu bytes, the limit is %u", length,
                    WEIGHT_MAX_HEADER);
    uint8_t *piece = malloc(whole);
    if (!piece) return fail_memory(err, whole);
    uint64_t field = whole - LENGTH_FIELD;
    for (int i = 0; i < LENGTH_FIELD; i++) piece[i] = (uint8_t)(field >> (8 * i));
    memcpy(piece + LENGTH_FIELD, json, length);
    memset(piece + LENGTH_FIELD + length, ' ', whole - LENGTH_FIELD - length);
    xc_status status = sink(user, piece, whole, err);
    free(piece);
    return status;
}

xc_status safetensors_write(const struct weight_tensor *tensor, int tensors,
                            const struct weight_meta *meta, int metas, weight_sink *sink,
                            void *user, struct error *err)
{
    char *json = NULL;
    TRY(build_header(tensor, tensors, meta, metas, &json, err));
    xc_status status = write_header(json, sink, user, err);
    free(json);
    for (int i = 0; status == XC_OK && i < tensors; i++)
        if (tensor[i].bytes > 0) status = sink(user, tensor[i].data, tensor[i].bytes, err);
    return status;
}
